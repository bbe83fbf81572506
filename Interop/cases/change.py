"""Mappings that change under traffic: the other site hears of it by a Solicit-Map-Request, at once, and no packet is lost for long.

xtrB has a second address beside its one on the core link; site B offers the first with priority 1 and the second with 2.
"""

import os
import subprocess
import time

from lispnet import capture, daemon, tables
from lispnet.datagrams import udp_socket
from lispnet.run import INTEROP
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.traffic import finish_ping, ping, start_ping, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup

SECOND = "198.51.100.22"
INTERVAL = 0.05  # of the pings that measure a silence, in seconds
SMR = "lisp.mreq.flags.smr == 1"
INVOKED = "lisp.mreq.flags.smri == 1"


class Frames:
    """What a capture of its own saw of the change."""

    def __init__(self, network):
        self.capture = capture.Capture(network.core, name=f"change-{time.monotonic_ns()}")
        self.start = time.time()

    def stop(self):
        self.capture.stop()

    def times(self, display_filter):
        """Seconds after the start of each frame that the filter lets pass."""
        command = ["tshark", "-n", "-r", self.capture.path, "-Y", display_filter, "-T", "fields", "-e", "frame.time_epoch"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return [float(line) - self.start for line in done.stdout.split()]

    def first(self, what, display_filter, after=0.0):
        times = [each for each in self.times(display_filter) if each >= after]
        expect(times, f"no {what} in the capture")
        return times[0]


class ChangeGroup(SitesGroup):
    name = "change"

    def make_daemons(self):
        self.first = self.network.rloc(self.network.xtr_b)
        self.rloc_a = self.network.rloc(self.network.xtr_a)
        self.network.xtr_b.ip(f"address add {SECOND}/32 dev core")
        self.network.core.ip(f"route add {SECOND}/32 dev xtrB")
        super().make_daemons()
        self.xtr_b.write(self.site_b(1, 2))

    def site_b(self, first, second, **changes):
        locators = [{"address": self.first, "priority": first, "weight": 100},
                    {"address": SECOND, "priority": second, "weight": 100}]
        return daemon.xtr(self.network, SITE_B, **{"locators": locators, **changes})

    def reload_b(self, configuration):
        self.xtr_b.write(configuration)
        self.xtr_b.control("config", "reload")

    def priorities(self):
        """What xtrA believes of site B's RLOCs."""
        entry = tables.mapping(self.xtr_a, SITE_B.prefix4)
        return {each["address"]: each["priority"] for each in entry.raw["locators"]} if entry else None

    def settle(self):
        """Both sites have talked, and the last SMR was so long ago that the next need not wait."""
        wait_reachable(self.network.host_a, SITE_B.host4)
        wait_reachable(self.network.host_a, SITE_B.host6)
        time.sleep(3.2)

    @test("a reload that changes priorities moves the other site's traffic within 1 s, and no ping is lost")
    def priorities_change(self):
        self.settle()
        expect(self.priorities() == {self.first: 1, SECOND: 2}, f"before the change: {self.priorities()}")
        frames = Frames(self.network)
        running = start_ping(self.network.host_a, SITE_B.host4, round(5 / INTERVAL), interval=INTERVAL, wait=1)
        time.sleep(0.5)
        frames.start = time.time()
        self.reload_b(self.site_b(3, 2))
        result = finish_ping(running, 20)
        frames.stop()
        expect(result.lost == 0, f"{result.lost} pings lost:\n{result.output[-300:]}")
        moved = frames.first("data packet to the other RLOC", f"udp.dstport == 4341 && ip.dst == {SECOND}")
        expect(moved <= 1, f"traffic moved after {moved:.3f} s")
        late = frames.times(f"udp.dstport == 4341 && ip.dst == {self.first} && ip.src == {self.rloc_a}")
        expect(not [each for each in late if each > 1], f"packets still go to the old RLOC after {late[-1]:.3f} s" if late else "")
        self.expect_order(frames)

    def expect_order(self, frames):
        """Map-Register, Map-Notify, SMR, SMR-invoked Map-Request to the Map-Resolver, and no more of them than one change needs."""
        register = frames.first("Map-Register", f"lisp.type == 3 && ip.src == {self.first}", after=0)
        notify = frames.first("Map-Notify", f"lisp.type == 4 && ip.dst == {self.first}", after=register)
        smr = frames.first("SMR", f"{SMR} && ip.dst == {self.rloc_a}", after=0)
        invoked = frames.first(
            "SMR-invoked Map-Request", f"{INVOKED} && ip.dst == {self.network.map_server_address}", after=smr)
        expect(register <= notify <= smr <= invoked,
               f"Map-Register {register:.3f}, Map-Notify {notify:.3f}, SMR {smr:.3f}, SMR-invoked Map-Request {invoked:.3f}")
        again = [each for each in frames.times(f"{SMR} && ip.dst == {self.rloc_a}") if smr < each < smr + 2.9]
        expect(not again, f"more SMRs to the same RLOC within 3 s: {again}")

    @test("an EID-prefix that is added below another and withdrawn again is followed within 1 s")
    def prefix_added(self):
        part = "10.2.200.0/24"
        self.settle()
        database = [{"eid": prefix} for prefix in SITE_B.prefixes]
        self.reload_b(self.site_b(3, 2, database=database + [{"eid": part}]))
        wait_until(f"xtrA knows {part}", lambda: tables.mapping(self.xtr_a, part), 1)
        self.settle()
        self.reload_b(self.site_b(3, 2, database=database))
        wait_until(f"xtrA has forgotten {part}", lambda: tables.mapping(self.xtr_a, part) is None, 1)
        expect(ping(self.network.host_a, SITE_B.host4, 5).lost == 0, "pings are lost after the change")

    @test("the SMR of another implementation makes it ask the mapping system once, and is ignored for an unknown EID")
    def replay(self):
        self.settle()
        payload = captured_smr()
        frames = Frames(self.network)
        with udp_socket(self.network.rogue, source=(self.network.rloc(self.network.rogue), 4342)) as sender:
            for _ in range(5):
                sender.sendto(payload, (self.rloc_a, 4342))
                time.sleep(0.05)
            wait_until("the SMRs have arrived", lambda: "says that the mapping of 10.2.0.0/16 has changed" in self.xtr_a.log(), 5)
            time.sleep(4)
            frames.stop()
            # One at once, and one 3 s later for those that came after its answer.
            asked = frames.times(f"{INVOKED} && ip.dst == {self.network.map_server_address}")
            expect(1 <= len(asked) <= 2, f"{len(asked)} SMR-invoked Map-Requests for five SMRs")
            expect(len(asked) < 2 or asked[1] - asked[0] >= 2.9, f"two within {asked[-1] - asked[0]:.3f} s")
            expect(self.priorities() == {self.first: 3, SECOND: 2}, f"the entry is {self.priorities()}")

            self.clear_map_caches()
            frames = Frames(self.network)
            for _ in range(5):
                sender.sendto(payload, (self.rloc_a, 4342))
            wait_until("they are counted as ignored",
                       lambda: self.count(self.xtr_a, "Solicit-Map-Requests ignored") >= 5, 5)
            frames.stop()
            expect(not frames.times(INVOKED), "it asked although it has no entry")

    def count(self, router, reason):
        """How often something was dropped or ignored for a reason that begins so."""
        return sum(number for name, number in tables.statistics(router).items() if reason in name)

    @test("an interface's address that is replaced reaches the other site by SMR, and pings go on within 1 s")
    def address_replaced(self):
        self.settle()
        self.reload_b(daemon.xtr(self.network, SITE_B))
        self.network.xtr_b.ip(f"address del {SECOND}/32 dev core")
        wait_until("xtrA sees one RLOC", lambda: self.priorities() == {self.first: 1}, 5)
        self.settle()
        gateway = self.network.xtr_b.run("ip", "-o", "route", "show", "default").stdout.split()[2]
        running = start_ping(self.network.host_a, SITE_B.host4, round(8 / INTERVAL), interval=INTERVAL, wait=1)
        time.sleep(1)
        self.network.xtr_b.ip(
            f"address add {SECOND}/32 dev core",
            f"route add {gateway}/32 dev core",
            f"route replace default via {gateway} dev core onlink",
            f"address del {self.first}/30 dev core",
        )
        result = finish_ping(running, 30)
        silence = longest_gap(result.output) * INTERVAL
        expect(result.lost > 0, "no ping was lost: the address was still there")
        expect(silence <= 1, f"{silence:.2f} s without an answer:\n{result.output[-400:]}")
        expect(self.priorities() == {SECOND: 1}, f"xtrA believes {self.priorities()}")
        expect(ping(self.network.host_a, SITE_B.host4, 10).lost == 0, "pings are lost afterwards")
        expect(tables.locators_of(self.map_server, SITE_B.prefix4) == {SECOND}, "the Map-Server has another RLOC")
        self.expect_running()

    @test("tshark has nothing to say against the SMRs and what they lead to")
    def clean(self):
        self.expect_clean_capture()


def longest_gap(output):
    """The most pings in a row that were not answered."""
    numbers = sorted({int(word.removeprefix("icmp_seq=")) for word in output.split() if word.startswith("icmp_seq=")})
    return max((after - before - 1 for before, after in zip([0] + numbers, numbers)), default=0)


def captured_smr():
    """The first SMR of Open Overlay Router in oor-02-smr.pcap: the mapping of 10.2.2.0 has changed."""
    path = os.path.join(INTEROP, "captures", "oor-02-smr.pcap")
    command = ["tshark", "-n", "-r", path, "-Y", SMR, "-T", "fields", "-e", "udp.payload"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return bytes.fromhex(done.stdout.split()[0].replace(":", ""))
