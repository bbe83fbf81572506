"""Instance IDs: two tenants with the same EIDs as instance 0, in namespaces of their own, beside another in the main table.

      hostA  10.1.0.10 -- xtrA ================ xtrB -- hostB  10.2.0.10             instance 0, main table
      redA   10.1.0.10 -- tenantA: lisp101      lisp101: tenantB -- redB 10.2.0.10   instance 101, own namespaces
      hostA 10.11.0.10 -- xtrA ================ xtrB -- hostB 10.12.0.10             instance 102, main table
      blueA  10.1.0.10 -- otherA: lisp103       lisp103: otherB -- blueB 10.2.0.10   instance 103, own namespaces
"""

from lispnet import capture, daemon, datagrams, tables
from lispnet.datagrams import Listener
from lispnet.nodes import Node
from lispnet.sites import SITE_A, SITE_B, connect_host
from lispnet.testing import expect, test
from lispnet.traffic import Stream, ping, traceroute, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup

TENANT, THIRD, OTHER = 101, 102, 103
THIRD_PREFIXES = {SITE_A.name: "10.11.0.0/16", SITE_B.name: "10.12.0.0/16"}


class InstancesGroup(SitesGroup):
    name = "instances"

    def make_daemons(self):
        self.tenant_a, self.red_a = self.make_tenant(SITE_A, "tenantA", "redA")
        self.tenant_b, self.red_b = self.make_tenant(SITE_B, "tenantB", "redB", "10.2.50")
        self.other_a, self.blue_a = self.make_tenant(SITE_A, "otherA", "blueA")
        self.other_b, self.blue_b = self.make_tenant(SITE_B, "otherB", "blueB", "10.2.60")
        self.network.host_a.ip("address add 10.11.0.10/32 dev lo")
        self.network.xtr_a.ip(f"route add 10.11.0.0/16 via {SITE_A.host4}")
        self.network.host_b.ip("address add 10.12.0.10/32 dev lo")
        self.network.xtr_b.ip(f"route add 10.12.0.0/16 via {SITE_B.host4}")
        self.map_server = daemon.Daemon(self.network.map_server, self.map_server_configuration())
        self.xtr_a = daemon.Daemon(self.network.xtr_a, self.xtr_configuration(SITE_A, self.tenant_a, self.other_a))
        self.xtr_b = daemon.Daemon(self.network.xtr_b, self.xtr_configuration(SITE_B, self.tenant_b, self.other_b))

    def make_tenant(self, site, router_name, host_name, own=None):
        """A tenant's router and host; `own` begins the addresses of what only this tenant has."""
        router, host = Node(self.run, router_name, router=True), Node(self.run, host_name)
        connect_host(router, "site0", site.gateway4, site.gateway6, host, site.host4, site.host6)
        if own:
            host.ip(f"address add {own}.50/32 dev lo")
            router.ip(f"route add {own}.0/24 via {site.host4}")
        return router, host

    def xtr_configuration(self, site, tenant, other):
        database = [{"eid": prefix, "instance-id": instance}
                    for instance in (0, TENANT, OTHER) for prefix in site.prefixes]
        database += [{"eid": THIRD_PREFIXES[site.name], "instance-id": THIRD}]
        instances = [{"id": TENANT, "namespace": tenant.namespace}, {"id": THIRD},
                     {"id": OTHER, "namespace": other.namespace}]
        return daemon.xtr(self.network, site, database=database, instances=instances)

    def map_server_configuration(self):
        configuration = daemon.map_server()
        configuration["map-server"]["eid-space"] = ["10.0.0.0/8", "2001:db8:a::/47"]
        for site, served in zip((SITE_A, SITE_B), configuration["map-server"]["sites"]):
            served["eids"] += [{"prefix": prefix, "instance-id": instance}
                               for instance in (TENANT, OTHER) for prefix in site.prefixes]
            served["eids"] += [{"prefix": THIRD_PREFIXES[site.name], "instance-id": THIRD}]
        return configuration

    @test("registers each instance's prefixes apart")
    def registers(self):
        for instance, prefix in ((0, SITE_B.prefix4), (TENANT, SITE_B.prefix4), (TENANT, SITE_B.prefix6),
                                 (OTHER, SITE_B.prefix4), (OTHER, SITE_B.prefix6), (THIRD, THIRD_PREFIXES[SITE_B.name])):
            expect(tables.is_registered(self.map_server, prefix, instance), f"[{instance}] {prefix} is not registered")

    @test("carries a tenant's traffic between namespaces although instance 0 has the same EIDs")
    def carries_tenant(self):
        for address in (SITE_B.host4, SITE_B.host6, "10.2.50.50"):
            wait_reachable(self.red_a, address)
            result = ping(self.red_a, address, 5)
            expect(result.lost == 0, f"{result.lost} of 5 pings to the tenant's {address} lost")
        result = ping(self.red_b, SITE_A.host4, 5)
        expect(result.lost == 0, f"{result.lost} of 5 pings back lost")

    @test("keeps instances apart: what only the tenant has, instance 0 cannot reach")
    def keeps_apart(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        result = ping(self.network.host_a, "10.2.50.50", 3, wait=1)
        expect(result.received == 0, "instance 0 reaches a host of the tenant")

    @test("delivers each of three hosts with one address what its own instance sends, and nothing of the others")
    def delivers_apart(self):
        pairs = {"instance 0": (self.network.host_a, self.network.host_b), "red": (self.red_a, self.red_b),
                 "blue": (self.blue_a, self.blue_b)}
        for destination in (SITE_B.host4, SITE_B.host6):
            listeners = {name: Listener(receiver, destination) for name, (_, receiver) in pairs.items()}
            for name, (sender, _) in pairs.items():
                wait_reachable(sender, destination)
                with datagrams.udp_socket(sender, datagrams.family_of(destination), ("", 4001)) as outgoing:
                    outgoing.sendto(name.encode(), (destination, 4000))
            for name, listener in listeners.items():
                received = [payload.decode() for payload, _ in listener.receive_all()]
                expect(received == [name], f"the host of {name} received {received}")
                listener.close()

    @test("keeps two tenants apart: neither reaches what only the other has")
    def keeps_tenants_apart(self):
        for host, own, foreign in ((self.red_a, "10.2.50.50", "10.2.60.50"), (self.blue_a, "10.2.60.50", "10.2.50.50")):
            wait_reachable(host, own)
            result = ping(host, foreign, 3, wait=1)
            expect(result.received == 0, f"{host.name} reaches {foreign} of the other tenant")

    @test("delivers to the tenant whose instance ID a packet has, and drops and counts one that nobody has")
    def delivers_by_instance(self):
        rloc = self.network.rloc(self.network.xtr_b)
        packet = datagrams.udp_packet(SITE_A.host4, SITE_B.host4, b"forged")
        hosts = {TENANT: self.red_b, OTHER: self.blue_b, 104: None}
        listeners = {instance: Listener(host, SITE_B.host4) for instance, host in hosts.items() if host}
        before = self.unknown_instances()
        with datagrams.udp_socket(self.network.rogue) as outer:
            for instance in hosts:
                outer.sendto(datagrams.encapsulated(packet, instance), (rloc, datagrams.DATA_PORT))
        for listener in listeners.values():
            received = listener.receive_all()
            expect(len(received) == 1, f"received {received}")
            listener.close()
        expect(self.unknown_instances() == before + 1, f"{self.unknown_instances() - before} of 1 counted")

    def unknown_instances(self):
        drops = tables.counts(tables.show(self.xtr_b, "statistics")["dataPlane"]["drops"])
        return drops.get("instance ID is not configured here", 0)

    @test("lets one tenant's prefix go by a reload without a packet of the other's lost")
    def one_tenant_leaves(self):
        wait_reachable(self.red_a, SITE_B.host4)
        wait_reachable(self.blue_a, SITE_B.host4)
        configuration = self.xtr_b.configuration
        red = {"eid": SITE_B.prefix4, "instance-id": TENANT}
        stream = Stream(self.blue_a, SITE_B.host4)
        self.xtr_b.write({**configuration, "database": [each for each in configuration["database"] if each != red]})
        self.xtr_b.reload()
        wait_until("red's prefix is withdrawn", lambda: not tables.is_registered(self.map_server, SITE_B.prefix4, TENANT), 5)
        expect(ping(self.red_a, SITE_B.host4, 3, wait=1).received == 0, "red's prefix still answers")
        for instance in (0, OTHER):
            expect(tables.is_registered(self.map_server, SITE_B.prefix4, instance), f"[{instance}] went with it")
        self.xtr_b.write(configuration)
        self.xtr_b.reload()
        wait_until("red's prefix is back", lambda: tables.is_registered(self.map_server, SITE_B.prefix4, TENANT), 5)
        wait_reachable(self.red_a, SITE_B.host4)
        result = stream.stop()
        expect(result.lost == 0, f"{result.lost} of {result.sent} packets of the other tenant lost")

    @test("carries an instance of the main table beside instance 0")
    def carries_third(self):
        result = ping(self.network.host_a, "10.12.0.10", 5, source="10.11.0.10", wait=3)
        expect(result.lost == 0, f"{result.lost} of 5 pings lost:\n{result.output}")

    @test("lets the tenant ping its gateways and see both in a traceroute")
    def tenant_gateways(self):
        for address in (SITE_A.gateway4, SITE_B.gateway4, SITE_B.gateway6):
            wait_reachable(self.red_a, address)
        hops, output = traceroute(self.red_a, SITE_B.host4)
        expect(hops[0] == SITE_A.gateway4 and SITE_B.gateway4 in hops[1:] and hops[-1] == SITE_B.host4, output)

    @test("shows the map-cache by instance")
    def shows_instances(self):
        for instance, prefix in ((0, SITE_B.prefix4), (TENANT, SITE_B.prefix4), (OTHER, SITE_B.prefix4),
                                 (THIRD, "10.12.0.0/16")):
            expect(tables.mapping(self.xtr_a, prefix, instance), f"no entry [{instance}] {prefix}")
        rows = self.xtr_a.control("show", "map-cache", "--instance-id", str(TENANT))
        expect(SITE_B.prefix4 in str(rows) and "10.12.0.0/16" not in str(rows), f"--instance-id shows {rows}")

    @test("leaves the tenants' namespaces as they were at SIGTERM")
    def leaves_tenants(self):
        for router, tun in ((self.tenant_a, "lisp101"), (self.other_a, "lisp103")):
            expect(any(f"link {tun}" in line for line in router.routing_state()), f"no {tun} in the tenant")
        self.xtr_a.stop()
        for router in (self.tenant_a, self.other_a):
            left = [line for line in router.routing_state() if "lisp" in line]
            expect(not left, f"left behind: {left}")
        self.xtr_a.start()
        wait_reachable(self.red_a, SITE_B.host4)

    @test("sends nothing that tshark finds malformed or warns about, and tshark sees each instance ID")
    def is_clean(self):
        path = self.capture.path
        self.expect_running()
        self.expect_clean_capture()
        seen = capture.instances_seen(path)
        expect({TENANT, THIRD, OTHER} <= seen, f"tshark saw the instance IDs {sorted(seen)}")
