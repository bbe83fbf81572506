"""Outer headers and what they do to the packets inside: ECN, zero UDP checksums; and strict reverse path filters.

Datagrams are made by hand where a router would not make them. RLOCs and EIDs are of both families.
"""

import socket

from lispnet import capture, datagrams, registers, tables
from lispnet.datagrams import CE, ECT0, ECT1, NOT_ECT, Listener
from lispnet.registers import Register
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.traffic import iperf3, ping
from lispnet.waiting import wait_until

from .base import SitesGroup

MARKS = (NOT_ECT, ECT0, ECT1, CE)
DROPPED = None
# RFC 6040, section 4.2: what arrives of an inner and an outer mark.
COMBINED = {
    (NOT_ECT, NOT_ECT): NOT_ECT, (NOT_ECT, ECT0): NOT_ECT, (NOT_ECT, ECT1): NOT_ECT, (NOT_ECT, CE): DROPPED,
    (ECT0, NOT_ECT): ECT0, (ECT0, ECT0): ECT0, (ECT0, ECT1): ECT1, (ECT0, CE): CE,
    (ECT1, NOT_ECT): ECT1, (ECT1, ECT0): ECT1, (ECT1, ECT1): ECT1, (ECT1, CE): CE,
    (CE, NOT_ECT): CE, (CE, ECT0): CE, (CE, ECT1): CE, (CE, CE): CE,
}
FORWARDING = 46 << 2  # a DSCP in its place
NOT_REPRESENTABLE = "congestion was marked outside, and the inner packet knows no ECN (RFC 6040)"
HOSTS = ((SITE_A.host4, SITE_B.host4), (SITE_A.host6, SITE_B.host6))


def drops(router, reason):
    """How many packets a router's data plane has dropped for a reason."""
    return tables.counts(tables.show(router, "statistics")["dataPlane"]["drops"]).get(reason, 0)


class HeadersGroup(SitesGroup):
    name = "outer-headers"
    rlocs = "46"
    captured = f"({capture.LISP}) and not host 198.51.100.14 and not host 2001:db8:f:5::2"  # not what the rogue sends

    def send(self, address, packet, **headers):
        """A LISP data packet from nobody's router to an RLOC."""
        with datagrams.outer_socket(self.network.rogue, address, **headers) as outer:
            outer.sendto(datagrams.encapsulated(packet), (address, datagrams.DATA_PORT))

    @property
    def rlocs_b(self):
        return [self.network.rloc(self.network.xtr_b, family) for family in "46"]

    def mark(self):
        """What was captured until now is not looked at any more."""
        self.seen = len(capture.decode(self.capture.path))

    def frames(self):
        """The data packets of routers since `mark`."""
        return [frame for frame in capture.decode(self.capture.path, "data") if frame["frame"] > self.seen]

    # Zero checksums

    @test("takes data packets without a UDP checksum, over IPv4 and IPv6")
    def zero_checksum_data(self):
        rogue = {self.network.rloc(self.network.rogue, family) for family in "46"}
        captured = capture.Capture(self.network.core, "rogue", " or ".join(f"src host {address}" for address in rogue))
        for source, destination in HOSTS:
            listener = Listener(self.network.host_b, destination)
            for rloc in self.rlocs_b:
                text = f"to {rloc} without a checksum".encode()
                self.send(rloc, datagrams.udp_packet(source, destination, text), has_checksum=False)
                received = listener.receive()
                expect(received and received[0] == text, f"{rloc}: {destination} got {received}")
            listener.close()
        frames = wait_until("the four are captured",
                            lambda: len(found := capture.decode(captured.path, "data")) >= 4 and found, 5)
        captured.stop()
        checksums = [frame["udpChecksum"] for frame in frames]
        expect(checksums == ["zero"] * 4, f"the checksums on the wire: {checksums}")

    @test("drops a data packet with a wrong UDP checksum")
    def wrong_checksum_data(self):
        listener = Listener(self.network.host_b, SITE_B.host4)
        payload = datagrams.encapsulated(datagrams.udp_packet(SITE_A.host4, SITE_B.host4, b"spoilt"))
        rogue, rloc = (self.network.rloc(node, "4") for node in (self.network.rogue, self.network.xtr_b))
        right = datagrams.udp_packet(rogue, rloc, payload, datagrams.DATA_PORT)
        wrong = right[:26] + bytes([right[26] ^ 1]) + right[27:]  # a bit of the outer UDP checksum
        for packet, arrives in ((wrong, False), (right, True)):
            with datagrams.raw_socket(self.network.rogue) as raw:
                raw.sendto(packet, (rloc, 0))
            received = listener.receive(2 if arrives else 0.5)
            expect((received is not None) == arrives, f"with a {'right' if arrives else 'wrong'} checksum: {received}")
        listener.close()

    @test("drops a control message without a UDP checksum over IPv6, and takes it with one")
    def zero_checksum_control(self):
        server = self.network.rloc(self.network.map_server, "6")
        for has_checksum in (False, True):
            register = Register(SITE_B.key, [("10.2.3.0/24", ["198.51.100.6"])])
            with datagrams.outer_socket(self.network.rogue, server, has_checksum=has_checksum) as sender:
                sender.sendto(register.encoded(), (server, registers.CONTROL_PORT))
                sender.settimeout(2 if has_checksum else 1)
                try:
                    notify = registers.decode_notify(sender.recv(65535), SITE_B.key)
                except socket.timeout:
                    notify = None
            expect((notify is not None) == has_checksum, f"checksum {has_checksum}: answered by {notify}")
            shown = tables.registration(self.map_server, "10.2.3.0/24")
            expect((shown is not None) == has_checksum, f"checksum {has_checksum}: registered {shown}")

    @test("sends without UDP checksums where the configuration says so")
    def sends_zero_checksums(self):
        self.mark()
        self.xtr_a.write({**self.xtr_a.configuration, "data-plane": {"udp-checksum": "zero"}})
        self.xtr_a.stop()
        self.xtr_a.start()
        self.wait_registered()
        self.wait_both_families()
        ours = {self.network.rloc(self.network.xtr_a, family) for family in "46"}

        def checksums(rlocs):
            return {frame["udpChecksum"] for frame in self.frames() if frame["source"]["address"] in rlocs}

        wait_until("both are captured", lambda: checksums(ours) and checksums(self.rlocs_b), 5)
        expect(checksums(ours) == {"zero"}, f"xtrA's UDP checksums are {checksums(ours)}")
        expect(checksums(self.rlocs_b) <= {"right", "partial"}, f"xtrB's UDP checksums are {checksums(self.rlocs_b)}")

    # ECN

    @test("combines inner and outer ECN marks as RFC 6040 says, takes the outer DSCP, and counts what it drops")
    def combines_marks(self):
        for source, destination in HOSTS:
            listener = Listener(self.network.host_b, destination)
            for rloc in self.rlocs_b:
                before = drops(self.xtr_b, NOT_REPRESENTABLE)
                for inner, outer in COMBINED:
                    packet = datagrams.udp_packet(source, destination, bytes([inner, outer]), traffic_class=inner)
                    self.send(rloc, packet, traffic_class=FORWARDING | outer)
                received = {tuple(payload): mark for payload, mark in listener.receive_all()}
                expected = {pair: FORWARDING | mark for pair, mark in COMBINED.items() if mark is not DROPPED}
                expect(received == expected, f"{destination} over {rloc}: {differing(received, expected)}")
                dropped = drops(self.xtr_b, NOT_REPRESENTABLE) - before
                expect(dropped == 1, f"{destination} over {rloc}: {dropped} counted of 1 dropped")
            listener.close()

    @test("copies the ECN mark and the DSCP of a packet outside, and lets them arrive")
    def copies_marks(self):
        self.wait_both_families()
        self.mark()
        for _, destination in HOSTS:
            listener = Listener(self.network.host_b, destination)
            for mark in MARKS:
                with datagrams.outer_socket(self.network.host_a, destination, FORWARDING | mark, port=4001) as sender:
                    sender.sendto(b"marked", (destination, 4000))
                received = listener.receive()
                expect(received == (b"marked", FORWARDING | mark), f"{destination}: sent with {mark}, got {received}")
            listener.close()
        ours = {self.network.rloc(self.network.xtr_a, family) for family in "46"}

        def outside():
            return [(frame["dscp"], frame["ecn"]) for frame in self.frames() if frame["source"]["address"] in ours]

        wait_until("all are captured", lambda: len(outside()) >= 2 * len(MARKS), 5)
        expect(outside() == [(46, mark) for mark in MARKS] * 2, f"outside: {outside()}")

    @test("sends nothing that tshark finds malformed or warns about")
    def is_clean(self):
        self.expect_running()
        self.expect_clean_capture()

    @test("tells a TCP connection that speaks ECN of congestion in the core: it goes on, and nothing of it is dropped")
    def tells_tcp(self):
        for host in (self.network.host_a, self.network.host_b):
            host.sysctl({"net.ipv4.tcp_ecn": 1})
        self.wait_both_families()
        before = drops(self.xtr_b, NOT_REPRESENTABLE)
        with self.congestion():
            report = iperf3(self.network.host_a, self.network.host_b, SITE_B.host4, 2)
            marked = self.marked()
        sent = report["end"]["sum_sent"]
        expect(sent["bytes"] > 1_000_000, f"only {sent['bytes']} octets went through")
        expect(marked > 0, "the core marked nothing")
        delivered = number_after("TcpExtTCPDeliveredCE", self.network.host_a.run("nstat", "-asz", "TcpExtTCPDeliveredCE"))
        expect(delivered > 0, f"the sender heard of no congestion, although {marked} packets were marked")
        dropped = drops(self.xtr_b, NOT_REPRESENTABLE) - before
        expect(dropped == 0, f"{dropped} packets were dropped")

    @test("drops pings, which know no ECN, that the core marks, and counts them")
    def drops_marked_pings(self):
        self.wait_both_families()
        before = drops(self.xtr_b, NOT_REPRESENTABLE)
        with self.congestion(every=1, spares=False):
            result = ping(self.network.host_a, SITE_B.host4, 5, wait=1)
        expect(result.received == 0, f"{result.received} pings got through")
        dropped = drops(self.xtr_b, NOT_REPRESENTABLE) - before
        expect(dropped == 5, f"{dropped} of 5 counted")

    def congestion(self, every=50, spares=True):
        return Congestion(self.network.core, self.rlocs_b, every, spares)

    def marked(self):
        return number_after("packets", self.network.core.run("nft", "list", "counter", "inet", "congestion", "marked"))


class Congestion:
    """While it lasts, the core marks every so-many-th data packet to these RLOCs with CE, as a full queue would.

    A queue that obeys RFC 3168 spares those that are not ECN-capable.
    """

    def __init__(self, core, rlocs, every, spares):
        self.core, self.every, self.spares = core, every, spares
        self.four, self.six = rlocs

    def __enter__(self):
        chosen = f"numgen inc mod {self.every} 0" if self.every > 1 else ""
        four, six = ("ip ecn != not-ect", "ip6 ecn != not-ect") if self.spares else ("", "")
        self.core.run("nft", "-f", "-", input=f"""
            table inet congestion {{
                counter marked {{}}
                chain forward {{
                    type filter hook forward priority 10;
                    ip daddr {self.four} udp dport 4341 {four} {chosen} ip ecn set ce counter name marked
                    ip6 daddr {self.six} udp dport 4341 {six} {chosen} ip6 ecn set ce counter name marked
                }}
            }}
            """)

    def __exit__(self, *_):
        self.core.run("nft", "delete", "table", "inet", "congestion")


def number_after(word, done):
    """The number behind a word in a command's output."""
    return int(done.stdout.split(word)[1].split()[0])


def differing(found, expected):
    """The pairs of an inner and an outer mark for which two tables differ."""
    return {pair: f"{found.get(pair)} instead of {expected.get(pair)}" for pair in {*found, *expected}
            if found.get(pair) != expected.get(pair)}


class StrictReversePathGroup(SitesGroup):
    name = "strict-rp-filter"
    captured = None

    WARNING = "rp_filter of core is strict"

    def make_daemons(self):
        super().make_daemons()
        self.network.xtr_a.sysctl({"net.ipv4.conf.all.rp_filter": 1, "net.ipv4.conf.core.rp_filter": 1,
                                   "net.ipv4.conf.site0.rp_filter": 1})

    def warnings(self, router):
        return [line for line in tables.show(router, "status")["warnings"] if self.WARNING in line]

    @test("carries packets both ways through a router whose interfaces all filter strictly")
    def carries(self):
        self.wait_both_families()
        for node, address in ((self.network.host_a, SITE_B.host4), (self.network.host_b, SITE_A.host4),
                              (self.network.host_a, SITE_B.host6), (self.network.xtr_a, SITE_B.host4)):
            result = ping(node, address, 5)
            expect(result.lost == 0, f"{result.lost} of 5 pings from {node.name} to {address} lost:\n{result.output}")

    @test("loosens the filter on the TUN alone")
    def loosens_tun(self):
        read = lambda name: self.network.xtr_a.run("sysctl", "-n", f"net.ipv4.conf.{name}.rp_filter").stdout.strip()
        filters = {name: read(name) for name in ("all", "core", "site0", "lisp0")}
        expect(filters == {"all": "1", "core": "1", "site0": "1", "lisp0": "2"}, f"rp_filter is {filters}")

    @test("warns of it at start and in `show status`, and the router without it does not")
    def warns(self):
        expect(self.warnings(self.xtr_a), f"`show status` warns of {tables.show(self.xtr_a, 'status')['warnings']}")
        expect(self.WARNING in self.xtr_a.log(), f"the log does not warn:\n{self.xtr_a.log_tail()}")
        expect(not self.warnings(self.xtr_b) and self.WARNING not in self.xtr_b.log(), "xtrB warns, too")
