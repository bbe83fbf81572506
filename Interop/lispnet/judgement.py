"""What measurements come to: medians, ratios, and whether a run counts at all. Nothing here runs anything."""

import math
import statistics
from dataclasses import asdict, dataclass, field

# VXLAN does the same work in the kernel and is nearly as fast as routing. If it is not, packets were fragmented (a MTU that was
# forgotten) or something else went on, and no figure of the run means anything.
VOID_BELOW = 0.6
# What a Map-Server may take of the processor for a message, in microseconds; how much more of it with more EID-prefixes than the
# fewest measured; and octets of memory for a registration.
MAP_SERVER_GOALS = {"register": 6.5, "request": 4.5}
MAP_SERVER_GROWTH = 1.5
REGISTRATION_OCTETS = 400

# Rows of `lispd-bench plane`: what is at least so many times its reference, and what is at most so much.
PLANE_GOALS = {"plane.many.rate": 0.8, "plane.changing.rate": 0.9}
PLANE_LIMITS = {"plane.moderate.changing.lost": 0, "plane.misdelivered": 0}

# How much more memory a router may have in the last third of a soak than in the first: both, for pages come in lumps.
SOAK_GROWTH = 1.05
SOAK_KILOBYTES = 4 << 10
# What every process takes as it comes to its load belongs to no third: a tenth of the time, and no more than so many seconds.
SOAK_WARM_UP = 60

# Behind the point, where it is not one.
DIGITS = {"us/message": 2, "times": 2}

PLAIN, VXLAN, BARE, LISPD, LISPD_ONE_BY_ONE = "plain", "vxlan", "bare", "lispd", "lispd-offload-off"


@dataclass(frozen=True)
class Comparison:
    """What lispd's value of a measure is held against: that of a way in the same run, and of another measure if one is named."""

    name: str
    way: str
    words: str
    measure: str | None = None
    is_added: bool = False  # what counts is how much is added to it, not how many times it is
    limit: str | None = None  # another measure of lispd: where that was less in a round, no more could come


OF_VXLAN = Comparison("of-vxlan", VXLAN, "of VXLAN")
OF_BARE = Comparison("of-bare", BARE, "of a tunnel that only carries")
OF_ONE_STREAM = Comparison("of-tcp-1", LISPD, "of one stream", measure="tcp-1")
OFFLOAD_GAIN = Comparison("offload-gain", LISPD_ONE_BY_ONE, "times one packet a system call")
ABOVE_PLAIN = Comparison("above-plain", PLAIN, "above plain routing", is_added=True)
ABOVE_BARE = Comparison("above-bare", BARE, "above a tunnel that only carries", is_added=True)


def of_loss_free(name):
    """At twice the loss-free rate, against what arrives at that rate itself, or what was sent where the sender had no time even for
    that."""
    return Comparison("of-loss-free", LISPD, "of what arrives at the loss-free rate", measure=f"{name}-loss-free",
                      limit=f"{name}-overload-sent")


@dataclass(frozen=True)
class Goal:
    """What a measure of lispd must come to: at least so many times the other, or at most so much above it. `aim` would be better
    still; without `wanted` it is only told."""

    measure: str
    comparison: Comparison
    wanted: float | None = None
    aim: float | None = None

    @property
    def name(self):
        """Of its row."""
        return f"{self.measure}.{self.comparison.name}"


# UDP of 1380 octets is that of 1400 with IPv6. The processor time of each stands beside it in the table.
GOALS = [
    Goal("tcp-1", OF_VXLAN, wanted=0.55, aim=0.7),
    Goal("tcp-8", OF_VXLAN, wanted=0.55, aim=0.7),
    Goal("tcp-1", OF_BARE),
    Goal("tcp-8", OF_BARE),
    Goal("tcp-8", OF_ONE_STREAM, wanted=1),
    Goal("tcp-1-gso-off", OF_VXLAN, wanted=0.7),
    Goal("udp-64", OF_VXLAN, wanted=0.9),
    Goal("udp-1400", OF_VXLAN, wanted=0.9),
    Goal("udp-1380", OF_VXLAN, wanted=0.9),
    Goal("udp-1400", OF_BARE),
    Goal("udp-1380", OF_BARE),
    Goal("udp-64-gso-off", OF_VXLAN, wanted=0.7),
    Goal("udp-1400-gso-off", OF_VXLAN, wanted=0.7),
    Goal("udp-1380-gso-off", OF_VXLAN, wanted=0.7),
    Goal("udp-flows", OF_VXLAN, wanted=0.7),
    Goal("udp-64-loss-free", OF_VXLAN),
    Goal("udp-flows-loss-free", OF_VXLAN),
    Goal("udp-64-overload", of_loss_free("udp-64"), wanted=0.95),
    Goal("udp-flows-overload", of_loss_free("udp-flows"), wanted=0.95),
    Goal("rtt-median", ABOVE_PLAIN, wanted=60, aim=40),
    Goal("rtt-p99", ABOVE_PLAIN),
    Goal("rtt-median", ABOVE_BARE),
    Goal("tcp-1", OFFLOAD_GAIN, wanted=1.5),
    Goal("tcp-8", OFFLOAD_GAIN, wanted=1.5),
]


@dataclass
class Sample:
    """One measurement, and what it cost meanwhile in seconds of processor time."""

    value: float
    machine: float = 0.0
    daemons: float = 0.0


@dataclass
class Row:
    """One line of the table and one object of bench.json. `ratio` is value over reference."""

    name: str
    value: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    runs: list = field(default_factory=list)


def row(name, unit, runs, reference=None):
    value = statistics.median(runs)
    return Row(name, value, unit, reference, value / reference if reference else None, list(runs))


def percentile(values, share):
    """The smallest of `values` that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def topology_rows(results, units):
    """Rows of {measure: {way: [Sample, one a round]}}. The reference is plain routing, where that was measured; that of processor
    time, too."""
    rows = []
    for measure, ways in results.items():
        values = {way: [sample.value for sample in samples] for way, samples in ways.items()}
        plain = statistics.median(values[PLAIN]) if PLAIN in values else None
        rows += [row(f"{measure}.{way}", units[measure], runs, None if way == PLAIN else plain)
                 for way, runs in values.items()]
    return rows


def load_rows(results):
    """Seconds of processor time beside each, of the machine and of both routers' lispd."""
    rows = []
    for measure, ways in results.items():
        plain = statistics.median(sample.machine for sample in ways[PLAIN]) if PLAIN in ways else None
        for way, samples in ways.items():
            rows.append(row(f"{measure}.{way}.cpu-machine", "s", [sample.machine for sample in samples],
                            None if way == PLAIN else plain))
            if way not in (PLAIN, VXLAN, BARE):
                rows.append(row(f"{measure}.{way}.cpu-lispd", "s", [sample.daemons for sample in samples]))
    return rows


# Of lispd's workers: what `show statistics` calls them, what a table does, and the end of a row's name.
SYSTEM_CALLS = {"send": ("out", "per-send"), "receive": ("in", "per-receive"),
                "tunnelRead": ("TUN in", "per-tun-read"), "tunnelWrite": ("TUN out", "per-tun-write")}
PER_CALL = "packets/call"


def system_call_rows(found):
    """Rows of {measure: {way: [{call: (calls, packets)}, one a round]}}: packets a system call."""
    rows = []
    for measure, ways in found.items():
        for way, rounds in ways.items():
            for call, (_, suffix) in SYSTEM_CALLS.items():
                runs = [packets / calls for calls, packets in (each[call] for each in rounds) if calls]
                if runs:
                    rows.append(row(f"{measure}.{way}.{suffix}", PER_CALL, runs))
    return rows


def system_call_table(rows):
    """Lines of a table of those rows: one for each measure and way."""
    values = {each.name: each.value for each in rows if each.unit == PER_CALL}
    names = list(dict.fromkeys(name.rpartition(".")[0] for name in values))
    if not names:
        return []
    width = max(map(len, names))
    lines = [f"{'datagrams a system call':<{width}}" + "".join(f" {title:>8}" for title, _ in SYSTEM_CALLS.values())]
    for name in names:
        found = [values.get(f"{name}.{suffix}") for _, suffix in SYSTEM_CALLS.values()]
        lines.append((f"{name:<{width}}" + "".join(f" {'' if each is None else f'{each:.1f}':>8}" for each in found)).rstrip())
    return lines


def goal_rows(results, units):
    """A row for each goal whose measure is there. Value is lispd's and reference the other's; of what is added, value is that, and
    reference what is wanted."""
    rows = []
    for goal in GOALS:
        if goal.measure not in results:
            continue
        compared = goal.comparison
        runs = [sample.value for sample in results[goal.measure][LISPD]]
        others = [sample.value for sample in results[compared.measure or goal.measure][compared.way]]
        if compared.limit:
            others = [min(each, limit.value) for each, limit in zip(others, results[compared.limit][LISPD])]
        other = statistics.median(others)
        if compared.is_added:
            rows.append(row(goal.name, units[goal.measure], [each - other for each in runs], goal.wanted))
        else:
            rows.append(row(goal.name, units[goal.measure], runs, other))
    return rows


# Of a walk through snmpd: how much slower it may be with the most entries, microseconds that the control loop may be held up at a time,
# and those that a registration may take meanwhile, 99 of 100.
WALK_GROWTH, WALK_SLICE, WALK_REGISTRATION = 1.3, 1_000, 5_000


def walk_rows(results):
    """Rows of {entries: [Walked, one a round]}, the fewest entries first."""
    rows, fewest = [], None
    for entries, rounds in results.items():
        name = f"snmp.walk.{entries}"
        rate = row(name, "rows/s", [each.rate for each in rounds])
        rows.append(rate)
        rows += [row(f"{name}.{program}", "us/row", [1e6 * getattr(each, program) for each in rounds])
                 for program in ("lispd", "snmpd")]
        if fewest is None:
            fewest = rate.value
        else:
            rows.append(row(f"{name}.growth", "times", [fewest / rate.value], WALK_GROWTH))
        rows.append(row(f"{name}.slice", "us/slice", [1e6 * each.longest_slice for each in rounds], WALK_SLICE))
        rows.append(row(f"{name}.registration-p99", "us/registration",
                        [1e6 * percentile(each.delays, 0.99) for each in rounds], WALK_REGISTRATION))
    return rows


def parts_rows(measurements):
    """Rows of what `lispd-bench run --json` printed. The value of a time is the fastest run, the reference what was promised."""
    rows = []
    for each in measurements:
        name = each["name"] + (f".{each['size']}" if each.get("size") else "")
        fastest = row(name, "ns", each["runs"], each.get("goal"))
        fastest.value = each["minimum"]
        fastest.ratio = fastest.value / fastest.reference if fastest.reference else None
        rows += [fastest, row(f"{name}.allocations", "blocks", [each["allocations"]])]
        if each.get("octetsPerEntry") is not None:
            rows.append(row(f"{name}.memory", "octets/entry", [each["octetsPerEntry"]], each.get("octetsGoal")))
    return rows


def plane_rows(measurements):
    """Rows of what `lispd-bench plane --json` printed."""
    rows = []
    for each in measurements:
        found = row(each["name"], each["unit"], each["runs"], each.get("reference"))
        found.value = each["value"]
        found.ratio = found.value / found.reference if found.reference else None
        rows.append(found)
    return rows


@dataclass
class MapServerResult:
    """What the load generator measured with so many EID-prefixes registered: its reports, by kind of message."""

    eids: int
    first: dict
    reports: dict = field(default_factory=dict)
    octets: float | None = None


def map_server_rows(results, ceilings, floors):
    """Rows of [MapServerResult], the fewest EID-prefixes first. By kind of message, `ceilings`: answers a second that the load
    generator itself can take, the reference of each rate; `floors`: its reports against a process that sends everything back."""
    rows, fewest = [], {}
    for kind, reports in floors.items():
        rows.append(row(f"map-server.{kind}.echo", "us/message", [each["server"]["perMessage"] for each in reports]))
    for result in results:
        first = result.first["server"]
        rows.append(row(f"map-server.first-register.{result.eids}", "us/message", [first["perMessage"]]))
        for kind, reports in result.reports.items():
            name = f"map-server.{kind}.{result.eids}"
            total = row(name, "us/message", [each["server"]["perMessage"] for each in reports], MAP_SERVER_GOALS[kind])
            rows.append(total)
            for part in ("user", "system"):
                rows.append(row(f"{name}.{part}", "us/message", [
                    1e6 * (each["server"].get(f"{part}Seconds") or 0) / each["sent"] for each in reports]))
            rows.append(row(f"{name}.rate", "messages/s", [each["rate"] for each in reports], ceilings[kind]))
            if kind in fewest:
                rows.append(row(f"{name}.growth", "times", [total.value / fewest[kind]], MAP_SERVER_GROWTH))
            fewest.setdefault(kind, total.value)
        if result.octets is not None:
            rows.append(row(f"map-server.registration.{result.eids}.memory", "octets/entry", [result.octets],
                            REGISTRATION_OCTETS))
    return rows


def map_server_table(rows):
    """Lines of a table of the Map-Server's rows: one for each number of EID-prefixes and kind of message."""
    values = {each.name: each for each in rows if each.name.startswith("map-server.")}
    lines = ["Map-Server      EIDs  us/message    user  system    echo  to fewest   messages/s      ceiling  octets/registration"]
    for name in values:
        _, kind, eids, *rest = name.split(".")
        if rest or kind not in MAP_SERVER_GOALS or not eids.isdigit():
            continue
        rate, growth = values[f"{name}.rate"], values.get(f"{name}.growth")
        memory = values.get(f"map-server.registration.{eids}.memory") if kind == "register" else None
        lines.append(
            f"{kind:<10} {int(eids):>9,} {values[name].value:>11.2f} {values[f'{name}.user'].value:>7.2f} "
            f"{values[f'{name}.system'].value:>7.2f} {values[f'map-server.{kind}.echo'].value:>7.2f} {f'{growth.value:.2f}' if growth else '':>10} {rate.value:>12,.0f} "
            f"{rate.reference:>12,.0f} {f'{memory.value:.0f}' if memory else '':>20}".rstrip())
    return lines if len(lines) > 1 else []


def soak_rows(resident):
    """Rows of {router: [KiB of memory, one a second]}: the most in the last third; the reference is that in the first, after a
    warm-up."""
    rows = []
    for name, samples in resident.items():
        kept = samples[min(SOAK_WARM_UP, len(samples) // 10):]
        third = len(kept) // 3
        if third == 0:
            raise ValueError(f"{len(samples)} s are too short for a soak")
        found = row(f"soak.{name}.memory", "KiB", [max(kept[-third:])], max(kept[:third]))
        rows.append(found)
    return rows


def soak_grows(found):
    """Whether a row of a soak shows memory that is not flat."""
    return found.unit == "KiB" and found.value > SOAK_GROWTH * found.reference and \
        found.value > found.reference + SOAK_KILOBYTES


def reasons_void(rows):
    """Why the run does not count; empty if it does."""
    return [
        f"{each.name} reached {each.ratio or 0:.2f} of plain routing; under {VOID_BELOW} a MTU is wrong or the machine was busy"
        for each in rows
        if each.name in (f"tcp-1.{VXLAN}", f"tcp-8.{VXLAN}") and (each.ratio is None or each.ratio < VOID_BELOW)
    ]


def verdicts(rows):
    """Lines about what was promised."""
    lines = []
    goals = {goal.name: goal for goal in GOALS}
    for each in rows:
        if each.name in goals:
            lines.append(verdict(goals[each.name], each))
        elif each.name in PLANE_GOALS:
            mark = "PASS " if (each.ratio or 0) >= PLANE_GOALS[each.name] else "SHORT"
            lines.append(f"{mark} {each.name}: {each.ratio or 0:.3f} of {each.reference or 0:.0f} {each.unit}, "
                         f"wanted {PLANE_GOALS[each.name]:g}")
        elif each.name in PLANE_LIMITS:
            mark = "PASS " if each.value <= PLANE_LIMITS[each.name] else "SHORT"
            lines.append(f"{mark} {each.name}: {each.value:.0f} {each.unit}, wanted at most {PLANE_LIMITS[each.name]}")
        elif each.ratio is None:
            continue
        elif each.unit == "KiB":
            mark = "SHORT" if soak_grows(each) else "PASS "
            lines.append(f"{mark} {each.name}: at most {each.value:.0f} KiB in the last third, {each.reference:.0f} in the first; "
                         f"wanted at most {SOAK_GROWTH - 1:.0%} or {SOAK_KILOBYTES >> 10} MiB more")
        elif each.unit in ("ns", "octets/entry", "us/message", "us/slice", "us/registration", "times"):
            mark = "PASS " if each.ratio <= 1 else "SHORT"
            lines.append(f"{mark} {each.name}: {each.value:.{DIGITS.get(each.unit, 1)}f} {each.unit}, "
                         f"wanted at most {each.reference:g}")
    return lines


def verdict(goal, found):
    """The line about a goal of the network. Without a ratio nothing arrived by the other way, and the goal is not kept."""
    if goal.comparison.is_added:
        is_kept = goal.wanted is None or found.value <= goal.wanted
        value, limit = f"{found.value:.1f} {found.unit}", "at most "
    else:
        is_kept = goal.wanted is None or (found.ratio or 0) >= goal.wanted
        value, limit = f"{found.ratio or 0:.3f}", ""
    mark = "     " if goal.wanted is None else "PASS " if is_kept else "SHORT"
    line = f"{mark} {goal.name}: {value} {goal.comparison.words}"
    if goal.wanted is not None:
        line += f", wanted {limit}{goal.wanted:g}"
    if goal.aim is not None:
        line += f", aimed at {goal.aim:g}"
    return line


def as_json(rows):
    return [asdict(each) for each in rows]
