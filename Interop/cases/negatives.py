"""The actions of negative Map-Replies, and what a host sees of each: an answer, silence, or an ICMP error.

Made-up addresses of the non-LISP host stand for destinations; a Map-Resolver made by hand gives each its action.
"""

import time

from lispnet import daemon, tables
from lispnet.answers import (DROP, DROP_AUTH_FAILURE, DROP_POLICY_DENIED, NATIVELY_FORWARD, NO_ACTION, SEND_MAP_REQUEST,
                             NegativeResolver)
from lispnet.sites import SITE_A
from lispnet.testing import expect, test
from lispnet.traffic import ping
from lispnet.waiting import wait_until

from .base import SitesGroup

UNASSIGNED = (6, 7)
ACTIONS = (NO_ACTION, NATIVELY_FORWARD, SEND_MAP_REQUEST, DROP, DROP_POLICY_DENIED, DROP_AUTH_FAILURE, *UNASSIGNED)
NAMES = {NO_ACTION: "no-action", NATIVELY_FORWARD: "natively-forward", SEND_MAP_REQUEST: "send-map-request", DROP: "drop",
         DROP_POLICY_DENIED: "drop-policy-denied", DROP_AUTH_FAILURE: "drop-auth-failure"}
UNREACHABLE = {"4": "Destination Host Unreachable", "6": "Address unreachable"}
PROHIBITED = {"4": "Packet filtered", "6": "Administratively prohibited"}
REASONS = {DROP: "mapping says drop, without a reason", DROP_POLICY_DENIED: "mapping says drop: denied by policy",
           DROP_AUTH_FAILURE: "mapping says drop: authentication failure",
           **{action: "mapping says drop, without a reason" for action in UNASSIGNED}}


def destination(action, family="4"):
    return f"203.0.113.{20 + action}" if family == "4" else f"2001:db8:f:4::{20 + action}"


def prefix(action, family="4"):
    return f"{destination(action, family)}/{32 if family == '4' else 128}"


class NegativesGroup(SitesGroup):
    name = "negative-replies"
    captured = None

    def set_up(self):
        super().set_up()
        self.network.web.ip(*(f"address add {destination(action, family)}/{length} dev core nodad" if family == "6"
                              else f"address add {destination(action)}/{length} dev core"
                              for action in ACTIONS for family, length in (("4", 24), ("6", 64))))
        self.network.let_core_route(SITE_A)
        self.network.core.ip(f"route replace {SITE_A.prefix6} via {self.network.rloc(self.network.xtr_a, '6')}")

    def make_daemons(self):
        super().make_daemons()
        # Only for packets that go natively: the RLOCs are of IPv4.
        self.give_core_link_ipv6()
        address = self.network.rloc(self.network.rogue)
        self.xtr_a.write(daemon.xtr(self.network, SITE_A, map_resolvers=[address],
                                    locators=[{"address": self.network.rloc(self.network.xtr_a), "priority": 1, "weight": 1}]))
        self.resolver = NegativeResolver(self.network.rogue, address, {
            prefix(action, family): action for action in ACTIONS for family in "46"})

    def give_core_link_ipv6(self):
        ours, cores = self.network.rloc(self.network.xtr_a, "6"), "2001:db8:f:1::1"
        self.network.core.ip(f"address add {cores}/64 dev xtrA nodad")
        self.network.xtr_a.ip(f"address add {ours}/64 dev core nodad", f"route add default via {cores} dev core")

    def tear_down(self):
        self.resolver.close()

    def entry(self, action, family="4"):
        return tables.mapping(self.xtr_a, prefix(action, family))

    def drops(self, reason):
        return tables.counts(tables.show(self.xtr_a, "statistics")["dataPlane"]["drops"]).get(reason, 0)

    def expect_entry(self, action, family):
        entry = self.entry(action, family)
        expect(entry and entry.is_negative, f"the entry of {prefix(action, family)} is {entry}")
        if action in NAMES:
            expect(entry.action == NAMES[action], f"{prefix(action, family)} is shown as {entry.action}")

    @test("no-action and natively-forward: the host is answered natively, from the first packet on")
    def native(self):
        for action in (NO_ACTION, NATIVELY_FORWARD):
            for family in "46":
                before = self.counters.read()
                result = ping(self.network.host_a, destination(action, family), 10, interval=0.05)
                expect(result.lost == 0, f"{result.lost} of 10 pings to {destination(action, family)} lost")
                crossed = self.counters.since(before)
                expect(crossed[f"native{family}"] >= 10 and crossed["data"] == 0, f"crossed the core: {crossed}")
                self.expect_entry(action, family)
                asked = self.resolver.asked[prefix(action, family)]
                expect(asked == 1, f"asked {asked} times for {prefix(action, family)}")

    @test("send-map-request: each packet may ask again, at most once a second, and none goes natively")
    def asks_again(self):
        for family in "46":
            before, started = self.counters.read(), time.monotonic()
            result = ping(self.network.host_a, destination(SEND_MAP_REQUEST, family), 31, interval=0.1, wait=1)
            elapsed = time.monotonic() - started
            expect(result.received == 0, f"{result.received} pings are answered")
            crossed = self.counters.since(before)
            expect(crossed["native4"] + crossed["native6"] == 0 and crossed["data"] == 0, f"crossed the core: {crossed}")
            asked = self.resolver.asked[prefix(SEND_MAP_REQUEST, family)]
            expect(3 <= asked <= elapsed + 1, f"asked {asked} times in {elapsed:.1f} s for 31 packets")
            self.expect_entry(SEND_MAP_REQUEST, family)

    @test("drop, drop/policy-denied, drop/auth-failure and what is not assigned: nothing goes out, each is counted by its reason")
    def drops_packets(self):
        for action, reason in REASONS.items():
            for family in "46":
                dropped, before = self.drops(reason), self.counters.read()
                result = ping(self.network.host_a, destination(action, family), 10, interval=0.05, wait=0.3)
                expect(result.received == 0, f"{result.received} pings to {destination(action, family)} answered")
                crossed = self.counters.since(before)
                leaked = crossed["native4"] + crossed["native6"] + crossed["data"]
                expect(leaked == 0, f"crossed the core for {destination(action, family)}: {crossed}")
                # The first waits for the mapping, and is not dropped by the entry.
                wait_until("they are counted", lambda: self.drops(reason) >= dropped + 9, 3)
                self.expect_entry(action, family)
                throws = [line for line in self.network.xtr_a.routing_state()
                          if "throw" in line and destination(action, family) in line]
                expect(not throws, f"a route lets them pass: {throws}")

    @test("the host is told of each packet that is dropped, also of the first, and of none by the other actions")
    def tells_host(self):
        for action in ACTIONS:
            for family in "46":
                self.xtr_a.control("clear", "map-cache")
                result = ping(self.network.host_a, destination(action, family), 3, interval=0.1, wait=0.5)
                told = [line for line in result.output.splitlines() if line.startswith("From ")]
                sign = (PROHIBITED if action in (DROP_POLICY_DENIED, DROP_AUTH_FAILURE) else UNREACHABLE)[family]
                expected = 3 if action in REASONS else 0
                expect(len(told) == expected and all(sign in line for line in told),
                       f"{destination(action, family)}: not {expected} times {sign}:\n{result.output}")
