"""What measurements come to: medians, ratios, and whether a run counts at all. Nothing here runs anything."""

import math
import statistics
from dataclasses import asdict, dataclass, field

# VXLAN does the same work in the kernel and is nearly as fast as routing. If it is not, packets were fragmented (a MTU that was
# forgotten) or something else went on, and no figure of the run means anything.
VOID_BELOW = 0.6
# What sending trains of datagrams must bring over one packet a system call.
OFFLOAD_GAIN = 1.5

# What a Map-Server may take of the processor for a message, in microseconds; how much more of it with more EID-prefixes than the
# fewest measured; and octets of memory for a registration.
MAP_SERVER_GOALS = {"register": 6.5, "request": 4.5}
MAP_SERVER_GROWTH = 1.5
REGISTRATION_OCTETS = 400

# Behind the point, where it is not one.
DIGITS = {"us/message": 2, "times": 2}

PLAIN, VXLAN, LISPD, LISPD_ONE_BY_ONE = "plain", "vxlan", "lispd", "lispd-offload-off"


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
    """Rows of {measure: {way: [Sample, one a round]}}. The reference is plain routing; that of processor time, too."""
    rows = []
    for measure, ways in results.items():
        values = {way: [sample.value for sample in samples] for way, samples in ways.items()}
        plain = statistics.median(values[PLAIN])
        rows += [row(f"{measure}.{way}", units[measure], runs, None if way == PLAIN else plain)
                 for way, runs in values.items()]
    return rows


def load_rows(results):
    """Seconds of processor time beside each, of the machine and of both routers' lispd."""
    rows = []
    for measure, ways in results.items():
        plain = statistics.median(sample.machine for sample in ways[PLAIN])
        for way, samples in ways.items():
            rows.append(row(f"{measure}.{way}.cpu-machine", "s", [sample.machine for sample in samples],
                            None if way == PLAIN else plain))
            if way not in (PLAIN, VXLAN):
                rows.append(row(f"{measure}.{way}.cpu-lispd", "s", [sample.daemons for sample in samples]))
    return rows


def offload_rows(results):
    """What trains bring: value is lispd as it comes, reference lispd with one packet a system call."""
    return [
        row(f"{measure}.offload-gain", unit, [sample.value for sample in results[measure][LISPD]],
            statistics.median(sample.value for sample in results[measure][LISPD_ONE_BY_ONE]))
        for measure, unit in (("tcp-1", "Gb/s"), ("tcp-8", "Gb/s"))
    ]


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
    for each in rows:
        if each.ratio is None:
            continue
        if each.name.endswith(".offload-gain"):
            mark = "PASS " if each.ratio >= OFFLOAD_GAIN else "SHORT"
            lines.append(f"{mark} {each.name}: {each.ratio:.2f} times one packet a system call, wanted {OFFLOAD_GAIN}")
        elif each.unit in ("ns", "octets/entry", "us/message", "times"):
            mark = "PASS " if each.ratio <= 1 else "SHORT"
            lines.append(f"{mark} {each.name}: {each.value:.{DIGITS.get(each.unit, 1)}f} {each.unit}, "
                         f"wanted at most {each.reference:g}")
    return lines


def as_json(rows):
    return [asdict(each) for each in rows]
