"""TCP through the tunnel on whatever cores there are, beside the kernel's plain routing in the same network."""

from lispnet import daemon
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import EXCLUSIVE, expect, test
from lispnet.traffic import throughput, wait_reachable

from .base import SitesGroup

ATTEMPTS = 3


class ThroughputGroup(SitesGroup):
    name = "throughput"
    weight = EXCLUSIVE
    captured = None

    def make_daemons(self):
        """Measures plain routing before any daemon is there."""
        super().make_daemons()
        network = self.network
        network.let_core_route(SITE_A, SITE_B)
        wait_reachable(network.host_a, SITE_B.host4)
        self.plain = throughput(network.host_a, network.host_b, SITE_B.host4, seconds=3)
        network.forget_core_routes(SITE_A, SITE_B)

    def expect_rate(self, address):
        """Of the best of a few attempts: the machine may be busy with other things."""
        has_trains = all(each.data_plane.get("offload") != "off" for each in (self.xtr_a, self.xtr_b))
        # Half of what is wanted with trains: one by one, the machine's load shows most.
        wanted = self.options.min_gbps if has_trains else self.options.min_gbps / 2
        reached = []
        for _ in range(ATTEMPTS):
            reached.append(throughput(self.network.host_a, self.network.host_b, address))
            if reached[-1] >= wanted:
                break
        print(f"       {address}: {', '.join(f'{each:.2f}' for each in reached)} Gb/s through the tunnel, "
              f"{self.plain:.2f} Gb/s by plain routing: {max(reached) / self.plain:.1%}", flush=True)
        expect(max(reached) >= wanted, f"{max(reached):.2f} Gb/s, wanted {wanted}")

    @test("carries TCP at 1 Gb/s or more with IPv4 EIDs")
    def tcp_ipv4(self):
        self.wait_both_families()
        before = self.counters.read()
        self.expect_rate(SITE_B.host4)
        crossed = self.counters.since(before)
        expect(crossed["native4"] == 0 and crossed["data"] > 1000, f"not through the tunnel: {crossed}")

    @test("carries TCP at 1 Gb/s or more with IPv6 EIDs")
    def tcp_ipv6(self):
        self.expect_rate(SITE_B.host6)
        self.expect_running()

    @test("carries TCP one datagram a system call, too, with `offload: off`")
    def tcp_without_trains(self):
        for xtr in (self.xtr_a, self.xtr_b):
            xtr.write({**xtr.configuration, "data-plane": {"offload": "off"}})
            xtr.stop()
            xtr.start()
        # What is left of earlier connections may have asked while site B was not registered, and was told so for a minute.
        self.wait_registered()
        self.clear_map_caches()
        self.wait_both_families()
        self.expect_rate(SITE_B.host4)
        self.expect_running()
