"""The files of thresholds, and what a measurement is worth beside them. Nothing here runs anything."""

import re
from dataclasses import dataclass

# What is exceeded by less than this is no regression.
TOLERANCE = 0.05
# What is better by more than this deserves a new threshold.
HINT = 0.10
# Half of the last digit that the file holds.
ROUNDING = {"instructions": 0.05, "allocations": 0.005, "references": 0.005}


# In a callgrind file a name stands at its first use, a number ever after.
FUNCTION = re.compile(r"(c?fn)=\((\d+)\)(?: (.+))?")
REFERENCE_COUNTING = re.compile(
    r"_?swift_(nonatomic_)?(bridgeObject|unknownObject|unowned|weak|stdlib_is|is)?([Rr]etain|[Rr]elease|Load|Unique|Uniquely)"
)


@dataclass(frozen=True)
class Case:
    name: str
    size: int  # 0: it has none

    def __str__(self):
        return f"{self.name} at {self.size}" if self.size else self.name


@dataclass(frozen=True)
class Cost:
    """Of one operation. `references` are calls that count references: retain, release and the like."""

    instructions: float
    allocations: float
    references: float

    def __str__(self):
        return f"{self.instructions:.1f} instructions, {self.allocations:.2f} allocations, {self.references:.2f} references"


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


def counted(lines):
    """(instructions, calls that count references) of a callgrind file. Calls that such a call makes itself are not counted again."""
    names, caller, callee, instructions, references = {}, None, None, 0, 0
    for line in lines:
        function = FUNCTION.match(line)
        if function:
            kind, number, name = function.groups()
            names[number] = name or names.get(number, "")
            if kind == "fn":
                caller = names[number]
            else:
                callee = names[number]
        elif line.startswith("calls="):
            if REFERENCE_COUNTING.match(callee) and not REFERENCE_COUNTING.match(caller):
                references += int(line[len("calls="):].split()[0])
        elif line.startswith("totals:"):
            instructions = int(line.split()[1])
    return instructions, references


def parse(text, path):
    """{Case: Cost} of a file of thresholds."""
    costs = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            name, size, *costs_of_one = words
            case, cost = Case(name, 0 if size == "-" else int(size)), Cost(*map(float, costs_of_one))
        except (ValueError, TypeError):
            raise Malformed(f"{path}:{number}: found `{line}`, expected name, size or -, instructions, allocations, references") from None
        if case in costs:
            raise Malformed(f"{path}:{number}: found {case} for the second time, expected each once")
        costs[case] = cost
    return costs


def render(costs, version, machine):
    """The file that `parse` reads."""
    width = max([len(case.name) for case in costs] + [20])
    lines = [
        f"# What one operation costs with Swift {version} on {machine}. Benchmarks/check compares; make bench-thresholds rewrites.",
        f"# {'benchmark':<{width - 2}} {'size':>9} {'instructions':>14} {'allocations':>12} {'references':>11}",
    ]
    for case, cost in costs.items():
        lines.append(f"{case.name:<{width}} {case.size or '-':>9} {cost.instructions:>14.1f} {cost.allocations:>12.2f} "
                     f"{cost.references:>11.2f}")
    return "\n".join(lines) + "\n"
