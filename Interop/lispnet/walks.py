"""A router with many map-cache entries that a manager walks through snmpd: how fast, what it costs either, and how long registrations
at the same router take meanwhile.

      etr 198.51.100.22 -------- walked 198.51.100.21: lispd, snmpd, and the manager
"""

import multiprocessing
import signal
import socket
import struct
import time
from dataclasses import dataclass

from . import daemon, registers, tables
from .datagrams import udp_socket
from .load import process_seconds
from .nodes import Node, link
from .objects import LISP_MIB, Agent
from .run import SIGNALS
from .sites import SITE_A
from .waiting import wait_until

ETR, WALKED = "198.51.100.22", "198.51.100.21"
# Where the static entries lead.
LOCATOR = "203.0.113.10"
# A column of the map-cache.
COLUMN = f"{LISP_MIB}.6.1.3"
REGISTER_INTERVAL = 0.02
# A walk of a small table is too short to be timed: so many rows at least.
LEAST_ROWS = 20_000


@dataclass
class Walked:
    """What a manager's walks of so many entries came to."""

    entries: int
    rate: float  # rows a second
    lispd: float  # seconds of processor time a row
    snmpd: float
    longest_slice: float  # of lispd's control loop, in seconds
    delays: list  # seconds from Map-Registers to their Map-Notifies meanwhile


class WalkedRouter:
    def __init__(self, run):
        self.run = run
        self.node = Node(run, "walked", router=True)
        self.etr = Node(run, "etr")
        link(self.node, "core", [f"{WALKED}/30"], self.etr, "core", [f"{ETR}/30"])
        self.node.ip(f"route add default via {ETR} dev core")
        self.agent = Agent(self.node).start()

    def measure(self, entries):
        static = [{"eid": f"{20 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.0/24",
                   "locators": [{"address": LOCATOR, "priority": 1, "weight": 1}]} for number in range(entries)]
        router = daemon.Daemon(self.node, {
            "roles": ["itr", "map-server", "map-resolver"],
            "database": [{"eid": "10.9.0.0/16"}],
            "locators": [{"interface": "core", "priority": 1, "weight": 100}],
            "map-resolvers": [WALKED], "map-resolver": {}, "map-server": {"sites": [daemon.served(SITE_A)]},
            "map-cache": {"limit": 2 * entries, "static": static},
            "snmp": {"agentx": self.agent.socket}, "limits": daemon.NO_LIMITS})
        router.start(timeout=60)
        try:
            wait_until("lispd is connected to snmpd", lambda: tables.show(router, "status")["snmp"]["state"] == "open", 60)
            return self._walk(router, entries)
        finally:
            router.stop()

    def _walk(self, router, entries):
        pids = router.pid, self.agent.master.process.pid
        with Registering(self.etr) as registering:
            before, started, rows = [process_seconds(pid) for pid in pids], time.monotonic(), 0
            while rows < max(entries, LEAST_ROWS):
                found = len(self.agent.walk(COLUMN, timeout=300))
                if found != entries:
                    raise RuntimeError(f"a walk found {found} of {entries} rows")
                rows += found
            elapsed = time.monotonic() - started
            lispd, snmpd = (process_seconds(pid) - then for pid, then in zip(pids, before))
        if registering.lost or not registering.delays:
            raise RuntimeError(f"{registering.lost} Map-Registers without a Map-Notify, {len(registering.delays)} with one")
        return Walked(entries, rows / elapsed, lispd / rows, snmpd / rows, longest_slice(router), registering.delays)


class Registering:
    """Registers site A from a node as long as it is open, one Map-Register after the other. A process of its own: what this one does with
    the rows of a walk would delay it."""

    def __init__(self, node):
        self.node = node
        self.delays, self.lost = [], 0
        context = multiprocessing.get_context("fork")
        self._end, self._results = context.Event(), context.SimpleQueue()
        self._process = context.Process(target=self._register, daemon=True)

    def __enter__(self):
        self._process.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._process.join(10)
        if self._process.exitcode == 0:
            self.delays, self.lost = self._results.get()
        else:
            self._process.kill()

    def _register(self):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        with udp_socket(self.node, socket.AF_INET) as sender:
            sender.settimeout(1)
            while not self._end.wait(REGISTER_INTERVAL):
                register = registers.Register(SITE_A.key, [(SITE_A.prefix4, [ETR])])
                message = register.encoded()
                started = time.monotonic()
                sender.sendto(message, (WALKED, registers.CONTROL_PORT))
                try:
                    answer = sender.recv(65535)
                except socket.timeout:
                    self.lost += 1
                    continue
                if struct.unpack_from("!Q", answer, 4)[0] == register.nonce:
                    self.delays.append(time.monotonic() - started)
        self._results.put((self.delays, self.lost))


def longest_slice(router):
    """How long requests of the master have held the control loop of a lispd at a time, at most, in seconds."""
    return next(float(line.split()[-1]) for line in router.metrics().splitlines() if line.startswith("lispd_snmp_longest_slice_seconds"))
