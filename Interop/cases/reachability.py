"""RLOCs that die and come back under traffic: what probing finds out, and how soon packets take the other way.

xtrB has a second address beside its one on the core link; site B offers the first with priority 1 and the second with 2.
"""

import time

from lispnet import daemon, tables
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.traffic import IPerf3, finish_ping, ping, start_ping, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup

SECOND = "198.51.100.22"
PROBING = {"enabled": True, "interval": "2s", "retries": 3, "retry-interval": "1s"}
INTERVAL = 0.05  # of the pings that measure a silence, in seconds


class ReachabilityGroup(SitesGroup):
    name = "reachability"
    captured = "udp port 4342"  # without the load, of which tcpdump could not keep up with every packet

    def make_daemons(self):
        self.first = self.network.rloc(self.network.xtr_b)
        self.network.xtr_b.ip(f"address add {SECOND}/32 dev core")
        self.network.core.ip(f"route add {SECOND}/32 via {self.first}")
        self.map_server = daemon.Daemon(self.network.map_server, daemon.map_server())
        self.xtr_a = daemon.Daemon(self.network.xtr_a, daemon.xtr(self.network, SITE_A, **{"rloc-probing": PROBING}))
        locators = [{"address": self.first, "priority": 1, "weight": 100},
                    {"address": SECOND, "priority": 2, "weight": 100}]
        self.xtr_b = daemon.Daemon(self.network.xtr_b, daemon.xtr(self.network, SITE_B, locators=locators))

    def locator(self, address):
        """What xtrA says of an RLOC of site B."""
        entry = tables.mapping(self.xtr_a, SITE_B.prefix4)
        return next((each for each in entry.raw["locators"] if each["address"] == address), None) if entry else None

    def state(self, address):
        locator = self.locator(address)
        return locator["state"] if locator else None

    def wait_state(self, address, state, timeout=15):
        wait_until(f"{address} is {state}", lambda: self.state(address) == state, timeout)

    @test("probes each RLOC and shows the round-trip time")
    def shows_round_trip(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        wait_until("both RLOCs have answered", lambda: all(
            (self.locator(address).get("probing") or {}).get("probesAnswered", 0) > 1
            for address in (self.first, SECOND)), 10)
        for address in (self.first, SECOND):
            probing = self.locator(address)["probing"]
            expect(self.state(address) == "up", f"{address} is {self.state(address)}")
            expect(0 < probing["roundTrip"]["smallest"] <= probing["roundTrip"]["smoothed"] <= probing["roundTrip"]["largest"],
                   f"the round-trip times are {probing}")
        text = self.xtr_a.text("show", "map-cache", SITE_B.host4, "--detail")
        expect("RLOC-probes sent/answered" in text and "Round-trip time" in text, f"no round-trip time in:\n{text}")

    @test("moves traffic to the other RLOC within 6 s when one dies, under a TCP load that lives, and back when it answers again")
    def moves(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        self.wait_state(self.first, "up")
        count = round(14 / INTERVAL)
        # Not at full speed: pings that a full queue drops would count as a silence.
        with IPerf3(self.network.host_a, self.network.host_b, SITE_B.host4, 16, "-b", "100M") as load:
            running = start_ping(self.network.host_a, SITE_B.host4, count, interval=INTERVAL, wait=1)
            time.sleep(1)
            self.set_dead(self.first)
            result = finish_ping(running, 40)
            report = load.report()
        rates = [each["sum"]["bits_per_second"] / 1e6 for each in report["intervals"]]
        expect(min(rates) < 50 < min(rates[-3:]), f"the TCP connection carried {[round(rate) for rate in rates]} Mb/s")
        silence = result.lost * INTERVAL
        expect(result.lost > 0, "no ping was lost: the RLOC did not die")
        expect(silence <= 6.2, f"{silence:.1f} s without an answer:\n{result.output[-300:]}")
        expect(self.state(self.first) == "down", f"{self.first} is {self.state(self.first)}")
        expect(self.locator(self.first)["stateChanges"] > 0, "its state never changed")
        expect("does not answer probes" in self.xtr_a.log(), "the log does not tell")

        sent = tables.mapping(self.xtr_a, SITE_B.prefix4).raw["locators"]
        self.set_dead()
        self.wait_state(self.first, "up", 10)
        expect(ping(self.network.host_a, SITE_B.host4, 10).lost == 0, "pings are lost after it came back")
        before = {each["address"]: each["encapsulated"]["packets"] for each in sent}
        now = self.locator(self.first)["encapsulated"]["packets"]
        expect(now >= before[self.first] + 10, f"the first RLOC carried {now - before[self.first]} packets of 10")

    @test("drops and counts packets when every RLOC is dead, and does not send them natively")
    def all_dead(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        before = self.counters.read()
        self.set_dead(self.first, SECOND)
        try:
            self.wait_state(self.first, "down")
            self.wait_state(SECOND, "down")
            result = ping(self.network.host_a, SITE_B.host4, 5, wait=1)
            expect(result.received == 0, f"answered:\n{result.output}")
            crossed = self.counters.since(before)
            expect(crossed["native4"] == 0, f"{crossed['native4']} packets went natively")
        finally:
            self.set_dead()
        self.wait_state(self.first, "up")
        wait_reachable(self.network.host_a, SITE_B.host4)
        self.expect_running()

    @test("a reload that switches probing off uses every RLOC again, one that switches it on probes")
    def reload(self):
        self.set_dead(self.first)
        try:
            self.wait_state(self.first, "down")
            self.xtr_a.write({**self.xtr_a.configuration, "rloc-probing": {"enabled": False}})
            self.xtr_a.control("config", "reload")
            expect(self.state(self.first) == "up", f"{self.first} is {self.state(self.first)} without probing")
        finally:
            self.set_dead()
            self.xtr_a.write({**self.xtr_a.configuration, "rloc-probing": PROBING})
            self.xtr_a.control("config", "reload")
        sent = self.locator(self.first)["probing"]["probesSent"]
        wait_until("it is probed again", lambda: self.locator(self.first)["probing"]["probesSent"] > sent, 10)

    @test("tshark has nothing to say against the probes and their answers")
    def clean(self):
        self.expect_clean_capture()
