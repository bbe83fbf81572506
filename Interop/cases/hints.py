"""What routers tell each other in the LISP header beside the payload (RFC 9300 section 10): nonces that are echoed, and which RLOCs
of a site are up.

xtrB has two RLOCs; site B offers the first with priority 1 and the second with 2. There is no RLOC-probing unless a test says so:
only the hints find out what is dead.
"""

import socket
import struct
import time

from lispnet import daemon, tables
from lispnet.capture import frames
from lispnet.datagrams import udp_socket
from lispnet.nodes import link
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import QUIET, expect, test
from lispnet.traffic import finish_ping, ping, start_ping, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup

SECOND = "198.51.100.22"
INTERVAL = 0.05  # of the pings that measure a silence, in seconds
HEADER = ("ip.src", "ip.dst", "lisp-data.flags.nonce", "lisp-data.flags.enr", "lisp-data.nonce")


class TwoRLOCsGroup(SitesGroup):
    """xtrA, and xtrB with a second RLOC; what both have in their files beside that stands in `both`."""

    both = {}

    def make_daemons(self):
        self.first = self.network.rloc(self.network.xtr_b)
        self.of_a = self.network.rloc(self.network.xtr_a)
        self.add_second_rloc()
        locators = [{"address": self.first, "priority": 1, "weight": 100},
                    {"address": SECOND, "priority": 2, "weight": 100}]
        self.map_server = daemon.Daemon(self.network.map_server, daemon.map_server())
        self.xtr_a = daemon.Daemon(self.network.xtr_a, daemon.xtr(self.network, SITE_A, **self.both))
        self.xtr_b = daemon.Daemon(self.network.xtr_b, daemon.xtr(self.network, SITE_B, locators=locators, **self.both))

    def add_second_rloc(self):
        self.network.xtr_b.ip(f"address add {SECOND}/32 dev core")
        self.network.core.ip(f"route add {SECOND}/32 via {self.first}")

    def locator(self, address):
        """What xtrA says of an RLOC of site B."""
        entry = tables.mapping(self.xtr_a, SITE_B.prefix4)
        return next((each for each in entry.raw["locators"] if each["address"] == address), None) if entry else None

    def state(self, address):
        locator = self.locator(address)
        return locator["state"] if locator else None

    def hints(self, each):
        return tables.show(each, "statistics")["dataPlane"].get("headerHints")


class EchoNonceGroup(TwoRLOCsGroup):
    name = "echo-nonce"
    weight = QUIET
    both = {"echo-nonce": {"enabled": True}}

    @test("asks for an echo and gets it with the same nonce, both ways")
    def echoes(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        running = start_ping(self.network.host_a, SITE_B.host4, 70, interval=0.2, wait=1)
        for asking, rloc in ((self.xtr_a, self.first), (self.xtr_b, self.of_a)):
            prefix = SITE_B.prefix4 if asking is self.xtr_a else SITE_A.prefix4

            def echoed():
                entry = tables.mapping(asking, prefix)
                found = [each.get("echoes") for each in entry.raw["locators"] if each["address"] == rloc] if entry else []
                return found and found[0] and found[0]["matched"] > 0 and found[0].get("lastEchoed")

            wait_until(f"{rloc} echoes what {asking.name} asks", echoed, 20)
        result = finish_ping(running, 40)
        expect(result.lost == 0, f"pings are lost:\n{result.output[-300:]}")
        text = self.xtr_a.text("show", "map-cache", SITE_B.host4, "--detail")
        expect("Echo-nonce:" in text and "last echoed: 00:00:" in text, f"no echo in:\n{text}")
        counts = self.hints(self.xtr_a)
        expect(counts["echoesMatched"] > 0 and counts["echoesSent"] > 0 and not counts["ignored"]
               or {each["reason"] for each in counts["ignored"]} == {"nonce: none is asked for at the moment"}, f"{counts}")
        expect("public Internet" in self.xtr_a.text("show", "status"), "show status does not warn")
        self.expect_echoes_on_the_wire(self.of_a, self.first)
        self.expect_echoes_on_the_wire(self.first, self.of_a)

    def expect_echoes_on_the_wire(self, asking, asked):
        """In the capture: N and E with a nonce one way, and the same nonce with N alone the other way, later."""
        open_requests, echoed = set(), set()
        for source, destination, has_nonce, requests, nonce in frames(self.capture.path, HEADER, "lisp-data"):
            if not is_set(has_nonce):
                continue
            if (source, destination) == (asking, asked) and is_set(requests):
                open_requests.add(nonce)
            elif (source, destination) == (asked, asking) and not is_set(requests) and nonce in open_requests:
                echoed.add(nonce)
        expect(open_requests, f"{asking} asked {asked} for nothing")
        expect(echoed, f"{asked} echoed none of {open_requests}")

    @test("finds out without probes that an RLOC is dead while packets come back from it, and that it is alive again")
    def dead_one_way(self):
        wait_reachable(self.network.host_b, SITE_A.host4)
        expect(self.state(self.first) == "up", f"{self.first} is {self.state(self.first)}")
        # Site B goes on sending, from the RLOC that it cannot be reached at.
        running = start_ping(self.network.host_b, SITE_A.host4, round(24 / INTERVAL), interval=INTERVAL, wait=1)
        time.sleep(1)
        self.set_dead(self.first)
        try:
            wait_until(f"{self.first} is down", lambda: self.state(self.first) == "down", 22)
            result = finish_ping(running, 40)
            expect(0 < result.lost * INTERVAL <= 20.5, f"{result.lost * INTERVAL:.1f} s without an answer")
            expect("does not echo nonces" in self.xtr_a.log(), "the log does not tell")
            expect(self.locator(self.first)["echoes"]["state"] == "down", f"{self.locator(self.first)}")
            expect(self.state(SECOND) == "up", f"{SECOND} is {self.state(SECOND)}")
            expect(ping(self.network.host_b, SITE_A.host4, 10).lost == 0, "pings are lost by the other RLOC")
        finally:
            self.set_dead()
        wait_until(f"{self.first} is tried again", lambda: self.state(self.first) == "up", 40)
        expect(ping(self.network.host_b, SITE_A.host4, 20).lost == 0, "pings are lost after it came back")
        wait_until("it echoes", lambda: self.locator(self.first)["echoes"]["failures"] == 0, 20)
        expect(self.state(self.first) == "up", f"{self.first} is {self.state(self.first)}")

    @test("takes the absence of return traffic for nothing")
    def one_way_traffic(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        self.network.host_b.run("nft", "-f", "-", input="""
            table inet mute {
                chain input {
                    type filter hook input priority 0
                    ip protocol icmp drop
                }
            }
            """)
        try:
            asked = self.locator(self.first)["echoes"]["requested"]
            ping(self.network.host_a, SITE_B.host4, 90, wait=1)
            echoes = self.locator(self.first)["echoes"]
            expect(echoes["requested"] > asked, f"nothing was asked: {echoes}")
            expect(echoes["failures"] == 0 and self.state(self.first) == "up", f"{self.locator(self.first)}")
        finally:
            self.network.host_b.run("nft", "delete", "table", "inet", "mute")

    @test("a reload that switches it off lets packets say nothing, and keeps the map-cache")
    def switched_off(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        created = tables.mapping(self.xtr_a, SITE_B.prefix4).created
        for each in (self.xtr_a, self.xtr_b):
            each.write({**each.configuration, "echo-nonce": {"enabled": False}})
            each.control("config", "reload")
        try:
            before = self.hints(self.xtr_a)
            expect(ping(self.network.host_a, SITE_B.host4, 65).lost == 0, "pings are lost")
            expect(self.hints(self.xtr_a) == before, f"{before} became {self.hints(self.xtr_a)}")
            entry = tables.mapping(self.xtr_a, SITE_B.prefix4)
            # Whole seconds of the wall clock, reckoned back from the age of the entry.
            expect(abs(entry.created - created) <= 1, f"the entry is another: {entry.created}, not {created}")
            expect(all("echoes" not in each for each in entry.raw["locators"]), f"{entry.raw['locators']}")
        finally:
            for each in (self.xtr_a, self.xtr_b):
                each.write({**each.configuration, **self.both})
                each.control("config", "reload")

    @test("tshark has nothing to say against the headers")
    def clean(self):
        self.expect_running()
        self.expect_clean_capture()


class LocatorStatusGroup(TwoRLOCsGroup):
    """The second RLOC of xtrB is on a link of its own:  xtrB core2 198.51.100.22 ---- 198.51.100.21 xtrB2 core."""

    name = "locator-status-bits"
    weight = QUIET
    both = {"locator-status-bits": {"enabled": True}}

    def add_second_rloc(self):
        link(self.network.xtr_b, "core2", [f"{SECOND}/30"], self.network.core, "xtrB2", ["198.51.100.21/30"])
        self.network.xtr_b.ip("route add default via 198.51.100.21 dev core2 metric 100")

    def set_link(self, is_up):
        """Takes the link of the first RLOC away, or brings it back as it was."""
        if not is_up:
            self.network.xtr_b.ip("link set core down")
            return
        self.network.xtr_b.ip("link set core up", "route replace default via 198.51.100.5 dev core")

    def status_bits(self):
        """What xtrA has heard of site B."""
        entry = tables.mapping(self.xtr_a, SITE_B.prefix4)
        return (entry.raw.get("statusBits") or {}).get("bits") if entry else None

    def ping_from_b(self, seconds):
        return start_ping(self.network.host_b, SITE_A.host4, round(seconds / INTERVAL), interval=INTERVAL, wait=1)

    @test("packets say which RLOCs of their site are up")
    def says(self):
        wait_reachable(self.network.host_b, SITE_A.host4)
        expect(ping(self.network.host_b, SITE_A.host4, 5).lost == 0, "pings are lost")
        wait_until("xtrA has heard of both RLOCs", lambda: self.status_bits() == 3, 5)
        database = tables.show(self.xtr_b, "database")["entries"]
        expect({each.get("statusBits") for each in database} == {3}, f"{database}")
        text = self.xtr_a.text("show", "map-cache", SITE_B.host4, "--detail")
        expect("Locator-status-bits: 0x3" in text, f"no bits in:\n{text}")
        seen = {bits for source, has_bits, bits in self.bits_on_the_wire() if source == self.first and is_set(has_bits)}
        expect({int(bits, 0) for bits in seen if bits} == {3}, f"on the wire: {seen}")
        expect("public Internet" in self.xtr_a.text("show", "status"), "show status does not warn")

    def bits_on_the_wire(self):
        return frames(self.capture.path, ("ip.src", "lisp-data.flags.lsb", "lisp-data.lsb"), "lisp-data")

    @test("the other site's traffic leaves an RLOC at once when its link goes down, and comes back with it")
    def link_goes_down(self):
        wait_reachable(self.network.host_b, SITE_A.host4)
        wait_until("the first RLOC is up", lambda: self.state(self.first) == "up", 5)
        running = self.ping_from_b(6)
        time.sleep(1)
        self.set_link(False)
        try:
            wait_until(f"{self.first} is down", lambda: self.state(self.first) == "down", 3)
            result = finish_ping(running, 20)
            silence = result.lost * INTERVAL
            expect(silence <= 1, f"{silence:.2f} s without an answer:\n{result.output[-300:]}")
            expect(self.state(SECOND) == "up" and self.status_bits() == 2, f"{self.status_bits()}")
            expect("say that RLOC" in self.xtr_a.log(), "the log does not tell")
            local = {each["address"]: each["state"] for each in tables.show(self.xtr_b, "locators")["local"]}
            expect(local == {self.first: "down", SECOND: "up"}, f"{local}")
            sent = self.locator(SECOND)["encapsulated"]["packets"]
            expect(ping(self.network.host_a, SITE_B.host4, 10).lost == 0, "pings are lost by the other RLOC")
            expect(self.locator(SECOND)["encapsulated"]["packets"] >= sent + 10, "the second RLOC does not carry them")
        finally:
            self.set_link(True)
        running = self.ping_from_b(4)
        wait_until(f"{self.first} is up", lambda: self.state(self.first) == "up", 3)
        result = finish_ping(running, 20)
        expect(result.lost * INTERVAL <= 1, f"{result.lost} pings lost as it came back")
        sent = self.locator(self.first)["encapsulated"]["packets"]
        expect(ping(self.network.host_a, SITE_B.host4, 10).lost == 0, "pings are lost after it came back")
        expect(self.locator(self.first)["encapsulated"]["packets"] >= sent + 10, "the first RLOC does not carry them")

    @test("with RLOC-probing a bit that turns is a doubt, and the probe decides within a second")
    def with_probing(self):
        self.xtr_a.write({**self.xtr_a.configuration, "rloc-probing": {"enabled": True, "interval": "60s"}})
        self.xtr_a.control("config", "reload")
        try:
            wait_reachable(self.network.host_b, SITE_A.host4)
            wait_until("both RLOCs have answered a probe", lambda: all(
                (self.locator(each).get("probing") or {}).get("probesAnswered", 0) > 0 for each in (self.first, SECOND)), 60)
            running = self.ping_from_b(6)
            time.sleep(1)
            self.set_link(False)
            try:
                wait_until(f"{self.first} is down", lambda: self.state(self.first) == "down", 3)
                expect(finish_ping(running, 20).lost * INTERVAL <= 1.5, "more than 1.5 s without an answer")
                expect("does not answer probes" in self.xtr_a.log(), "no probe found out")
            finally:
                self.set_link(True)
            running = self.ping_from_b(6)
            wait_until(f"{self.first} is up", lambda: self.state(self.first) == "up", 5)
            finish_ping(running, 20)
        finally:
            self.xtr_a.write({**self.xtr_a.configuration, "rloc-probing": {"enabled": False}})
            self.xtr_a.control("config", "reload")

    @test("bits from an RLOC that the mapping does not have, and bits that call all down, are ignored and counted")
    def forged(self):
        wait_reachable(self.network.host_b, SITE_A.host4)
        wait_until("xtrA has heard of both RLOCs", lambda: self.status_bits() == 3, 5)
        inner = udp_packet(SITE_B.host4, SITE_A.host4)
        sender = udp_socket(self.network.rogue)
        sender.sendto(bytes([0x40, 0, 0, 0, 0, 0, 0, 2]) + inner, (self.of_a, 4341))
        wait_until("the forged bits are counted", lambda: any(
            "none of the mapping" in each["reason"] for each in self.hints(self.xtr_a)["ignored"]), 5)
        expect(self.status_bits() == 3 and self.state(self.first) == "up", f"{self.status_bits()}")
        sender = udp_socket(self.network.xtr_b, source=(self.first, 0))
        sender.sendto(bytes([0x40, 0, 0, 0, 0, 0, 0, 0]) + inner, (self.of_a, 4341))
        wait_until("bits of no RLOC are counted", lambda: any(
            "every RLOC" in each["reason"] for each in self.hints(self.xtr_a)["ignored"]), 5)
        expect(self.status_bits() == 3 and self.state(self.first) == "up", f"{self.status_bits()}")

    @test("after a change of the locator set packets say nothing for a while")
    def changed_set(self):
        wait_reachable(self.network.host_b, SITE_A.host4)
        locators = self.xtr_b.configuration["locators"]
        self.xtr_b.write({**self.xtr_b.configuration, "locators": locators[:1]})
        self.xtr_b.control("config", "reload")
        sent = self.hints(self.xtr_b)["statusBitsSent"]
        expect(ping(self.network.host_b, SITE_A.host4, 10).lost == 0, "pings are lost")
        expect(self.hints(self.xtr_b)["statusBitsSent"] == sent, "packets go on to say which RLOCs are up")
        expect(all("statusBits" not in each for each in tables.show(self.xtr_b, "database")["entries"]), "show database")

    @test("tshark has nothing to say against the headers")
    def clean(self):
        self.expect_running()
        self.expect_clean_capture()


def udp_packet(source, destination):
    """An IPv4 packet with a UDP datagram of four octets, without a UDP checksum."""
    header = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 32, 0, 0, 64, 17, 0,
                                   socket.inet_aton(source), socket.inet_aton(destination)))
    total = sum(struct.unpack("!10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    header[10:12] = struct.pack("!H", ~total & 0xFFFF)
    return bytes(header) + struct.pack("!HHHH", 9, 9, 12, 0) + b"hint"


def is_set(value):
    return value in ("1", "True")
