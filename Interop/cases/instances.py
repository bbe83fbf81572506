"""Instance IDs: a tenant with the same EIDs as instance 0, in a namespace of its own, beside a third in the main table.

      hostA  10.1.0.10 -- xtrA ================ xtrB -- hostB  10.2.0.10        instance 0, main table
      redA   10.1.0.10 -- tenantA: lisp101      lisp101: tenantB -- redB 10.2.0.10   instance 101, own namespaces
      hostA 10.11.0.10 -- xtrA ================ xtrB -- hostB 10.12.0.10        instance 102, main table
"""

from lispnet import capture, daemon, tables
from lispnet.nodes import Node
from lispnet.sites import SITE_A, SITE_B, connect_host
from lispnet.testing import expect, test
from lispnet.traffic import ping, traceroute, wait_reachable

from .base import SitesGroup

TENANT, THIRD = 101, 102
THIRD_PREFIXES = {SITE_A.name: "10.11.0.0/16", SITE_B.name: "10.12.0.0/16"}


class InstancesGroup(SitesGroup):
    name = "instances"

    def make_daemons(self):
        self.tenant_a, self.red_a = self.make_tenant(SITE_A, "tenantA", "redA")
        self.tenant_b, self.red_b = self.make_tenant(SITE_B, "tenantB", "redB")
        self.network.host_a.ip("address add 10.11.0.10/32 dev lo")
        self.network.xtr_a.ip(f"route add 10.11.0.0/16 via {SITE_A.host4}")
        self.network.host_b.ip("address add 10.12.0.10/32 dev lo")
        self.network.xtr_b.ip(f"route add 10.12.0.0/16 via {SITE_B.host4}")
        self.map_server = daemon.Daemon(self.network.map_server, self.map_server_configuration())
        self.xtr_a = daemon.Daemon(self.network.xtr_a, self.xtr_configuration(SITE_A, self.tenant_a))
        self.xtr_b = daemon.Daemon(self.network.xtr_b, self.xtr_configuration(SITE_B, self.tenant_b))

    def make_tenant(self, site, router_name, host_name):
        router, host = Node(self.run, router_name, router=True), Node(self.run, host_name)
        connect_host(router, "site0", site.gateway4, site.gateway6, host, site.host4, site.host6)
        if site is SITE_B:  # what only the tenant has
            host.ip("address add 10.2.50.50/32 dev lo")
            router.ip(f"route add 10.2.50.0/24 via {site.host4}")
        return router, host

    def xtr_configuration(self, site, tenant):
        database = [{"eid": prefix} for prefix in site.prefixes]
        database += [{"eid": prefix, "instance-id": TENANT} for prefix in site.prefixes]
        database += [{"eid": THIRD_PREFIXES[site.name], "instance-id": THIRD}]
        instances = [{"id": TENANT, "namespace": tenant.namespace}, {"id": THIRD}]
        return daemon.xtr(self.network, site, database=database, instances=instances)

    def map_server_configuration(self):
        configuration = daemon.map_server()
        configuration["map-server"]["eid-space"] = ["10.0.0.0/8", "2001:db8:a::/47"]
        for site, served in zip((SITE_A, SITE_B), configuration["map-server"]["sites"]):
            served["eids"] += [{"prefix": prefix, "instance-id": TENANT} for prefix in site.prefixes]
            served["eids"] += [{"prefix": THIRD_PREFIXES[site.name], "instance-id": THIRD}]
        return configuration

    @test("registers each instance's prefixes apart")
    def registers(self):
        for instance, prefix in ((0, SITE_B.prefix4), (TENANT, SITE_B.prefix4), (TENANT, SITE_B.prefix6),
                                 (THIRD, THIRD_PREFIXES[SITE_B.name])):
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
        for instance, prefix in ((0, SITE_B.prefix4), (TENANT, SITE_B.prefix4), (THIRD, "10.12.0.0/16")):
            expect(tables.mapping(self.xtr_a, prefix, instance), f"no entry [{instance}] {prefix}")
        rows = self.xtr_a.control("show", "map-cache", "--instance-id", str(TENANT))
        expect(SITE_B.prefix4 in str(rows) and "10.12.0.0/16" not in str(rows), f"--instance-id shows {rows}")

    @test("leaves the tenant's namespace as it was at SIGTERM")
    def leaves_tenant(self):
        expect(any("link lisp101" in line for line in self.tenant_a.routing_state()), "no lisp101 in the tenant")
        self.xtr_a.stop()
        left = [line for line in self.tenant_a.routing_state() if "lisp" in line]
        expect(not left, f"left behind: {left}")
        self.xtr_a.start()
        wait_reachable(self.red_a, SITE_B.host4)

    @test("sends nothing that tshark finds malformed or warns about, and tshark sees all three instance IDs")
    def is_clean(self):
        path = self.capture.path
        self.expect_running()
        self.expect_clean_capture()
        seen = capture.instances_seen(path)
        expect({TENANT, THIRD} <= seen, f"tshark saw the instance IDs {sorted(seen)}")
