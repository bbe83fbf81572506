"""Why a site is not registered, as both ends tell it, and the mapping system asked by hand: `diagnose registration`, `clear`, `lig`.

Site A is the patient; the Map-Server has two more sites for hand-made Map-Registers:

    site-c  10.7.0.0/16, as a whole only; HMAC-SHA-1-96 with key ID 1; strict nonces; RLOC 198.51.100.14 only
    site-d  10.32.1.0/24
"""

import http.client
import json
import signal
import socket
import time

from lispnet import daemon, registers, tables
from lispnet.daemon import program
from lispnet.registers import SHA1, Register
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.traffic import ping
from lispnet.waiting import wait_until

from .base import SitesGroup

OLD_SECRET = "an older secret"
ROGUE = "198.51.100.14"


def documents(text):
    """The JSON objects that stand one behind the other."""
    decoder, found = json.JSONDecoder(), []
    while text.strip():
        value, end = decoder.raw_decode(text.lstrip())
        found.append(value)
        text = text.lstrip()[end:]
    return found


class PatientGroup(SitesGroup):
    """Both sites, and hands to change and to ask."""

    captured = None

    def make_daemons(self):
        super().make_daemons()
        configuration = daemon.map_server()
        configuration["map-server"]["sites"] += [
            {"name": "site-c", "keys": [daemon.key(OLD_SECRET, 1, "hmac-sha-1-96")], "nonce-check": "strict",
             "allowed-locators": [ROGUE], "eids": [{"prefix": "10.7.0.0/16"}]},
            {"name": "site-d", "keys": [daemon.key("d")], "eids": [{"prefix": "10.32.1.0/24"}]},
        ]
        self.map_server.write(configuration)

    @property
    def server(self):
        return self.network.map_server_address

    def diagnose(self, each, *words):
        """(exit status, data) of `diagnose registration`."""
        done = each.node.run(program("lispctl"), "diagnose", "registration", *words, "--json", "--socket", each.socket,
                             check=False)
        expect(done.returncode in (0, 1) and done.stdout, f"{words}: {done.returncode}: {done.stderr}")
        return done.returncode, json.loads(done.stdout)["data"]

    def own(self, prefix=SITE_A.prefix4):
        """What xtrA says of one of its EID-prefixes at the Map-Server."""
        _, data = self.diagnose(self.xtr_a, prefix)
        row = next(each for each in data["ownEIDs"] if each["eidPrefix"] == prefix)
        return row["mapServers"][0]

    def wait_own(self, state, prefix=SITE_A.prefix4, timeout=30):
        def found():
            row = self.own(prefix)
            return row if row["state"] == state else None
        try:
            return wait_until(f"xtrA says {state} of {prefix}", found, timeout)
        except Exception as error:
            raise AssertionError(f"{error}: {self.own(prefix)}") from None

    def row(self, prefix):
        """What the Map-Server says of an EID-prefix."""
        _, data = self.diagnose(self.map_server, prefix)
        return next(each for each in data["sites"]["eids"] if each["eidPrefix"] == prefix)

    def change_xtr(self, **changes):
        """Gives xtrA another configuration; without changes its own."""
        self.xtr_a.write(daemon.xtr(self.network, SITE_A, **changes))
        self.xtr_a.control("config", "reload")

    def map_servers(self, key):
        return [{"address": self.server, "keys": [key], "want-map-notify": True}]

    def heal(self):
        self.change_xtr()
        self.wait_own("registered")

    def register(self, records, **options):
        return registers.send(self.network.rogue, self.server,
                              Register(OLD_SECRET, records, SHA1, 1, **options), 0.5)

    def refusal(self, prefix, words):
        """The refusal with these words that the Map-Server tells first of the EID-prefix."""
        row = self.row(prefix)
        expect(row["refusals"] and words in row["refusals"][0]["reason"], f"not {words!r}: {row}")
        return row, row["refusals"][0]


class DiagnosisGroup(PatientGroup):
    name = "diagnosis"

    @test("says at both ends that all is well, in a line for each EID-prefix")
    def all_well(self):
        for prefix in SITE_A.prefixes:
            self.wait_own("registered", prefix)
        status, data = self.diagnose(self.xtr_a)
        expect(status == 0 and "sites" not in data, f"{status}: {data}")
        expect([row["eidPrefix"] for row in data["ownEIDs"]] == SITE_A.prefixes, f"{data}")
        for row in data["ownEIDs"]:
            expect(row["isRegistered"] and row["summary"] == f"registered with {self.server}", f"{row}")
            expect(row["mapServers"][0]["source"] == self.network.rloc(self.network.xtr_a), f"{row}")
        text = self.xtr_a.text("diagnose", "registration", SITE_A.prefix4)
        expect(f"\n{SITE_A.prefix4}: registered with {self.server}\n" in text and "->" not in text, text)
        row = self.row(SITE_A.prefix4)
        source = f"{self.network.rloc(self.network.xtr_a)}:4342"
        expect(row["isRegistered"] and row["summary"].startswith(f"registered by {source}, for another"), f"{row}")
        expect(not row["refusals"], f"{row}")
        status, data = self.diagnose(self.map_server, "site-d")
        never = data["sites"]["eids"][0]
        expect(status == 1 and "ownEIDs" not in data and "never since lispd started" in never["summary"], f"{data}")

    @test("names the key: a wrong one, another algorithm, another ID")
    def keys(self):
        for key, reason, advice in (
                (daemon.key("not it"), "wrong key", "compare `key` or `key-file` of key ID 0"),
                (daemon.key(SITE_A.key, 0, "hmac-sha-1-96"), "algorithm", "the ETR signs with hmac-sha-1-96, key ID 0"),
                (daemon.key(SITE_A.key, 5), "key ID", "the ETR signs with key ID 5, site site-a has 0")):
            self.change_xtr(map_servers=self.map_servers(key))
            own = self.wait_own("unanswered")
            expect(own["unanswered"] >= 3 and any(key["algorithm"] in line for line in own["advice"]), f"{own}")
            expect(any(f"on {self.server} tells its reason" in line for line in own["advice"]), f"{own}")
            _, refusal = self.refusal(SITE_A.prefix4, reason)
            expect(refusal["lastSource"]["address"] == self.network.rloc(self.network.xtr_a), f"{refusal}")
            expect(any(advice in line for line in refusal["advice"]), f"{refusal}")
        status, _ = self.diagnose(self.xtr_a, SITE_A.prefix4)
        expect(status == 1, f"exit status {status}")
        self.heal()

    @test("says of a key file that it holds another key than the one in use")
    def key_file(self):
        path = self.run.file("a.key")
        def write(text):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        write("stale")
        key = {"id": 0, "algorithm": daemon.ALGORITHM, "key-file": path}
        self.change_xtr(map_servers=self.map_servers(key))
        self.wait_own("unanswered")
        write(SITE_A.key + "\n")
        advice = self.own()["advice"]
        expect(any(f"key file {path} holds another key" in line for line in advice), f"{advice}")
        self.xtr_a.control("config", "reload")
        expect(not self.wait_own("registered")["advice"], "still advice")
        self.heal()

    @test("an EID-prefix of no site: the ETR says that it is left out, the Map-Server which site is nearest")
    def not_configured(self):
        wrong = "10.32.0.0/16"
        self.change_xtr(database=[{"eid": prefix} for prefix in [*SITE_A.prefixes, wrong]])
        own = self.wait_own("refused", wrong)
        expect("leave this EID-prefix out" in own["summary"] and own["advice"], f"{own}")
        expect(self.wait_own("registered")["state"] == "registered", "the others suffer")
        status, data = self.diagnose(self.map_server, wrong)
        row = data["sites"]["ofNoSite"][0]
        expect(status == 1 and not any(each["eidPrefix"] == wrong for each in data["sites"]["eids"]), f"{data}")
        expect(row["summary"] == f"{wrong} is of no site; nearest: site-d with 10.32.1.0/24", f"{row}")
        expect((row["nearestSite"], row["nearestEIDPrefix"]) == ("site-d", "10.32.1.0/24") and row["count"] > 0, f"{row}")
        text = self.map_server.text("diagnose", "registration")
        expect(f"\n{row['summary']}\n  refused " in text, text)
        self.heal()

    @test("names what is wrong with a record: a part, a locator, an old nonce")
    def records(self):
        expect(self.register([("10.7.0.0/16", [ROGUE])], nonce=1000), "the right one is refused")
        expect(self.row("10.7.0.0/16")["isRegistered"], "it is not registered")
        for records, options, reason, advice in (
                ([("10.7.5.0/24", [ROGUE])], {}, "more-specific", "10.7.5.0/24 is a part of 10.7.0.0/16"),
                ([("10.7.0.0/16", ["192.0.2.66"])], {"nonce": 2000}, "allowed locators", "locator 192.0.2.66 is not among"),
                ([("10.7.0.0/16", [ROGUE])], {"nonce": 900}, "nonce", "`lispctl clear site site-c` lets it start afresh")):
            expect(not self.register(records, **options), f"{reason}: it was taken")
            row, refusal = self.refusal("10.7.0.0/16", reason)
            expect(any(advice in line for line in refusal["advice"]), f"{refusal}")
            expect(refusal["lastEIDPrefix"] == records[0][0] and refusal["lastSource"]["address"] == ROGUE, f"{refusal}")
            expect("yet one was refused" in row["summary"], f"{row}")
        # The operator lets it start afresh.
        cleared = self.map_server.control("clear", "site", "site-c")["data"]
        expect((cleared["cleared"], cleared["registrations"], cleared["nonces"]) == (1, 1, 1), f"{cleared}")
        expect(self.register([("10.7.0.0/16", [ROGUE])], nonce=900), "it is refused still")

    @test("a route that is gone, and a Map-Server that is dead, as ICMP says")
    def unreachable(self):
        core = self.network.xtr_a
        gateway = core.ip_output("route", "show", "default").split()[2]
        core.ip("route del default")
        self.change_xtr(database=daemon.with_ttl(SITE_A, "5m"))
        own = self.wait_own("no-route")
        expect("unreachable" in own["summary"] and "source" not in own, f"{own}")
        core.ip(f"route add default via {gateway} dev core")
        self.heal()
        self.map_server.kill()
        self.change_xtr(database=daemon.with_ttl(SITE_A, "7m"))
        own = self.wait_own("unanswered")
        expect("ICMP says that it cannot be reached" in own["summary"], f"{own}")
        expect("nothing listens on UDP port 4342 there" in own["advice"][0], f"{own}")
        self.map_server.start()
        self.wait_own("registered", timeout=70)
        self.heal()

    @test("says that a router without both roles has nothing to diagnose, and which site may be meant")
    def refuses(self):
        for each, words, status, text in (
                (self.xtr_a, ("site-a",), 1, "only an ETR"), (self.map_server, ("site-e",), 1, "did you mean site-"),
                (self.map_server, ("10.7.0.0/8",), 64, "did you mean 10.0.0.0/8?")):
            done = each.control("diagnose", "registration", *words, json_output=False, check=False)
            expect(done.returncode == status and text in done.stderr and done.stderr.count("\n") == 1,
                   f"{words}: {done.returncode}: {done.stderr}")


class ClearGroup(PatientGroup):
    name = "clear"

    @test("a cleared site registers again within a minute, and who knows it goes on meanwhile")
    def clear_site(self):
        self.wait_both_families()
        before = self.metric("registrations_cleared")
        cleared = self.map_server.control("clear", "site", "site-a", "ipv4")["data"]
        expect((cleared["cleared"], cleared["registrations"], cleared["nonces"]) == (1, 1, 0), f"{cleared}")
        started = time.monotonic()
        row = self.row(SITE_A.prefix4)
        if not row["isRegistered"]:
            expect("cleared by the operator" in row["summary"], f"{row}")
            answer = self.lig_at_b(SITE_A.host4)
            expect(answer["outcome"] == "negative" and answer["records"][0]["ttl"] == 60
                   or tables.is_registered(self.map_server, SITE_A.prefix4), f"{answer}")
        expect(tables.is_registered(self.map_server, SITE_A.prefix6), "the other family is gone, too")
        result = ping(self.network.host_b, SITE_A.host4, 3)
        expect(result.lost == 0, f"{result.lost} pings lost of who knows the site")
        wait_until("site A registers again", lambda: tables.is_registered(self.map_server, SITE_A.prefix4), 61)
        expect(time.monotonic() - started <= 61, "it took longer than a minute")
        expect(self.lig_at_b(SITE_A.host4)["outcome"] == "answered", "not found again")
        events = [each for each in tables.show(self.map_server, "events")["events"] if each["kind"] == "site-cleared"]
        expect(events and events[-1]["site"] == "site-a" and "1 registrations of 1 EID-prefixes" in events[-1]["text"],
               f"{events}")
        expect(self.metric("registrations_cleared") == before + 1, "not counted")

    def lig_at_b(self, eid):
        done = self.xtr_b.control("lig", eid, check=False)
        return done

    def metric(self, event):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.map_server.socket)
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            with http.client.HTTPResponse(connection) as response:
                response.begin()
                text = response.read().decode()
        lines = [line for line in text.splitlines() if f'event="{event}"' in line]
        return sum(float(line.split()[-1]) for line in lines)

    @test("an unknown site is one line with the nearest name, and nothing is cleared by an EID of another site")
    def clear_refused(self):
        done = self.map_server.control("clear", "site", "site-aa", json_output=False, check=False)
        expect(done.returncode == 1 and done.stderr == "lispctl: there is no site site-aa: did you mean site-a?\n",
               f"{done.returncode}: {done.stderr}")
        cleared = self.map_server.control("clear", "site", "site-a", SITE_B.prefix4)["data"]
        expect(cleared["cleared"] == 0 and tables.is_registered(self.map_server, SITE_B.prefix4), f"{cleared}")
        done = self.xtr_a.control("clear", "site", "site-a", json_output=False, check=False)
        expect(done.returncode == 1 and "no Map-Server" in done.stderr, f"{done.returncode}: {done.stderr}")

    @test("cleared statistics count from then on and say since when, while the metrics go on")
    def clear_statistics(self):
        text = self.map_server.text("show", "statistics")
        expect(text.count("last cleared: never") == 4, text)
        raw = self.metric("map_registers_received")
        counted = tables.show(self.map_server, "statistics")["control"][0]["mapRegisterRecords"]["incoming"]
        expect(raw > 0 and counted > 0, f"{raw}, {counted}")
        self.map_server.control("clear", "statistics")
        report = tables.show(self.map_server, "statistics")
        after = report["control"][0]["mapRegisterRecords"]["incoming"]
        expect(after < counted and report["lastCleared"]["secondsAgo"] < 10, f"{after} of {counted}: {report['lastCleared']}")
        expect("last cleared: 00:00:0" in self.map_server.text("show", "statistics", "ipv4"), "not shown")
        expect(self.metric("map_registers_received") >= raw, "the metrics went back")
        expect(self.map_server.control("clear", "statistics")["data"]["before"]["secondsAgo"] < 300, "no earlier time")


class LigGroup(PatientGroup):
    name = "lig"

    def make_daemons(self):
        super().make_daemons()
        # The Map-Server answers for site A, so that what is registered last is what is told.
        configuration = dict(self.map_server.configuration)
        configuration["map-server"]["sites"][0] = daemon.served(SITE_A, proxy_reply=True)
        self.map_server.write(configuration)

    def lig(self, node, *words, socket="/nonexistent/lispd.sock"):
        """(exit status, text) of lig where no lispd answers, unless a socket is given."""
        started = time.monotonic()
        done = node.run(program("lispctl"), "lig", *words, "--socket", socket, check=False)
        self.seconds = time.monotonic() - started
        return done.returncode, done.stdout + done.stderr

    @test("beside lispd, on a host without one, and for each family: names the RLOC, who answered, and how fast")
    def answers(self):
        rloc = self.network.rloc(self.network.xtr_b)
        for address in (SITE_B.host4, SITE_B.host6):
            status, text = self.lig(self.xtr_a.node, address, socket=self.xtr_a.socket)
            expect(status == 0 and f"Send map-request to {self.server} for {address} ..." in text, f"{status}: {text}")
            expect(f"Received map-reply from {rloc} with rtt 0." in text and f"{rloc}" in text, text)
            status, text = self.lig(self.network.rogue, address, "--to", self.server)
            expect(status == 0 and "via map-reply, auth" in text, f"{status}: {text}")
        report = documents(self.lig(self.network.rogue, SITE_B.host4, "--to", self.server, "--json")[1])[0]
        expect(report["outcome"] == "answered" and report["answeredBy"] == rloc and report["attempt"] == 1, f"{report}")
        expect(report["records"][0]["eidPrefix"] == SITE_B.prefix4 and "registration" not in report, f"{report}")

    @test("asks one Map-Resolver after the other: one refuses at once, one is silent, the third answers")
    def several(self):
        self.set_dead("203.0.113.99")
        try:
            status, text = self.lig(self.network.rogue, SITE_B.host4, "--count", "1", "--to", "203.0.113.10",
                                    "--to", "203.0.113.99", "--to", self.server)
        finally:
            self.set_dead()
        expect(status == 0 and self.seconds < 6, f"{status} after {self.seconds:.1f} s: {text}")
        expect("*** 203.0.113.10: ICMP port unreachable: no Map-Resolver there (says 203.0.113.10) ***" in text, text)
        expect("*** No map-reply received from 203.0.113.99 ***" in text, text)

    @test("tells by exit status: negative, none, no name, no way")
    def statuses(self):
        to = ("--to", self.server)
        status, text = self.lig(self.network.rogue, "10.200.0.1", *to)
        expect(status == 2 and "Negative cache entry, action: natively-forward" in text, f"{status}: {text}")
        status, text = self.lig(self.network.rogue, SITE_B.host4, "--instance-id", "7", *to)
        expect(status == 2 and "EID [7] " in text, f"{status}: {text}")
        status, text = self.lig(self.network.rogue, SITE_B.host4, "--count", "2", "--to", "203.0.113.10")
        expect(status == 1 and self.seconds < 2 and "1 Map-Request for" in text, f"{status}, {self.seconds:.1f} s: {text}")
        status, text = self.lig(self.network.rogue, "no.such.name.invalid", *to)
        expect(status == 68 and "does not resolve" in text and text.count("\n") == 1, f"{status}: {text}")
        status, text = self.lig(self.network.rogue, SITE_B.host4)
        expect(status == 69 and "--to MAP-RESOLVER is needed without lispd" in text, f"{status}: {text}")
        status, text = self.lig(self.network.rogue, "self", *to)
        expect(status == 69 and "self needs a lispd here that is an ETR" in text, f"{status}: {text}")
        status, text = self.lig(self.network.rogue, SITE_B.host4, "--to", "2001:db8:f:3::2")
        expect(status == 69 and "no way to the Map-Resolver" in text, f"{status}: {text}")

    @test("a name is asked for by its addresses")
    def names(self):
        status, text = self.lig(self.network.rogue, "ipv4", "localhost", "--to", self.server)
        expect(status == 2 and "Mapping entry for localhost EID 127.0.0.1:" in text, f"{status}: {text}")

    @test("ends at Ctrl-C with what it found out")
    def interrupted(self):
        self.set_dead(self.server)
        try:
            process = self.network.rogue.start(program("lispctl"), "lig", SITE_B.host4, "--to", self.server, "--count", "5")
            time.sleep(1)
            process.send(signal.SIGINT)
            status, text = process.finish(5)
        finally:
            self.set_dead()
        expect(status == 130 and f"Interrupted: 1 Map-Request for {SITE_B.host4} sent to {self.server}, no Map-Reply" in text,
               f"{status}: {text}")

    @test("self and self6 are what this router registers, and it is said if they are not")
    def myself(self):
        for word, prefix in (("self", SITE_A.prefix4), ("self6", SITE_A.prefix6)):
            status, text = self.lig(self.xtr_a.node, word, socket=self.xtr_a.socket)
            address = prefix.split("/", maxsplit=1)[0]
            expect(status == 0 and f"Send loopback map-request to {self.server} for {address} ..." in text, f"{status}: {text}")
            expect("\nRegistration: as this router registers it\n" in text, text)
        def taken_over():
            register = Register(SITE_A.key, [(SITE_A.prefix4, [ROGUE])])
            expect(registers.send(self.network.rogue, self.server, register), "the other ETR is refused")
            status, text = self.lig(self.xtr_a.node, "self", "--json", socket=self.xtr_a.socket)
            return status == 3 and documents(text)[0]
        report = wait_until("lig self notices another ETR", taken_over, 30)
        expect(report["outcome"] == "mismatch" and not report["registration"]["matches"], f"{report}")
        expect(f"locator {ROGUE} is none of ours: another ETR has registered it" in report["registration"]["differences"],
               f"{report}")
        self.map_server.control("clear", "site", "site-a")
        status, text = self.lig(self.xtr_a.node, "self", socket=self.xtr_a.socket)
        if not tables.is_registered(self.map_server, SITE_A.prefix4):
            expect(status == 3 and "is not registered" in text, f"{status}: {text}")
        wait_until("site A is registered again", lambda: tables.is_registered(self.map_server, SITE_A.prefix4), 61)
        status, text = self.lig(self.xtr_a.node, "self", socket=self.xtr_a.socket)
        expect(status == 0, f"{status}: {text}")
