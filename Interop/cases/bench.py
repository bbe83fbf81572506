"""The benchmark: what it makes of figures, and that it runs."""

import contextlib
import json
import os
import subprocess
import sys

from lispnet import daemon, judgement
from lispnet.judgement import BARE, LISPD, LISPD_ONE_BY_ONE, PLAIN, VXLAN, MapServerResult, Sample
from lispnet.nodes import Node, link
from lispnet.offered import Outcome, loss_free
from lispnet.run import INTEROP, ROOT, CommandFailed
from lispnet.testing import EXCLUSIVE, Group, expect, test
from lispnet.traffic import iperf3, segmentation, without_segmentation
from lispnet.walks import Walked

sys.path.insert(0, os.path.join(ROOT, "Benchmarks"))

import thresholds  # noqa: E402
from thresholds import Case, Cost  # noqa: E402

KEYS = {"name", "value", "unit", "reference", "ratio", "runs"}


def results(plain, vxlan, lispd, one_by_one):
    """As the topology gives them, for TCP; one number for each round, the load always 2 s and 1 s."""
    ways = {PLAIN: plain, VXLAN: vxlan, BARE: [8.0] * len(plain), LISPD: lispd, LISPD_ONE_BY_ONE: one_by_one}
    samples = {way: [Sample(value, 2.0, 1.0) for value in values] for way, values in ways.items()}
    return {"tcp-1": samples, "tcp-8": samples}


# One round in which lispd keeps every goal, and none by more than it must but that of the trains.
KEPT = {
    "tcp-1": (20, 10, 5.5, 3), "tcp-8": (20, 10, 5.5, 3), "tcp-1-gso-off": (5, 2, 1.4, 1),
    "udp-64": (120, 100, 90, 50), "udp-1400": (120, 100, 90, 50),
    "udp-64-gso-off": (120, 100, 70, 50), "udp-1400-gso-off": (120, 100, 70, 50), "udp-flows": (120, 100, 70, 50),
    "udp-64-loss-free": (None, 90, 60, None), "udp-flows-loss-free": (None, 90, 40, None),
    "udp-64-overload-sent": (None, 180, 120, None), "udp-flows-overload-sent": (None, 180, 80, None),
    "udp-64-overload": (None, 90, 57, None), "udp-flows-overload": (None, 90, 38, None),
    "rtt-median": (50, 60, 110, 120), "rtt-p99": (90, 95, 300, 400),
}
# By a tunnel that only carries: what lispd does, or a little better.
CARRIED = {"tcp-1": 5.5, "tcp-8": 6, "udp-1400": 100, "rtt-median": 100}


def network(**lispd):
    """Rows of that round, with other values of lispd; a _ for each - in the name of a measure."""
    found = {}
    for measure, values in KEPT.items():
        ways = dict(zip((PLAIN, VXLAN, LISPD, LISPD_ONE_BY_ONE), values))
        ways[LISPD] = lispd.get(measure.replace("-", "_"), ways[LISPD])
        ways[BARE] = CARRIED.get(measure)
        found[measure] = {way: [Sample(value)] for way, value in ways.items() if value is not None}
    return rows(found)


def verdicts(found):
    """{name: (mark, line)} of rows."""
    lines = judgement.verdicts(found)
    return {line[5:].split()[0].rstrip(":"): (line[:5].strip(), line) for line in lines}


def rows(found):
    units = {measure: "us" if measure.startswith("rtt") else "Gb/s" for measure in found}
    return judgement.topology_rows(found, units) + judgement.load_rows(found) + judgement.goal_rows(found, units)


class BenchJudgementGroup(Group):
    name = "bench-judgement"

    @test("takes the median of the rounds and its ratio to plain routing")
    def medians(self):
        by_name = {row.name: row for row in rows(results([10, 30, 20], [15, 18, 16], [8, 2, 5], [1, 2, 3]))}
        plain, lispd = by_name["tcp-1.plain"], by_name["tcp-1.lispd"]
        expect((plain.value, plain.reference, plain.ratio) == (20, None, None), plain)
        expect((lispd.value, lispd.reference, lispd.ratio, lispd.runs) == (5, 20, 0.25, [8, 2, 5]), lispd)
        gain = by_name["tcp-1.offload-gain"]
        expect((gain.value, gain.reference, gain.ratio) == (5, 2, 2.5), gain)
        expect(by_name["tcp-8.vxlan.cpu-machine"].ratio == 1 and by_name["tcp-1.lispd.cpu-lispd"].value == 1, by_name)
        expect("tcp-1.vxlan.cpu-lispd" not in by_name, "lispd has no part in VXLAN")

    @test("is void if VXLAN reaches less than 0.6 of plain routing, as with hosts at MTU 1500")
    def void(self):
        good = rows(results([17, 19, 18], [15, 2, 16], [9, 9, 9], [1, 1, 1]))
        expect(judgement.reasons_void(good) == [], judgement.reasons_void(good))
        fragmented = judgement.reasons_void(rows(results([17, 19, 18], [2.0, 2.2, 16], [9, 9, 9], [1, 1, 1])))
        expect(len(fragmented) == 2 and "tcp-1.vxlan" in fragmented[0] and "0.12" in fragmented[0], fragmented)
        nothing = judgement.reasons_void(rows(results([0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0])))
        expect(len(nothing) == 2, "a network without traffic counts")
        expect(judgement.reasons_void(rows(results([10], [5.9], [9], [1]))) != [], "0.59 counts")
        expect(judgement.reasons_void(rows(results([10], [6.0], [9], [1]))) == [], "0.6 does not count")

    @test("says whether trains bring 1.5 times one packet a system call")
    def gains(self):
        for lispd, mark in ((3, "PASS"), (2.9, "SHORT")):
            found = verdicts(rows(results([9], [9], [lispd], [2])))
            expect(found["tcp-1.offload-gain"][0] == found["tcp-8.offload-gain"][0] == mark, f"{lispd}: {found}")

    @test("says of each promise to the network whether lispd keeps it, beside VXLAN, one stream and plain routing")
    def network_goals(self):
        kept = verdicts(network())
        expect({name: mark for name, (mark, _) in kept.items()} == {
            "tcp-1.of-vxlan": "PASS", "tcp-8.of-vxlan": "PASS", "tcp-8.of-tcp-1": "PASS",
            "tcp-1-gso-off.of-vxlan": "PASS", "udp-64.of-vxlan": "PASS", "udp-1400.of-vxlan": "PASS",
            "udp-64-gso-off.of-vxlan": "PASS", "udp-1400-gso-off.of-vxlan": "PASS", "udp-flows.of-vxlan": "PASS",
            "udp-64-loss-free.of-vxlan": "", "udp-flows-loss-free.of-vxlan": "",
            "udp-64-overload.of-loss-free": "PASS", "udp-flows-overload.of-loss-free": "PASS",
            "rtt-median.above-plain": "PASS", "rtt-p99.above-plain": "",
            "tcp-1.of-bare": "", "tcp-8.of-bare": "", "udp-1400.of-bare": "", "rtt-median.above-bare": "",
            "tcp-1.offload-gain": "PASS", "tcp-8.offload-gain": "PASS"}, kept)
        for name, changed, value in (
                ("tcp-1.of-vxlan", {"tcp_1": 5.4}, "0.540 of VXLAN, wanted 0.55, aimed at 0.7"),
                ("tcp-8.of-vxlan", {"tcp_1": 5.4, "tcp_8": 5.4}, "0.540 of VXLAN, wanted 0.55, aimed at 0.7"),
                ("tcp-8.of-tcp-1", {"tcp_1": 5.6}, "0.982 of one stream, wanted 1"),
                ("tcp-1-gso-off.of-vxlan", {"tcp_1_gso_off": 1.38}, "0.690 of VXLAN, wanted 0.7"),
                ("udp-64.of-vxlan", {"udp_64": 89}, "0.890 of VXLAN, wanted 0.9"),
                ("udp-1400.of-vxlan", {"udp_1400": 89}, "0.890 of VXLAN, wanted 0.9"),
                ("udp-64-gso-off.of-vxlan", {"udp_64_gso_off": 69}, "0.690 of VXLAN, wanted 0.7"),
                ("udp-flows.of-vxlan", {"udp_flows": 69}, "0.690 of VXLAN, wanted 0.7"),
                ("udp-64-overload.of-loss-free", {"udp_64_overload": 56},
                 "0.933 of what arrives at the loss-free rate, wanted 0.95"),
                ("udp-flows-overload.of-loss-free", {"udp_flows_loss_free": 0},
                 "0.000 of what arrives at the loss-free rate, wanted 0.95"),
                ("rtt-median.above-plain", {"rtt_median": 111}, "61.0 us above plain routing, wanted at most 60, aimed at 40")):
            mark, line = verdicts(network(**changed))[name]
            expect((mark, line) == ("SHORT", f"SHORT {name}: {value}"), line)
        expect(kept["rtt-p99.above-plain"][1].strip() == "rtt-p99.above-plain: 210.0 us above plain routing", kept)
        expect(kept["tcp-1.of-bare"][1].strip() == "tcp-1.of-bare: 1.000 of a tunnel that only carries", kept)
        expect(kept["rtt-median.above-bare"][1].strip() == "rtt-median.above-bare: 10.0 us above a tunnel that only carries", kept)
        nothing = network(tcp_1=0, tcp_8=0)
        expect(verdicts(nothing)["tcp-8.of-tcp-1"][0] == "SHORT", "nothing is as good as nothing")

    @test("has a row for each promise with what it is held against")
    def goal_rows(self):
        by_name = {row.name: row for row in network()}
        loss_free = by_name["udp-64-loss-free.lispd"]
        expect((loss_free.value, loss_free.reference, loss_free.ratio) == (60, None, None), loss_free)
        expect("udp-64-loss-free.plain" not in by_name, "plain routing was not asked")
        for name, expected in (("udp-64-overload.of-loss-free", (57, 60, 0.95)),
                               ("udp-64-loss-free.of-vxlan", (60, 90, 60 / 90)),
                               ("tcp-1.of-vxlan", (5.5, 10, 0.55)), ("tcp-8.of-tcp-1", (5.5, 5.5, 1)),
                               ("rtt-median.above-plain", (60, 60, 1)), ("rtt-p99.above-plain", (210, None, None))):
            each = by_name[name]
            expect((each.value, each.reference, each.ratio) == expected, each)
        expect((by_name["tcp-1.lispd"].reference, by_name["tcp-1.vxlan"].reference) == (20, 20), "plain routing is no reference")
        # A sender that had not the time for as much as the loss-free rate: no more could come.
        limited = {row.name: row for row in network(udp_64_overload_sent=50, udp_64_overload=48)}["udp-64-overload.of-loss-free"]
        expect((limited.value, limited.reference, limited.ratio) == (48, 50, 0.96), limited)
        medians = {row.name: row for row in rows(results([10, 30, 20], [15, 18, 16], [8, 2, 5], [1, 2, 3]))}["tcp-1.of-vxlan"]
        expect((medians.value, medians.reference, medians.runs) == (5, 16, [8, 2, 5]), medians)

    @test("says whether a part keeps what was promised for it")
    def goals(self):
        measured = {"name": "lookup", "size": 1000, "runs": [60, 48, 52], "minimum": 48, "allocations": 0, "goal": 50,
                    "octetsPerEntry": 160.0, "octetsGoal": 150}
        found = judgement.parts_rows([measured, {"name": "other", "runs": [3], "minimum": 3, "allocations": 2}])
        expect([row.name for row in found]
               == ["lookup.1000", "lookup.1000.allocations", "lookup.1000.memory", "other", "other.allocations"], found)
        expect((found[0].value, found[0].ratio, found[0].runs) == (48, 0.96, [60, 48, 52]), found[0])
        lines = judgement.verdicts(found)
        expect([line[:5] for line in lines] == ["PASS ", "SHORT"], lines)

    @test("says what a Map-Server takes for a message, whether it is flat, and what a registration takes of memory")
    def map_server(self):
        def report(microseconds):
            server = {"perMessage": microseconds, "userSeconds": 4e-6 * 1000, "systemSeconds": 1e-6 * 1000}
            return {"sent": 1000, "rate": 90_000, "server": server}

        def result(eids, register, request, octets=None):
            reports = {"register": [report(each) for each in register], "request": [report(request)]}
            return MapServerResult(eids, report(9), reports, octets)

        found = judgement.map_server_rows(
            [result(1000, [5, 6, 60], 3), result(100_000, [8, 7, 9], 4.6, 390)], {"register": 180_000, "request": 90_000},
            {"register": [report(4)], "request": [report(3)]})
        by_name = {row.name: row for row in found}
        expect(len(by_name) == len(found), "a name stands there twice")
        first, second = by_name["map-server.register.1000"], by_name["map-server.register.100000"]
        expect((first.value, first.reference, first.runs) == (6, 6.5, [5, 6, 60]), first)
        expect((by_name["map-server.register.1000.user"].value, second.value) == (4, 8), by_name)
        expect(by_name["map-server.register.1000.rate"].ratio == 0.5, by_name)
        expect("map-server.register.1000.growth" not in by_name, "the fewest grew")
        expect(by_name["map-server.register.100000.growth"].value == 8 / 6, by_name)
        expect(by_name["map-server.request.100000.growth"].value == 4.6 / 3, by_name)
        verdicts = {line.split()[1].rstrip(":"): line.split()[0] for line in judgement.verdicts(found)}
        expect(verdicts == {
            "map-server.register.1000": "PASS", "map-server.request.1000": "PASS",
            "map-server.register.100000": "SHORT", "map-server.register.100000.growth": "PASS",
            "map-server.request.100000": "SHORT", "map-server.request.100000.growth": "SHORT",
            "map-server.registration.100000.memory": "PASS"}, verdicts)
        table = judgement.map_server_table(found)
        expect(len(table) == 5 and table[3].split() == ["register", "100,000", "8.00", "4.00", "1.00", "4.00", "1.33", "90,000",
                                                        "180,000", "390"], table)
        expect(judgement.map_server_table([]) == [], "a table of nothing")

    @test("says of a data plane whether many entries and changes cost little, and that nothing is lost")
    def plane(self):
        def measured(many, changing, lost, wrong):
            values = {"few.rate": (100, None), "many.rate": (many, 100), "still.rate": (200, None),
                      "changing.rate": (changing, 200), "moderate.changing.lost": (lost, None), "misdelivered": (wrong, None)}
            found = judgement.plane_rows([
                {"name": f"plane.{name}", "value": value, "unit": "packets/s", "runs": [1, 2]}
                | ({} if reference is None else {"reference": reference}) for name, (value, reference) in values.items()])
            return {name: mark for name, (mark, _) in verdicts(found).items()}

        kept = {"plane.many.rate": "PASS", "plane.changing.rate": "PASS", "plane.moderate.changing.lost": "PASS",
                "plane.misdelivered": "PASS"}
        expect(measured(80, 180, 0, 0) == kept, measured(80, 180, 0, 0))
        for name, values in (("plane.many.rate", (79, 180, 0, 0)), ("plane.changing.rate", (80, 179, 0, 0)),
                             ("plane.moderate.changing.lost", (80, 180, 1, 0)), ("plane.misdelivered", (80, 180, 0, 1))):
            expect(measured(*values) == kept | {name: "SHORT"}, f"{name}: {measured(*values)}")

    @test("says of walks by SNMP whether they are flat, and hold up neither the control loop nor registrations")
    def walk_goals(self):
        def walked(entries, rate, longest_slice, delay):
            return Walked(entries, rate, 40e-6, 30e-6, longest_slice, [0.001] * 98 + [delay] * 2)

        kept = judgement.walk_rows({1_000: [walked(1_000, 13_000, 0.001, 0.005)], 100_000: [walked(100_000, 10_000, 0.001, 0.005)]})
        by_name = {row.name: row for row in kept}
        expect(by_name["snmp.walk.100000.growth"].value == 1.3, by_name)
        expect(abs(by_name["snmp.walk.1000.lispd"].value - 40) < 1e-6 and abs(by_name["snmp.walk.1000.snmpd"].value - 30) < 1e-6, by_name)
        found = verdicts(kept)
        expect(len(found) == 5 and all(mark == "PASS" for mark, _ in found.values()), found)
        missed = verdicts(judgement.walk_rows(
            {1_000: [walked(1_000, 13_000, 0.0011, 0.0051)], 100_000: [walked(100_000, 9_900, 0.0011, 0.0051)]}))
        expect(len(missed) == 5 and all(mark == "SHORT" for mark, _ in missed.values()), missed)

    @test("finds the loss-free rate by bisection, tries a rate with loss twice, and knows when there is none")
    def bisection(self):
        def found(fits, steps=7, reachable=1e9, excused=()):
            """As of a network that carries `fits` packets a second, and loses one in a thousand of more."""
            tried = []

            def offered(rate):
                tried.append(rate)
                sent = round(min(rate, reachable))
                is_lost = rate > fits or len(tried) in excused
                return Outcome(rate, sent, sent - max(1, sent // 1000) if is_lost else sent, 1.0)

            return loss_free(offered, 128_000, steps), tried

        best, tried = found(50_000)
        expect(best.rate == 50_000 and len(tried) == 7 + 4, f"{best} of {tried}")
        expect(tried[:4] == [64_000, 64_000, 32_000, 48_000], tried)
        best, tried = found(50_000, excused=(3,))
        expect(best.rate == 50_000 and tried[2] == tried[3] == 32_000, f"a single loss decided: {tried}")
        best, tried = found(0)
        expect(best is None and tried[-1] == 1000, tried)
        best, tried = found(1e9, reachable=70_000)
        expect(best.received_rate == 70_000 and tried[:3] == [64_000, 96_000, 112_000], f"what the sender can: {best} of {tried}")
        expect(Outcome(100, 100_000, 99_990, 1.0).is_free_of_loss, "one of ten thousand")
        expect(not Outcome(100, 100_000, 99_989, 1.0).is_free_of_loss, "more than one of ten thousand")
        expect(not Outcome(100, 0, 0, 1.0).is_free_of_loss, "nothing was sent")

    @test("says how many datagrams went through a system call")
    def system_calls(self):
        first = {"send": (10, 100), "receive": (0, 0), "tunnelRead": (100, 50), "tunnelWrite": (4, 4)}
        second = {**first, "send": (10, 300)}
        found = judgement.system_call_rows({"udp-64": {LISPD: [first, second, second]}})
        by_name = {row.name: (row.value, row.runs) for row in found}
        expect(by_name == {"udp-64.lispd.per-send": (30, [10, 30, 30]), "udp-64.lispd.per-tun-read": (0.5, [0.5] * 3),
                           "udp-64.lispd.per-tun-write": (1, [1, 1, 1])}, by_name)
        table = judgement.system_call_table(found + network())
        expect([line.split() for line in table] == [
            ["datagrams", "a", "system", "call", "out", "in", "TUN", "in", "TUN", "out"],
            ["udp-64.lispd", "30.0", "0.5", "1.0"]], table)
        expect(judgement.system_call_table(network()) == [], "a table of nothing")

    @test("says whether memory stays flat in a soak")
    def soak(self):
        mebibyte = 1 << 10
        flat = [50 * mebibyte] * 600

        def judged(samples):
            (found,) = judgement.soak_rows({"xtrA": samples})
            (line,) = judgement.verdicts([found])
            expect(line.split()[:2] == [("SHORT" if judgement.soak_grows(found) else "PASS"), "soak.xtrA.memory:"], line)
            return line[:5].strip()

        expect(judged(flat) == "PASS", "flat memory")
        expect(judged(list(range(0, 60 * 40, 40)) + flat[60:]) == "PASS", "the warm-up counts")
        expect(judged([30 * mebibyte] * 59 + flat[59:]) == "PASS", "the warm-up counts")
        expect(judged([40 * mebibyte] * 300 + flat[300:]) == "SHORT", "a quarter more")
        expect(judged(flat[:-1] + [55 * mebibyte]) == "SHORT", "10% more, for a second")
        expect(judged(flat[:-1] + [54 * mebibyte]) == "PASS", "4 MiB more are no growth")
        expect(judged([500 * mebibyte] * 300 + [520 * mebibyte] * 300) == "PASS", "4% more are no growth")
        expect(judged([size // 2 for size in range(40 * mebibyte, 40 * mebibyte + 600 * 60, 60)]) == "SHORT", "a slow leak")
        try:
            judgement.soak_rows({"xtrA": [1, 2]})
        except ValueError:
            pass
        else:
            raise AssertionError("two samples have three thirds")

    @test("finds the 99th percentile")
    def percentiles(self):
        expect(judgement.percentile(range(1, 101), 0.99) == 99, judgement.percentile(range(1, 101), 0.99))
        expect(judgement.percentile([7], 0.99) == 7, "of a single value")
        expect(judgement.percentile([3, 1, 2], 0.5) == 2, "the median of three")

    @test("fails what exceeds its threshold, and only that")
    def thresholds(self):
        committed = {Case("a", 0): Cost(1000, 2, 6), Case("b", 1000): Cost(50, 0, 0), Case("gone", 0): Cost(1, 0, 0)}

        def verdict(instructions, allocations, case=Case("a", 0), is_whole=False, references=6):
            return thresholds.judge({case: Cost(instructions, allocations, references)}, committed, is_whole)

        expect(verdict(1049, 2) == ({}, []), "4.9% more instructions")
        failures, _ = verdict(1060, 2)
        expect("1060.00 instructions, committed 1000.00 (+6.0%)" in failures[Case("a", 0)], failures)
        expect(Case("b", 1000) in verdict(50, 0.02, Case("b", 1000), references=0)[0], "an allocation where there was none")
        expect(Case("b", 1000) in verdict(50, 0, Case("b", 1000), references=1)[0], "a retain where there was none")
        expect("no threshold" in verdict(1, 0, Case("new", 0))[0][Case("new", 0)], "one without a threshold")
        failures, hints = verdict(890, 2)
        expect(not failures and len(hints) == 1 and "a: 890.00" in hints[0], hints)
        failures, _ = verdict(1000, 2, is_whole=True)
        expect(set(failures) == {Case("b", 1000), Case("gone", 0)}, failures)

    @test("finds in a callgrind file what counts references, and counts nothing twice")
    def callgrind(self):
        text = """events: Ir
fn=(1) main
0 5
cfn=(2) swift_bridgeObjectRelease
calls=7 0
0 70
cfn=(3) $s8LISPWire_release
calls=100 0
0 70
fn=(2)
0 3
cfn=(4) swift_release'2
calls=7 0
0 9
fn=(3)
cfn=(4)
calls=2 0
0 9
totals: 1234
"""
        expect(thresholds.counted(text.splitlines()) == (1234, 9), thresholds.counted(text.splitlines()))

    @test("refuses what it would have to ignore")
    def refusals(self):
        for words, found in (("--rounds 0", "1 or more"), ("--seconds 0", "1 or more"), ("--steps 0", "1 or more"),
                             ("--soak 0", "--soak 0"), ("--soak 1 --no-topology", "--no-topology"), ("--soak 1 wire", "`wire`"),
                             ("--host-mtu 0", "--host-mtu 0"),
                             ("--host-mtu 1279", "1280"), ("--no-parts wire", "found `wire`"),
                             ("--no-parts --no-plane --no-topology --no-map-server --no-snmp", "nothing is left")):
            done = subprocess.run([os.path.join(INTEROP, "bench"), *words.split()], capture_output=True, text=True,
                                  check=False)
            expect(done.returncode == 2 and found in done.stderr, f"{words}: {done.returncode} {done.stderr}")

    @test("reads the thresholds that it writes, and says where it cannot")
    def threshold_file(self):
        costs = {Case("a.b", 0): Cost(12.5, 0.25, 2.0), Case("c", 1000): Cost(100.0, 3.0, 0.0)}
        expect(thresholds.parse(thresholds.render(costs, "6.3", "x86_64"), "t") == costs, "something else came back")
        for text, found in (("a 1 2", "t:1"), ("# x\na - 1 2 3\na x 1 2 3", "t:3"), ("a - 1 2 3\na - 1 2 3", "t:2")):
            try:
                thresholds.parse(text, "t")
            except thresholds.Malformed as error:
                expect(str(error).startswith(found), str(error))
            else:
                raise AssertionError(f"{text!r} is taken for thresholds")


class BenchGroup(Group):
    """Runs it as an operator does."""

    name = "bench"
    weight = EXCLUSIVE
    ATTEMPTS = 3
    VOID = 3

    @test("measures all ways in one run and writes bench.json")
    def quick(self):
        path = self.run.file("bench.json")
        for _ in range(self.ATTEMPTS):  # a machine that is busy with other things can make it void
            done = self.run.command([os.path.join(INTEROP, "bench"), "--quick", "--seconds", "1", "--json", path,
                                     "wire.decode.map-re"], timeout=400, check=False)
            expect(done.returncode in (0, self.VOID), f"it ended with {done.returncode}: {done.stdout}{done.stderr}")
            if done.returncode == 0:
                break
            expect("VOID: " in done.stdout and not os.path.exists(path), f"void, but not said so: {done.stdout}")
        expect(done.returncode == 0, f"void {self.ATTEMPTS} times: {done.stdout}")
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        expect(all(set(each) == KEYS for each in found), f"other keys than {KEYS}")
        by_name = {each["name"]: each for each in found}
        expect(len(by_name) == len(found), "a name stands there twice")
        for measure in ("tcp-1", "tcp-8", "tcp-1-gso-off", "udp-64", "udp-1400", "udp-64-gso-off", "udp-1400-gso-off",
                        "udp-flows", "udp-flows-sent", "rtt-avg", "rtt-median", "rtt-p99"):
            for way in (PLAIN, VXLAN, LISPD, LISPD_ONE_BY_ONE):
                each = by_name[f"{measure}.{way}"]
                expect(each["value"] > 0 and each["runs"] == [each["value"]], each)
                expect((each["ratio"] is None) == (way == PLAIN), each)
                expect(by_name[f"{measure}.{way}.cpu-machine"]["value"] > 0, measure)
            is_carried = measure in ("tcp-1", "tcp-8", "udp-64", "udp-1400", "rtt-avg", "rtt-median", "rtt-p99")
            expect((f"{measure}.{BARE}" in by_name) == is_carried, measure)
            expect(not is_carried or by_name[f"{measure}.{BARE}"]["value"] > 0, measure)
        expect(by_name[f"tcp-1.{BARE}"]["value"] > by_name["tcp-1.lispd-offload-off"]["value"], "it carries no trains")
        expect(by_name["tcp-1.lispd.cpu-lispd"]["value"] > 0.1, "lispd carried TCP without working")
        for name in ("udp-64", "udp-flows"):
            for way in (VXLAN, LISPD):
                rate, overload = by_name[f"{name}-loss-free.{way}"]["value"], by_name[f"{name}-overload.{way}"]["value"]
                expect(rate >= 0 and overload > 0, f"{name} over {way}: {rate}, {overload}")
            expect(f"{name}-loss-free.{PLAIN}" not in by_name, "plain routing was asked")
        for measure in ("tcp-8", "udp-64", "udp-flows", "udp-flows-overload"):
            for call in ("send", "receive", "tun-read", "tun-write"):
                expect(by_name[f"{measure}.lispd.per-{call}"]["value"] > 0, f"{measure}, {call}")
        expect(by_name["tcp-1.lispd.per-tun-read"]["value"] > 2, "no trains of the site")
        expect(by_name["tcp-1.lispd-offload-off.per-tun-read"]["value"] <= 1, "trains with offload off")
        expect("\ndatagrams a system call " in done.stdout, done.stdout)
        for kind in ("register", "request"):
            for eids in (1_000, 100_000):
                each = by_name[f"map-server.{kind}.{eids}"]
                expect(each["value"] > 0 and each["reference"] and each["unit"] == "us/message", each)
                rate = by_name[f"map-server.{kind}.{eids}.rate"]
                expect(rate["value"] > 1000 and rate["reference"] > rate["value"], rate)
        expect(by_name["map-server.registration.100000.memory"]["value"] > 50, "a registration without memory")
        for entries in (1_000, 10_000):
            expect(by_name[f"snmp.walk.{entries}"]["value"] > 100, by_name[f"snmp.walk.{entries}"])
            for row in ("lispd", "snmpd", "slice", "registration-p99"):
                expect(by_name[f"snmp.walk.{entries}.{row}"]["value"] > 0, f"{row} of {entries} entries")
            expect(f" snmp.walk.{entries}.slice: " in done.stdout, done.stdout)
        expect(" snmp.walk.10000.growth: " in done.stdout and "snmp.walk.1000.growth" not in by_name, done.stdout)
        expect(by_name["wire.decode.map-reply"]["unit"] == "ns", "the parts are not there")
        for name in ("tcp-1.of-vxlan", "tcp-8.of-vxlan", "tcp-8.of-tcp-1", "tcp-1-gso-off.of-vxlan", "udp-64.of-vxlan",
                     "udp-1400.of-vxlan", "udp-64-gso-off.of-vxlan", "udp-1400-gso-off.of-vxlan", "udp-flows.of-vxlan",
                     "udp-64-loss-free.of-vxlan", "udp-flows-loss-free.of-vxlan", "udp-64-overload.of-loss-free",
                     "udp-flows-overload.of-loss-free", "rtt-median.above-plain", "rtt-p99.above-plain",
                     "tcp-1.of-bare", "tcp-8.of-bare", "udp-1400.of-bare", "rtt-median.above-bare"):
            expect(name in by_name and f" {name}: " in done.stdout, f"nothing is said of {name}: {done.stdout}")
        expect(by_name["udp-64.of-vxlan"]["reference"] == by_name["udp-64.vxlan"]["value"], by_name["udp-64.of-vxlan"])
        expect(by_name["tcp-1.offload-gain"]["value"] == by_name["tcp-1.lispd"]["value"], "another gain")
        listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        expect("-vxlan" not in listed, listed)

    @test("switches the sender's GSO and TSO off for a while, and leaves the interface as it was, whatever that was")
    def segmentation(self):
        left, right = Node(self.run, "left"), Node(self.run, "right")
        link(left, "eth0", ["192.0.2.1/30"], right, "eth0", ["192.0.2.2/30"])

        def features():
            return left.run("ethtool", "-k", "eth0").stdout

        for settings, expected in (("tso on gso on", {"tso": True, "gso": True}), ("tso off gso on", {"tso": False, "gso": True}),
                                   ("tso off gso off", {"tso": False, "gso": False})):
            left.run("ethtool", "-K", "eth0", *settings.split())
            before = features()
            expect(segmentation(left, "eth0") == expected, f"{settings}: {before}")
            with contextlib.suppress(CommandFailed), without_segmentation(left, "eth0"):
                inside = segmentation(left, "eth0")
                left.run("false")
            expect(inside == {"tso": False, "gso": False}, f"{settings}: inside {inside}")
            expect(features() == before, f"{settings}: before\n{before}\nand after\n{features()}")

    @test("sends TCP in packets of one segment while GSO is off")
    def one_segment_each(self):
        left, right = Node(self.run, "sender"), Node(self.run, "receiver")
        link(left, "eth0", ["192.0.2.1/30"], right, "eth0", ["192.0.2.2/30"])

        def octets_a_packet():
            _, before = left.interface_packets("eth0")
            sent = iperf3(left, right, "192.0.2.2", 1)["end"]["sum_sent"]["bytes"]
            return sent / (left.interface_packets("eth0")[1] - before)

        left.run("ethtool", "-K", "eth0", "tso", "on", "gso", "on")
        expect((long := octets_a_packet()) > 3000, f"{long:.0f} octets a packet with GSO")
        with without_segmentation(left, "eth0"):
            expect((short := octets_a_packet()) <= 1500, f"{short:.0f} octets a packet without")
        expect((long := octets_a_packet()) > 3000, f"{long:.0f} octets a packet with GSO again")

    @test("carries packets of a data plane on a real TUN while its table changes, and delivers each where it belongs")
    def plane(self):
        done = self.run.command([daemon.program("lispd-bench"), "plane", "--json", "--entries", "20000", "--rounds", "1",
                                 "--seconds", "0.5", "--rate", "2000"], timeout=120)
        measured = json.loads(done.stdout)
        by_name = {each["name"]: each for each in measured}
        expect({each["name"]: each["wanted"] for each in measured if "wanted" in each} == judgement.PLANE_GOALS, measured)
        expect({each["name"]: each["limit"] for each in measured if "limit" in each} == judgement.PLANE_LIMITS, measured)
        for name in ("few", "many", "still", "changing"):
            expect(by_name[f"plane.{name}.rate"]["value"] > 0 and by_name[f"plane.{name}.worker"]["value"] > 0, measured)
        expect(by_name["plane.changing.changes"]["value"] > 5000, f"the table hardly changed: {measured}")
        expect(by_name["plane.misdelivered"]["value"] == 0, measured)
        # A machine that is busy with other things may lose some without changes, too.
        lost = by_name["plane.moderate.changing.lost"]["value"]
        expect(lost == 0 or by_name["plane.moderate.lost"]["value"] > 0, f"changes lose packets: {measured}")

    @test("a short soak carries TCP and UDP at once, and finds memory flat")
    def soak(self):
        path = self.run.file("soak.json")
        done = self.run.command([os.path.join(INTEROP, "bench"), "--soak", "0.5", "--json", path], timeout=120, check=False)
        expect(done.returncode == 0, f"it ended with {done.returncode}: {done.stdout}{done.stderr}")
        with open(path, encoding="utf-8") as file:
            by_name = {each["name"]: each for each in json.load(file)}
        expect(by_name["soak.tcp-8"]["value"] > 0.1 and by_name["soak.udp-flows"]["value"] > 1000, by_name)
        for router in ("xtrA", "xtrB"):
            expect(by_name[f"soak.{router}.memory"]["value"] > 10 << 10, by_name)
            expect(f"PASS  soak.{router}.memory: " in done.stdout, done.stdout)

    @test("refuses a run whose hosts have a MTU that VXLAN cannot carry")
    def wrong_mtu(self):
        path = self.run.file("void.json")
        done = self.run.command([os.path.join(INTEROP, "bench"), "--quick", "--seconds", "1", "--no-parts", "--no-plane",
                                 "--no-map-server", "--steps", "1", "--host-mtu", "1500", "--json", path],
                                timeout=300, check=False)
        expect(done.returncode == self.VOID, f"it ended with {done.returncode}: {done.stdout}{done.stderr}")
        expect("VOID: tcp-1.vxlan" in done.stdout and not os.path.exists(path), done.stdout)
