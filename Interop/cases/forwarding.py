"""Packets between the sites: all four mixes of address families, first packets, errors, and what must stay at home."""

import ipaddress

from lispnet import registers, tables
from lispnet.datagrams import family_of
from lispnet.nodes import link
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.traffic import finish_ping, path_mtu, ping, start_ping, traceroute, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup

FRESH = 100


def covers(prefix, address):
    network, address = ipaddress.ip_network(prefix), ipaddress.ip_address(address)
    return network.version == address.version and address in network


def overlap(one, other):
    one, other = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return one.version == other.version and one.overlaps(other)


class ForwardingGroup(SitesGroup):
    """Runs once over IPv4 RLOCs and once over IPv6 RLOCs; EIDs are of both families each time."""

    def expect_all_answered(self, node, address, count=5, **options):
        result = ping(node, address, count, **options)
        expect(result.lost == 0, f"{result.lost} of {count} pings from {node.name} to {address} lost:\n{result.output}")

    def expect_encapsulated(self, before, at_least):
        crossed = self.counters.since(before)
        expect(crossed["data"] >= at_least, f"only {crossed['data']} LISP data packets crossed the core, of {at_least}")
        self.expect_nothing_native(before)

    def expect_nothing_native(self, before):
        crossed = self.counters.since(before)
        leaked = crossed["native4"] + crossed["native6"]
        expect(leaked == 0, f"{leaked} packets with an EID went natively to the core: {crossed}")

    @test("carries IPv4 EIDs between the sites, none lost")
    def carries_ipv4(self):
        before = self.counters.read()
        self.expect_all_answered(self.network.host_a, SITE_B.host4, 10)
        self.expect_all_answered(self.network.host_b, SITE_A.host4, 10)
        self.expect_encapsulated(before, 40)

    @test("carries IPv6 EIDs between the sites, none lost")
    def carries_ipv6(self):
        before = self.counters.read()
        self.expect_all_answered(self.network.host_a, SITE_B.host6, 10)
        self.expect_all_answered(self.network.host_b, SITE_A.host6, 10)
        self.expect_encapsulated(before, 40)

    @test("shows the other site's prefixes and RLOC in the map-cache of both xTRs")
    def shows_mappings(self):
        self.wait_both_families()
        for xtr, far, node in ((self.xtr_a, SITE_B, self.network.xtr_b), (self.xtr_b, SITE_A, self.network.xtr_a)):
            for prefix in far.prefixes:
                entry = tables.mapping(xtr, prefix)
                expect(entry, f"{xtr.name} has no map-cache entry {prefix}: {tables.map_cache(xtr)}")
                expect(entry.locators == [self.network.rloc(node)], f"{xtr.name}: {prefix} has RLOCs {entry.locators}")

    @test("lets a host ping its own gateway and the other site's gateway")
    def pings_gateways(self):
        for address in (SITE_A.gateway4, SITE_A.gateway6, SITE_A.second_gateway4, SITE_B.gateway4, SITE_B.gateway6):
            self.expect_all_answered(self.network.host_a, address, 3)
        for address in (SITE_B.gateway4, SITE_B.gateway6, SITE_A.gateway4, SITE_A.gateway6):
            self.expect_all_answered(self.network.host_b, address, 3)

    @test("keeps the first packet to each of 100 destinations when every one is a fresh miss")
    def keeps_first_packets_one_by_one(self):
        lost = []
        misses = self.counters.read()["control"]
        addresses = self.give_addresses(FRESH, "10.2.200.{}", "2001:db8:b::200:{}")
        for address in addresses:
            self.xtr_a.control("clear", "map-cache")
            if ping(self.network.host_a, address, wait=3).lost:
                lost.append(address)
        expect(not lost, f"the first packet to {len(lost)} of {FRESH} was lost: {lost[:10]}")
        asked = self.counters.read()["control"] - misses
        expect(asked >= 2 * FRESH, f"only {asked} control messages crossed the core, so not every one was a miss")
        self.expect_running()

    @test("keeps the first packets of 100 new EID-prefixes that are asked for at the same moment")
    def keeps_first_packets_at_once(self):
        addresses = self.give_addresses(FRESH, "10.2.201.{}", "2001:db8:b::201:{}")
        self.register_hosts(addresses)
        self.clear_map_caches()
        wait_reachable(self.network.host_b, SITE_A.host4)  # the way back is known
        wait_reachable(self.network.host_b, SITE_A.host6)
        self.xtr_a.control("clear", "map-cache")
        running = [(address, start_ping(self.network.host_a, address, 1, wait=4)) for address in addresses]
        lost = [address for address, process in running if finish_ping(process, 20).lost]
        expect(not lost, f"the first packet to {len(lost)} of {FRESH} was lost: {lost[:10]}")
        known = {row.prefix for row in tables.map_cache(self.xtr_a)}
        missing = [address for address in addresses if host_prefix(address) not in known]
        expect(not missing, f"no map-cache entry of their own for {len(missing)} of {FRESH}: {missing[:10]}")

    def give_addresses(self, count, pattern4, pattern6):
        """Adds half as many IPv4 and IPv6 addresses to hostB, and returns them in turns."""
        numbers = range(1, count // 2 + 1)
        fours, sixes = [pattern4.format(n) for n in numbers], [pattern6.format(n) for n in numbers]
        host, router = self.network.host_b, self.network.xtr_b
        host.ip(*(f"address replace {address}/32 dev lo" for address in fours),
                *(f"address replace {address}/128 dev lo nodad" for address in sixes))
        router.ip(f"route replace {pattern4.format(0)}/24 via {SITE_B.host4}",
                  *(f"route replace {address}/128 via {SITE_B.host6}" for address in sixes))
        return [address for pair in zip(fours, sixes) for address in pair]

    def register_hosts(self, addresses):
        """Registers each as a prefix of its own, with xtrB's RLOC, for the Map-Server to answer by proxy."""
        locators = [self.network.rloc(self.network.xtr_b)]
        for start in range(0, len(addresses), 10):
            records = [(host_prefix(address), locators) for address in addresses[start:start + 10]]
            notify = registers.send(
                self.network.rogue, self.network.map_server_address,
                registers.Register(SITE_B.key, records, flags=registers.WANT_NOTIFY | registers.PROXY_REPLY))
            expect(notify and len(notify.prefixes) == len(records), f"the Map-Server answered {notify}")

    @test("shows both xTRs in a traceroute")
    def traces_route(self):
        for address, near, far in ((SITE_B.host4, SITE_A.gateway4, SITE_B.prefix4),
                                   (SITE_B.host6, SITE_A.gateway6, SITE_B.prefix6)):
            # All probes leave at once: more than are held while the way back is still being asked for.
            wait_reachable(self.network.host_a, address)
            hops, output = traceroute(self.network.host_a, address)
            expect(hops and hops[0] == near, f"the first hop is not {near}:\n{output}")
            expect(hops[-1] == address, f"the last hop is not {address}:\n{output}")
            between = [hop for hop in hops[1:-1] if hop and covers(far, hop)]
            expect(between, f"the far xTR does not show:\n{output}")

    @test("answers Packet Too Big from the near xTR when the tunnel's MTU is exceeded")
    def too_big_for_tunnel(self):
        for address, near in ((SITE_B.host4, SITE_A.gateway4), (SITE_B.host6, SITE_A.gateway6)):
            result = ping(self.network.host_a, address, 2, size=1452, dont_fragment=True)
            expect(near in result.output and "mtu" in result.output.lower(),
                   f"no Packet Too Big from {near}:\n{result.output}")
            mtu = path_mtu(self.network.host_a, address)
            expect(mtu and 1280 <= mtu <= 1464, f"the path MTU to {address} is {mtu}")

    @test("brings Packet Too Big back from the far xTR")
    def too_big_behind_far_xtr(self):
        router, host = self.network.xtr_b, self.network.host_b
        link(router, "site1", ["10.2.1.1/24", "2001:db8:b:1::1/64"], host, "eth1",
             ["10.2.1.10/24", "2001:db8:b:1::10/64"], mtu=1300)
        for address in ("10.2.1.10", "2001:db8:b:1::10"):
            wait_reachable(self.network.host_a, address)
            prefix = SITE_B.prefix6 if ":" in address else SITE_B.prefix4
            result = ping(self.network.host_a, address, 2, size=1340, dont_fragment=True)
            line = next((line for line in result.output.splitlines() if "1300" in line and "mtu" in line.lower()), "")
            sender = next((word.rstrip(":,") for word in line.split()[1:2]), "")
            expect(line and covers(prefix, sender), f"no Packet Too Big from the far xTR:\n{result.output}")
            expect(path_mtu(self.network.host_a, address) == 1300, f"the path MTU to {address} was not learnt")
            self.expect_all_answered(self.network.host_a, address, 2, size=1240, dont_fragment=True)

    @test("keeps traffic within a site at home")
    def same_site(self):
        before = self.counters.read()
        tunnel = sum(self.network.xtr_a.interface_packets("lisp0"))
        for address in (SITE_A.second_host4, SITE_A.second_host6):
            self.expect_all_answered(self.network.host_a, address, 5)
        crossed = self.counters.since(before)
        expect(crossed["data"] == 0, f"{crossed['data']} packets within the site were encapsulated")
        self.expect_nothing_native(before)
        passed = sum(self.network.xtr_a.interface_packets("lisp0")) - tunnel
        expect(passed <= 4, f"{passed} packets within the site went through lisp0")

    @test("answers unrouted EIDs of the own site with unreachable, without a loop or a leak")
    def unrouted_own(self):
        before = self.counters.read()
        tunnel = sum(self.network.xtr_a.interface_packets("lisp0"))
        for address in (SITE_A.unrouted4, SITE_A.unrouted6):
            result = ping(self.network.host_a, address, 5, wait=1)
            expect(result.received == 0 and "nreachable" in result.output, f"not unreachable:\n{result.output}")
        passed = sum(self.network.xtr_a.interface_packets("lisp0")) - tunnel
        expect(passed <= 4, f"{passed} packets went through lisp0 for 10 sent: they loop")
        crossed = self.counters.since(before)
        expect(crossed["data"] == 0, f"{crossed['data']} packets were encapsulated")
        self.expect_nothing_native(before)

    @test("answers unrouted EIDs of the other site with unreachable through the tunnel, without a loop or a leak")
    def unrouted_far(self):
        self.wait_both_families()
        before = self.counters.read()
        for address in (SITE_B.unrouted4, SITE_B.unrouted6):
            result = ping(self.network.host_a, address, 5, wait=1)
            expect(result.received == 0 and "nreachable" in result.output, f"not unreachable:\n{result.output}")
        crossed = self.counters.since(before)
        expect(10 <= crossed["data"] <= 24, f"{crossed['data']} packets were encapsulated for 10 sent and their errors")
        self.expect_nothing_native(before)

    @test("lets the xTRs themselves reach hosts and gateways of the other site")
    def routers_reach(self):
        for address in (SITE_B.host4, SITE_B.host6, SITE_B.gateway4, SITE_B.gateway6):
            wait_reachable(self.network.xtr_a, address)
            self.expect_all_answered(self.network.xtr_a, address, 3)

    @test("sends traffic to a non-LISP host natively and shows the negative entry")
    def non_lisp_host(self):
        self.network.let_core_route(SITE_A)
        try:
            (address,) = [a for a in ("203.0.113.10", "2001:db8:f:4::2")
                          if family_of(a) == family_of(self.network.map_server_address)]
            before = self.counters.read()
            self.expect_all_answered(self.network.host_a, address, 10, wait=3)
            crossed = self.counters.since(before)
            expect(crossed["native4"] + crossed["native6"] >= 10, f"the packets did not go natively: {crossed}")
            entries = [row for row in tables.map_cache(self.xtr_a) if covers(row.prefix, address)]
            expect(any(row.is_negative for row in entries), f"no negative entry: {tables.map_cache(self.xtr_a)}")
            for row in entries:
                overlapped = [each for each in SITE_A.prefixes + SITE_B.prefixes if overlap(row.prefix, each)]
                expect(not overlapped, f"the negative prefix {row.prefix} overlaps {overlapped}")
            self.expect_all_answered(self.network.host_a, SITE_B.host4, 3)
        finally:
            self.network.forget_core_routes(SITE_A)

    @test("asks again after `clear map-cache`, and `lig` names the RLOC of the other site")
    def looks_up(self):
        self.clear_map_caches()
        left = [row.prefix for row in tables.map_cache(self.xtr_a) if row.prefix in SITE_B.prefixes]
        expect(not left, f"`clear map-cache` left {left}")
        text = self.xtr_a.text("lig", SITE_B.host4)
        expect(self.network.rloc(self.network.xtr_b) in text, f"lig says:\n{text}")
        wait_until("the map-cache has the other site again",
                   lambda: ping(self.network.host_a, SITE_B.host4).received
                   and tables.mapping(self.xtr_a, SITE_B.prefix4), 5)


def host_prefix(address):
    return f"{address}/{128 if ':' in address else 32}"


class CleanCapture:
    """Ends a group whose capture must please tshark."""

    @test("sends nothing that tshark finds malformed or warns about")
    def is_clean(self):
        self.expect_running()
        self.expect_clean_capture()


class OverIPv4(ForwardingGroup, CleanCapture):
    name = "over-ipv4"
    rlocs = "4"


class OverIPv6(ForwardingGroup, CleanCapture):
    name = "over-ipv6"
    rlocs = "6"
