"""Echo-nonce beside RLOC-probing: a missing echo is a doubt, and a probe decides; and beside a site that does not echo."""

from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import QUIET, expect, test
from lispnet.traffic import Stream, ping, wait_reachable
from lispnet.waiting import wait_until

from .hints import SECOND, TwoRLOCsGroup


class EchoDoubtGroup(TwoRLOCsGroup):
    name = "echo-doubts"
    weight = QUIET
    both = {"echo-nonce": {"enabled": True}}

    def make_daemons(self):
        super().make_daemons()
        # Within an interval as long as this nothing but a doubt leads to a probe.
        self.xtr_a.write({**self.xtr_a.configuration,
                          "rloc-probing": {"enabled": True, "interval": "30m", "retries": 2, "retry-interval": "1s"}})

    def both_ways(self):
        """Packets either way that do not wait for each other's answers."""
        wait_reachable(self.network.host_a, SITE_B.host4)
        ends = ((self.network.host_a, SITE_B.host4), (self.network.host_b, SITE_A.host6))
        return [Stream(node, address, interval=0.1) for node, address in ends]

    def probes(self):
        return (self.locator(self.first).get("probing") or {}).get("probesSent", 0)

    @test("has a missing echo confirmed by probes at once, and moves to the other RLOC")
    def doubts(self):
        streams = self.both_ways()
        try:
            wait_until("it echoes and is probed", lambda: self.probes()
                       and (self.locator(self.first).get("echoes") or {}).get("matched"), 30)
            probes = self.probes()
            self.set_dead(self.first)
            wait_until("the RLOC is down", lambda: self.state(self.first) == "down", 25, interval=0.25)
            expect(self.probes() > probes, f"it was not probed: {self.locator(self.first)}")
            expect("does not answer probes" in self.xtr_a.log(), "the log does not tell")
            expect(self.state(SECOND) == "up", f"{SECOND} is {self.state(SECOND)}")
            result = ping(self.network.host_a, SITE_B.host4, 5)
            expect(result.lost == 0, f"{result.lost} of 5 pings are lost over the other RLOC")
        finally:
            self.set_dead()
            for stream in streams:
                stream.stop()
        wait_until("the RLOC is used again", lambda: self.state(self.first) == "up", 30, interval=0.25)

    @test("asks no site that does not say that it can echo")
    def not_capable(self):
        self.xtr_b.write({**self.xtr_b.configuration, "echo-nonce": {"enabled": False}})
        self.xtr_b.control("config", "reload")
        self.clear_map_caches()
        streams = self.both_ways()
        asked = self.hints(self.xtr_a)["echoesRequested"]
        result = ping(self.network.host_a, SITE_B.host4, 60)
        lost = result.lost + sum(stream.stop().lost for stream in streams)
        expect(lost == 0, f"{lost} packets are lost")
        echoes = self.locator(self.first)["echoes"]
        expect(echoes["state"] == "not-capable", f"its echoes are {echoes}")
        expect(self.hints(self.xtr_a)["echoesRequested"] == asked, "it was asked")
        self.expect_running()
