"""What the Map-Server believes: every record by its own site's key. Map-Registers are made by hand for this."""

from lispnet import capture, daemon, registers, tables
from lispnet.registers import NONE, SHA1, SHA256, Register
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.traffic import ping

from .base import SitesGroup

ROGUE = "192.0.2.66"  # the RLOC that forged registrations would draw traffic to


class RegistrationGroup(SitesGroup):
    name = "registration"
    captured = f"({capture.LISP}) and not host 198.51.100.14"

    def send(self, register):
        return registers.send(self.network.rogue, self.network.map_server_address, register)

    def expect_refused(self, register, sites, prefix):
        """No answer, no change to the registry, and a refusal counted and named at each of the sites."""
        locators = tables.locators_of(self.map_server, prefix)
        before = {site.name: tables.refusals(self.map_server, site.name) for site in sites}
        notify = self.send(register)
        expect(notify is None or prefix not in notify.prefixes, f"it was acknowledged: {notify}")
        expect(tables.locators_of(self.map_server, prefix) == locators, f"{prefix} changed")
        for site in sites:
            counted = tables.grown(before[site.name], tables.refusals(self.map_server, site.name))
            expect(counted, f"`show site {site.name}` counts no refusal")
        return counted

    @test("takes Map-Registers made by hand, signed with HMAC-SHA-256-128, and acknowledges them")
    def accepts_right_ones(self):
        notify = self.send(Register(SITE_B.key, [("10.2.3.0/24", ["198.51.100.6"]),
                                                 ("2001:db8:b:3::/64", ["198.51.100.6"])]))
        expect(notify, "no Map-Notify")
        expect(notify.is_genuine, "the Map-Notify's authentication data is wrong")
        expect(sorted(notify.prefixes) == ["10.2.3.0/24", "2001:db8:b:3::/64"], f"it names {notify.prefixes}")
        expect(tables.locators_of(self.map_server, "10.2.3.0/24") == {"198.51.100.6"}, "10.2.3.0/24 is not shown")

    @test("takes HMAC-SHA-1-96 where the key says so")
    def accepts_sha1(self):
        notify = self.send(Register("an older secret", [("10.7.0.0/16", ["198.51.100.14"])], SHA1, key_id=1))
        expect(notify and notify.is_genuine, f"answered by {notify}")

    @test("refuses a wrong key, counts it and names the site")
    def wrong_key(self):
        self.expect_refused(Register("not the secret", [(SITE_B.prefix4, [ROGUE])]), [SITE_B], SITE_B.prefix4)

    @test("refuses algorithm 0, with and without authentication data")
    def algorithm_none(self):
        for data in (b"", bytes(16), bytes(32)):
            self.expect_refused(Register("", [(SITE_B.prefix4, [ROGUE])], NONE, authentication=data),
                                [SITE_B], SITE_B.prefix4)

    @test("refuses an algorithm that the key is not configured for")
    def other_algorithm(self):
        self.expect_refused(Register(SITE_B.key, [(SITE_B.prefix4, [ROGUE])], SHA1), [SITE_B], SITE_B.prefix4)

    @test("refuses authentication data cut short")
    def cut_short(self):
        right = Register(SITE_B.key, [(SITE_B.prefix4, [ROGUE])]).encoded()[16:48]
        for length in (0, 1, 12, 15, 31):
            self.expect_refused(
                Register(SITE_B.key, [(SITE_B.prefix4, [ROGUE])], SHA256, authentication=right[:length]),
                [SITE_B], SITE_B.prefix4)

    @test("refuses a valid key used for another site's EID")
    def other_sites_prefix(self):
        self.expect_refused(Register(SITE_A.key, [(SITE_B.prefix4, [ROGUE])]), [SITE_B], SITE_B.prefix4)

    @test("takes the own record and refuses the other site's in one Map-Register")
    def mixed_records(self):
        mixed = Register(SITE_A.key, [("10.1.9.0/24", ["198.51.100.2"]), (SITE_B.prefix4, [ROGUE])])
        before = tables.locators_of(self.map_server, SITE_B.prefix4)
        refused = tables.refusals(self.map_server, SITE_B.name)
        notify = self.send(mixed)
        expect(notify and notify.is_genuine and notify.prefixes == ["10.1.9.0/24"], f"answered by {notify}")
        expect(tables.locators_of(self.map_server, SITE_B.prefix4) == before, "the other site changed")
        expect(tables.grown(refused, tables.refusals(self.map_server, SITE_B.name)), "the refusal is not counted")

    @test("refuses an EID-prefix that no site has")
    def nobodys_prefix(self):
        before = tables.refusals_of_nobody(self.map_server)
        notify = self.send(Register(SITE_A.key, [("10.99.0.0/16", [ROGUE])]))
        expect(notify is None or not notify.prefixes, f"it was acknowledged: {notify}")
        expect(tables.grown(before, tables.refusals_of_nobody(self.map_server)), "nothing was counted")

    @test("carries on with the true registrations, and the sites still talk")
    def carries_on(self):
        self.expect_running()
        for address in (SITE_B.host4, SITE_B.host6):
            result = ping(self.network.host_a, address, 5)
            expect(result.lost == 0, f"{result.lost} of 5 pings to {address} lost")
        expect(tables.locators_of(self.map_server, SITE_B.prefix4) == {"198.51.100.6"}, "site B's RLOC changed")

    @test("sends nothing that tshark finds malformed or warns about")
    def is_clean(self):
        self.expect_clean_capture()

    def make_daemons(self):
        super().make_daemons()
        configuration = daemon.map_server()
        configuration["map-server"]["sites"].append({
            "name": "site-c", "keys": [daemon.key("an older secret", 1, "hmac-sha-1-96")],
            "eids": [{"prefix": "10.7.0.0/16"}],
        })
        self.map_server.write(configuration)
