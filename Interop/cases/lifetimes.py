"""Things that take minutes: mappings that expire under traffic, a Map-Server that was away."""

from lispnet import daemon, tables
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import QUIET, expect, test
from lispnet.traffic import finish_ping, ping, start_ping
from lispnet.waiting import wait_until

from .base import SitesGroup

MINUTES = 3
PER_SECOND = 20


class TimeToLiveGroup(SitesGroup):
    name = "time-to-live"
    weight = QUIET

    def make_daemons(self):
        super().make_daemons()
        for xtr, site in ((self.xtr_a, SITE_A), (self.xtr_b, SITE_B)):
            xtr.write({**xtr.configuration, "database": daemon.with_ttl(site, "1m")})

    @test("loses no packet in three minutes of traffic over mappings that live one minute, and an idle one expires")
    def refreshes_under_traffic(self):
        self.wait_both_families()
        asked = self.counters.read()["control"]
        count = MINUTES * 60 * PER_SECOND
        four = start_ping(self.network.host_a, SITE_B.host4, count, interval=1 / PER_SECOND)
        six = tables.mapping(self.xtr_a, SITE_B.prefix6)  # no traffic from here on
        expect(six, "no mapping of the IPv6 prefix to begin with")
        wait_until("the idle mapping expires", lambda: not tables.mapping(self.xtr_a, SITE_B.prefix6), 80, interval=1)
        expect(tables.mapping(self.xtr_a, SITE_B.prefix4), "the mapping in use expired with the idle one")
        result = finish_ping(four, MINUTES * 60 + 30)
        expect(result.sent == count and result.lost == 0, f"{result.lost} of {result.sent} packets lost")
        messages = self.counters.read()["control"] - asked
        expect(messages >= 2 * MINUTES, f"only {messages} control messages crossed the core: nothing was refreshed")
        self.expect_running()

    @test("sends nothing that tshark finds malformed or warns about")
    def is_clean(self):
        self.expect_clean_capture()


class MapServerRestartGroup(SitesGroup):
    name = "map-server-restart"
    weight = QUIET

    @test("registers again after the Map-Server was killed and started empty, while known mappings carry on")
    def registers_again(self):
        self.wait_both_families()
        self.map_server.kill()
        result = ping(self.network.host_a, SITE_B.host4, 10)
        expect(result.lost == 0, f"{result.lost} of 10 packets lost without a Map-Server")
        self.map_server.start()
        self.wait_registered(timeout=75)
        self.clear_map_caches()
        wait_until("the sites talk again",
                   lambda: ping(self.network.host_a, SITE_B.host4, wait=3).received
                   and ping(self.network.host_a, SITE_B.host6, wait=3).received, 10)

    @test("shows a Map-Server that is away as not answering, and registers again when it is back")
    def survives_an_outage(self):
        (address,) = tables.map_server_states(self.xtr_a)
        expect(tables.map_server_states(self.xtr_a)[address] == "registered", "the Map-Server is not shown as registered")
        self.map_server.stop()
        wait_until("an xTR sees that its Map-Server is away",
                   lambda: tables.map_server_states(self.xtr_a)[address] != "registered", 75, interval=1)
        self.map_server.start()
        self.wait_registered(timeout=90)
        self.expect_running()

    @test("sends nothing that tshark finds malformed or warns about")
    def is_clean(self):
        self.expect_clean_capture()
