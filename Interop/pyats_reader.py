"""Reads texts with Cisco's public IOS-XE parsers; runs in the environment that packaging/pyats makes.

    pyats_reader.py --check      the parsers load
    pyats_reader.py              from standard input a JSON list of {"parser", "text", "arguments"}; to standard output a list
                                 of {"parsed": ...} or {"error": "SchemaMissingKeyError: ..."}

The parsers, the schemas and the engine that checks what was parsed against them are those of genie, unchanged. What genie loads
besides, to speak to devices and to find a parser by its command, is not installed: the modules in UNUSED stand empty in its place.
"""

import importlib.abc
import importlib.machinery
import json
import sys
import types

UNUSED = ("unicon", "genie.abstract", "genie.libs.parser.base", "genie.libs.parser.utils", "pyats.log")
MODULES = ("genie.libs.parser.iosxe.show_lisp", "genie.libs.parser.iosxe.show_lisp_service")


class Unused(types.ModuleType):
    """A module in which everything that is asked for is a class of its own."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {"__init__": lambda self, *_, **__: None})


class UnusedFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.startswith(tuple(f"{each}." for each in UNUSED)) or name in UNUSED:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return Unused(spec.name)

    def exec_module(self, module):
        pass


def parsers():
    """{class name: class} of the modules that know LISP."""
    sys.meta_path.insert(0, UnusedFinder())
    found = {}
    for name in MODULES:
        found.update(vars(importlib.import_module(name)))
    return found


def read(found, request):
    try:
        parser = found[request["parser"]](device=None)
        return {"parsed": parser.parse(output=request["text"], **request.get("arguments", {}))}
    except Exception as error:  # whatever a foreign parser makes of our text is an answer
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    found = parsers()
    if "--check" in sys.argv[1:]:
        print(f"{sum(name.startswith('ShowLisp') for name in found)} parsers of `show lisp`")
        return
    json.dump([read(found, request) for request in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
