"""The ways packets take from site to site, for comparing them in one network: by plain routing, over VXLAN, over LISP.

Each is a context: packets between the sites take this way inside, and the network is as before afterwards.
"""

import contextlib
from dataclasses import dataclass, field

from . import daemon, tables
from .run import CommandFailed
from .sites import SITE_A, SITE_B
from .traffic import wait_reachable
from .waiting import wait_until

# What outer IP header, UDP, VXLAN and inner Ethernet leave of the core's 1500 octets.
VXLAN_MTU = {"4": 1450, "6": 1430}
VXLAN_NETWORK = {"4": ("192.168.255.{}", 30), "6": ("fd00:255::{}", 64)}


# Octets: what goes into one datagram's worth of segments, and the kernel's own limit.
BARE_TRAIN, LARGEST_TRAIN = 60_000, 65_536


@dataclass
class Way:
    """What an open way says of itself."""

    daemons: list = field(default_factory=list)


@contextlib.contextmanager
def plain_routing(network):
    """The core routes to the sites' addresses as to any other."""
    network.let_core_route(SITE_A, SITE_B)
    try:
        yield Way()
    finally:
        network.forget_core_routes(SITE_A, SITE_B)


@contextlib.contextmanager
def vxlan(network):
    """The kernel's own tunnel between the sites' routers, of the family of the RLOCs, for EIDs of the same.

    Its MTU is that of the hosts, so above VXLAN_MTU its packets are fragmented in the core.
    """
    family = network.rlocs
    ends = [(network.xtr_a, network.xtr_b, SITE_B, 1, 2), (network.xtr_b, network.xtr_a, SITE_A, 2, 1)]
    address, length = VXLAN_NETWORK[family]
    try:
        for node, peer, far, own, other in ends:
            prefix = far.prefix4 if family == "4" else far.prefix6
            node.ip(
                f"link add vxlan0 type vxlan id 100 dstport 4789 local {network.rloc(node)} "
                f"remote {network.rloc(peer)}",
                f"link set vxlan0 mtu {network.host_mtu} up",
                f"address add {address.format(own)}/{length} dev vxlan0",
                f"route replace {prefix} via {address.format(other)}",
            )
        yield Way()
    finally:
        for node, *_ in ends:
            node.run("ip", "link", "del", "vxlan0", check=False)


@contextlib.contextmanager
def bare(network):
    """`lispd-bench bare` on both routers: a tunnel in user space that does nothing but carry.

    Meanwhile the hosts send trains of at most BARE_TRAIN octets, since it does not cut them.
    """
    family = network.rlocs
    ends = [(network.xtr_a, network.xtr_b, SITE_B), (network.xtr_b, network.xtr_a, SITE_A)]
    hosts = (network.host_a, network.host_b)
    processes = []
    try:
        for node in hosts:
            node.ip(f"link set eth0 gso_max_size {BARE_TRAIN}")
        for node, peer, far in ends:
            processes.append(node.start(daemon.program("lispd-bench"), "bare", "--interface", "bare0",
                                        "--peer", network.rloc(peer), "--mtu", str(network.host_mtu), log=f"bare.{node.name}"))
            wait_until("the TUN is there", lambda: node.run("ip", "link", "show", "bare0", check=False).returncode == 0, 10)
            prefix = far.prefix4 if family == "4" else far.prefix6
            node.ip(f"link set bare0 mtu {network.host_mtu} gso_max_size {BARE_TRAIN} txqueuelen 1000 up",
                    f"route replace {prefix} dev bare0")
            if family == "4":
                node.sysctl({"net.ipv4.conf.bare0.rp_filter": 0})
        yield Way()
    finally:
        for process in processes:
            process.stop()
        for node in hosts:
            node.ip(f"link set eth0 gso_max_size {LARGEST_TRAIN}")


@contextlib.contextmanager
def lisp(network, offload="auto"):
    """lispd on both routers, and as Map-Server; they have registered with it."""
    changes = {"data-plane": {"offload": offload}}
    daemons = [
        daemon.Daemon(network.map_server, daemon.map_server()),
        daemon.Daemon(network.xtr_a, {**daemon.xtr(network, SITE_A), **changes}),
        daemon.Daemon(network.xtr_b, {**daemon.xtr(network, SITE_B), **changes}),
    ]
    try:
        for each in daemons:
            each.start(ready=False)
        for each in daemons:
            each.wait_ready()
        wait_until("the sites are registered",
                   lambda: all(tables.is_registered(daemons[0], prefix) for prefix in SITE_A.prefixes + SITE_B.prefixes),
                   30, ignoring=(CommandFailed,))
        yield Way(daemons)
    finally:
        for each in daemons:
            if each.is_running:
                each.stop()


def host_address(network):
    """The address of site B's host in the family of the RLOCs."""
    return SITE_B.host4 if network.rlocs == "4" else SITE_B.host6


def wait_open(network):
    """Until packets go through, however the way is made."""
    wait_reachable(network.host_a, host_address(network), timeout=20)
