"""Two ETRs of one site: what the Map-Server shows, tells them and answers when one changes, leaves or dies.

Both groups see the same happen. In one the ETRs ask to have their locators merged; in the other each registers for
itself, and what came last counts.
"""

from lispnet import capture, daemon, registers, tables
from lispnet.datagrams import udp_socket
from lispnet.registers import Register
from lispnet.sites import SITE_A, SITE_B, MultihomedSites
from lispnet.testing import QUIET, expect, test
from lispnet.traffic import finish_ping, start_ping, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup

LIFE = 180  # seconds that a registration lasts
FLOWS = 64
MORTAL, MORTAL_RLOC = bytes(15) + b"\x01", "192.0.2.77"  # an ETR made by hand, whose records end with their TTL


class MultihomingGroup(SitesGroup):
    weight = QUIET
    topology = MultihomedSites
    merges = False

    def make_daemons(self):
        super().make_daemons()
        self.first = self.network.rloc(self.network.xtr_b)
        self.second = self.network.rloc(self.network.xtr_b2)
        self.xtr_b.write(self.configuration())
        self.xtr_b2 = daemon.Daemon(self.network.xtr_b2, self.configuration())

    @property
    def daemons(self):
        return [*super().daemons, self.xtr_b2]

    def configuration(self, priority=1, proxy_reply=True):
        """Of a router of site B: it registers its own RLOC."""
        server = {"address": self.network.map_server_address, "keys": [daemon.key(SITE_B.key)], "want-map-notify": True,
                  "merge": self.merges, "proxy-reply": proxy_reply}
        return daemon.xtr(self.network, SITE_B, map_servers=[server],
                          locators=[{"interface": "core", "priority": priority, "weight": 100}])

    # What is seen

    def wait_registrations(self, timeout=10, **priorities):
        """Until the Map-Server has exactly these ETRs of site B for each of its EID-prefixes, with these priorities."""
        expected = {getattr(self, name): {getattr(self, name): (priority, 100)} for name, priority in priorities.items()}
        shown = {}

        def is_so():
            rows = [tables.registration(self.map_server, prefix) for prefix in SITE_B.prefixes]
            shown.update({row.prefix: row.by_etr for row in rows})
            return all(row.by_etr == expected for row in rows)

        try:
            wait_until("the Map-Server shows the ETRs", is_so, timeout)
        except Exception as error:
            raise AssertionError(f"`show site` has {shown} instead of {expected}: {error}") from error
        self.expect_shown(expected)

    def expect_shown(self, expected):
        """`show site` says of merging what follows from the registrations, and its text names each ETR."""
        union = {rloc: value for own in expected.values() for rloc, value in own.items()}
        for prefix in SITE_B.prefixes:
            row = tables.registration(self.map_server, prefix)
            expect(row.is_up and row.raw["mergeActive"] == self.merges, f"{prefix}: {row.raw}")
            expect(row.merged == (union if self.merges else {}), f"{prefix}: merged locators {row.merged}")
            for each in row.raw["registrations"]:
                expect(each["merge"] == self.merges and each["wantMapNotify"], f"{prefix}: {each}")
            for each in row.raw["mergedLocators"]:
                expect(each["registeredBy"]["address"] == each["locator"]["address"], f"{prefix}: {each}")
        text = self.map_server.text("show", "site", SITE_B.name)
        for address in (self.first, self.second):
            count = text.count(f"Registering ETR {address}")
            expect(count == len(SITE_B.prefixes) * (address in expected), f"{count} lines about ETR {address}:\n{text}")

    def mapping(self):
        """What the Map-Server answers for site B, as xtrA learns it when it asks anew; and that its packets get there."""
        self.xtr_a.control("clear", "map-cache")
        wait_reachable(self.network.host_a, SITE_B.host4)
        return tables.preferences(tables.mapping(self.xtr_a, SITE_B.prefix4).raw["locators"])

    def used(self):
        """{RLOC of site B: packets} that xtrA sends there of one packet each of many flows."""
        def packets():
            locators = tables.mapping(self.xtr_a, SITE_B.prefix4).raw["locators"]
            return {each["address"]: each["encapsulated"]["packets"] for each in locators}

        before = packets()
        for number in range(FLOWS):
            with udp_socket(self.network.host_a, source=("", 42000 + number)) as sender:
                sender.sendto(b"a flow", (SITE_B.host4, 9))
        wait_until("the packets are counted", lambda: sum(packets().values()) >= sum(before.values()) + FLOWS, 5)
        return tables.grown(before, packets())

    # What crossed the core

    def mark(self):
        """What was captured until now is not looked at any more."""
        self.seen = len(capture.decode(self.capture.path))

    def messages(self, kind):
        frames = capture.decode(self.capture.path, kind, [SITE_A.key, SITE_B.key])
        return [frame for frame in frames if frame["frame"] > self.seen]

    def notifies(self, address):
        """The Map-Notifies to an ETR since `mark` that answer no Map-Register of its: [{(EID-prefix, 0): locators}]."""
        asked = {frame["message"]["nonce"] for frame in capture.decode(self.capture.path, "map-register")}
        return [frame for frame in self.messages("map-notify")
                if frame["destination"]["address"] == address and frame["message"]["nonce"] not in asked]

    def wait_told(self, address, timeout=10, **priorities):
        """Until an ETR was told these locators of every EID-prefix, last and once each, and has acknowledged it."""
        expected = {getattr(self, name): (priority, 100) for name, priority in priorities.items()}

        def told():
            latest = {}
            for frame in self.notifies(address):
                latest.update(capture.records_of(frame))
            return latest

        wanted = {(prefix, 0): expected for prefix in SITE_B.prefixes}
        try:
            wait_until(f"{address} is told", lambda: told() == wanted, timeout)
        except Exception as error:
            raise AssertionError(f"{address} was told {told()} instead of {wanted}: {error}") from error
        frames = self.notifies(address)
        for frame in frames:
            verdict = frame["message"]["authentication"]["verdict"]
            expect(verdict == "verified", f"the Map-Notify's authentication: {verdict}")
        nonces = {frame["message"]["nonce"] for frame in frames}

        def acknowledged():
            return {frame["message"]["nonce"] for frame in self.messages("map-notify-ack")
                    if frame["source"]["address"] == address
                    and frame["message"]["authentication"]["verdict"] == "verified"}

        wait_until(f"{address} acknowledges", lambda: nonces <= acknowledged(), 5)

    def expect_not_told(self, *addresses):
        for address in addresses:
            frames = self.notifies(address)
            expect(not frames, f"{address} was told unasked: {[capture.records_of(frame) for frame in frames]}")

    # What happens

    @test("shows two ETRs of one site apart")
    def shows_both(self):
        self.seen = 0
        self.wait_registrations(first=1, second=1)
        self.after_start()

    @test("follows the priority that one ETR changes by a reload")
    def priority_changes(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        self.used()
        self.mark()
        self.xtr_b2.write(self.configuration(priority=10))
        self.xtr_b2.reload()
        self.wait_registrations(first=1, second=10)
        self.after_change()

    @test("forgets at once the ETR that leaves in order, by Map-Registers with TTL 0")
    def leaves(self):
        self.mark()
        expect(self.xtr_b2.stop() == 0, f"it ended with an error:\n{self.xtr_b2.log_tail()}")
        self.wait_registrations(timeout=3, first=1)

        def registered():
            return {record["eidPrefix"]: record["recordTTL"] for frame in self.messages("map-register")
                    if frame["source"]["address"] == self.second for record in frame["message"]["eidRecords"]}

        wait_until("xtrB2 withdraws its prefixes", lambda: registered() == {prefix: 0 for prefix in SITE_B.prefixes}, 5)
        self.after_leave()
        mapping = self.mapping()
        expect(mapping == {self.first: (1, 100)}, f"xtrA has {mapping}")

    @test("takes the ETR in again that comes back")
    def comes_back(self):
        self.mark()
        self.xtr_b2.start()
        self.wait_registrations(first=1, second=10)
        self.after_return()

    @test("finds the living ETR with the next Map-Request after the other was killed, while both are registered")
    def asks_the_living(self):
        for each, priority in ((self.xtr_b, 1), (self.xtr_b2, 10)):
            each.write(self.configuration(priority, proxy_reply=False))
            each.control("config", "reload")
        wait_until("the ETRs answer for themselves", lambda: not any(
            each["proxyReply"] for each in tables.registration(self.map_server, SITE_B.prefix4).raw["registrations"]), 10)
        self.xtr_b2.kill()
        self.wait_registrations(first=1, second=10)
        self.mark()
        # The ETRs are asked in turns, so one of two questions goes to the dead one first.
        for _ in range(2):
            self.xtr_a.control("clear", "map-cache")
            running = start_ping(self.network.host_a, SITE_B.host4, 1, wait=6)
            result = finish_ping(running, 20)
            expect(result.received == 1, f"the packet was lost:\n{result.output}")
            entry = tables.mapping(self.xtr_a, SITE_B.prefix4)
            expect(entry.locators == [self.first], f"answered with {entry.locators}")
        wait_until("a Map-Request to each ETR is captured", lambda: {self.first, self.second} <= {
            frame["destination"]["address"] for frame in self.messages("ecm")}, 5)

    @test("keeps the killed ETR until its registration has expired, and one whose Map-Register says so for its TTL alone")
    def dies(self):
        self.mark()
        flags = registers.WANT_NOTIFY | registers.USE_TTL | (registers.MERGE if self.merges else 0)
        mortal = Register(SITE_B.key, [(SITE_B.prefix4, [MORTAL_RLOC])], flags=flags, ttl_minutes=1, xtr_id=MORTAL)
        notify = registers.send(self.network.rogue, self.network.map_server_address, mortal)
        expect(notify and notify.is_genuine and notify.prefixes == [SITE_B.prefix4], f"answered by {notify}")
        rogue = self.network.rloc(self.network.rogue)

        def etrs():
            return set(tables.registration(self.map_server, SITE_B.prefix4).by_etr)

        expect(etrs() == {self.first, self.second, rogue}, f"registered: {etrs()}")
        wait_until("the registration with the T-bit expires", lambda: rogue not in etrs(), 65, interval=0.5)
        left = {each["etr"]["address"]: each["expiresIn"]
                for each in tables.registration(self.map_server, SITE_B.prefix4).raw["registrations"]}
        expect(set(left) == {self.first, self.second}, f"the killed ETR went with it: {left}")
        self.mark()
        self.wait_registrations(timeout=left[self.second] + 5, first=1)
        expect("expired" in self.map_server.log(), "the log does not tell")
        self.after_death()
        self.expect_alive()

    def expect_alive(self):
        for each in self.daemons[:-1]:
            expect(each.is_running, f"lispd of {each.name} ended:\n{each.log_tail()}")

    @test("sends nothing that tshark finds malformed or warns about")
    def is_clean(self):
        self.expect_clean_capture()


class MergedGroup(MultihomingGroup):
    name = "merged-etrs"
    merges = True

    def wait_solicited(self, mapping):
        """Until xtrA has heard of it by a Solicit-Map-Request: it has exchanged packets with both ETRs lately."""
        wait_until("xtrA has the change", lambda: tables.preferences(
            tables.mapping(self.xtr_a, SITE_B.prefix4).raw["locators"]) == mapping, 4)

    def after_start(self):
        self.wait_told(self.first, first=1, second=1)
        self.wait_told(self.second, first=1, second=1)
        mapping = self.mapping()
        expect(mapping == {self.first: (1, 100), self.second: (1, 100)}, f"xtrA has {mapping}")
        used = self.used()
        expect(min(used.get(self.first, 0), used.get(self.second, 0)) >= FLOWS // 8, f"xtrA spread its flows over {used}")

    def after_change(self):
        self.wait_told(self.first, first=1, second=10)
        self.wait_told(self.second, first=1, second=10)
        changed = {self.first: (1, 100), self.second: (10, 100)}
        self.wait_solicited(changed)
        mapping = self.mapping()
        expect(mapping == changed, f"xtrA has {mapping}")
        used = self.used()
        expect(set(used) == {self.first}, f"xtrA sent to {used}")

    def after_leave(self):
        self.wait_told(self.first, first=1)
        self.expect_not_told(self.second)
        self.wait_solicited({self.first: (1, 100)})

    def after_return(self):
        self.wait_told(self.first, first=1, second=10)
        self.wait_told(self.second, first=1, second=10)

    def after_death(self):
        self.wait_told(self.first, first=1)


class LatestGroup(MultihomingGroup):
    name = "separate-etrs"

    def expect_latest(self, *addresses):
        """xtrA gets what the ETR registered that came last; it is one of these."""
        def agrees():
            before = tables.registration(self.map_server, SITE_B.prefix4).latest
            mapping = self.mapping()
            row = tables.registration(self.map_server, SITE_B.prefix4)
            # An ETR may have refreshed its registration in between, or just before.
            return (row, mapping) if before == row.latest and before in addresses else None

        row, mapping = wait_until(f"the latest registration is of {' or '.join(addresses)}", agrees, 45)
        expect(mapping == row.by_etr[row.latest], f"xtrA has {mapping} of {row.by_etr}, latest {row.latest}")

    def after_start(self):
        self.expect_latest(self.first, self.second)
        self.expect_not_told(self.first, self.second)

    def after_change(self):
        self.expect_latest(self.second)
        self.expect_not_told(self.first, self.second)
        self.xtr_b.write(self.configuration(priority=2))
        self.xtr_b.reload()
        self.wait_registrations(first=2, second=10)
        self.expect_latest(self.first)
        self.xtr_b.write(self.configuration())
        self.xtr_b.reload()
        self.wait_registrations(first=1, second=10)

    def after_leave(self):
        self.expect_not_told(self.first, self.second)

    def after_return(self):
        self.expect_latest(self.second)
        self.expect_not_told(self.first, self.second)

    def after_death(self):
        self.seen = 0  # never, that is
        self.expect_not_told(self.first, self.second)
