"""LISP sites and the rest of the world: a Proxy-ITR and a Proxy-ETR between the sites and a host without LISP.

The core knows no EID but for one route: all of them are behind the proxy.
"""

from lispnet import capture, daemon, datagrams, tables
from lispnet.datagrams import Listener
from lispnet.nodes import Node
from lispnet.sites import EID_SPACE, SITE_A, SITE_B, SITE_C, ProxiedSites, connect_host
from lispnet.testing import expect, test
from lispnet.traffic import Stream, finish_ping, iperf3, ping, start_ping, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup

WEB4, WEB6 = "203.0.113.10", "2001:db8:f:4::2"
SPACE = EID_SPACE + [SITE_C.prefix6]  # what the proxy attracts; no Map-Server speaks for the last before there is a site C
NOBODY4, NOBODY6 = "10.99.0.1", "2001:db8:c::99"  # EIDs in it that no site has
SECOND4 = "198.51.100.38"  # another address of the proxy
NOT_ACCEPTED = "inner destination is not in this site, and the inner source not in `accept-sources` of this Proxy-ETR"
ATTRACTED = "no mapping inside the EID space that this Proxy-ITR attracts, and no Proxy-ETR to send it to"


def proxy(network, *roles, **changes):
    """The configuration of a proxy with the roles given, else with both of a proxy."""
    roles = roles or ("proxy-itr", "proxy-etr")
    configuration = {
        "roles": list(roles),
        "locators": [{"address": network.rloc(network.proxy), "priority": 1, "weight": 100}],
    }
    if "proxy-itr" in roles:
        configuration["proxy-itr"] = {"eid-space": SPACE}
        configuration["map-resolvers"] = [network.map_server_address]
        configuration["rloc-probing"] = {"enabled": False}
    if "proxy-etr" in roles:
        configuration["proxy-etr"] = {"accept-sources": SPACE}
    configuration.update({name.replace("_", "-"): value for name, value in changes.items()})
    return configuration


def drops(router, reason):
    """How many packets a router's data plane has dropped for a reason."""
    return tables.counts(tables.show(router, "statistics")["dataPlane"]["drops"]).get(reason, 0)


class Passage:
    """Counts the packets for some addresses that the core forwards, each time that it does."""

    def __init__(self, core, *addresses):
        self.core, self.names = core, {}
        rules = ""
        for number, address in enumerate(addresses):
            self.names[address] = f"to{number}"
            rules += f"{'ip6' if ':' in address else 'ip'} daddr {address} counter name to{number}\n"
        counters = "\n".join(f"counter {name} {{}}" for name in self.names.values())
        core.run("nft", "-f", "-", input=f"""
            table inet passage {{
                {counters}
                chain forward {{
                    type filter hook forward priority 5;
                    {rules}
                }}
            }}
            """)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.core.run("nft", "delete", "table", "inet", "passage")

    def count(self, address):
        text = self.core.run("nft", "list", "counter", "inet", "passage", self.names[address]).stdout
        return int(text.split("packets")[1].split()[0])


class ProxiedGroup(SitesGroup):
    topology = ProxiedSites

    def make_daemons(self):
        super().make_daemons()
        for xtr in (self.xtr_a, self.xtr_b):
            xtr.write({**xtr.configuration, "proxy-etrs": self.proxy_etrs()})
        self.proxy = daemon.Daemon(self.network.proxy, proxy(self.network))

    def proxy_etrs(self):
        return [{"address": self.network.rloc(self.network.proxy), "priority": 1, "weight": 100}]

    @property
    def daemons(self):
        return [*super().daemons, self.proxy]

    def restart(self, each, configuration):
        each.stop()
        each.write(configuration)
        each.start()

    def expect_answered(self, node, address, count=5):
        wait_reachable(node, address)
        result = ping(node, address, count, interval=0.05)
        expect(result.lost == 0, f"{result.lost} of {count} pings from {node.name} to {address} lost:\n{result.output}")

    def expect_all_talk(self):
        """Hosts of both sites and the host without LISP reach each other in both families."""
        for host, site in ((self.network.host_a, SITE_A), (self.network.host_b, SITE_B)):
            for web, eid in ((WEB4, site.host4), (WEB6, site.host6)):
                self.expect_answered(host, web)
                self.expect_answered(self.network.web, eid)


class ProxiesGroup(ProxiedGroup):
    """A Proxy-ITR and Proxy-ETR in one process, without a site; over RLOCs of either family."""

    @test("carries packets of both families from both sites to a non-LISP host and back, none natively from a site")
    def carries(self):
        before = self.counters.read()
        self.expect_all_talk()
        crossed = self.counters.since(before)
        doors = {name: self.counted_at_doors(name) for name in ("xtrA", "xtrB")}
        expect(not any(doors.values()), f"packets with an EID went natively to the core by {doors}")
        expect(crossed["data"] >= 80, f"only {crossed['data']} LISP data packets crossed the core")

    def counted_at_doors(self, name):
        """Native packets with an EID as source that came to the core from an xTR."""
        listing = self.network.core.run("nft", "list", "chain", "inet", "doors", "prerouting").stdout
        return sum(int(line.split("packets")[1].split()[0]) for line in listing.splitlines() if f'"{name}"' in line)

    def make_daemons(self):
        super().make_daemons()
        rules = "\n".join(f'iifname "{name}" {family} saddr {{ {space} }} counter'
                          for name in ("xtrA", "xtrB")
                          for family, space in (("ip", "10.0.0.0/8"), ("ip6", "2001:db8:a::/47")))
        self.network.core.run("nft", "-f", "-", input=f"""
            table inet doors {{
                chain prerouting {{
                    type filter hook prerouting priority -290;
                    {rules}
                }}
            }}
            """)

    @test("shows the negative entry that goes to the Proxy-ETR, and the site's entry at the Proxy-ITR")
    def shows_entries(self):
        self.expect_answered(self.network.host_a, WEB4)
        self.expect_answered(self.network.web, SITE_A.host4)
        negative = [row for row in tables.map_cache(self.xtr_a) if row.is_negative]
        expect(negative and all(row.raw["forwarding"] == "proxy-etr" for row in negative), f"xtrA has {negative}")
        entry = tables.mapping(self.proxy, SITE_A.prefix4)
        expect(entry and entry.locators == [self.network.rloc(self.network.xtr_a)], f"the proxy has {entry}")

    @test("asks as a Proxy-ITR does: with the p-bit and without a source EID")
    def asks_as_proxy(self):
        self.proxy.control("clear", "map-cache")
        wait_reachable(self.network.web, SITE_B.host4)
        ours = self.network.rloc(self.network.proxy)

        def asked():
            return [frame["message"]["encapsulatedMessage"] for frame in capture.decode(self.capture.path, "map-request")
                    if frame["source"]["address"] == ours and "encapsulatedMessage" in frame["message"]]

        wait_until("a Map-Request of the proxy is captured", asked, 5)
        for message in asked():
            expect(message["flags"]["p"], f"no p-bit in {message}")
            expect(message["sourceEID"]["afi"] == 0, f"source EID {message['sourceEID']}")

    @test("hears at once of a site's changed mapping, as everybody who has just sent packets there")
    def hears_of_change(self):
        self.expect_answered(self.network.web, SITE_A.host4)
        configuration = self.xtr_a.configuration
        (locator,) = configuration["locators"]
        self.xtr_a.write({**configuration, "locators": [{**locator, "weight": 33}]})
        self.xtr_a.control("config", "reload")
        wait_until("the proxy has the new weight", lambda: [each["weight"] for each in tables.mapping(
            self.proxy, SITE_A.prefix4).raw["locators"]] == [33], 3)
        self.xtr_a.write(configuration)
        self.xtr_a.control("config", "reload")
        self.expect_answered(self.network.web, SITE_A.host4)

    @test("refuses to decapsulate what comes from a foreign inner source, and counts it with its reason")
    def refuses_foreign_sources(self):
        rloc = self.network.rloc(self.network.proxy)
        for web, accepted, foreign in ((WEB4, SITE_A.host4, "192.0.2.99"), (WEB6, SITE_A.host6, "2001:db8:99::1")):
            listener = Listener(self.network.web, web)
            before = drops(self.proxy, NOT_ACCEPTED)
            with datagrams.outer_socket(self.network.rogue, rloc) as outer:
                for source in (foreign, accepted):
                    packet = datagrams.udp_packet(source, web, source.encode())
                    outer.sendto(datagrams.encapsulated(packet), (rloc, datagrams.DATA_PORT))
            received = [payload.decode() for payload, _ in listener.receive_all()]
            listener.close()
            expect(received == [accepted], f"{web} received what came from {received}")
            counted = drops(self.proxy, NOT_ACCEPTED) - before
            expect(counted == 1, f"{counted} of 1 counted")

    @test("refuses what is for an EID that no site has: the sender is told, and no packet comes round again")
    def does_not_loop(self):
        before = drops(self.proxy, ATTRACTED)
        with Passage(self.network.core, NOBODY4, NOBODY6) as passage:
            for address in (NOBODY4, NOBODY6):
                result = ping(self.network.web, address, 10, wait=1)
                expect(result.received == 0 and "xceeded" not in result.output, f"{address}:\n{result.output}")
                expect("nreachable" in result.output, f"the sender of packets to {address} is not told:\n{result.output}")
                crossed = passage.count(address)
                expect(crossed <= 10, f"packets to {address} crossed the core {crossed} times for 10 sent")
        # The first of each waits for the answer; the others meet the route.
        refused = drops(self.proxy, ATTRACTED) - before
        expect(refused >= 2, f"the daemon counts {refused} packets that it refused")
        negative = [row for row in tables.map_cache(self.proxy) if row.is_negative]
        expect(negative, f"the proxy's map-cache has {tables.map_cache(self.proxy)}")
        routes = [line for line in self.network.proxy.routing_state() if "unreachable" in line and "10003" in line]
        expect(routes, "the negative prefix has no route")

    @test("carries TCP through both proxies, either way")
    def carries_tcp(self):
        host, web = self.network.host_a, self.network.web
        for client, server, address in ((host, web, WEB4), (web, host, SITE_A.host4),
                                        (host, web, WEB6), (web, host, SITE_A.host6)):
            wait_reachable(client, address)
            report = iperf3(client, server, address, 1)
            received = report["end"]["sum_received"]["bytes"]
            expect(received > 1_000_000, f"{client.name} to {address}: only {received} octets")

    @test("carries TCP through both proxies, either way")
    def carries_tcp(self):
        host, web = self.network.host_a, self.network.web
        for client, server, address in ((host, web, WEB4), (web, host, SITE_A.host4),
                                        (host, web, WEB6), (web, host, SITE_A.host6)):
            wait_reachable(client, address)
            report = iperf3(client, server, address, 1)
            received = report["end"]["sum_received"]["bytes"]
            expect(received > 1_000_000, f"{client.name} to {address}: only {received} octets")

    def held_and_dropped(self):
        return tables.counts(tables.show(self.proxy, "statistics")["controlDrops"]).get(HELD, 0)

    @test("refuses in the same way what is for a site that has just gone, and carries again when it is back")
    def site_goes(self):
        self.expect_answered(self.network.web, SITE_B.host4)
        self.xtr_b.stop()
        self.proxy.control("clear", "map-cache")
        with Passage(self.network.core, SITE_B.host4) as passage:
            result = ping(self.network.web, SITE_B.host4, 10, wait=1)
            expect(result.received == 0 and "xceeded" not in result.output, f"it answers, or loops:\n{result.output}")
            expect(passage.count(SITE_B.host4) <= 10, f"the packets crossed the core {passage.count(SITE_B.host4)} times")
        self.xtr_b.start()
        self.wait_registered()
        self.proxy.control("clear", "map-cache")
        self.expect_answered(self.network.web, SITE_B.host4)
        self.expect_answered(self.network.web, SITE_A.host6)

    @test("takes its rules and routes out at SIGTERM")
    def leaves_nothing(self):
        self.proxy.stop()
        left = [line for line in self.network.proxy.routing_state() if "proto 216" in line or "lisp" in line]
        expect(not left, f"left behind: {left}")
        self.proxy.start()
        self.expect_answered(self.network.web, SITE_A.host4)

    @test("sends nothing that tshark finds malformed or warns about")
    def is_clean(self):
        self.expect_running()
        path = self.capture.stop()
        found = capture.complaints(path)
        ours = {each: number for each, number in found.items() if each[0] != "Data"}  # tshark judges the TCP inside, too
        expect(not ours, f"tshark complains: {ours}")


class ProxiesOverIPv4(ProxiesGroup):
    name = "proxies-over-ipv4"
    rlocs = "4"


class ProxiesOverIPv6(ProxiesGroup):
    name = "proxies-over-ipv6"
    rlocs = "6"


class ProxyRolesGroup(ProxiedGroup):
    """Each role of a proxy alone, and all roles in one process."""

    name = "proxy-roles"
    rlocs = "46"
    captured = None

    @test("is a Proxy-ITR alone: what the sites answer goes natively")
    def proxy_itr_alone(self):
        self.restart(self.proxy, proxy(self.network, "proxy-itr"))
        for xtr, site in ((self.xtr_a, SITE_A), (self.xtr_b, SITE_B)):
            self.restart(xtr, daemon.xtr(self.network, site))
        self.wait_registered()
        before = self.counters.read()
        for site in (SITE_A, SITE_B):
            self.expect_answered(self.network.web, site.host4)
        crossed = self.counters.since(before)
        expect(crossed["data"] >= 10, f"only {crossed['data']} LISP data packets crossed the core")
        packet = datagrams.udp_packet(SITE_A.host4, WEB4, b"to be decapsulated")
        listener = Listener(self.network.web, WEB4)
        rloc = self.network.rloc(self.network.proxy)
        with datagrams.outer_socket(self.network.rogue, rloc) as outer:
            outer.sendto(datagrams.encapsulated(packet), (rloc, datagrams.DATA_PORT))
        received = listener.receive_all()
        listener.close()
        expect(not received, "it decapsulates although it is no Proxy-ETR")

    @test("is a Proxy-ETR alone: what the non-LISP host answers comes natively")
    def proxy_etr_alone(self):
        self.restart(self.proxy, proxy(self.network, "proxy-etr"))
        for xtr, site in ((self.xtr_a, SITE_A), (self.xtr_b, SITE_B)):
            self.restart(xtr, daemon.xtr(self.network, site, proxy_etrs=self.proxy_etrs()))
        self.wait_registered()
        self.network.let_core_route(SITE_A, SITE_B)
        try:
            before = self.counters.read()
            for host in (self.network.host_a, self.network.host_b):
                self.expect_answered(host, WEB4)
                self.expect_answered(host, WEB6)
            crossed = self.counters.since(before)
            expect(crossed["data"] >= 20, f"only {crossed['data']} LISP data packets crossed the core")
            rules = [line for line in self.network.proxy.routing_state() if "10003" in line]
            expect(not rules, f"it attracts traffic although it is no Proxy-ITR: {rules}")
        finally:
            self.network.forget_core_routes(SITE_A, SITE_B)

    @test("is everything in one process: Map-Server, Map-Resolver, both proxies and the router of a site of its own")
    def all_in_one(self):
        rloc = self.network.rloc(self.network.proxy)
        server = daemon.map_server(SITE_A, SITE_B, SITE_C)
        server["map-server"]["eid-space"] = SPACE
        own = {
            "database": [{"eid": prefix} for prefix in SITE_C.prefixes],
            "map-servers": [{"address": rloc, "keys": [daemon.key(SITE_C.key)]}],
        }
        roles = ["itr", "etr", "proxy-itr", "proxy-etr", "map-server", "map-resolver"]
        self.map_server.stop()
        self.restart(self.proxy, {
            **server, **proxy(self.network), **own, "roles": roles, "map-resolvers": [rloc]})
        for xtr, site in ((self.xtr_a, SITE_A), (self.xtr_b, SITE_B)):
            configuration = daemon.xtr(self.network, site, proxy_etrs=self.proxy_etrs(), map_resolvers=[rloc])
            configuration["map-servers"][0]["address"] = rloc
            self.restart(xtr, configuration)
        wait_until("all sites are registered", lambda: all(
            tables.is_registered(self.proxy, prefix)
            for prefix in SITE_A.prefixes + SITE_B.prefixes + SITE_C.prefixes), 30)
        self.expect_all_talk()
        for near, far in (("host4", SITE_C.host4), ("host6", SITE_C.host6)):
            for host, site in ((self.network.host_a, SITE_A), (self.network.host_b, SITE_B)):
                self.expect_answered(host, far)
                self.expect_answered(self.network.host_p, getattr(site, near))
            self.expect_answered(self.network.web, far)
        self.expect_answered(self.network.host_p, WEB4)
        self.expect_answered(self.network.host_p, WEB6)
        self.expect_answered(self.network.proxy, SITE_A.host4)
        with Passage(self.network.core, NOBODY4) as passage:
            for sender in (self.network.web, self.network.host_p):
                result = ping(sender, NOBODY4, 5, wait=1)
                expect(result.received == 0 and "xceeded" not in result.output, f"{sender.name}:\n{result.output}")
            expect(passage.count(NOBODY4) <= 10, f"the packets crossed the core {passage.count(NOBODY4)} times")


class ProxyTenantGroup(ProxiedGroup):
    """The same for a tenant whose EIDs are those of instance 0, too; its TUNs are in namespaces of its own.

      redA 10.1.0.10 -- tenantA: lisp101 == xtrA == core == proxy == lisp101: tenantP -- shop 192.0.2.10
      hostA 10.1.0.10 ---------------------- xtrA == core == proxy -------------- core -- web 203.0.113.10
    """

    name = "proxy-tenant"
    captured = None
    TENANT, SHOP4, SHOP6 = 101, "192.0.2.10", "2001:db8:77::10"

    def make_daemons(self):
        super().make_daemons()
        tenant_a, self.red_a = Node(self.run, "tenantA", router=True), Node(self.run, "redA")
        connect_host(tenant_a, "site0", SITE_A.gateway4, SITE_A.gateway6, self.red_a, SITE_A.host4, SITE_A.host6)
        self.tenant_p, self.shop = Node(self.run, "tenantP", router=True), Node(self.run, "shop")
        connect_host(self.tenant_p, "shop0", "192.0.2.1", "2001:db8:77::1", self.shop, self.SHOP4, self.SHOP6)
        database = [{"eid": prefix, "instance-id": instance}
                    for instance in (0, self.TENANT) for prefix in SITE_A.prefixes]
        self.xtr_a.write({**self.xtr_a.configuration, "database": database,
                          "instances": [{"id": self.TENANT, "namespace": tenant_a.namespace}]})
        server = self.map_server.configuration
        server["map-server"]["sites"][0]["eids"] += [
            {"prefix": prefix, "instance-id": self.TENANT} for prefix in SITE_A.prefixes]
        self.map_server.write(server)
        space = SPACE + [{"prefix": prefix, "instance-id": self.TENANT} for prefix in SPACE]
        self.proxy.write({**self.proxy.configuration,
                          "proxy-itr": {"eid-space": space}, "proxy-etr": {"accept-sources": space},
                          "instances": [{"id": 0}, {"id": self.TENANT, "namespace": self.tenant_p.namespace}]})

    @test("carries the tenant's packets to its own non-LISP host and back, beside those of instance 0")
    def carries(self):
        for shop, web, eid in ((self.SHOP4, WEB4, SITE_A.host4), (self.SHOP6, WEB6, SITE_A.host6)):
            self.expect_answered(self.red_a, shop)
            self.expect_answered(self.shop, eid)
            self.expect_answered(self.network.host_a, web)
            self.expect_answered(self.network.web, eid)

    @test("delivers each of two hosts with one EID what comes by its own proxy")
    def delivers_apart(self):
        for eid in (SITE_A.host4, SITE_A.host6):
            listeners = {"shop": Listener(self.red_a, eid), "web": Listener(self.network.host_a, eid)}
            for name, sender in (("shop", self.shop), ("web", self.network.web)):
                wait_reachable(sender, eid)
                with datagrams.udp_socket(sender, datagrams.family_of(eid)) as outgoing:
                    outgoing.sendto(name.encode(), (eid, 4000))
            for name, listener in listeners.items():
                received = [payload.decode() for payload, _ in listener.receive_all()]
                listener.close()
                expect(received == [name], f"{eid} behind {name} received what {received} sent")

    @test("reaches in no instance what only the other has")
    def keeps_apart(self):
        for node, address in ((self.red_a, WEB4), (self.network.host_a, self.SHOP4), (self.shop, SITE_B.host4)):
            result = ping(node, address, 3, wait=1)
            expect(result.received == 0, f"{node.name} reaches {address}")

    @test("leaves the tenant's namespace as it was at SIGTERM")
    def leaves_tenant(self):
        self.proxy.stop()
        left = [line for line in self.tenant_p.routing_state() if "lisp" in line or "proto 216" in line]
        expect(not left, f"left behind: {left}")


class ProxyETRsGroup(ProxiedGroup):
    """Two Proxy-ETRs, which are two addresses of the proxy: priority, weight, and whether they live."""

    name = "proxy-etrs"
    captured = None
    PROBING = {"enabled": True, "interval": "2s", "retries": 3, "retry-interval": "1s"}

    def make_daemons(self):
        super().make_daemons()
        self.first = self.network.rloc(self.network.proxy)
        self.network.proxy.ip(f"address add {SECOND4}/32 dev core")
        self.network.core.ip(f"route add {SECOND4}/32 via {self.first}")
        self.proxy.write(proxy(self.network, locators=[
            {"address": address, "priority": 1, "weight": 100} for address in (self.first, SECOND4)]))
        self.prefer(1, 2)

    def prefer(self, *priorities, weights=(100, 100)):
        """Writes xtrA's configuration with these priorities of the two."""
        proxies = [{"address": address, "priority": priority, "weight": weight}
                   for address, priority, weight in zip((self.first, SECOND4), priorities, weights)]
        # A train of datagrams would count as one packet in the core.
        self.xtr_a.write({**self.xtr_a.configuration, "rloc-probing": self.PROBING, "proxy-etrs": proxies,
                          "data-plane": {"offload": "off"}})

    def used(self, flows=64):
        """{Proxy-ETR: packets} that cross the core to each for one packet each of many flows of xtrA."""
        with Passage(self.network.core, self.first, SECOND4) as passage:
            for _ in range(flows):
                with datagrams.udp_socket(self.network.host_a) as sender:
                    sender.sendto(b"a flow", (WEB4, 9))
            wait_until("the packets cross the core",
                       lambda: passage.count(self.first) + passage.count(SECOND4) >= flows, 5)
            return {address: passage.count(address) for address in (self.first, SECOND4)}

    @test("uses the Proxy-ETR of the lower priority, and both by weight if they are equal")
    def prefers(self):
        self.expect_answered(self.network.host_a, WEB4)
        used = self.used()
        expect(used[self.first] >= 64 and used[SECOND4] <= 4, f"with priorities 1 and 2: {used}")
        for priorities, weights, least in (((1, 1), (100, 100), 12), ((1, 1), (100, 25), 3)):
            self.prefer(*priorities, weights=weights)
            self.xtr_a.control("config", "reload")
            used = self.used()
            expect(min(used.values()) >= least, f"with priorities {priorities} and weights {weights}: {used}")
        self.prefer(1, 2)
        self.xtr_a.control("config", "reload")

    @test("takes the other Proxy-ETR within 6 s when one dies, and goes back when it lives again")
    def moves(self):
        self.expect_answered(self.network.host_a, WEB4)
        interval, count = 0.05, 240
        running = start_ping(self.network.host_a, WEB4, count, interval=interval, wait=1)
        self.network.core.run("nft", "-f", "-", input=f"""
            table inet dead {{
                chain forward {{
                    type filter hook forward priority -10;
                    ip daddr {self.first} drop
                }}
            }}
            """)
        try:
            result = finish_ping(running, 40)
        finally:
            self.network.core.run("nft", "delete", "table", "inet", "dead")
        expect(0 < result.lost * interval <= 6.2, f"{result.lost * interval:.1f} s without an answer")
        wait_until("it goes back", lambda: self.used(8)[SECOND4] <= 2, 20, interval=1)


class StaticMappingsGroup(ProxiedGroup):
    """Entries of the map-cache that the configuration has."""

    name = "static-mappings"

    def static(self, *entries):
        self.xtr_a.write({**daemon.xtr(self.network, SITE_A), "map-cache": {"static": list(entries)}})
        self.xtr_a.control("config", "reload")

    @test("encapsulates by static mappings without asking anybody, and `clear map-cache` leaves them")
    def encapsulates(self):
        locators = [{"address": self.network.rloc(self.network.xtr_b), "priority": 1, "weight": 100}]
        self.static(*({"eid": prefix, "locators": locators} for prefix in SITE_B.prefixes))
        self.xtr_a.control("clear", "map-cache")
        asked = len(self.asked())
        for address in (SITE_B.host4, SITE_B.host6):
            self.expect_answered(self.network.host_a, address)
        for prefix in SITE_B.prefixes:
            entry = tables.mapping(self.xtr_a, prefix)
            expect(entry and entry.raw["source"] == "static" and "expiresIn" not in entry.raw, f"{prefix}: {entry}")
        expect(len(self.asked()) == asked, f"{len(self.asked()) - asked} Map-Requests of xtrA")

    def asked(self):
        ours = self.network.rloc(self.network.xtr_a)
        return [frame for frame in capture.decode(self.capture.path, "map-request") if frame["source"]["address"] == ours]

    @test("forwards natively, or drops and counts, where a static mapping says so")
    def acts(self):
        self.network.let_core_route(SITE_A)
        try:
            self.static({"eid": "203.0.113.0/24", "action": "natively-forward"},
                        {"eid": "10.2.0.0/16", "action": "drop-policy-denied"})
            asked = len(self.asked())
            self.expect_answered(self.network.host_a, WEB4)
            reason = "mapping says drop: denied by policy"
            before = drops(self.xtr_a, reason)
            result = ping(self.network.host_a, SITE_B.host4, 5, wait=1)
            expect(result.received == 0, f"{result.received} of 5 pings answered")
            expect(drops(self.xtr_a, reason) == before + 5, f"{drops(self.xtr_a, reason) - before} of 5 counted")
            expect(len(self.asked()) == asked, f"{len(self.asked()) - asked} Map-Requests of xtrA")
        finally:
            self.network.forget_core_routes(SITE_A)

    @test("goes back to what the mapping system says when a static mapping goes")
    def goes(self):
        self.static({"eid": SITE_B.prefix4, "action": "drop"})
        expect(ping(self.network.host_a, SITE_B.host4, 2, wait=1).received == 0, "the mapping does not drop")
        self.static()
        self.expect_answered(self.network.host_a, SITE_B.host4)
        entry = tables.mapping(self.xtr_a, SITE_B.prefix4)
        expect(entry and entry.raw["source"] == "map-reply", f"the entry is {entry}")


class NativeRoutesGroup(SitesGroup):
    """What a negative mapping becomes in the kernel of a router without a Proxy-ETR."""

    name = "native-routes"
    captured = None

    def set_up(self):
        super().set_up()
        self.network.let_core_route(SITE_A)

    def throws(self):
        return [line for line in self.network.xtr_a.routing_state() if "throw" in line and "10001" in line]

    @test("spares packets to a non-LISP host the detour by the TUN, once the answer is there, and loses none")
    def spares_detour(self):
        before = len(self.throws())
        result = ping(self.network.host_a, WEB4, 3)
        expect(result.lost == 0, f"{result.lost} of 3 pings lost")
        wait_until("a `throw` route appears", lambda: len(self.throws()) > before, 5)
        tunnel = sum(self.network.xtr_a.interface_packets("lisp0"))
        result = ping(self.network.host_a, WEB4, 20, interval=0.05)
        expect(result.lost == 0, f"{result.lost} of 20 pings lost")
        passed = sum(self.network.xtr_a.interface_packets("lisp0")) - tunnel
        expect(passed <= 4, f"{passed} packets went through lisp0 for 20 pings")

    @test("encapsulates to a prefix below a negative one, whichever came first, and loses no packet meanwhile")
    def positive_below(self):
        configuration = self.xtr_a.configuration
        wide = {"eid": "10.0.0.0/8", "action": "natively-forward"}
        narrow = {"eid": SITE_B.prefix4, "locators": [
            {"address": self.network.rloc(self.network.xtr_b), "priority": 1, "weight": 100}]}
        self.expect_encapsulated(SITE_B.host4)
        before = self.counters.read()
        stream = Stream(self.network.host_a, SITE_B.host4)
        try:
            for entries in ([narrow], [narrow, wide], [narrow], [wide, narrow]):
                self.xtr_a.write({**configuration, "map-cache": {"static": entries}})
                self.xtr_a.control("config", "reload")
                wait_until("the route follows", lambda: any(
                    wide["eid"] in line for line in self.throws()) == (wide in entries), 5)
                self.expect_encapsulated(SITE_B.host4)
        finally:
            result = stream.stop()
            self.xtr_a.write(configuration)
            self.xtr_a.control("config", "reload")
        expect(result.lost == 0, f"{result.lost} of {result.sent} packets lost")
        expect(self.counters.since(before)["native4"] == 0, "packets for site B went natively")
        self.expect_encapsulated(SITE_B.host4)

    def expect_encapsulated(self, address):
        wait_reachable(self.network.host_a, address)
        before = self.counters.read()
        result = ping(self.network.host_a, address, 5)
        crossed = self.counters.since(before)
        expect(result.lost == 0 and crossed["data"] >= 10 and crossed["native4"] == 0, f"{result.lost} lost, {crossed}")

    @test("takes the route away with the mapping")
    def goes_with_mapping(self):
        wait_reachable(self.network.host_a, WEB4)
        wait_until("the route is there", self.throws, 5)
        self.xtr_a.control("clear", "map-cache")
        wait_until("the route is gone", lambda: not self.throws(), 5)
        wait_reachable(self.network.host_a, WEB4)

    @test("forwards natively through interfaces whose reverse path filter is strict, too")
    def strict_filter(self):
        self.network.xtr_a.sysctl({"net.ipv4.conf.all.rp_filter": 1, "net.ipv4.conf.core.rp_filter": 1})
        wait_reachable(self.network.host_a, WEB4)
        result = ping(self.network.host_a, WEB4, 10)
        expect(result.lost == 0, f"{result.lost} of 10 pings lost:\n{result.output}")
