"""Whether memory stays flat under full load: TCP and UDP flows through lispd at once, both routers' resident memory each second."""

import time

from . import judgement, tables, ways
from .offered import Offer
from .traffic import IPerf3

STREAMS = 8


class Soak:
    """What a soak came to."""

    def __init__(self, resident, gigabits, outcome, drops):
        self.resident = resident  # {name of a router: [kilobytes, one a second]}
        self.gigabits = gigabits
        self.outcome = outcome  # of the UDP flows
        self.drops = drops  # {name of a router: {reason: packets}}

    def rows(self):
        return judgement.soak_rows(self.resident) + [
            judgement.row("soak.tcp-8", "Gb/s", [self.gigabits]),
            judgement.row("soak.udp-flows-sent", "packets/s", [self.outcome.sent_rate]),
            judgement.row("soak.udp-flows", "packets/s", [self.outcome.received_rate]),
        ]


def soak(network, flows, offered, seconds):
    """Loads the network over lispd for so long: eight streams of TCP, and so many UDP packets a second."""
    with ways.lisp(network) as opened:
        ways.wait_open(network)
        routers = opened.daemons[1:]
        ends = (network.host_a, network.host_b)
        resident = {each.name: [] for each in routers}
        with IPerf3(*ends, ways.host_address(network), seconds, "-P", str(STREAMS)) as streams, \
                Offer(*ends, flows, offered, seconds) as datagrams:
            ending = time.monotonic() + seconds
            while time.monotonic() < ending:
                time.sleep(1)
                for each in routers:
                    if not each.is_running:
                        raise RuntimeError(f"lispd of {each.name} ended:\n{each.log_tail()}")
                    resident[each.name].append(each.resident_kilobytes())
            outcome = datagrams.outcome()
            gigabits = streams.report()["end"]["sum_received"]["bits_per_second"] / 1e9
        drops = {each.name: tables.counts(tables.show(each, "statistics")["dataPlane"]["drops"]) for each in routers}
    return Soak(resident, gigabits, outcome, drops)
