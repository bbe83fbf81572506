"""A network with its daemons running, as most groups want it."""

from lispnet import capture, daemon, tables
from lispnet.run import CommandFailed
from lispnet.sites import SITE_A, SITE_B, TwoSites
from lispnet.testing import Group, expect
from lispnet.traffic import CoreCounters, wait_reachable
from lispnet.waiting import wait_until


class SitesGroup(Group):
    """Both sites, registered at the Map-Server, with every LISP packet in the core captured."""

    rlocs = "4"
    captured = capture.LISP
    topology = TwoSites

    def set_up(self):
        self.network = self.topology(self.run, self.rlocs)
        self.counters = CoreCounters(self.network.core)
        self.capture = capture.Capture(self.network.core, expression=self.captured) if self.captured else None
        self.make_daemons()
        for each in self.daemons:
            each.start(ready=False)
        for each in self.daemons:
            each.wait_ready()
        self.wait_registered()

    def make_daemons(self):
        self.map_server = daemon.Daemon(self.network.map_server, daemon.map_server())
        self.xtr_a = daemon.Daemon(self.network.xtr_a, daemon.xtr(self.network, SITE_A))
        self.xtr_b = daemon.Daemon(self.network.xtr_b, daemon.xtr(self.network, SITE_B))

    @property
    def daemons(self):
        return [self.map_server, self.xtr_a, self.xtr_b]

    def wait_registered(self, prefixes=None, timeout=30):
        prefixes = prefixes or SITE_A.prefixes + SITE_B.prefixes
        wait_until(f"{', '.join(prefixes)} are registered",
                   lambda: all(tables.is_registered(self.map_server, prefix) for prefix in prefixes),
                   timeout, ignoring=(CommandFailed,))

    def wait_both_families(self):
        """Until hosts of site A reach those of site B, so that what follows finds mappings."""
        wait_reachable(self.network.host_a, SITE_B.host4)
        wait_reachable(self.network.host_a, SITE_B.host6)

    def clear_map_caches(self):
        for each in (self.xtr_a, self.xtr_b):
            each.control("clear", "map-cache")

    def set_dead(self, *addresses):
        """Lets the core lose what goes to these addresses, and to no others any more."""
        self.network.core.run("nft", "delete", "table", "inet", "dead", check=False)
        if addresses:
            self.network.core.run("nft", "-f", "-", input=f"""
                table inet dead {{
                    chain forward {{
                        type filter hook forward priority -10;
                        ip daddr {{ {', '.join(addresses)} }} drop
                    }}
                }}
                """)

    def expect_running(self):
        for each in self.daemons:
            expect(each.is_running, f"lispd of {each.name} ended with {each.process.status}:\n{each.log_tail()}")

    def expect_clean_capture(self):
        """tshark has nothing to say against anything the group sent."""
        path = self.capture.stop()
        types = capture.message_types(path)
        for kind, name in ((8, "Encapsulated Control Message"), (2, "Map-Reply"), (3, "Map-Register"), (4, "Map-Notify")):
            expect(types[kind] > 0, f"tshark saw no {name}, only types {dict(types)}")
        found = capture.complaints(path)
        listing = "\n".join(f"{number} x {kind}: {message}" for (kind, message), number in found.most_common(20))
        expect(not found, f"tshark complains:\n{listing}")
