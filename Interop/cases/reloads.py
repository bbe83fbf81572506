"""A reload of each thing that can be configured, and the rollover of a key, with packets running and the registry watched.

Whatever changes: no packet of what did not change is lost, its mappings stay, and its registrations are never gone.
"""

import contextlib
import threading
import time

from lispnet import daemon, registers, tables
from lispnet.run import CommandFailed
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.traffic import Stream, ping, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup

SECOND_SERVER = "198.51.100.30"  # where nobody answers
PART = "10.1.200.0/24"  # of site A
OLD, NEW = daemon.key(SITE_A.key), daemon.key("the next secret of site A", 1)


class Watch:
    """Looks again and again, until `stop`, whether EID-prefixes are registered; remembers when they were not."""

    def __init__(self, map_server, prefixes):
        self.map_server, self.prefixes = map_server, prefixes
        self.looks, self.gaps = 0, []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self):
        while not self._ended.is_set():
            try:
                rows = {row.prefix: row for row in tables.registrations(self.map_server)}
            except CommandFailed as error:
                self.gaps.append(f"no answer: {error}")
                continue
            self.looks += 1
            self.gaps += [f"{prefix} at look {self.looks}" for prefix in self.prefixes if not rows[prefix].is_up]

    def stop(self):
        """What was found missing, in five looks or more."""
        wait_until("the registry is looked at", lambda: self.looks + len(self.gaps) >= 5, 20)
        self._ended.set()
        self._thread.join(20)
        return self.gaps


class RunningSites(SitesGroup):
    """Both sites, with what must not suffer."""

    captured = None

    def set_up(self):
        super().set_up()
        self.wait_both_families()
        wait_reachable(self.network.host_b, SITE_A.host4)
        wait_reachable(self.network.host_b, SITE_A.host6)

    def lasting(self):
        """When the mappings that are in use were learnt, and the registrations made."""
        mappings = {(each.name, prefix): tables.mapping(each, prefix).created
                    for each, far in ((self.xtr_a, SITE_B), (self.xtr_b, SITE_A)) for prefix in far.prefixes}
        registered = {row.prefix: row.raw["firstRegistered"]["epoch"]
                      for row in tables.registrations(self.map_server)
                      if row.prefix in SITE_A.prefixes + SITE_B.prefixes}
        return {**mappings, **registered}

    @contextlib.contextmanager
    def undisturbed(self):
        """Nothing is lost, forgotten or made anew inside."""
        before = self.lasting()
        streams = [Stream(self.network.host_a, SITE_B.host4), Stream(self.network.host_b, SITE_A.host6)]
        watch = Watch(self.map_server, SITE_A.prefixes + SITE_B.prefixes)
        try:
            yield
            time.sleep(0.3)  # what comes late is still seen
        finally:
            gaps = watch.stop()
            results = [stream.stop() for stream in streams]
        for result in results:
            expect(result.sent > 10 and result.lost == 0, f"{result.lost} of {result.sent} lost:\n{result.output}")
        expect(not gaps, f"not registered: {gaps[:5]}")
        after = self.lasting()
        moved = {each: after[each] - moment for each, moment in before.items() if abs(after[each] - moment) > 1}
        expect(not moved, f"made anew: {moved}")
        self.expect_running()


class ReloadEachGroup(RunningSites):
    name = "reload-each"

    def make_daemons(self):
        super().make_daemons()
        self.network.xtr_a.ip("address add 198.51.100.41/32 dev lo")

    def change(self, each, took_effect, **changes):
        """Reloads a daemon with other values of some keys, sees that they are in force, and changes them back."""
        configuration = each.configuration
        changes = {name.replace("_", "-"): value for name, value in changes.items()}
        expect(not took_effect(), "it is so before the change")
        with self.undisturbed():
            self.reload(each, {**configuration, **changes}, changes)
            wait_until("the change takes effect", took_effect, 10)
            self.reload(each, configuration, changes)
            wait_until("the change is taken back", lambda: not took_effect(), 10)

    @staticmethod
    def reload(each, configuration, changes):
        each.write(configuration)
        report = each.control("config", "reload")
        report = report.get("data", report)
        expect(report["changed"] == sorted(changes), f"`config reload` says that {report['changed']} changed")

    def own_registration(self):
        return tables.registration(self.map_server, SITE_A.prefix4).raw["registrations"][0]

    # An xTR

    @test("map-resolvers: another one comes and goes")
    def map_resolvers(self):
        def is_known():
            resolvers = tables.show(self.xtr_a, "map-resolvers")["mapResolvers"]
            return SECOND_SERVER in [each["address"] for each in resolvers]

        self.change(self.xtr_a, is_known, map_resolvers=[self.network.map_server_address, SECOND_SERVER])

    @test("map-servers: proxy-reply, want-map-notify, and another Map-Server that does not answer")
    def map_servers(self):
        (server,) = self.xtr_a.configuration["map-servers"]
        self.change(self.xtr_a, lambda: self.own_registration()["proxyReply"], map_servers=[{**server, "proxy-reply": True}])
        self.change(self.xtr_a, lambda: not self.own_registration()["wantMapNotify"],
                    map_servers=[{**server, "want-map-notify": False}])
        self.change(self.xtr_a, lambda: SECOND_SERVER in tables.map_server_states(self.xtr_a),
                    map_servers=[server, {**server, "address": SECOND_SERVER}])

    @test("database: a prefix comes and goes, and another TTL")
    def database(self):
        database = self.xtr_a.configuration["database"]
        self.change(self.xtr_a, lambda: tables.is_registered(self.map_server, PART), database=database + [{"eid": PART}])
        self.change(self.xtr_a, lambda: self.own_registration()["ttl"] == 7200, database=daemon.with_ttl(SITE_A, "2h"))

    @test("locators: another priority and weight, and one more RLOC")
    def locators(self):
        (locator,) = self.xtr_a.configuration["locators"]

        def priority():
            return [(each["priority"], each["weight"]) for each in self.own_registration()["locators"]]

        self.change(self.xtr_a, lambda: priority() == [(7, 33)], locators=[{**locator, "priority": 7, "weight": 33}])
        self.change(self.xtr_a, lambda: len(priority()) == 2,
                    locators=[locator, {"address": "198.51.100.41", "priority": 9, "weight": 1}])

    @test("locator-sets: a prefix with a set of its own comes and goes")
    def locator_sets(self):
        backup = {"name": "backup", "locators": [{"interface": "core", "priority": 200, "weight": 1}]}

        def is_so():
            row = tables.registration(self.map_server, PART)
            return row is not None and list(row.by_etr.values()) == [{self.network.rloc(self.network.xtr_a): (200, 1)}]

        database = self.xtr_a.configuration["database"] + [{"eid": PART, "locator-set": "backup"}]
        self.change(self.xtr_a, is_so, locator_sets=[backup], database=database)

    @test("map-cache: another limit")
    def map_cache_limit(self):
        self.change(self.xtr_a, lambda: tables.show(self.xtr_a, "status")["mapCacheLimit"] == 5000,
                    map_cache={"limit": 5000})

    @test("rloc-probing: on and off")
    def rloc_probing(self):
        def probed():
            return any(row["rlocProbing"] for row in tables.show(self.xtr_a, "service")["services"])

        self.change(self.xtr_a, probed, rloc_probing={"enabled": True, "interval": "1s"})

    @test("when-down: native and unreachable")
    def when_down(self):
        def is_native():
            routes = [line for line in self.network.xtr_a.routing_state() if "10001" in line and "unreachable" in line]
            return not routes

        self.change(self.xtr_a, is_native, when_down="native")

    @test("site-id: the ETR registers under another identity, and the prefixes are registered at every moment")
    def site_id(self):
        self.change(self.xtr_a, lambda: [each.get("siteID") for each in tables.registration(
            self.map_server, SITE_A.prefix4).raw["registrations"]] == [7], site_id=7)

    @test("map-cache: static mappings come and go")
    def static_mappings(self):
        static = [{"eid": "10.9.0.0/16", "locators": [{"address": "192.0.2.7", "priority": 1, "weight": 100}]},
                  {"eid": "10.8.0.0/16", "action": "drop"}]
        self.change(self.xtr_a, lambda: all(tables.mapping(self.xtr_a, each["eid"]) for each in static),
                    map_cache={"static": static})

    @test("proxy-etrs: what is no LISP site goes to a Proxy-ETR, and natively again")
    def proxy_etrs(self):
        ping(self.network.host_a, "203.0.113.10", wait=1)

        def is_so():
            negative = [row.raw["forwarding"] for row in tables.map_cache(self.xtr_a) if row.is_negative]
            return negative and set(negative) == {"proxy-etr"}

        self.change(self.xtr_a, is_so, proxy_etrs=[{"address": "192.0.2.9", "priority": 1, "weight": 100}])

    @test("roles: a site's router becomes both proxies, too, and ceases to be")
    def roles(self):
        def is_proxy():
            return any(each["proxyITR"] and each["proxyETR"] for each in tables.show(self.xtr_a, "service")["services"])

        self.change(self.xtr_a, is_proxy, roles=["itr", "etr", "proxy-itr", "proxy-etr"],
                    proxy_itr={"eid-space": ["10.64.0.0/10"]}, proxy_etr={"accept-sources": ["10.64.0.0/10"]})
        left = [line for line in self.network.xtr_a.routing_state() if "10003" in line]
        expect(not left, f"left of the Proxy-ITR: {left}")

    @test("echo-nonce and locator-status-bits: on and off")
    def header_hints(self):
        for name in ("echo-nonce", "locator-status-bits"):
            self.change(self.xtr_a, lambda: any(name in line for line in tables.show(self.xtr_a, "status")["warnings"]),
                        **{name: {"enabled": True}})

    @test("etr: what becomes of map data in Map-Requests")
    def accept_map_data(self):
        def is_verified():
            return any(each["acceptMapData"] == "verify" for each in tables.show(self.xtr_a, "service")["services"])

        self.change(self.xtr_a, is_verified, etr={"accept-map-data": "verify"})

    @test("what only a restart can change is refused with its name, and the running configuration stays")
    def needs_restart(self):
        configuration = self.xtr_a.configuration
        other = "auto" if daemon.common_data_plane().get("offload") == "off" else "off"
        expected = {
            "instances": [{"id": 0}, {"id": 55}], "data-plane": {"offload": other},
            "xtr-id": "0123456789abcdef0123456789abcdef",
            "roles": ["map-server", "map-resolver"], "management": {"socket": self.xtr_a.socket + ".other"},
        }
        with self.undisturbed():
            for name, value in expected.items():
                changed = {**configuration, name: value}
                if name == "roles":
                    changed = daemon.map_server()
                if name == "management":
                    self.xtr_a.write_text(daemon.to_yaml(changed))
                else:
                    self.xtr_a.write(changed)
                done = self.xtr_a.control("config", "reload", json_output=False, check=False)
                said = done.stdout + done.stderr
                expect(done.returncode != 0 and name in said and "restart" in said, f"{name}: {done.returncode}: {said}")
                failure = tables.show(self.xtr_a, "status").get("reloadFailure", "")
                expect(name in failure, f"{name}: `show status` says {failure!r}")
            self.xtr_a.write(configuration)
            self.reload(self.xtr_a, configuration, {})
        expect("reloadFailure" not in tables.show(self.xtr_a, "status"), "the failure is still shown")

    # A Map-Server

    def change_server(self, took_effect, alter):
        """Changes the section map-server by `alter` and back."""
        section = self.map_server.configuration["map-server"]
        sites = [{**site, "eids": [dict(eid) for eid in site["eids"]]} for site in section["sites"]]
        changed = {**section, "sites": sites}
        alter(changed)
        self.change(self.map_server, took_effect, **{"map-server": changed})

    def site_row(self, name):
        return next((each for each in tables.show(self.map_server, "site")["sites"] if each["name"] == name), None)

    @test("map-server: a site comes and goes, with what it registered meanwhile")
    def sites(self):
        other = {"name": "site-c", "keys": [daemon.key("of site C")], "eids": [{"prefix": "10.7.0.0/16"}]}

        def takes_registers():
            if not self.site_row("site-c"):
                return False
            register = registers.Register("of site C", [("10.7.0.0/16", ["198.51.100.14"])])
            return registers.send(self.network.rogue, self.network.map_server_address, register)

        self.change_server(takes_registers, lambda section: section["sites"].insert(0, other))

    @test("map-server: what a site says of itself, of nonces, allowed locators and its prefixes")
    def site_options(self):
        rloc = self.network.rloc(self.network.xtr_a)
        for option, value, shown in (("description", "Main campus", "description"), ("nonce-check", "strict", "nonceCheck"),
                                     ("allowed-locators", [rloc], "allowedLocators")):
            self.change_server(lambda: self.site_row(SITE_A.name).get(shown) == value,
                               lambda section: section["sites"][0].update({option: value}))
        self.change_server(lambda: tables.registration(self.map_server, SITE_A.prefix4).raw["proxyReply"],
                           lambda section: section["sites"][0]["eids"][0].update({"proxy-reply": True}))
        self.change_server(lambda: not tables.registration(self.map_server, SITE_A.prefix4).raw["acceptMoreSpecifics"],
                           lambda section: section["sites"][0]["eids"][0].update({"accept-more-specifics": False}))

    @test("map-server: the action of an unregistered prefix, and the EID space")
    def negative_answers(self):
        def answer(eid):
            return self.xtr_a.control("lig", eid, check=False)["records"][0]

        unregistered = {"prefix": "10.7.0.0/16", "action": "drop"}
        self.change_server(lambda: answer("10.7.1.1")["action"] == "drop-policy-denied",
                           lambda section: section["sites"][0]["eids"].append(unregistered))
        self.change_server(lambda: answer("10.200.0.1")["eidPrefix"] == "10.200.0.0/16",
                           lambda section: section.update({"eid-space": ["10.200.0.0/16"]}))

    @test("map-resolver: the role goes and comes, while what is known carries on")
    def map_resolver(self):
        configuration = self.map_server.configuration

        def is_resolver():
            return any(each["mapResolver"] for each in tables.show(self.map_server, "service")["services"])

        without = {name: value for name, value in configuration.items() if name != "map-resolver"}
        expect(is_resolver(), "it is no Map-Resolver")
        with self.undisturbed():
            self.reload(self.map_server, {**without, "roles": ["map-server"]}, ["map-resolver", "roles"])
            expect(not is_resolver(), "it is still a Map-Resolver")
            self.reload(self.map_server, configuration, ["map-resolver", "roles"])
            expect(is_resolver(), "it is no Map-Resolver again")

    @test("map-resolver: asks the Map-Servers that the configuration names, and the one beside it again")
    def map_servers_of_resolver(self):
        def asks_another():
            done = self.xtr_a.control("lig", SITE_B.host4, "--count", "1", json_output=False, check=False)
            return done.returncode != 0

        silent = [{"address": SECOND_SERVER, "eids": ["10.0.0.0/8"]}]
        self.change(self.map_server, asks_another, map_resolver={"map-servers": silent})


class KeyRolloverGroup(RunningSites):
    name = "key-rollover"

    def serve(self, *keys):
        """Gives the Map-Server these keys for site A."""
        self.map_server.write(daemon.map_server())
        configuration = self.map_server.configuration
        configuration["map-server"]["sites"][0]["keys"] = list(keys)
        self.map_server.write(configuration)
        self.map_server.control("config", "reload")

    def sign(self, *keys):
        """Gives site A's ETR these keys, of which it signs with the first."""
        (server,) = self.xtr_a.configuration["map-servers"]
        self.xtr_a.write({**self.xtr_a.configuration, "map-servers": [{**server, "keys": list(keys)}]})
        self.xtr_a.control("config", "reload")

    def keys_in_use(self):
        rows = [tables.registration(self.map_server, prefix) for prefix in SITE_A.prefixes]
        return {each["keyID"] for row in rows for each in row.raw["registrations"]}

    def wait_acknowledged(self):
        wait_until("the ETR's Map-Registers are acknowledged",
                   lambda: set(tables.map_server_states(self.xtr_a).values()) == {"registered"}, 10)

    @test("changes the key of a site without a moment in which it is not registered, and without a packet lost")
    def rolls_over(self):
        expect(self.keys_in_use() == {0}, f"registered under the keys {self.keys_in_use()}")
        refused = tables.refusals(self.map_server, SITE_A.name)
        with self.undisturbed():
            self.serve(OLD, NEW)
            expect(self.keys_in_use() == {0}, "the new key is in use before the ETR has it")
            self.sign(NEW, OLD)
            wait_until("the registrations are signed with the new key", lambda: self.keys_in_use() == {1}, 10)
            self.wait_acknowledged()
            self.serve(NEW)
            self.sign(NEW)
            self.wait_acknowledged()
        expect(self.keys_in_use() == {1}, f"registered under the keys {self.keys_in_use()}")
        expect(tables.refusals(self.map_server, SITE_A.name) == refused, "Map-Registers were refused")
        expect("expired" not in self.map_server.log() and "dropped" not in self.map_server.log(), "the log tells of a gap")

    @test("takes the old key no more afterwards, and drops at once what a key signed that is taken away too early")
    def early(self):
        notify = registers.send(self.network.rogue, self.network.map_server_address,
                                registers.Register(SITE_A.key, [(PART, ["198.51.100.14"])]))
        expect(notify is None, f"a Map-Register under the old key is answered by {notify}")
        expect(not tables.registration(self.map_server, PART), "it was taken")
        self.serve(OLD)
        expect(not tables.is_registered(self.map_server, SITE_A.prefix4), "registered under a key that is gone")
        expect(tables.is_registered(self.map_server, SITE_B.prefix4), "site B went with it")
        self.sign(OLD)
        wait_until("site A is registered again", lambda: tables.is_registered(self.map_server, SITE_A.prefix4), 10)
        result = ping(self.network.host_a, SITE_B.host4, 5)
        expect(result.lost == 0, f"{result.lost} of 5 pings lost")
