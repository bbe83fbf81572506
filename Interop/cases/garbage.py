"""Floods of nonsense on both ports: nothing crashes, nothing grows, everything is counted."""

from lispnet import datagrams, registers, tables
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.traffic import ping

from .base import SitesGroup

COUNT = 10_000
SEED = 0x4C495350
GROWTH = 8 * 1024  # kB that a second flood may add: the allocator's slack, not a leak


class GarbageGroup(SitesGroup):
    name = "garbage"
    captured = None

    def templates(self):
        """Right messages, to be spoilt: a Map-Register, and a data packet with a ping in it."""
        register = registers.Register(SITE_B.key, [(SITE_B.prefix4, ["198.51.100.6"])])
        inner = bytes.fromhex("45000054000040003f01") + bytes(2) + bytes([10, 1, 0, 10, 10, 2, 0, 10]) + bytes(64)
        return [register.encoded(), bytes.fromhex("8800000000000000") + inner, bytes.fromhex("0800000000006501") + inner]

    def flood(self, daemon, seed):
        address = self.network.rloc(daemon.node)
        for port in (4341, 4342):
            messages = datagrams.garbage(COUNT, seed + port, self.templates())
            datagrams.send_all(self.network.rogue, address, port, messages)

    def expect_unmoved(self, daemon, seed):
        """Two floods: the first may fill buffers and pools, the second must not add to them."""
        before = tables.statistics(daemon)
        self.flood(daemon, seed)
        size = daemon.resident_kilobytes()
        self.flood(daemon, seed + 1)
        growth = daemon.resident_kilobytes() - size
        self.expect_running()
        expect(growth < GROWTH, f"{daemon.name} grew by {growth} kB in the second flood, from {size} kB")
        grown = tables.grown(before, tables.statistics(daemon))
        return sum(grown.values()), grown

    @test("10,000 garbage datagrams on 4341 and on 4342 of an xTR, twice: no crash, no growth, all counted")
    def floods_xtr(self):
        counted, grown = self.expect_unmoved(self.xtr_b, SEED)
        expect(counted >= 3.6 * COUNT, f"only {counted} of {4 * COUNT} are counted: {grown}")

    @test("10,000 garbage datagrams on 4342 of the Map-Server, twice: no crash, no growth, all counted")
    def floods_map_server(self):
        counted, grown = self.expect_unmoved(self.map_server, SEED + 100)
        expect(counted >= 1.8 * COUNT, f"only {counted} of {2 * COUNT} are counted: {grown}")

    @test("serves both sites as before after the floods")
    def carries_on(self):
        self.clear_map_caches()
        for address in (SITE_B.host4, SITE_B.host6):
            result = ping(self.network.host_a, address, 5, wait=3)
            expect(result.lost == 0, f"{result.lost} of 5 pings to {address} lost")
        expect(tables.is_registered(self.map_server, SITE_A.prefix4), "site A's registration is gone")
        self.expect_running()
