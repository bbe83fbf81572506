"""What a network management system sees of a router: the tables that a walk shows, through an snmpd beside it.

Values are as SNMP has them: integers, octet strings as bytes. The one place that knows how net-snmp prints, and how LISP-MIB writes
addresses (LispAddressType, RFC 7052).
"""

import ipaddress
import os
import re

from .run import ROOT
from .snmp import OWN_MODULES, V2C, Master, Refused

LISP_MIB = "1.3.6.1.2.1.220.1"
DRAFT_MIB = "1.3.6.1.4.1.8072.9999.9999.6830"

# For the values below: names as numbers, strings in hexadecimal digits, times in hundredths, no units. Patient with a busy machine.
FORMAT = ("-m", "", "-On", "-Ox", "-Ot", "-OU", "-r", "2", "-t", "5")

OBJECT = re.compile(r"(\w+)\s+OBJECT-TYPE\s+SYNTAX\s+(.*?)\s+MAX-ACCESS\s+([a-z-]+)\s.*?::=\s*\{\s*(\w+)\s+(\d+)\s*\}", re.DOTALL)
LINE = re.compile(r"^\.(?P<name>[0-9.]+) = (?P<type>[A-Za-z0-9-]+): ?(?P<value>.*)$")


class Agent:
    """An snmpd in a node, the AgentX master of the lispd there, and who asks it."""

    def __init__(self, node):
        self.master = Master(node, f"{node.name}-snmpd")
        self.shown = {}  # {(module's base, table, column): values}, of all walks

    @property
    def socket(self):
        """Where lispd finds it."""
        return self.master.socket

    def start(self):
        self.master.start()
        return self

    def stop(self):
        self.master.stop()

    def walk_by_name(self, name, access=V2C):
        """The lines of a GetBulk walk of MODULE::table, all of the project's modules loaded; names with indexes as numbers."""
        options = ["-m", "LISP-MIB:LISP-DRAFT-00-MIB", "-Ob", "-OU", "-r", "2", "-t", "5"]
        return self.master.run("snmpbulkwalk", options, name, access=access, environment=OWN_MODULES).stdout.splitlines()

    def set(self, oid, kind, value):
        """Why it was refused; None if it was not."""
        try:
            self.master.set((oid, kind, value))
        except Refused as refused:
            return refused.reason
        return None

    def get(self, oid):
        """The value, or None if there is none."""
        return parse(self.master.run("snmpget", FORMAT, oid).stdout).get(oid)

    def next(self, oid):
        """(name, value) of what comes after."""
        found = parse(self.master.run("snmpgetnext", FORMAT, oid).stdout)
        return next(iter(found.items()), None)

    def walk(self, oid, bulk=True, timeout=120):
        """{name: value} in the order of the walk. CommandFailed if names do not increase."""
        found = parse(self.master.run("snmpbulkwalk" if bulk else "snmpwalk", FORMAT, oid, timeout=timeout).stdout)
        for base in (LISP_MIB, DRAFT_MIB):
            for name, each in found.items():
                if name.startswith(f"{base}."):
                    table, entry, column, *_ = name[len(base) + 1:].split(".")
                    self.shown.setdefault((base, int(table), int(column)), set()).add(each)
        return found

    def table(self, entry):
        """{index: {column: value}} of a table's entry, the index a tuple of numbers."""
        rows = {}
        for name, value in self.walk(entry).items():
            column, *index = (int(number) for number in name[len(entry) + 1:].split("."))
            rows.setdefault(tuple(index), {})[column] = value
        return rows

    def up_time(self):
        """sysUpTime in hundredths of a second."""
        return self.get("1.3.6.1.2.1.1.3.0")


def parse(text):
    values = {}
    pending = None
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            pending = match["name"]
            values[pending] = value(match["type"], match["value"])
        elif line.startswith("."):
            # `= ""` is an empty string; what else has no type is no value.
            name, _, rest = line[1:].partition(" = ")
            pending = None
            if rest.strip() == '""':
                values[name] = b""
            elif rest.strip().isdigit():
                values[name] = int(rest)
        elif pending is not None and isinstance(values[pending], bytes):
            values[pending] += bytes.fromhex(line)
    return values


def value(kind, text):
    if kind in ("INTEGER", "Counter64", "Counter32", "Gauge32", "Timeticks", "UInteger32"):
        return int(text)
    if kind in ("Hex-STRING", "STRING"):
        return text.strip('"').encode() if kind == "STRING" else bytes.fromhex(text)
    return text


def address(octets):
    """A LispAddressType as text: 10.1.0.0/16, or [101] 10.1.0.0/16 in an instance; whole addresses without a mask."""
    octets = bytes(octets)
    family, length = int.from_bytes(octets[:2], "big"), octets[2]
    body, mask = octets[3:3 + length], octets[3 + length:]
    if len(octets) != length + 4:
        raise ValueError(f"{octets.hex()} is no LispAddressType")
    prefix = ""
    if family == 16387:
        if body[0] != 2:
            raise ValueError(f"{octets.hex()}: canonical address of type {body[0]}")
        prefix = f"[{int.from_bytes(body[1:5], 'big')}] "
        family, body = int.from_bytes(body[5:7], "big"), body[7:]
    text = str(ipaddress.ip_address(body))
    if {1: 4, 2: 16}[family] != len(body):
        raise ValueError(f"{octets.hex()}: family {family} with {len(body)} octets")
    return prefix + (text if mask[0] == 8 * len(body) else f"{text}/{mask[0]}")


def addresses(index):
    """The pairs of length and LispAddressType that an index consists of, as text."""
    found = []
    index = list(index)
    while index:
        count, again, *rest = index
        if count != again or len(rest) < count:
            raise ValueError(f"{index}: lengths differ")
        found.append(address(rest[:count]))
        index = rest[count:]
    return tuple(found)


def by_address(rows):
    """A table whose index is nothing but addresses, by these as text; one alone is no tuple."""
    found = {}
    for index, row in rows.items():
        key = addresses(index)
        found[key if len(key) > 1 else key[0]] = row
    return found


def eid(row, prefix="eidPrefix"):
    """How a row of lispctl's JSON is named in these tables."""
    instance, text = row["instanceID"], row[prefix]
    length = text.rsplit("/", 1)[1]
    if length in ("32", "128") and (":" in text) == (length == "128"):
        text = text.rsplit("/", 1)[0]
    return f"[{instance}] {text}" if instance else text


def columns(module):
    """{(table, column): (name, syntax)} of what can be read in one of the project's modules; tables in the order of the file."""
    with open(os.path.join(ROOT, "mibs", f"{module}.txt"), encoding="ascii") as file:
        text = re.sub(r'"[^"]*"|--.*', "", file.read())
    found, tables = {}, {}
    for name, syntax, access, above, number in OBJECT.findall(text):
        if above.endswith("Entry") and access == "read-only":
            found[tables[above], int(number)] = name, " ".join(syntax.split())
        elif name.endswith("Entry"):
            tables[name] = tables[above]
        elif name.endswith("Table"):
            tables[name] = int(number)
    return found
