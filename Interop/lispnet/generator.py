"""A Map-Server under load, and what loads it: `lispd-bench load`, which has the addresses of all its ETRs and ITRs.

      loader 198.51.100.18 -------- mapserver 198.51.100.17
      198.18.0.0/15 (ETRs and ITRs: lispd-bench's LoadPopulation)
"""

import json

from .daemon import Daemon, program
from .nodes import Node, link

LOADER, MAP_SERVER = "198.51.100.18", "198.51.100.17"
POPULATION = "198.18.0.0/15"


class LoadedMapServer:
    """The two nodes, and a lispd that serves the generator's sites."""

    def __init__(self, run):
        self.run = run
        self.node = Node(run, "mapserver")
        self.loader = Node(run, "loader")
        link(self.node, "core", [f"{MAP_SERVER}/30"], self.loader, "core", [f"{LOADER}/30"])
        self.node.ip(f"route add default via {LOADER} dev core")
        self.loader.ip(f"route add local {POPULATION} dev lo")
        served = json.loads(run.command([program("lispd-bench"), "load", "configuration"]).stdout)
        self.daemon = Daemon(self.node, {
            "roles": ["map-server", "map-resolver"], "map-server": served, "map-resolver": {}})

    def load(self, kind, *options, timeout=300):
        """One run of the generator against the daemon: its report."""
        return generate(self.loader, kind, "--to", MAP_SERVER, "--pid", str(self.daemon.pid), *options, timeout=timeout)

    def ceiling(self, kind, *options, timeout=300):
        """The same against the generator's own thread, which sends everything back."""
        return generate(self.loader, kind, "--echo", *options, timeout=timeout)


def generate(node, kind, *options, timeout=300):
    """Runs `lispd-bench load` in a node and returns its report."""
    return json.loads(node.run(program("lispd-bench"), "load", kind, *map(str, options), timeout=timeout).stdout)
