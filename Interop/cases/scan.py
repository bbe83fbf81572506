"""A host of a site scans a million addresses (RFC 7835). Its router's map-cache is small, every address has an answer of its own.

Half of the addresses have a mapping, half are not LISP; what the router learns replaces its map-cache several times. Meanwhile
other hosts talk, and begin to talk, to hosts of site B, whose mappings are for one address each as well.
"""

import ipaddress
import json
import re
import threading
import time

from lispnet import daemon, tables
from lispnet.answers import HostResolver
from lispnet.scanning import PORT, Program
from lispnet.sites import SITE_A
from lispnet.testing import EXCLUSIVE, expect, test
from lispnet.traffic import ping
from lispnet.waiting import wait_until

from .base import SitesGroup

LIMIT = 10_000
SCANNED = "10.128.0.0"
ADDRESSES = 1_000_000
TALKERS = "10.2.3.1"
FLOWS = 50
RATE = 20  # packets a second of each flow
NEW = 100  # from this address on, for flows that begin
BUDGET = {"rate": 2_000, "burst": 2_000}  # of a source
TOTAL = {"rate": 10_000, "burst": 10_000}
PACE = 40_000  # packets a second of the scan; the daemon takes more, but the machine may be busy


def udp_counters(node):
    """{name: number} of what a node's kernel counts of UDP over IPv4."""
    names, numbers = (line.split()[1:] for line in node.run("cat", "/proc/net/snmp").stdout.splitlines() if line.startswith("Udp: "))
    return dict(zip(names, map(int, numbers)))


class ScanGroup(SitesGroup):
    name = "scan"
    weight = EXCLUSIVE
    captured = None

    def set_up(self):
        super().set_up()
        network = self.network
        network.host_b.ip(*(f"address add 10.2.3.{number}/32 dev eth0" for number in range(1, 250)))
        network.xtr_b.ip("route add 10.2.3.0/24 via 10.2.0.10")
        # On a machine that is busy with other things the daemon may have to wait for longer than 500 packets last.
        network.xtr_a.ip("link set lisp0 txqueuelen 5000")
        self.begun = 0

    def make_daemons(self):
        super().make_daemons()
        network = self.network
        address = network.rloc(network.rogue)
        self.rloc_b = network.rloc(network.xtr_b)
        self.xtr_a.write(daemon.xtr(
            network, SITE_A, map_resolvers=[address], map_cache={"limit": LIMIT},
            map_requests={"total": TOTAL, "per-source": BUDGET, "negative-total": TOTAL, "negative-per-source": BUDGET}))
        first = int(ipaddress.ip_address(SCANNED))

        def answer(eid):
            if eid < first:
                return (self.rloc_b, 1, 1)
            # As many different contents as can be.
            return (self.rloc_b, 1 + eid // 2 % 200, 1 + eid // 400 % 100) if eid % 2 == 0 else HostResolver.NATIVE

        self.resolver = HostResolver(network.rogue, address, answer)

    def tear_down(self):
        self.resolver.close()

    # What is looked at

    def requests(self):
        """Map-Requests that came to the Map-Resolver, read or not, as its kernel counts them: in the core many are one packet."""
        counted = udp_counters(self.network.rogue)
        return counted["InDatagrams"] + counted["InErrors"]

    def entries(self, kind=None):
        """Of the map-cache, by the metrics: a list of all would hold up the loop."""
        total = 0
        for line in self.metrics():
            if line.startswith("lispd_map_cache_entries{") and (kind is None or f'kind="{kind}"' in line):
                total += int(float(line.split()[-1]))
        return total

    def metrics(self):
        return self.xtr_a.metrics().splitlines()

    def begins(self, patience=3):
        """Whether a flow of another host to a host that nobody has talked to gets an answer."""
        self.begun += 1
        return ping(self.network.host_a2, f"10.2.3.{NEW + self.begun}", 3, interval=1, wait=patience).received > 0

    def gauge(self, name):
        return next(float(line.split()[-1]) for line in self.metrics() if line.startswith(f"{name} "))

    def queue_drops(self):
        """Packets that the kernel dropped before the daemon could read them."""
        (link,) = json.loads(self.network.xtr_a.ip_output("-j", "-s", "link", "show", "lisp0"))
        return link["stats64"]["tx"]["dropped"]

    def losses(self):
        """Where packets were dropped, as far as anybody counts it: for the message when too many are."""
        found = {}
        for each in (self.xtr_a, self.xtr_b):
            for reason, number in tables.counts(tables.show(each, "statistics")["dataPlane"]["drops"]).items():
                found[f"{each.node.name}: {reason}"] = number
        for node in (self.network.host_a2, self.network.xtr_a, self.network.core, self.network.xtr_b, self.network.host_b):
            for name, number in udp_counters(node).items():
                if name.endswith("Errors") or name == "NoPorts":
                    found[f"{node.name}: {name}"] = number
            for link in json.loads(node.ip_output("-j", "-s", "link", "show")):
                for way in ("rx", "tx"):
                    found[f"{node.name}: {link['ifname']} {way} dropped"] = link["stats64"][way]["dropped"]
        return found

    def established(self):
        """{address: how many seconds after the daemon's start its mapping was learnt} of the flows, whatever becomes of the clock."""
        started, found = tables.show(self.xtr_a, "status")["started"]["epoch"], {}
        for number in range(1, FLOWS + 1):
            for row in tables.show(self.xtr_a, "map-cache", f"10.2.3.{number}")["entries"]:
                if row["eidPrefix"] == f"10.2.3.{number}/32":
                    found[number] = row["created"]["epoch"] - started
        return found

    @test("a million addresses: busy flows lose under 0.1%, new ones begin, memory stays flat, Map-Requests within the budget")
    def million(self):
        network = self.network
        listener = Program(network.host_b, "listen")
        # What comes before it listens would count as lost.
        wait_until("host B listens", lambda: network.host_b.run("ss", "-Hlun", f"sport = :{PORT}").stdout.strip(), 10)
        talker = Program(network.host_a2, "talk", TALKERS, FLOWS, RATE)
        wait_until("all flows have their mappings", lambda: len(self.established()) == FLOWS, 10)
        before, asked, crossed = self.established(), self.requests(), self.counters.read()
        unread, lost = self.queue_drops(), self.losses()
        memory, largest, begun, samples = [], [0, 0], [], threading.Event()

        def sample():
            while not samples.wait(0.5):
                memory.append(self.xtr_a.resident_kilobytes())
                largest[0] = max(largest[0], self.entries())
                largest[1] = max(largest[1], self.entries("negative"))
                begun.append(self.begins())

        watcher = threading.Thread(target=sample, daemon=True)
        started = time.monotonic()
        scanner = Program(network.host_a, "scan", SCANNED, ADDRESSES, PACE)
        watcher.start()
        scan = scanner.finish(150)
        elapsed = time.monotonic() - started
        samples.set()
        watcher.join(10)
        requests = self.requests() - asked
        sent = talker.end()["sent"]
        received = listener.end()["received"]
        loss = (sent - received) / sent
        evicted = sum(number for name, number in tables.statistics(self.xtr_a).items() if "mapCacheEvicted" in name)
        unread = self.queue_drops() - unread
        # By then everything has grown to its size: the map-cache, buffers, routes. These are brought in many at a time, which takes
        # some MiB for a moment.
        earlier, last = max(memory[:len(memory) * 2 // 3]), memory[len(memory) * 2 // 3:]
        print(f"       {scan['sent']} addresses in {scan['seconds']:.1f} s, {unread} never read; {requests} Map-Requests; "
              f"{evicted} entries evicted, at most {largest[0]} at a time, {largest[1]} negative\n"
              f"       flows: {sent} packets sent, {sent - received} lost ({loss:.3%}); {sum(begun)} of {len(begun)} new "
              f"flows began; memory {memory[0]} KiB at first, then at most {earlier}, in the last third {max(last)}",
              flush=True)

        expect(scan["sent"] == ADDRESSES, f"{scan}")
        lost = {where: number - lost.get(where, 0) for where, number in self.losses().items() if number != lost.get(where, 0)}
        expect(loss < 0.001, f"{sent - received} of {sent} packets of busy flows are lost; dropped: {lost}")
        # Two accounts of the source that scans, and some for the new flows beside it.
        allowed = 2 * (BUDGET["burst"] + BUDGET["rate"] * elapsed) + 10 * len(begun)
        expect(requests <= allowed, f"{requests} Map-Requests in {elapsed:.1f} s, at most {allowed:.0f} are allowed")
        expect(requests > 3 * LIMIT, f"only {requests} Map-Requests: the map-cache was not replaced often enough")
        expect(largest[0] <= LIMIT and largest[1] <= LIMIT // 10, f"the map-cache had {largest} entries (negative ones)")
        expect(largest[0] > 0.9 * LIMIT, f"the map-cache was not full: {largest[0]} entries")
        # What is shown is rounded to seconds.
        after = self.established()
        anew = [number for number in before if abs(after.get(number, 0) - before[number]) > 2]
        expect(not anew, f"mappings of busy flows were learnt anew: {anew}")
        expect(max(last) < 1.2 * earlier, f"memory grows: {memory} KiB")
        expect(all(begun) and len(begun) >= 4, f"new flows began: {begun}")
        since = self.counters.since(crossed)
        expect(since["data"] >= sent, f"not through the tunnel: {since}")
        self.expect_running()

    @test("by default one host's scan is held down to its own budget, counted and told, and harms no other host")
    def by_default(self):
        network = self.network
        configuration = {**self.xtr_a.configuration}
        del configuration["map-requests"]
        self.xtr_a.write(configuration)
        self.xtr_a.control("config", "reload")
        self.xtr_a.control("clear", "map-cache")
        asked, own, started = self.requests(), self.resolver.asked, time.monotonic()
        scanner = Program(network.host_a, "scan", SCANNED, 200_000, PACE)
        begun = [self.begins() for _ in range(5)]
        scan = scanner.finish(60)
        time.sleep(0.5)
        elapsed = time.monotonic() - started
        requests = self.requests() - asked
        allowed = 2_000 + 200 * elapsed + 500 + 50 * elapsed + len(begun)
        drops = tables.counts(tables.show(self.xtr_a, "statistics")["controlDrops"])
        data = tables.counts(tables.show(self.xtr_a, "statistics")["dataPlane"]["drops"])
        print(f"       {scan['sent']} addresses in {scan['seconds']:.1f} s: {requests} Map-Requests, {allowed:.0f} allowed",
              flush=True)
        expect(requests <= allowed, f"{requests} Map-Requests in {elapsed:.1f} s, at most {allowed:.0f} are allowed")
        expect(requests >= 500, f"only {requests} Map-Requests ({self.resolver.asked - own} came)")
        expect(all(begun), f"new flows began: {begun}")
        limited = [number for reason, number in drops.items() if "their source asks" in reason]
        expect(sum(limited) > 1_000, f"drops by reason: {drops}")
        expect(any("sends to too many EIDs" in reason for reason in data), f"drops by reason: {data}")
        events = [event for event in tables.show(self.xtr_a, "events")["events"]
                  if event["kind"] == "map-requests-limited"]
        expect(events and all("10.1.0.10 " in event["text"] for event in events), f"events: {events}")
        expect(len(events) <= 3, f"{len(events)} events in a minute about one host")

    @test("after a scan nothing of it stays: routes, held packets, questions")
    def leaves_nothing(self):
        # What is still asked for is learnt all the same.
        wait_until("no question is open", lambda: self.gauge("lispd_open_questions") == 0, 60, interval=1)
        self.xtr_a.control("clear", "map-cache")
        wait_until("no route of it is left", lambda: not [
            line for line in self.network.xtr_a.routing_state() if re.search(r"10\.1[2-4]\d\.", line)], 60, interval=1)
        expect(self.gauge("lispd_held_bytes") == 0, "packets are still held")
        self.expect_running()
