"""Map-Notifies that nobody asked for, to ETRs made by hand: repeated until an Ack that is right, and then given up.

Two ETRs register one EID-prefix from the rogue's port 4342 with the merge bit; their xTR-IDs tell them apart.
"""

import socket
import struct
import time

from lispnet import registers, tables
from lispnet.datagrams import family_of, udp_socket
from lispnet.registers import CONTROL_PORT, MERGE, WANT_NOTIFY, Register
from lispnet.sites import SITE_B
from lispnet.testing import QUIET, expect, test
from lispnet.waiting import wait_until

from .base import SitesGroup

FIRST, SECOND = bytes(15) + b"\x01", bytes(15) + b"\x02"  # xTR-IDs
RLOCS = {FIRST: "198.51.100.14", SECOND: "192.0.2.78"}
REPEATS = [3, 6, 9, 15, 27, 51]  # seconds after the first: three at 3 s, three with doubled intervals
TOLERANCE = 1.0


class NotificationsGroup(SitesGroup):
    name = "notifications"
    weight = QUIET
    captured = None

    def set_up(self):
        super().set_up()
        address = self.network.rloc(self.network.rogue)
        self.socket = udp_socket(self.network.rogue, family_of(address), (address, CONTROL_PORT))

    def tear_down(self):
        self.socket.close()

    def register(self, prefix, etr, flags=WANT_NOTIFY | MERGE, **options):
        """Registers for an ETR and takes the answer; what else comes is left for later."""
        register = Register(SITE_B.key, [(prefix, [RLOCS[etr]])], flags=flags, xtr_id=etr, **options)
        self.socket.sendto(register.encoded(), (self.network.map_server_address, CONTROL_PORT))
        if flags & WANT_NOTIFY:
            self.wait_notify(lambda notify: notify.nonce == register.nonce)

    def receive(self, until):
        """The next genuine Map-Notify before a moment, or None."""
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                message = self.socket.recv(65535)
                notify = registers.decode_notify(message, SITE_B.key)
            except socket.timeout:
                break
            except (ValueError, struct.error, KeyError):
                continue
            expect(notify.is_genuine, "a Map-Notify's authentication data is wrong")
            return notify
        return None

    def wait_notify(self, fits, timeout=2.0):
        until = time.monotonic() + timeout
        while (notify := self.receive(until)) is not None:
            if fits(notify):
                return notify
        raise AssertionError("no such Map-Notify came")

    def acknowledge(self, notify, secret=SITE_B.key):
        self.socket.sendto(notify.acknowledgement(secret), (self.network.map_server_address, CONTROL_PORT))

    def make_merged(self, prefix):
        """Registers for both ETRs and returns the Map-Notifies about it that nobody asked for: {xTR-ID: Map-Notify}."""
        self.register(prefix, FIRST)
        register = Register(SITE_B.key, [(prefix, [RLOCS[SECOND]])], flags=WANT_NOTIFY | MERGE, xtr_id=SECOND)
        self.socket.sendto(register.encoded(), (self.network.map_server_address, CONTROL_PORT))
        told, until = {}, time.monotonic() + 2
        while len(told) < 2:
            notify = self.receive(until)
            expect(notify, f"only {len(told)} of two ETRs were told")
            if notify.nonce != register.nonce:
                told[notify.xtr_id] = notify
        return told

    @test("tells both ETRs of the merged locators, and each of its own xTR-ID")
    def tells(self):
        told = self.make_merged("10.2.10.0/24")
        expect(set(told) == {FIRST, SECOND}, f"told: {set(told)}")
        for notify in told.values():
            expect(notify.locators == {"10.2.10.0/24": {rloc: 1 for rloc in RLOCS.values()}}, f"told {notify.locators}")
            self.acknowledge(notify)
        expect(self.receive(time.monotonic() + REPEATS[0] + TOLERANCE) is None, "told again although both acknowledged")

    @test("repeats after an Ack under a wrong key or with a nonce that it never sent, until the right one comes")
    def takes_right_acks_only(self):
        told = self.make_merged("10.2.11.0/24")
        self.acknowledge(told[FIRST])
        self.acknowledge(told[SECOND], "not the secret")
        other = registers.decode_notify(struct.pack("!IQ", *struct.unpack_from("!I", told[SECOND].message), 4711)
                                        + told[SECOND].message[12:], SITE_B.key)
        self.acknowledge(other)
        again = self.wait_notify(lambda notify: True, REPEATS[0] + TOLERANCE)
        expect(again.message == told[SECOND].message, f"{again} instead of the same Map-Notify again")
        self.acknowledge(again)
        expect(self.receive(time.monotonic() + REPEATS[0] + TOLERANCE) is None, "told again after the Ack")

    @test("repeats only the newest when the locators change again before the Ack")
    def newest_only(self):
        old = self.make_merged("10.2.12.0/24")
        self.register("10.2.12.0/24", SECOND, priority=9)
        latest = {}
        until = time.monotonic() + REPEATS[0] + TOLERANCE
        while (notify := self.receive(until)) is not None:
            expect(notify.message not in [each.message for each in old.values()], "an outdated Map-Notify was repeated")
            latest[notify.xtr_id] = notify
        expected = {"10.2.12.0/24": {RLOCS[FIRST]: 1, RLOCS[SECOND]: 9}}
        expect({etr: notify.locators for etr, notify in latest.items()}[FIRST] == expected, f"told {latest}")
        for notify in latest.values():
            self.acknowledge(notify)

    @test("tells an ETR that withdraws nothing more, and the one that stays of what is left")
    def withdraws(self):
        for notify in self.make_merged("10.2.13.0/24").values():
            self.acknowledge(notify)
        self.register("10.2.13.0/24", SECOND, ttl_minutes=0)
        notify = self.wait_notify(lambda notify: notify.xtr_id == FIRST)
        expect(notify.locators == {"10.2.13.0/24": {RLOCS[FIRST]: 1}}, f"told {notify.locators}")
        self.acknowledge(notify)
        more = self.receive(time.monotonic() + 1)
        expect(more is None, f"told {more}")

    @test("does not tell an ETR that wants no Map-Notify")
    def wants_none(self):
        self.register("10.2.14.0/24", FIRST, MERGE)
        self.register("10.2.14.0/24", SECOND)
        notify = self.wait_notify(lambda notify: True)
        expect(notify.xtr_id == SECOND, "the first was told")
        self.acknowledge(notify)
        more = self.receive(time.monotonic() + 1)
        expect(more is None, f"told {more}")

    @test("repeats to an ETR that never answers after 3, 6, 9, 15, 27 and 51 s, then gives up and says so")
    def gives_up(self):
        started = time.monotonic()
        told = self.make_merged("10.2.15.0/24")
        self.acknowledge(told[FIRST])
        arrived = []
        while (notify := self.receive(started + REPEATS[-1] + 3 * TOLERANCE)) is not None:
            expect(notify.message == told[SECOND].message, f"{notify} instead of the same Map-Notify again")
            arrived.append(time.monotonic() - started)
        late = [f"{moment:.1f} s" for moment in arrived]
        expect(len(arrived) == len(REPEATS) and all(
            abs(moment - due) < TOLERANCE for moment, due in zip(arrived, REPEATS)), f"repeated after {', '.join(late)}")
        given_up = "has not acknowledged the Map-Notify about 10.2.15.0/24"
        wait_until("the log tells", lambda: given_up in self.map_server.log(), 30)
        more = self.receive(time.monotonic() + 1)
        expect(more is None, "repeated after it was given up")
        locators = tables.locators_of(self.map_server, "10.2.15.0/24")
        expect(locators == set(RLOCS.values()), f"registered are {locators}")
        self.expect_running()
