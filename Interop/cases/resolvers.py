"""Map-Resolvers: one that has no Map-Server beside it, and several of which the ITR chooses.

A Map-Resolver alone runs at the node `rogue`; it asks the Map-Server of the node `mapserver`, which is a Map-Resolver, too. xtrA
knows both, xtrB the one alone.
"""

from lispnet import daemon, tables
from lispnet.sites import EID_SPACE, SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.traffic import ping, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup

ELSEWHERE = "172.16.5.5"  # no Map-Server is asked for it


class ResolversGroup(SitesGroup):
    name = "resolvers"

    def make_daemons(self):
        self.alone = self.network.rloc(self.network.rogue)
        self.other = self.network.map_server_address
        self.map_server = daemon.Daemon(self.network.map_server, daemon.map_server())
        self.resolver = daemon.Daemon(self.network.rogue, self.resolver_configuration(EID_SPACE))
        self.xtr_a = daemon.Daemon(
            self.network.xtr_a, daemon.xtr(self.network, SITE_A, map_resolvers=[self.alone, self.other]))
        self.xtr_b = daemon.Daemon(self.network.xtr_b, daemon.xtr(self.network, SITE_B, map_resolvers=[self.alone]))

    @property
    def daemons(self):
        return [self.map_server, self.resolver, self.xtr_a, self.xtr_b]

    def resolver_configuration(self, eids):
        return {"roles": ["map-resolver"], "map-resolver": {"map-servers": [{"address": self.other, "eids": eids}]}}

    def asked(self, router):
        """{address: what is shown} of the Map-Resolvers that a router asks."""
        return {each["address"]: each for each in tables.show(router, "map-resolvers")["mapResolvers"]}

    def route(self):
        return tables.show(self.resolver, "map-resolvers")["routes"][0]

    @test("a Map-Resolver alone passes questions to the Map-Server that its eids name, and shows it")
    def passes_on(self):
        before = self.route()["forwarded"]
        wait_reachable(self.network.host_b, SITE_A.host4)
        wait_reachable(self.network.host_b, SITE_A.host6)
        route = self.route()
        expect(route["mapServer"] == self.other and route["eidPrefixes"] == EID_SPACE, f"the route is {route}")
        expect(route["forwarded"] >= before + 2, f"{route['forwarded'] - before} Map-Requests were forwarded")
        text = self.resolver.text("show", "map-resolvers")
        expect("This Map-Resolver asks:" in text and self.other in text, f"the text is\n{text}")

    @test("a Map-Resolver alone answers itself for what no Map-Server is asked for")
    def answers_negatively(self):
        ping(self.network.host_b, ELSEWHERE, 1, wait=1)
        entry = next((each for each in tables.map_cache(self.xtr_b) if each.is_negative), None)
        expect(entry is not None, "no negative entry")
        expect(entry.raw["answeredBy"] == self.alone, f"{entry.raw['answeredBy']} answered for {entry.prefix}")
        expect(entry.action == "natively-forward", f"the action is {entry.action}")

    @test("takes over other eids at a reload")
    def reloads(self):
        self.resolver.write(self.resolver_configuration([SITE_B.prefix4, SITE_B.prefix6]))
        self.resolver.control("config", "reload")
        self.clear_map_caches()
        result = ping(self.network.host_b, SITE_A.host4, 2, wait=1)
        expect(result.received == 0, f"site A was found although nobody is asked for it:\n{result.output}")
        self.resolver.write(self.resolver_configuration(EID_SPACE))
        self.resolver.control("config", "reload")
        self.clear_map_caches()
        wait_reachable(self.network.host_b, SITE_A.host4)

    @test("an ITR leaves a silent Map-Resolver at once, and finds it again when it is back")
    def fails_over(self):
        for address in (SITE_B.host4, SITE_B.host6, SITE_B.unrouted4, SITE_B.unrouted6):
            ping(self.network.host_a, address, 1, wait=1)
            self.xtr_a.control("clear", "map-cache")
        first = next(address for address, shown in self.asked(self.xtr_a).items() if shown["isPreferred"])
        node = self.network.rogue if first == self.alone else self.network.map_server
        other = self.other if first == self.alone else self.alone
        # What the other asks of the Map-Server must go on arriving there.
        self.mute(node, f"ip saddr {self.network.rloc(self.network.xtr_a)}")
        try:
            self.xtr_a.control("clear", "map-cache")
            result = ping(self.network.host_a, SITE_B.host4, 1, wait=5)
            expect(result.received == 1, f"the packet that waited for the mapping is lost:\n{result.output}")
            shown = self.asked(self.xtr_a)
            expect(shown[other]["isPreferred"], f"{first} is still asked first: {shown[first]}")
            expect(shown[first]["lossPerMille"] > 0, "its loss does not show")
            for address in (SITE_B.host6, SITE_B.host4):
                self.xtr_a.control("clear", "map-cache")
                quick = ping(self.network.host_a, address, 1, wait=1)
                expect(quick.received == 1, f"the next question waited for the silent one:\n{quick.output}")
        finally:
            self.unmute(node)

        def is_back():
            self.xtr_a.control("clear", "map-cache")
            ping(self.network.host_a, SITE_B.host4, 1, wait=2)
            now = self.asked(self.xtr_a)[first]
            return now["answered"] > shown[first]["answered"] and now["state"] == "up"

        wait_until(f"{first} is asked again", is_back, 40)
        text = self.xtr_a.text("show", "map-resolvers")
        expect("* is asked first" in text and "Smoothed" in text, f"the text is\n{text}")
        self.expect_running()

    def mute(self, node, match):
        """Lets a node lose the LISP control messages that match."""
        node.run("nft", "-f", "-", input=f"""
            table inet mute {{
                chain input {{
                    type filter hook input priority 0;
                    {match} udp dport 4342 drop
                }}
            }}
        """)

    def unmute(self, node):
        node.run("nft", "delete", "table", "inet", "mute")

    @test("tshark has nothing to say against what was passed on")
    def clean(self):
        self.expect_clean_capture()
