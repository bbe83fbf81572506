"""A Map-Server under load, and what loads it: `lispd-bench load`, which has the addresses of all its ETRs and ITRs.

      loader 198.51.100.18 -------- loaded 198.51.100.17
      198.18.0.0/15 (ETRs and ITRs: lispd-bench's LoadPopulation)
"""

import json

from .daemon import NO_LIMITS, Daemon, program
from .judgement import MapServerResult
from .nodes import Node, link
from .waiting import wait_until

LOADER, MAP_SERVER = "198.51.100.18", "198.51.100.17"
POPULATION = "198.18.0.0/15"
WARM_UP = 1000


class LoadedMapServer:
    """The two nodes, and a lispd that serves the generator's sites. `changes` add top-level keys to its configuration."""

    def __init__(self, run, **changes):
        self.run = run
        self.nonce = 1 << 32
        self.node = Node(run, "loaded")
        self.loader = Node(run, "loader")
        link(self.node, "core", [f"{MAP_SERVER}/30"], self.loader, "core", [f"{LOADER}/30"])
        self.node.ip(f"route add default via {LOADER} dev core")
        self.loader.ip(f"route add local {POPULATION} dev lo")
        served = json.loads(run.command([program("lispd-bench"), "load", "configuration"]).stdout)
        self.daemon = Daemon(self.node, {
            "roles": ["map-server", "map-resolver"], "map-server": served, "map-resolver": {},
            "limits": NO_LIMITS, **changes})

    def measure(self, eids, count, runs):
        """What it takes to register so many EID-prefixes, then, each time, `count` Map-Registers and Map-Requests of them."""
        self.daemon.start()
        # What every process of lispd has in use, buffers included, is no part of a registration.
        self.checked("register", "--eids", WARM_UP)
        first = self.checked("register", "--eids", eids)
        result = MapServerResult(eids, first)
        if eids >= 100 * WARM_UP:
            server = first["server"]
            result.octets = (server["residentAfter"] - server["residentBefore"]) / (eids - WARM_UP)
        for kind in ("register", "request"):
            result.reports[kind] = []
        for _ in range(runs):
            for kind, reports in result.reports.items():
                reports.append(self.checked(kind, "--eids", eids, "--count", count))
        self.daemon.stop()
        return result

    def checked(self, kind, *options):
        """A report of which every answer is right."""
        report = self.load(kind, *options)
        if report["answered"] != report["sent"] or report["wrong"] or report["unexpected"]:
            raise RuntimeError(f"not every {kind} got its right answer, and no other: {report}")
        return report

    def load(self, kind, *options, timeout=300):
        """One run of the generator against the daemon: its report. Nonces go on from run to run, as those of a real ETR."""
        report = generate(self.loader, kind, "--to", MAP_SERVER, "--pid", str(self.daemon.pid),
                          "--first-nonce", self.nonce, *options, timeout=timeout)
        self.nonce += report["sent"]
        return report

    def floor(self, kind, *options):
        """The same against a process that does nothing but receive and send: what the system calls of a message cost."""
        words = ["--decapsulate"] if kind == "request" else []
        process = self.node.start(program("lispd-bench"), "load", "echo", "--at", MAP_SERVER, *words)
        try:
            wait_until("the echo listens", lambda: MAP_SERVER in self.node.run("ss", "-Hnul").stdout, 5)
            return generate(self.loader, kind, "--echoed", "--to", MAP_SERVER, "--pid", process.pid, *options)
        finally:
            process.stop()

    def ceiling(self, kind, *options, timeout=300):
        """The same against the generator's own thread, which sends everything back."""
        return generate(self.loader, kind, "--echo", *options, timeout=timeout)


def generate(node, kind, *options, timeout=300):
    """Runs `lispd-bench load` in a node and returns its report."""
    return json.loads(node.run(program("lispd-bench"), "load", kind, *map(str, options), timeout=timeout).stdout)
