"""UDP datagrams that are offered at a rate, and what arrives of them: `lispd-bench traffic` between two nodes.

Each datagram leaves by itself (the sender has no GSO) and evenly; the receiver counts none twice.
"""

import itertools
import json
from dataclasses import dataclass

from .daemon import program
from .run import CommandFailed
from .sites import SITE_B
from .waiting import wait_until

# A simple Internet mix, of payload; the largest is what fits.
MIX = "64:7,576:4,{largest}:1"
PORT = 7878
# Of loss-free, what may be lost all the same: a moment in which the machine did something else.
LOSS = 1e-4

_runs = itertools.count(1)


@dataclass(frozen=True)
class Flows:
    """What is offered: to `count` addresses from `first` on, one flow to each, datagrams of these sizes (`64` or `64:7,576:4`)."""

    first: str
    count: int
    sizes: str

    @property
    def words(self):
        return ["--to", self.first, "--flows", str(self.count), "--sizes", self.sizes]


@dataclass(frozen=True)
class Outcome:
    """Of one offer: packets a second that were asked for, packets that left and that came, and how long it took."""

    rate: float
    sent: int
    received: int
    seconds: float
    duplicates: int = 0
    out_of_order: int = 0

    @property
    def sent_rate(self):
        return self.sent / self.seconds

    @property
    def received_rate(self):
        return self.received / self.seconds

    @property
    def is_free_of_loss(self):
        return self.sent > 0 and self.sent - self.received <= LOSS * self.sent


class Offer:
    """One offer under way: a sender and a receiver in the background."""

    def __init__(self, client, server, flows, rate, seconds):
        self.rate, self.seconds = rate, seconds
        number = str(next(_runs))
        family = ["--ipv6"] if ":" in flows.first else []
        self.receiver = server.start(program("lispd-bench"), "traffic", "receive", "--run", number, "--port", str(PORT), *family)
        try:
            wait_until("the receiver listens", lambda: f":{PORT} " in server.run("ss", "-Hnul").stdout, 5)
            self.sender = client.start(program("lispd-bench"), "traffic", "send", "--run", number, "--port", str(PORT),
                                       *flows.words, "--rate", str(rate), "--seconds", str(seconds))
        except Exception:
            self.receiver.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sender.stop()
        self.receiver.stop()

    def outcome(self):
        """Waits for the end."""
        sent, received = (self._report(each) for each in (self.sender, self.receiver))
        return Outcome(self.rate, sent["packets"], received["packets"], sent["seconds"], received["duplicates"],
                       received["outOfOrder"])

    def _report(self, process):
        status, output = process.finish(self.seconds + 30)
        if status != 0:
            raise CommandFailed(process.command, status, output)
        return json.loads(output)


def offer(client, server, flows, rate, seconds):
    """Offers so many packets a second for so long, and returns what came of it."""
    with Offer(client, server, flows, rate, seconds) as under_way:
        return under_way.outcome()


def loss_free(offered, ceiling, steps):
    """The loss-free rate, by bisection: of what `offered(rate)` came to at so many rates up to `ceiling`, the outcome without
    loss of which most arrived; None if there was loss at all of them.

    A rate with loss gets a second try: what else the machine does for a moment would halve what is left to find. A sender that
    cannot keep up with a rate sends what it can, and without loss that is carried.
    """
    low, high, best = 0, ceiling, None
    for _ in range(steps):
        rate = (low + high) / 2
        outcome = offered(rate)
        if not outcome.is_free_of_loss:
            outcome = offered(rate)
        if outcome.is_free_of_loss and (best is None or outcome.received_rate > best.received_rate):
            best = outcome
        if outcome.is_free_of_loss:
            low = rate
        else:
            high = rate
    return best


# 1,000 addresses behind site B's host, all in the site's EID-prefix: xTR B reaches them by the host, so that nobody has a neighbour for
# each.
MANY = {"4": ("10.2.4.0", 22), "6": ("2001:db8:b:4::", 118)}
MANY_COUNT = 1000


def give_many_addresses(network):
    """Lets site B's host have them, and returns the first."""
    family = network.rlocs[0]
    first, length = MANY[family]
    gateway = SITE_B.host4 if family == "4" else SITE_B.host6
    network.host_b.ip(f"route add local {first}/{length} dev lo")
    network.xtr_b.ip(f"route add {first}/{length} via {gateway}")
    return first
