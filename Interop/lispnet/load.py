"""Processor time that something takes."""

import os
import time
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    """Seconds of processor time while something ran; `machine` is everything on the machine, `daemons` a part of that."""

    elapsed: float
    machine: float
    daemons: float


class LoadMeter:
    """Measures from when it is made until `read`."""

    def __init__(self, pids=()):
        self.pids = list(pids)
        self.started = time.monotonic()
        self.machine, self.daemons = machine_seconds(), sum(map(process_seconds, self.pids))

    def read(self):
        return Load(time.monotonic() - self.started, machine_seconds() - self.machine,
                    sum(map(process_seconds, self.pids)) - self.daemons)


def machine_seconds():
    """Since the machine started, of all its processors: not idle, not waiting for a disk, not taken by a hypervisor."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _wait, interrupts, soft_interrupts = (int(word) for word in file.readline().split()[1:8])
    return (user + nice + system + interrupts + soft_interrupts) / TICKS


def process_seconds(pid):
    """Of all its threads, in user and kernel mode."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
