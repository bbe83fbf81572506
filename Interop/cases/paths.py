"""What the kernels along the way tell: paths that are too narrow, RLOCs out of reach; and what hosts are told."""

import json
import re
import time

from lispnet import daemon, icmp, tables
from lispnet.nodes import link
from lispnet.run import CommandFailed
from lispnet.sites import EID_SPACE, SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.traffic import finish_ping, iperf3, path_mtu, ping, start_ping, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup

SECOND = "198.51.100.22"
PROBING = {"enabled": True, "interval": "2s", "retries": 3, "retry-interval": "1s"}
INTERVAL = 0.02  # of the pings that measure a silence, in seconds
PATH_MTU = 1300
OVERHEAD = {"4": 36, "6": 56}


class NarrowPathGroup(SitesGroup):
    """A core that carries no more than 1300 octets, while every interface of the sites says 1500."""

    def set_up(self):
        super().set_up()
        network = self.network
        ends = (("xtrA", "198.51.100.0/30", "198.51.100.1", "2001:db8:f:1::/64"),
                ("xtrB", "198.51.100.4/30", "198.51.100.5", "2001:db8:f:2::/64"))
        for name, prefix4, address4, prefix6 in ends:
            if "4" in self.rlocs:
                network.core.ip(f"route replace {prefix4} dev {name} proto kernel scope link src {address4} "
                                f"mtu lock {PATH_MTU}")
            if "6" in self.rlocs:
                network.core.ip(f"route replace {prefix6} dev {name} proto kernel metric 256 mtu lock {PATH_MTU}")
        self.fits = PATH_MTU - OVERHEAD[self.rlocs]

    def make_daemons(self):
        super().make_daemons()
        # As an operator whose TUN is meant for more.
        self.rloc_b = self.network.rloc(self.network.xtr_b)

    @staticmethod
    def learnt(xtr, site):
        """What a router knows of the path to the RLOC of a site."""
        entry = tables.mapping(xtr, site.prefix4)
        return entry.raw["locators"][0].get("mtu") if entry else None

    def learn(self):
        """Until both routers have been told of the path MTU."""
        def are_taught():
            for host, site in ((self.network.host_a, SITE_B), (self.network.host_b, SITE_A)):
                ping(host, site.second_host4, 1, size=1380, dont_fragment=True, wait=1)
            return self.learnt(self.xtr_a, SITE_B) == self.learnt(self.xtr_b, SITE_A) == PATH_MTU

        wait_reachable(self.network.host_a, SITE_B.host4)
        wait_until("both routers know the path MTU", are_taught, 10)

    @test("tells a host whose packets say DF what fits, and carries what does")
    def dont_fragment(self):
        self.learn()
        host = self.network.host_a
        result = ping(host, SITE_B.host4, 2, size=1400, dont_fragment=True)
        expect(result.received == 0 and f"mtu = {self.fits}" in result.output.replace("mtu=", "mtu = "),
               f"no Fragmentation Needed of {self.fits}:\n{result.output}")
        sender = re.search(r"From ([0-9.]+)", result.output)
        expect(sender and sender.group(1) in (SITE_A.gateway4, SITE_A.second_gateway4),
               f"it is not from an own EID of xtrA:\n{result.output}")
        expect(path_mtu(host, SITE_B.host4) == self.fits, f"the host knows {path_mtu(host, SITE_B.host4)}")
        whole = ping(host, SITE_B.host4, 5, size=self.fits - 28, dont_fragment=True)
        expect(whole.lost == 0, f"what fits is lost:\n{whole.output}")

    @test("tells an IPv6 host no less than 1280, and carries 1280 although they do not fit")
    def ipv6(self):
        self.learn()
        wait_reachable(self.network.host_a, SITE_B.host6)
        host = self.network.host_a
        result = ping(host, SITE_B.host6, 2, size=1380, dont_fragment=True)
        expect(result.received == 0 and "1280" in result.output, f"no Packet Too Big of 1280:\n{result.output}")
        expect(path_mtu(host, SITE_B.host6) == 1280, f"the host knows {path_mtu(host, SITE_B.host6)}")
        whole = ping(host, SITE_B.host6, 5, size=1280 - 48, dont_fragment=True)
        expect(whole.lost == 0, f"1280 octets are lost:\n{whole.output}")
        expect(tables.statistics(self.xtr_a)["dataPlane.sentFragmentable"] >= 5, "they were not sent fragmentable")

    @test("cuts what may be cut: large IPv4 packets without DF arrive")
    def may_fragment(self):
        self.learn()
        before = tables.statistics(self.xtr_a)["dataPlane.fragmented"]
        for size in (1300, 1400, 4000, 20000):
            words = ["ping", "-n", "-c", "5", "-i", "0.1", "-W", "2", "-M", "dont", "-s", str(size), SITE_B.host4]
            # A host that has not been told what fits.
            done = self.network.host_a2.run(*words, check=False)
            expect(" 5 received" in done.stdout, f"{size} octets are lost:\n{done.stdout}")
        expect(tables.statistics(self.xtr_a)["dataPlane.fragmented"] > before, "nothing was fragmented")

    @test("carries TCP of both families")
    def tcp(self):
        for address in (SITE_B.host4, SITE_B.host6):
            wait_reachable(self.network.host_a, address)
            report = iperf3(self.network.host_a, self.network.host_b, address, 2)
            rate = report["end"]["sum_received"]["bits_per_second"]
            expect(rate > 20e6, f"{rate / 1e6:.1f} Mb/s to {address}")
        self.expect_running()

    @test("shows the path MTU of the RLOC and logs it")
    def shows(self):
        self.learn()
        text = self.xtr_a.text("show", "map-cache", SITE_B.host4, "--detail")
        expect(re.search(rf"Path MTU:\s+{PATH_MTU}$", text, re.MULTILINE), f"no path MTU in:\n{text}")
        remote = tables.show(self.xtr_a, "locators")["remote"]
        expect([each.get("mtu") for each in remote if each["address"] == self.rloc_b] == [PATH_MTU],
               f"show locators says {remote}")
        expect(f"path MTU to RLOC {self.rloc_b} is {PATH_MTU}" in self.xtr_a.log(), "the log does not tell")
        statistics = tables.statistics(self.xtr_a)
        expect(statistics["dataPlane.paths.errorsBelieved"] > 0, "no ICMP error was believed")
        expect(statistics["dataPlane.siteErrors.sent"] > 0, "no error to a host was counted")


class NarrowPathOverIPv4(NarrowPathGroup):
    name = "narrow-path-4"


class NarrowPathOverIPv6(NarrowPathGroup):
    name = "narrow-path-6"
    rlocs = "6"


class DeadPathGroup(SitesGroup):
    """xtrB has two RLOCs, the first preferred. xtrA reaches the first by a link of its own."""

    name = "dead-path"

    def make_daemons(self):
        network = self.network
        self.first = network.rloc(network.xtr_b)
        network.xtr_b.ip(f"address add {SECOND}/32 dev core")
        network.core.ip(f"route add {SECOND}/32 via {self.first}")
        link(network.xtr_a, "uplink", ["198.51.100.18/30"], network.core, "xtrA2", ["198.51.100.17/30"])
        # Site C is configured and never registers, and says so.
        sites = [daemon.served(SITE_A), daemon.served(SITE_B), {
            "name": "site-c", "keys": [daemon.key("nobody has it")],
            "eids": [{"prefix": prefix, "action": "drop"} for prefix in ("10.3.0.0/16", "2001:db8:c::/48")],
        }]
        space = EID_SPACE + ["2001:db8:c::/48"]
        self.map_server = daemon.Daemon(
            network.map_server, daemon.map_server(map_server={"eid-space": space, "sites": sites}))
        self.xtr_a = daemon.Daemon(network.xtr_a, daemon.xtr(network, SITE_A, rloc_probing=PROBING))
        locators = [{"address": self.first, "priority": 1, "weight": 100},
                    {"address": SECOND, "priority": 2, "weight": 100}]
        self.xtr_b = daemon.Daemon(network.xtr_b, daemon.xtr(network, SITE_B, locators=locators))

    def locator(self, address):
        entry = tables.mapping(self.xtr_a, SITE_B.prefix4)
        return next((each for each in entry.raw["locators"] if each["address"] == address), None) if entry else None

    def state(self, address):
        locator = self.locator(address)
        return locator["state"] if locator else None

    def wait_both_up(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        wait_until("both RLOCs have answered", lambda: all(
            self.state(address) == "up" and (self.locator(address).get("probing") or {}).get("probesAnswered", 0) > 0
            for address in (self.first, SECOND)), 20)

    def set_unreachable(self, *addresses):
        """Lets the core answer packets to these addresses by ICMP Destination Unreachable."""
        self.network.core.run("nft", "delete", "table", "inet", "dead", check=False)
        if addresses:
            self.network.core.run("nft", "-f", "-", input=f"""
                table inet dead {{
                    chain forward {{
                        type filter hook forward priority -10;
                        ip daddr {{ {', '.join(addresses)} }} reject with icmp type host-unreachable
                    }}
                }}
                """)

    def expect_quick_move(self, kill):
        """Pings and a TCP connection go on over the second RLOC within a second of `kill`."""
        network = self.network
        self.wait_both_up()
        server = network.host_b.start("iperf3", "-s", "-1", "-p", "5201", log="iperf3-server.log")
        try:
            wait_until("iperf3 listens", lambda: ":5201" in network.host_b.run("ss", "-tlnH").stdout, 5)
            client = network.host_a.start("iperf3", "-c", SITE_B.host4, "-p", "5201", "-t", "7", "-i", "0.5", "-J",
                                          "-b", "50M", "--connect-timeout", "5000")
            time.sleep(1)
            running = start_ping(network.host_a, SITE_B.host4, round(4 / INTERVAL), interval=INTERVAL, wait=1)
            time.sleep(1)
            kill()
            result = finish_ping(running, 20)
            status, output = client.finish(20)
        finally:
            server.stop()
        try:
            report = json.loads(output)
        except ValueError:
            raise CommandFailed(["iperf3"], status, output) from None
        expect("error" not in report, f"the TCP connection broke: {report.get('error')}")
        silence = result.lost * INTERVAL
        print(f"       {silence:.2f} s of silence", flush=True)
        expect(result.lost > 0, "no ping was lost: the RLOC did not die")
        expect(silence < 1, f"{silence:.2f} s without an answer:\n{result.output[-300:]}")
        expect(self.state(self.first) == "down", f"{self.first} is {self.state(self.first)}")
        bits = [each["sum"]["bits_per_second"] for each in report["intervals"]]
        expect(all(rate > 10e6 for rate in bits[-4:]), f"the TCP connection did not go on: {bits}")

    @test("moves traffic within 1 s on ICMP Destination Unreachable, and a TCP connection lives on")
    def unreachable(self):
        try:
            self.expect_quick_move(lambda: self.set_unreachable(self.first))
            expect(tables.statistics(self.xtr_a)["dataPlane.paths.errorsBelieved"] > 0, "no ICMP error was believed")
        finally:
            self.set_unreachable()
        wait_until("the first RLOC is used again", lambda: self.state(self.first) == "up", 15)

    @test("moves traffic within 1 s when the link to an RLOC goes down, and back when it comes up")
    def link_down(self):
        network = self.network
        # By its own link alone: what goes the other way round is lost without a word.
        network.core.run("nft", "-f", "-", input=f"""
            table inet filtered {{
                chain forward {{
                    type filter hook forward priority -10;
                    iifname "xtrA" ip daddr {self.first} drop
                }}
            }}
            """)
        route = f"route replace {self.first}/32 via 198.51.100.17 dev uplink"
        network.xtr_a.ip(route)
        try:
            self.expect_quick_move(lambda: network.xtr_a.ip("link set uplink down"))
            network.xtr_a.ip("link set uplink up", route)
            back = time.monotonic()
            wait_until("the first RLOC is used again", lambda: self.state(self.first) == "up", 5)
            expect(time.monotonic() - back < 3, f"only after {time.monotonic() - back:.1f} s")
        finally:
            network.xtr_a.ip("link set uplink up")
            network.xtr_a.run("ip", "route", "del", f"{self.first}/32", check=False)
            network.core.run("nft", "delete", "table", "inet", "filtered")
        self.expect_running()

    @test("moves traffic within 1 s when this host has no route to an RLOC any more")
    def no_route(self):
        route = f"route add unreachable {self.first}/32"
        try:
            self.expect_quick_move(lambda: self.network.xtr_a.ip(route))
        finally:
            self.network.xtr_a.run("ip", "route", "del", "unreachable", f"{self.first}/32", check=False)
        wait_until("the first RLOC is used again", lambda: self.state(self.first) == "up", 5)

    @test("believes no ICMP error about what it cannot have sent, and one that could be")
    def forged(self):
        self.wait_both_up()
        rogue, victim = self.network.rogue, self.network.rloc(self.network.xtr_a)
        ports = icmp.source_ports(self.network.xtr_a)
        expect(ports, "xtrA has no source ports")
        there, back = (SITE_A.host4, SITE_B.host4), (SITE_B.host4, SITE_A.host4)
        forged = {
            "another RLOC": icmp.data_packet(victim, "198.51.100.77", there),
            "another port": icmp.data_packet(victim, self.first, there, to_port=4342),
            "another instance": icmp.data_packet(victim, self.first, there, instance=77),
            "an encrypted one": icmp.data_packet(victim, self.first, there, flags=0x0300_0000),
            "what is for our site": icmp.data_packet(victim, self.first, back),
            "multicast": icmp.data_packet(victim, self.first, (SITE_A.host4, "224.0.0.9")),
            "what fits": icmp.data_packet(victim, self.first, there, length=500),
        }

        def counted(name):
            return tables.statistics(self.xtr_a)[f"dataPlane.paths.{name}"]

        for what, packet in forged.items():
            refused, believed = counted("errorsRefused"), counted("errorsBelieved")
            sent = icmp.send(rogue, victim, packet, icmp.TOO_BIG, ports, mtu=600)
            # Ports that are meant for something else tell nothing.
            wait_until(f"errors about {what} are refused", lambda: counted("errorsRefused") >= refused + sent // 2, 5)
            expect(counted("errorsBelieved") == believed, f"one about {what} is believed")
            expect(self.locator(self.first).get("mtu") is None, f"one about {what} has changed the path MTU")
        # What a real router would send is believed: so the others were refused for what they say.
        packet = icmp.data_packet(victim, self.first, there)
        icmp.send(rogue, victim, packet, icmp.TOO_BIG, ports, mtu=600)
        wait_until("the path MTU is known", lambda: self.locator(self.first).get("mtu") == 600, 5)
        # An address may be called unreachable as often as one likes: probes say otherwise.
        before = self.locator(self.first)
        for _ in range(5):
            icmp.send(rogue, victim, packet, icmp.HOST, ports * 10)
        after = self.locator(self.first)
        expect(after["state"] == "up" and after["stateChanges"] == before["stateChanges"], f"it was down: {after}")
        probes = after["probing"]["probesSent"] - before["probing"]["probesSent"]
        expect(0 < probes <= 6, f"the doubts brought out {probes} probes")
        self.xtr_a.control("clear", "map-cache")
        self.wait_both_up()
        expect(self.locator(self.first).get("mtu") is None, "a new entry has an old path MTU")

    @test("tells hosts of packets that are dropped by policy, the first one, too")
    def denied(self):
        host = self.network.host_a
        for address, sign in (("10.3.0.1", "Packet filtered"), ("2001:db8:c::1", "Administratively prohibited")):
            self.xtr_a.control("clear", "map-cache")
            result = ping(host, address, 2, interval=0.3)
            expect(result.received == 0 and result.output.count(sign) == 2, f"not twice {sign}:\n{result.output}")
            sender = re.search(r"From ([0-9a-f.:]+)", result.output).group(1).rstrip(":")
            own = (SITE_A.gateway4, SITE_A.second_gateway4, SITE_A.gateway6, SITE_A.second_gateway6)
            expect(sender in own, f"it is from {sender}, not from an own EID of xtrA")
        # The router itself is a host of its site, too.
        own = ping(self.network.xtr_a, "10.3.0.1", 1, source=SITE_A.gateway4)
        expect("Packet filtered" in own.output, f"the router was not told:\n{own.output}")

    @test("tells hosts of a site in which this router has no address, too: from 192.0.0.8")
    def denied_without_own_address(self):
        network, inner = self.network, "10.1.200.10"
        network.host_a.ip(f"address add {inner}/32 dev lo")
        network.xtr_a.ip(f"route add 10.1.200.0/24 via {SITE_A.host4}")
        before = self.xtr_a.configuration
        try:
            self.xtr_a.write({**before, "database": [{"eid": "10.1.200.0/24"}]})
            self.xtr_a.control("config", "reload")
            result = ping(network.host_a, "10.3.0.1", 2, interval=0.3, source=inner)
            expect(result.output.count("From 192.0.0.8") == 2, f"not told from 192.0.0.8:\n{result.output}")
        finally:
            self.xtr_a.write(before)
            self.xtr_a.control("config", "reload")
            network.xtr_a.ip("route del 10.1.200.0/24")

    @test("finds out what its own interface carries, where the TUN cannot be smaller")
    def narrow_interface(self):
        network = self.network
        self.wait_both_up()
        # 1264 octets would fit, but a TUN that IPv6 may use has 1280.
        network.xtr_a.ip(f"link set core mtu {PATH_MTU}")
        try:
            wait_until("the TUN has 1280", lambda: "mtu 1280" in network.xtr_a.ip_output("link", "show", "lisp0"), 5)

            def is_found():
                ping(network.host_a, SITE_B.host4, 1, size=1280 - 28, dont_fragment=True, wait=1)
                return path_mtu(network.host_a, SITE_B.host4) == PATH_MTU - OVERHEAD["4"]

            wait_until("the host is told what fits", is_found, 5)
            expect(self.locator(self.first).get("mtu") == PATH_MTU, f"xtrA knows {self.locator(self.first)}")
        finally:
            network.xtr_a.ip("link set core mtu 1500")
            network.host_a.run("ip", "route", "flush", "cache")
            self.xtr_a.control("clear", "map-cache")

    @test("tells hosts of packets for which no RLOC is left")
    def none_left(self):
        self.wait_both_up()
        self.set_unreachable(self.first, SECOND)
        try:
            wait_until("both are down", lambda: self.state(self.first) == self.state(SECOND) == "down", 15)
            result = ping(self.network.host_a, SITE_B.host4, 2, interval=0.3)
            expect(result.output.count("Destination Host Unreachable") == 2, f"not twice unreachable:\n{result.output}")
        finally:
            self.set_unreachable()
        self.wait_both_up()
        self.expect_running()
