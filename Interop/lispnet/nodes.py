"""A node of a network: a namespace with a name, and links between two nodes."""

from .run import NETNS

# What an operator sets on a router, and what makes tests repeatable: no duplicate address detection to wait for,
# no limit on the ICMP errors that tests count.
COMMON = {
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv6.conf.all.accept_dad": 0,
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.all.accept_ra": 0,
    "net.ipv6.conf.default.accept_ra": 0,
    "net.ipv6.conf.all.keep_addr_on_down": 1,
    "net.ipv4.icmp_ratelimit": 0,
    "net.ipv6.icmp.ratelimit": 0,
}
ROUTER = {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1}


class Node:
    """A namespace of a run."""

    def __init__(self, run, name, router=False):
        self.run_owner = run
        self.name = name
        self.namespace = run.namespace(name)
        self.ip("link set lo up")
        self.sysctl({**COMMON, **(ROUTER if router else {})})

    def run(self, *command, input=None, timeout=30, check=True):
        """Runs a command in this node and returns it with its output."""
        return self.run_owner.command(list(command), self.namespace, input, timeout, check)

    def start(self, *command, log=None, environment=None):
        """Starts a process in this node."""
        return self.run_owner.start(list(command), self.namespace, log, environment=environment)

    def ip(self, *lines):
        """Carries out several `ip` commands in one go; each is a line without the leading `ip`."""
        self.run_owner.command(["ip", "-n", self.namespace, "-batch", "-"], input="\n".join(lines) + "\n")

    def ip_output(self, *words):
        """The output of one `ip` command."""
        return self.run_owner.command(["ip", "-n", self.namespace, *words]).stdout

    def sysctl(self, values):
        self.run("sysctl", "-q", "-w", *(f"{key}={value}" for key, value in values.items()))

    def routing_state(self):
        """Rules, routes of every table, and links, as sorted lines without what changes by itself."""
        lines = []
        for family in ("-4", "-6"):
            lines += [f"{family} rule {line}" for line in self.ip_output(family, "rule", "show").splitlines()]
            routes = self.ip_output(family, "route", "show", "table", "all").splitlines()
            lines += [f"{family} route {line}" for line in routes]
        links = self.ip_output("-br", "link", "show").splitlines()
        lines += [f"link {line.split()[0].split('@')[0]}" for line in links]
        return sorted(" ".join(line.split()) for line in lines if "cache" not in line)

    def interface_packets(self, interface):
        """(received, sent) packets of an interface."""
        output = self.run("cat", "/proc/net/dev").stdout
        for line in output.splitlines():
            name, _, numbers = line.partition(":")
            if name.strip() == interface:
                fields = numbers.split()
                return int(fields[1]), int(fields[9])
        raise KeyError(f"{self.name} has no interface {interface}")


def link(left, left_name, left_addresses, right, right_name, right_addresses, mtu=1500):
    """A veth pair between two nodes, addressed and up at both ends."""
    left.run_owner.command([
        "ip", "link", "add", left_name, "netns", left.namespace, "type", "veth",
        "peer", "name", right_name, "netns", right.namespace,
    ])
    for node, name, addresses in ((left, left_name, left_addresses), (right, right_name, right_addresses)):
        node.ip(
            f"link set {name} mtu {mtu} up",
            *(f"address add {address} dev {name}{' nodad' if ':' in address else ''}" for address in addresses),
        )


def namespace_path(node):
    return f"{NETNS}/{node.namespace}"
