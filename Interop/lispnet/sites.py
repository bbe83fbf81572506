r"""The network: two LISP sites over a core that knows nothing of their EIDs.

      site A: 10.1.0.0/16, 2001:db8:a::/48                    site B: 10.2.0.0/16, 2001:db8:b::/48

      hostA -----------+
      10.1.0.10        |site0
      2001:db8:a::10  xtrA ---------------- core ---------------- xtrB ----------- hostB
                       |site1             / | \             site0    10.2.0.10
      hostA2 ----------+                 /  |  \                     2001:db8:b::10
      10.1.1.10                         /   |   \
      2001:db8:a:1::10        mapserver   web   rogue

      node        IPv4 on the core link      IPv6              what it is
      xtrA        198.51.100.2               2001:db8:f:1::2   ITR and ETR of site A; gateway .1 and ::1 on site0, site1
      xtrB        198.51.100.6               2001:db8:f:2::2   the same of site B
      mapserver   198.51.100.10              2001:db8:f:3::2   Map-Server and Map-Resolver
      web         203.0.113.10               2001:db8:f:4::2   a host that knows nothing of LISP
      rogue       198.51.100.14              2001:db8:f:5::2   sends forged messages
      xtrB2       198.51.100.26              2001:db8:f:6::2   another router of site B, in MultihomedSites only
      proxy       198.51.100.34              2001:db8:f:7::2   between the sites and the rest, in ProxiedSites only

`rlocs` says of which families the RLOCs are: "4", "6" or "46"; the core links have addresses of these only. EIDs are always of
both. The core has no route to an EID unless `let_core_route` gives it one.
"""

from .nodes import Node, link

EID_SPACE = ["10.0.0.0/8", "2001:db8:a::/47"]


class Site:
    """The plan of one site: letter, EID-prefixes, and addresses within."""

    def __init__(self, letter, number, name):
        self.letter = letter
        self.name = name
        self.prefix4, self.prefix6 = f"10.{number}.0.0/16", f"2001:db8:{letter}::/48"
        self.prefixes = [self.prefix4, self.prefix6]
        self.gateway4, self.gateway6 = f"10.{number}.0.1", f"2001:db8:{letter}::1"
        self.host4, self.host6 = f"10.{number}.0.10", f"2001:db8:{letter}::10"
        self.second_gateway4, self.second_gateway6 = f"10.{number}.1.1", f"2001:db8:{letter}:1::1"
        self.second_host4, self.second_host6 = f"10.{number}.1.10", f"2001:db8:{letter}:1::10"
        self.unrouted4, self.unrouted6 = f"10.{number}.77.77", f"2001:db8:{letter}:77::77"
        self.key = f"the secret of {name}"


SITE_A = Site("a", 1, "site-a")
SITE_B = Site("b", 2, "site-b")
SITE_C = Site("c", 3, "site-c")

# Core links: name of the core's interface -> (router's IPv4, core's IPv4, length), (router's IPv6, core's IPv6).
CORE_LINKS = {
    "xtrA": (("198.51.100.2", "198.51.100.1", 30), ("2001:db8:f:1::2", "2001:db8:f:1::1")),
    "xtrB": (("198.51.100.6", "198.51.100.5", 30), ("2001:db8:f:2::2", "2001:db8:f:2::1")),
    "mapserver": (("198.51.100.10", "198.51.100.9", 30), ("2001:db8:f:3::2", "2001:db8:f:3::1")),
    "rogue": (("198.51.100.14", "198.51.100.13", 30), ("2001:db8:f:5::2", "2001:db8:f:5::1")),
    "xtrB2": (("198.51.100.26", "198.51.100.25", 30), ("2001:db8:f:6::2", "2001:db8:f:6::1")),
    "proxy": (("198.51.100.34", "198.51.100.33", 30), ("2001:db8:f:7::2", "2001:db8:f:7::1")),
    "web": (("203.0.113.10", "203.0.113.1", 24), ("2001:db8:f:4::2", "2001:db8:f:4::1")),
}


class TwoSites:
    """The network drawn above."""

    def __init__(self, run, rlocs="4", host_mtu=1500):
        self.run = run
        self.rlocs = rlocs
        self.host_mtu = host_mtu
        self.core = Node(run, "core", router=True)
        self.xtr_a = Node(run, "xtrA", router=True)
        self.xtr_b = Node(run, "xtrB", router=True)
        self.map_server = Node(run, "mapserver")
        self.web = Node(run, "web")
        self.rogue = Node(run, "rogue")
        self.host_a = Node(run, "hostA")
        self.host_a2 = Node(run, "hostA2")
        self.host_b = Node(run, "hostB")
        for node in (self.xtr_a, self.xtr_b, self.map_server, self.web, self.rogue):
            self._attach(node)
        connect_host(self.xtr_a, "site0", SITE_A.gateway4, SITE_A.gateway6,
                     self.host_a, SITE_A.host4, SITE_A.host6, host_mtu)
        connect_host(self.xtr_a, "site1", SITE_A.second_gateway4, SITE_A.second_gateway6,
                     self.host_a2, SITE_A.second_host4, SITE_A.second_host6, host_mtu)
        connect_host(self.xtr_b, "site0", SITE_B.gateway4, SITE_B.gateway6,
                     self.host_b, SITE_B.host4, SITE_B.host6, host_mtu)

    def _attach(self, node):
        (ours4, cores4, length), (ours6, cores6) = CORE_LINKS[node.name]
        # The non-LISP host and its way there are of both families, whatever the RLOCs are.
        families = "46" if node.name in ("web", "proxy") else self.rlocs
        ours, cores, routes = [], [], []
        if "4" in families:
            ours.append(f"{ours4}/{length}")
            cores.append(f"{cores4}/{length}")
            routes.append(f"route add default via {cores4} dev core")
        if "6" in families:
            ours.append(f"{ours6}/64")
            cores.append(f"{cores6}/64")
            routes.append(f"route add default via {cores6} dev core")
        link(node, "core", ours, self.core, node.name, cores)
        node.ip(*routes)

    def rloc(self, node, family=None):
        """The RLOC of a node, of the given family or the first that the core has."""
        family = family or self.rlocs[0]
        return CORE_LINKS[node.name][0][0] if family == "4" else CORE_LINKS[node.name][1][0]

    @property
    def map_server_address(self):
        return self.rloc(self.map_server)

    def let_core_route(self, *sites):
        """Gives the core routes to the EID-prefixes, as long as there is no proxy."""
        for site, node in ((SITE_A, self.xtr_a), (SITE_B, self.xtr_b)):
            if site in sites:
                if "4" in self.rlocs:
                    self.core.ip(f"route replace {site.prefix4} via {self.rloc(node, '4')}")
                if "6" in self.rlocs:
                    self.core.ip(f"route replace {site.prefix6} via {self.rloc(node, '6')}")

    def forget_core_routes(self, *sites):
        for site in sites:
            if "4" in self.rlocs:
                self.core.ip(f"route del {site.prefix4}")
            if "6" in self.rlocs:
                self.core.ip(f"route del {site.prefix6}")


class MultihomedSites(TwoSites):
    """The same, and site B has a second router with a core link of its own.

              xtrB --site0-------- eth0
      core --<                          hostB: 10.2.0.10 and, on eth1, 10.2.2.10
              xtrB2 --site0------- eth1

    hostB has its default route by xtrB; xtrB2 reaches all of hostB's addresses over its own link to it.
    """

    second_gateway4, second_gateway6 = "10.2.2.1", "2001:db8:b:2::1"

    def __init__(self, run, rlocs="4", host_mtu=1500):
        super().__init__(run, rlocs, host_mtu)
        self.xtr_b2 = Node(run, "xtrB2", router=True)
        self._attach(self.xtr_b2)
        link(self.xtr_b2, "site0", [f"{self.second_gateway4}/24", f"{self.second_gateway6}/64"],
             self.host_b, "eth1", ["10.2.2.10/24", "2001:db8:b:2::10/64"], host_mtu)
        self.xtr_b2.ip("route add 10.2.0.0/24 via 10.2.2.10", "route add 2001:db8:b::/64 via 2001:db8:b:2::10")

    def lead_host_b(self, router):
        """Lets hostB answer by xtrB or by xtrB2."""
        four, six, interface = (
            (SITE_B.gateway4, SITE_B.gateway6, "eth0") if router is self.xtr_b
            else (self.second_gateway4, self.second_gateway6, "eth1"))
        self.host_b.ip(f"route replace default via {four} dev {interface}",
                       f"route replace default via {six} dev {interface}")


class ProxiedSites(TwoSites):
    """The same with a proxy, which the core has as its way to all EIDs, and with a host behind it that may become site C.

      web (203.0.113.10) -- core -- proxy --site0-- hostP: 10.3.0.10, 2001:db8:c::10
    """

    def __init__(self, run, rlocs="4", host_mtu=1500):
        super().__init__(run, rlocs, host_mtu)
        self.proxy = Node(run, "proxy", router=True)
        self._attach(self.proxy)
        self.host_p = Node(run, "hostP")
        connect_host(self.proxy, "site0", SITE_C.gateway4, SITE_C.gateway6,
                     self.host_p, SITE_C.host4, SITE_C.host6, host_mtu)
        for prefix, family in (("10.0.0.0/8", "4"), ("2001:db8:a::/47", "6"), (SITE_C.prefix6, "6")):
            self.core.ip(f"route add {prefix} via {self.rloc(self.proxy, family)}")


def connect_host(router, interface, gateway4, gateway6, host, address4, address6, mtu=1500):
    """A host behind a router's interface, with a default route to it."""
    link(router, interface, [f"{gateway4}/24", f"{gateway6}/64"],
         host, "eth0", [f"{address4}/24", f"{address6}/64"], mtu)
    host.ip(f"route add default via {gateway4} dev eth0", f"route add default via {gateway6} dev eth0")
