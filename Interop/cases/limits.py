"""What forged and replayed Map-Registers can do to a Map-Server: nothing, also when it is killed, floods last, or its disk is full."""

import os
import random
import subprocess
import threading
import time

from lispnet import daemon, registers, tables
from lispnet.datagrams import udp_socket
from lispnet.registers import CONTROL_PORT, Register
from lispnet.run import CommandFailed
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.waiting import wait_until

from .base import SitesGroup

ETR = "198.51.100.14"  # of the ETRs made by hand
XTR_ID = bytes(15) + b"\x77"
PART = "10.2.9.0/24"


def drops(each):
    return tables.counts(tables.show(each, "statistics")["controlDrops"])


class NoncesGroup(SitesGroup):
    """A Map-Server that is killed again and again."""

    name = "nonces"
    captured = None

    def make_daemons(self):
        super().make_daemons()
        configuration = daemon.map_server()
        for site in configuration["map-server"]["sites"]:
            site["nonce-check"] = "strict"
        self.map_server.write(configuration)
        self.nonce = time.time_ns()

    def register(self, locator=ETR, **changes):
        self.nonce += 1
        return Register(SITE_B.key, [(PART, [locator])], nonce=self.nonce, xtr_id=XTR_ID, **changes)

    def send(self, register, wait=1.0):
        return registers.send(self.network.rogue, self.network.map_server_address, register, wait)

    def kill_map_server(self):
        self.map_server.kill()
        self.map_server.start()

    def expect_refused(self, old):
        """Nothing of what was accepted before the last is taken, and the last is."""
        for register in old[:-1]:
            expect(self.send(register, wait=0.1) is None, f"nonce {register.nonce} was taken again")
        expect(not tables.is_registered(self.map_server, PART), "a replay registered")
        expect(self.send(old[-1]), "the last message again was refused")

    @test("takes no captured Map-Register again after kill -9 but the last, which is its sender's own word")
    def replay_after_kill(self):
        captured = [self.register(f"192.0.2.{number}") for number in range(1, 8)]
        for register in captured:
            expect(self.send(register), "no Map-Notify")
        self.kill_map_server()
        self.expect_refused(captured)
        expect(tables.locators_of(self.map_server, PART) == {"192.0.2.7"}, "not what the ETR said last")
        expect(self.send(self.register()), "the next message was refused")

    @test("after kill -9 it denies nothing of a site until that has had the time to register again")
    def silence_after_kill(self):
        # Its own registrations would answer for the site.
        self.xtr_b.stop()
        try:
            flags = registers.WANT_NOTIFY | registers.PROXY_REPLY
            expect(self.send(self.register(flags=flags)), "no Map-Notify")
            expect(self.lig("10.2.9.1")[0] == 0, f"asked before: {self.lig('10.2.9.1')}")
            self.kill_map_server()
            status, text = self.lig("10.2.9.1")
            expect(status == 1 and "Negative" not in text, f"{status}: {text}")
            told = [count for reason, count in drops(self.map_server).items() if "just after a restart" in reason]
            expect(sum(told) >= 1, f"`show statistics` does not tell: {drops(self.map_server)}")
            expect(self.lig("10.200.0.1")[0] == 2, "what is of no site is not denied")
            expect(self.send(self.register(flags=flags)), "no Map-Notify")
            expect(self.lig("10.2.9.1")[0] == 0, f"asked afterwards: {self.lig('10.2.9.1')}")
        finally:
            self.xtr_b.start()

    def lig(self, eid):
        """(exit status, text)"""
        done = self.network.rogue.run(daemon.program("lispctl"), "lig", eid, "--count", "1", "--to",
                                      self.network.map_server_address, "--socket", "/nonexistent/lispd.sock", check=False)
        return done.returncode, done.stdout + done.stderr

    @test("whatever the moment of the kill: what was acknowledged stays accepted, and what is older refused")
    def kill_at_any_moment(self):
        for _ in range(6):
            acknowledged = []
            killer = threading.Timer(random.uniform(0.05, 0.5), self.map_server.kill)
            killer.start()
            while killer.is_alive():
                register = self.register()
                if self.send(register, wait=0.2):
                    acknowledged.append(register)
            killer.join()
            self.map_server.start()
            if len(acknowledged) > 1:
                # The very last that was sent may have been accepted without a word: then it stands for the last acknowledged one.
                for old in acknowledged[-21:-1]:
                    expect(self.send(old, wait=0.05) is None, f"nonce {old.nonce} was taken again")
            expect(self.send(self.register()), "the next message was refused")

    @test("reads what it can of a damaged file, with a line in the log, and refuses what that tells")
    def damaged_file(self):
        captured = [self.register(f"192.0.2.{number}") for number in range(1, 5)]
        for register in captured:
            expect(self.send(register), "no Map-Notify")
        self.map_server.kill()
        files = [name for name in os.listdir(self.map_server.state_directory) if name.startswith("map-server-nonces.")]
        newest = max(files, key=lambda name: int(name.rsplit(".", 1)[1]))
        with open(os.path.join(self.map_server.state_directory, newest), "ab") as file:
            file.write(b"\x00\x00\x00\x40half an entry")
        self.map_server.start()
        expect(self.map_server.log().count("is damaged") == 1, f"the log says:\n{self.map_server.log_tail()}")
        self.expect_refused(captured)
        self.kill_map_server()
        expect(self.map_server.log().count("is damaged") == 1, "it is damaged still")

    @test("goes on when the disk is full, says so once and in statistics, and saves again when there is room")
    def full_disk(self):
        directory = self.map_server.state_directory
        self.map_server.stop()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", directory], check=True)
        try:
            self.map_server.start()
            with open(os.path.join(directory, "ballast"), "wb", buffering=0) as ballast:
                try:
                    while True:
                        ballast.write(bytes(4096))
                except OSError:
                    pass
            accepted = []
            for _ in range(400):
                accepted.append(self.register())
                expect(self.send(accepted[-1]), "a full disk makes it refuse")
            told = drops(self.map_server).get("nonces not saved: the state directory refused them", 0)
            expect(told > 0, "`show statistics` does not say that nonces are not saved")
            expect(1 <= self.map_server.log().count("cannot keep state in") <= 3, self.map_server.log_tail())
            os.remove(os.path.join(directory, "ballast"))
            time.sleep(22)  # it tries every ten seconds
            self.kill_map_server()
            self.expect_refused(accepted[-5:])
        finally:
            self.map_server.kill()
            subprocess.run(["umount", directory], check=True)


class FloodGroup(SitesGroup):
    """Forged Map-Registers without end."""

    name = "flood"
    captured = None

    def set_up(self):
        super().set_up()
        self.is_flooding = False

    def make_daemons(self):
        super().make_daemons()
        # Less than usual, so that a debug build can be flooded beyond it.
        self.map_server.write(daemon.map_server(limits={"failed-map-registers": 1000}))

    def wait_registered(self, prefixes=None, timeout=30):
        super().wait_registered(prefixes or SITE_A.prefixes, timeout)

    @property
    def daemons(self):
        """Site B comes later."""
        return [self.map_server, self.xtr_a]

    def flood(self):
        """From one address, more than the limits allow and no more than a debug build reads; the records are those of both sites."""
        forged = [Register("not the secret", [(site.prefix4, ["192.0.2.66"]), (site.prefix6, ["192.0.2.66"])],
                           xtr_id=XTR_ID).encoded() for site in (SITE_A, SITE_B)]
        with udp_socket(self.network.rogue) as sender:
            while self.is_flooding:
                for message in forged * 50:
                    try:
                        sender.sendto(message, (self.network.map_server_address, CONTROL_PORT))
                        self.sent += 1
                    except OSError:
                        pass
                time.sleep(0.01)

    @test("lets a registered site stay and a new one come while forged Map-Registers flood it")
    def flood_of_forged(self):
        self.sent, self.is_flooding = 0, True
        flood = threading.Thread(target=self.flood)
        flood.start()
        try:
            time.sleep(2)
            self.xtr_b.start(ready=False)
            wait_until("site B is registered", lambda: tables.is_registered(self.map_server, SITE_B.prefix4), 40)
            self.xtr_a.kill()
            self.xtr_a.start(ready=False)
            wait_until("the Map-Server acknowledges what a restarted site A registers",
                       lambda: set(tables.map_server_states(self.xtr_a).values()) == {"registered"}, 60,
                       ignoring=(CommandFailed,))
        finally:
            self.is_flooding = False
            flood.join()
        expect(self.sent > 5_000, f"only {self.sent} messages were sent")
        for site, rloc in ((SITE_A, "198.51.100.2"), (SITE_B, "198.51.100.6")):
            expect(tables.locators_of(self.map_server, site.prefix4) == {rloc}, f"{site.prefix4} has other locators")
        unread = sum(count for reason, count in drops(self.map_server).items() if reason.startswith("Map-Registers dropped unread"))
        expect(unread > 0, f"nothing was dropped unread: {drops(self.map_server)}")
        self.expect_running()

    @test("takes no more Map-Registers of a site than the limit allows, and a reload lifts it")
    def limited_site(self):
        configuration = dict(self.map_server.configuration, limits={"map-registers-per-site": 1})
        self.map_server.write(configuration)
        self.map_server.reload()
        wait_until("the limit holds", lambda: self.map_server.control("config", "show")["limits"]["map-registers-per-site"] == 1, 5)
        burst = [registers.send(self.network.rogue, self.network.map_server_address,
                                Register(SITE_B.key, [(PART, [ETR])], xtr_id=XTR_ID), 0.1) for _ in range(20)]
        expect(any(burst) and not all(burst), "the limit makes no difference")
        reason = "record of a Map-Register refused: too many Map-Registers of the site: limits.map-registers-per-site"
        expect(drops(self.map_server).get(reason, 0) > 0, f"no reason is counted: {drops(self.map_server)}")
        self.map_server.write(dict(configuration, limits={"map-registers-per-site": "none"}))
        self.map_server.reload()
        wait_until("it is lifted", lambda: registers.send(
            self.network.rogue, self.network.map_server_address,
            Register(SITE_B.key, [(PART, [ETR])], xtr_id=XTR_ID), 0.2), 5)
