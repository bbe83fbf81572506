"""Traffic between nodes and what it tells: ping, traceroute, iperf3; and counters of what crosses the core."""

import contextlib
import ipaddress
import json
import re
import signal
import time
from dataclasses import dataclass

from .run import CommandFailed
from .waiting import wait_until

PING_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) received")
PING_TIME = re.compile(r"time=([0-9.]+) ms")
PING_SEQUENCE = re.compile(r"icmp_seq=(\d+) ttl")


@dataclass
class Ping:
    sent: int
    received: int
    output: str

    @property
    def lost(self):
        return self.sent - self.received


def ping_command(address, count=1, interval=0.2, wait=2, size=None, dont_fragment=False, source=None):
    """The words of a ping; `wait` is how long the last answer may take, in seconds."""
    words = ["ping", "-n", "-c", str(count), "-i", str(interval), "-W", str(wait)]
    if size is not None:
        words += ["-s", str(size)]
    if dont_fragment:
        words += ["-M", "do"]
    if source:
        words += ["-I", source]
    return words + [address]


def ping(node, address, count=1, **options):
    """Pings from a node and counts; does not fail by itself."""
    limit = count * options.get("interval", 0.2) + options.get("wait", 2) + 15
    done = node.run(*ping_command(address, count, **options), timeout=limit, check=False)
    return parse_ping(done.stdout + done.stderr)


def parse_ping(output):
    match = PING_SUMMARY.search(output)
    if not match:
        raise CommandFailed(["ping"], "without a summary", output)
    return Ping(int(match.group(1)), int(match.group(2)), output)


def start_ping(node, address, count, **options):
    """A ping in the background; `finish_ping` collects it."""
    return node.start(*ping_command(address, count, **options))


def finish_ping(process, timeout):
    _, output = process.finish(timeout)
    return parse_ping(output)


class Stream:
    """A ping that runs until `stop`, to find out whether anything was lost meanwhile."""

    IN_FLIGHT = 10  # pings at the end that may not be answered yet

    def __init__(self, node, address, interval=0.02):
        self.address = address
        self.process = node.start("ping", "-n", "-i", str(interval), address,
                                  log=f"stream-{node.name}-{time.monotonic_ns()}.log")
        wait_until(f"{node.name} reaches {address}", lambda: "icmp_seq" in self.process.log(), 10)

    def stop(self):
        """Ends it and returns what it counted: lost is what is missing between those answered, and a silence at the end."""
        self.process.send(signal.SIGINT)
        self.process.wait(10)
        output = self.process.log()
        sent = parse_ping(output).sent
        answered = {int(number) for number in PING_SEQUENCE.findall(output)}
        last = max(answered, default=0)
        if sent - last <= self.IN_FLIGHT:
            sent = last
        return Ping(sent, len(answered), output[-2000:])


def wait_reachable(node, address, timeout=10):
    """Waits until a ping is answered."""
    wait_until(f"{node.name} reaches {address}", lambda: ping(node, address, wait=1).received, timeout)


def traceroute(node, address, hops=8):
    """(the addresses of the hops in order, None for one that did not answer; what traceroute printed)."""
    family = "-6" if ":" in address else "-4"
    output = node.run("traceroute", family, "-n", "-q", "2", "-w", "2", "-m", str(hops), address, timeout=60).stdout
    lines = [line.split() for line in output.splitlines()[1:]]
    return [next(filter(is_address, words[1:]), None) for words in lines if words], output


def is_address(word):
    try:
        ipaddress.ip_address(word)
        return True
    except ValueError:
        return False


def path_mtu(node, address):
    """The path MTU the kernel of the node has learnt towards an address, or None."""
    match = re.search(r"\bmtu (\d+)", node.ip_output("route", "get", address))
    return int(match.group(1)) if match else None


def ping_times(node, address, count, interval):
    """Round trips in milliseconds; those that were lost are missing."""
    output = ping(node, address, count, interval=interval).output
    return [float(match) for match in PING_TIME.findall(output)]


# iperf3


def throughput(client, server, address, seconds=4, streams=1):
    """TCP between two nodes, in Gb/s as the receiver counts it."""
    report = iperf3(client, server, address, seconds, "-P", str(streams))
    return report["end"]["sum_received"]["bits_per_second"] / 1e9


# ethtool's short names, and those it lists them by.
SEGMENTATION = {"tso": "tcp-segmentation-offload", "gso": "generic-segmentation-offload"}


def segmentation(node, interface):
    """{tso: whether it is on, gso: the same} of an interface."""
    (features,) = json.loads(node.run("ethtool", "--json", "-k", interface).stdout)
    return {short: features[name]["active"] for short, name in SEGMENTATION.items()}


@contextlib.contextmanager
def without_segmentation(node, interface):
    """TCP connections made inside leave in packets of one segment. Afterwards the interface is as before."""
    def switch(states):
        node.run("ethtool", "-K", interface, *(word for name, is_on in states.items() for word in (name, "on" if is_on else "off")))

    before = segmentation(node, interface)
    try:
        switch({name: False for name in before})
        yield
    finally:
        switch(before)


def datagrams(client, server, address, seconds, octets, offered):
    """UDP datagrams of `octets` each, `offered` a second: (sent, received) packets a second.

    Fewer are sent than offered where the sender has not the time.
    """
    report = iperf3(client, server, address, seconds, "-u", "-l", str(octets), "-b", str(offered * octets * 8))
    total = report["end"]["sum"]
    sent, lost = total["packets"], total["lost_packets"]
    return sent / total["seconds"], (sent - lost) / total["seconds"]


def iperf3(client, server, address, seconds, *words):
    """Runs iperf3 between two nodes and returns its report."""
    with IPerf3(client, server, address, seconds, *words) as running:
        return running.report()


class IPerf3:
    """iperf3 between two nodes, in the background."""

    def __init__(self, client, server, address, seconds, *words):
        self.address, self.seconds = address, seconds
        self.server = server.start("iperf3", "-s", "-1", "-p", "5201", log="iperf3-server.log")
        try:
            wait_until("iperf3 listens", lambda: ":5201" in server.run("ss", "-tlnH").stdout, 5)
            self.client = client.start("iperf3", "-c", address, "-p", "5201", "-t", str(seconds), *words,
                                       "-J", "--connect-timeout", "5000")
        except Exception:
            self.server.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.stop()
        self.server.stop()

    def report(self):
        """Waits for the end and returns what it says."""
        status, output = self.client.finish(self.seconds + 30)
        try:
            # Its warnings, such as of a large UDP block, stand before or behind.
            report, _ = json.JSONDecoder().raw_decode(output, output.index("{"))
        except ValueError:
            raise CommandFailed(["iperf3", "-c", self.address], status, output) from None
        if "error" in report:
            raise CommandFailed(["iperf3", "-c", self.address], status, report["error"])
        return report


# What crosses the core


class CoreCounters:
    """nftables counters of packets that the core forwards: LISP data, LISP control, and EIDs in native packets."""

    RULES = """
        table inet lispnet {
            counter data {}
            counter control {}
            counter native4 {}
            counter native6 {}
            chain forward {
                type filter hook forward priority 0; policy accept;
                udp dport 4341 counter name data
                udp dport 4342 counter name control
                ip saddr 10.0.0.0/8 counter name native4
                ip saddr != 10.0.0.0/8 ip daddr 10.0.0.0/8 counter name native4
                ip6 saddr 2001:db8:a::/47 counter name native6
                ip6 saddr != 2001:db8:a::/47 ip6 daddr 2001:db8:a::/47 counter name native6
            }
            chain prerouting {
                type filter hook prerouting priority -300; policy accept;
                iifname { "xtrA", "xtrB" } ip saddr 10.0.0.0/8 counter name native4
                iifname { "xtrA", "xtrB" } ip6 saddr 2001:db8:a::/47 counter name native6
            }
        }
    """

    def __init__(self, core):
        self.core = core
        core.run("nft", "-f", "-", input=self.RULES)

    def read(self):
        """{name: packets}. A native packet counts at the core's door, so also when the core then drops it."""
        output = json.loads(self.core.run("nft", "-j", "list", "counters", "table", "inet", "lispnet").stdout)
        counters = [item["counter"] for item in output["nftables"] if "counter" in item]
        return {counter["name"]: counter["packets"] for counter in counters}

    def since(self, before):
        return {name: packets - before[name] for name, packets in self.read().items()}


def drop_control(node, is_dropped):
    """Lets a node lose, or get again, all LISP control messages that reach it."""
    if is_dropped:
        node.run("nft", "-f", "-", input="""
            table inet mute { chain input { type filter hook input priority 0; udp dport 4342 drop; } }
        """)
    else:
        node.run("nft", "delete", "table", "inet", "mute")
