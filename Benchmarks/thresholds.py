"""The files of thresholds, and what a measurement is worth beside them. Nothing here runs anything."""

from dataclasses import dataclass

# What is exceeded by less than this is no regression.
TOLERANCE = 0.05
# What is better by more than this deserves a new threshold.
HINT = 0.10
# Half of the last digit that the file holds.
ROUNDING = {"instructions": 0.05, "allocations": 0.005}


@dataclass(frozen=True)
class Case:
    name: str
    size: int  # 0: it has none

    def __str__(self):
        return f"{self.name} at {self.size}" if self.size else self.name


@dataclass(frozen=True)
class Cost:
    """Of one operation."""

    instructions: float
    allocations: float

    def __str__(self):
        return f"{self.instructions:.1f} instructions, {self.allocations:.2f} allocations"


class Malformed(Exception):
    """A file of thresholds does not read as one."""


def judge(measured, committed, is_whole):
    """Compares {Case: Cost} with {Case: Cost}: ({case: what failed}, lines of advice).

    `is_whole`: everything was measured, so a threshold without a measurement is one of a benchmark that is gone.
    """
    failures, hints = {}, []
    for case, cost in measured.items():
        threshold = committed.get(case)
        if threshold is None:
            failures[case] = f"{cost}, but no threshold is committed: make bench-thresholds"
            continue
        exceeded = []
        for what, rounding in ROUNDING.items():
            now, then = getattr(cost, what), getattr(threshold, what)
            text = f"{now:.2f} {what}, committed {then:.2f}" + (f" ({now / then - 1:+.1%})" if then else "")
            if now > then * (1 + TOLERANCE) + 1.001 * rounding:
                exceeded.append(text)
            elif now < then * (1 - HINT) - 1.001 * rounding:
                hints.append(f"{case}: {text}: make bench-thresholds would keep the gain")
        if exceeded:
            failures[case] = "; ".join(exceeded)
    if is_whole:
        for case in committed:
            if case not in measured:
                failures[case] = "a threshold, but no such benchmark: make bench-thresholds"
    return failures, hints


def parse(text, path):
    """{Case: Cost} of a file of thresholds."""
    costs = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            name, size, instructions, allocations = words
            case, cost = Case(name, 0 if size == "-" else int(size)), Cost(float(instructions), float(allocations))
        except ValueError:
            raise Malformed(f"{path}:{number}: found `{line}`, expected name, size or -, instructions, allocations") from None
        if case in costs:
            raise Malformed(f"{path}:{number}: found {case} for the second time, expected each once")
        costs[case] = cost
    return costs


def render(costs, version, machine):
    """The file that `parse` reads."""
    width = max([len(case.name) for case in costs] + [20])
    lines = [
        f"# What one operation costs with Swift {version} on {machine}. Benchmarks/check compares; make bench-thresholds rewrites.",
        f"# {'benchmark':<{width - 2}} {'size':>9} {'instructions':>14} {'allocations':>12}",
    ]
    for case, cost in costs.items():
        lines.append(f"{case.name:<{width}} {case.size or '-':>9} {cost.instructions:>14.1f} {cost.allocations:>12.2f}")
    return "\n".join(lines) + "\n"
