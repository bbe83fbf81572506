"""tcpdump in the core, and tshark as a foreign reader of what the daemons sent.

A frame is refused if tshark calls it malformed or has an expert warning or error for it, unless Interop/tshark-exceptions
lists that message for that kind of frame. tshark reads no other protocols than those named here: of some source ports it
would take a traceroute's or a ping's octets for something else, and complain about that.
"""

import atexit
import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter

from .daemon import program
from .run import INTEROP
from .waiting import wait_until

EXCEPTIONS = os.path.join(INTEROP, "tshark-exceptions")
WARNING = 0x600000  # PI_WARN; errors are 0x800000, notes 0x400000
TYPES = {1: "Map-Request", 2: "Map-Reply", 3: "Map-Register", 4: "Map-Notify", 5: "Map-Notify-Ack",
         8: "Encapsulated Control Message"}
FIELDS = ("frame.number", "_ws.expert.severity", "_ws.expert.message",
          "lisp.type", "lisp-data.iid")
LISP = "udp port 4341 or udp port 4342"
PROTOCOLS = {"frame", "eth", "ethertype", "sll", "arp", "ip", "ipv6", "ipv6.fraghdr", "icmp", "icmpv6", "udp", "tcp", "lisp",
             "lisp-data", "lisp-tcp", "data"}


class Capture:
    """Every LISP packet that reaches a node, in a file, until `stop`."""

    def __init__(self, node, name="core", expression=LISP):
        self.node = node
        self.path = node.run_owner.file(f"{name}.pcap")
        self.process = node.start(
            "tcpdump", "-i", "any", "-Q", "in", "--immediate-mode", "-U", "-n", "-Z", "root", "-B", "8192", "-w", self.path, expression,
            log=f"{name}.tcpdump.log",
        )
        wait_until("tcpdump listens", lambda: "listening on" in self.process.log(), 10)

    def stop(self):
        self.process.stop()
        return self.path


def tshark(path, options):
    """tshark over a capture, its fields separated by tabs."""
    return subprocess.run(
        ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=/t", *options], capture_output=True, text=True,
        errors="replace", timeout=120, check=False, env={**os.environ, "WIRESHARK_CONFIG_DIR": tshark_settings()})


@functools.cache
def tshark_settings():
    """A directory of settings in which every protocol but PROTOCOLS is off, until this process ends."""
    listed = subprocess.run(["tshark", "-G", "protocols"], capture_output=True, text=True, errors="replace", timeout=60, check=True)
    names = {line.split("\t")[2] for line in listed.stdout.splitlines()}
    if missing := PROTOCOLS - names:
        raise RuntimeError(f"tshark does not know {', '.join(sorted(missing))}")
    directory = tempfile.mkdtemp(prefix="lispd-tshark-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    with open(os.path.join(directory, "disabled_protos"), "w", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in sorted(names - PROTOCOLS))
    return directory


def read_fields(path, display_filter=None):
    """One dict for each frame, from field name to the list of its values."""
    options = ["-E", "aggregator=|"]
    for field in FIELDS:
        options += ["-e", field]
    if display_filter:
        options += ["-Y", display_filter]
    done = tshark(path, options)
    if done.returncode != 0:
        raise RuntimeError(f"tshark: {done.stderr.strip()}")
    frames = []
    for line in done.stdout.splitlines():
        values = line.split("\t")
        frames.append({name: value.split("|") if value else [] for name, value in zip(FIELDS, values)})
    return frames


def frames(path, fields, display_filter):
    """The first value of each of these fields, "" where there is none, of every frame that the filter lets pass."""
    options = ["-E", "occurrence=f", "-Y", display_filter]
    for field in fields:
        options += ["-e", field]
    done = tshark(path, options)
    # A file that is still written to may end within a packet.
    if done.returncode != 0 and not done.stdout:
        raise RuntimeError(f"tshark: {done.stderr.strip()}")
    return [line.split("\t") for line in done.stdout.splitlines()]


def complaints(path):
    """What tshark finds wrong and no exception explains: {(kind of frame, message): number of frames}."""
    allowed = exceptions()
    found = Counter()
    for frame in read_fields(path, "_ws.malformed || _ws.expert.severity >= 0x600000"):
        kind = kind_of(frame)
        messages = [
            message for severity, message in zip(frame["_ws.expert.severity"], frame["_ws.expert.message"])
            if int(severity, 0) >= WARNING
        ] or ["malformed"]
        for message in messages:
            if (kind, message) not in allowed:
                found[kind, message] += 1
    return found


def kind_of(frame):
    """What the exceptions call a frame: the name of the control message, or Data."""
    types = [TYPES.get(int(value), f"type {value}") for value in frame["lisp.type"]]
    return types[0] if types else "Data"


def exceptions():
    """The listed exceptions: {(kind of frame, exact message)}. A line is `kind | message | RFC section and why`."""
    if not os.path.exists(EXCEPTIONS):
        return set()
    with open(EXCEPTIONS, encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    return {tuple(part.strip() for part in line.split("|")[:2]) for line in lines}


def decode(path, kind=None, keys=()):
    """The frames of a capture as `lispctl decode --json` tells them, of one kind of message if one is named.

    The file may still be written to: what is not complete yet is left out.
    """
    command = [program("lispctl"), "decode", path, "--json", *(f"--key={key}" for key in keys)]
    if kind:
        command.append(f"--type={kind}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if not lines or lines[-1]["kind"] != "summary":
        raise RuntimeError(f"lispctl decode ended with {done.returncode}: {done.stderr.strip()}")
    return [line for line in lines if line["kind"] == "frame"]


def records_of(frame):
    """{(EID-prefix, instance ID): {RLOC: (priority, weight)}} of the records of a decoded message; its TTLs are left out."""
    return {
        (record["eidPrefix"], record.get("instanceID", 0)): {
            locator["locator"]["address"]: (locator["priority"], locator["weight"]) for locator in record["locators"]
        } for record in frame["message"]["eidRecords"]
    }


def message_types(path):
    """How many frames of each LISP control type tshark saw."""
    return Counter(int(value) for frame in read_fields(path, "lisp") for value in frame["lisp.type"])


def instances_seen(path):
    """The instance IDs in LISP data headers."""
    return {int(value) for frame in read_fields(path, "lisp-data") for value in frame["lisp-data.iid"]}
