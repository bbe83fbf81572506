"""lispctl's text read by Cisco's public IOS-XE parsers, and every value that they find compared with --json.

The sites differ in all that the outputs can show: RLOCs of both families with other priorities, keys of both hash functions, an
instance in a namespace of its own, a merged site, more-specifics, a site that nobody registers, negative mappings.
"""

import re

from lispnet import daemon, iosxe, registers, tables
from lispnet.nodes import Node
from lispnet.registers import SHA1, SHA256, Register
from lispnet.sites import SITE_A, SITE_B, TwoSites, connect_host
from lispnet.testing import Group, expect, test
from lispnet.traffic import ping, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup

TENANT = 101
FAMILIES = ("ipv4", "ipv6")
SHA1_KEY = {"id": 1, "algorithm": "hmac-sha-1-96", "key": "of SHA-1"}
SHA2_KEY = {"id": 0, "algorithm": "hmac-sha-256-128", "key": "of SHA-256"}
MERGE = 0x0400
MERGED = "10.3.0.0/16"
PROXY_ETRS = ["192.0.2.9", "2001:db8:f:9::9"]  # nobody there


class PyatsGroup(SitesGroup):
    name = "pyats"
    rlocs = "46"
    captured = None

    @classmethod
    def obstacle(cls):
        return None if iosxe.is_installed() else "the parsers are not installed; packaging/pyats does it"

    def set_up(self):
        super().set_up()
        self.register_by_hand()
        self.make_traffic()

    def make_daemons(self):
        self.tenant_a, self.red_a = self.make_tenant(SITE_A, "tenantA", "redA")
        self.tenant_b, self.red_b = self.make_tenant(SITE_B, "tenantB", "redB")
        self.map_server = daemon.Daemon(self.network.map_server, self.map_server_configuration())
        backup = [{"address": "198.51.100.99", "priority": 2, "weight": 50},
                  {"address": "2001:db8:f:9::2", "priority": 255, "weight": 0}]
        self.xtr_a = daemon.Daemon(self.network.xtr_a, self.xtr_configuration(SITE_A, self.tenant_a, SHA1_KEY, backup))
        self.xtr_b = daemon.Daemon(self.network.xtr_b, self.xtr_configuration(SITE_B, self.tenant_b, SHA2_KEY, []))

    def make_tenant(self, site, router_name, host_name):
        router, host = Node(self.run, router_name, router=True), Node(self.run, host_name)
        connect_host(router, "site0", site.gateway4, site.gateway6, host, site.host4, site.host6)
        return router, host

    def xtr_configuration(self, site, tenant, key, more_locators):
        database = [{"eid": prefix, **more} for prefix in site.prefixes for more in ({}, {"instance-id": TENANT})]
        database.append({"eid": f"10.9{SITE_A.letter == site.letter:d}.0.0/16", "ttl": "2d"})  # no route to it
        server = self.network.map_server_address
        return daemon.xtr(
            self.network, site, database=database, instances=[{"id": TENANT, "namespace": tenant.namespace}],
            locators=[{"interface": "core", "priority": 1, "weight": 100}, *more_locators], site_id=77,
            map_servers=[{"address": server, "keys": [key], "want-map-notify": True}],
            proxy_etrs=[{"address": address} for address in PROXY_ETRS] if site is SITE_A else [])

    def map_server_configuration(self):
        def site(name, key, eids, **more):
            keys = key if isinstance(key, list) else [key]
            return {"name": name, "keys": keys, "eids": eids, **more}

        def eids(prefixes):
            return [{"prefix": prefix, **more} for prefix in prefixes
                    for more in ({"accept-more-specifics": True}, {"instance-id": TENANT})]

        configuration = daemon.map_server()
        configuration["map-server"]["sites"] = [
            site("site-a", SHA1_KEY, [*eids(SITE_A.prefixes), {"prefix": "10.91.0.0/16", "proxy-reply": True}],
                 description="Keys of SHA-1: the parsers read all of it"),
            site("a-site-with-a-name-of-some-length", SHA2_KEY, [*eids(SITE_B.prefixes), {"prefix": "10.90.0.0/16"}]),
            site("merged", [SHA2_KEY, SHA1_KEY], [{"prefix": MERGED, "accept-more-specifics": True}],
                 **{"allowed-locators": ["198.51.100.14", "203.0.113.10", "2001:db8:f:5::2", "192.0.2.7"]}),
            site("silent", SHA2_KEY, [{"prefix": "10.4.0.0/16", "action": "drop"}, {"prefix": "2001:db8:b:ffff::/64"},
                                      {"prefix": "10.5.128.0/17", "instance-id": TENANT}]),
        ]
        return configuration

    def register_by_hand(self):
        """A merged site of both hash functions and families, more-specifics, and what is refused."""
        server4 = self.network.rloc(self.network.map_server, "4")
        server6 = self.network.rloc(self.network.map_server, "6")
        rogue, web = self.network.rogue, self.network.web
        flags = registers.WANT_NOTIFY | MERGE
        sent = [
            (web, server4, Register("of SHA-1", [(MERGED, ["203.0.113.10"])], SHA1, 1, 60, flags)),
            (rogue, server6, Register("of SHA-1", [(MERGED, ["2001:db8:f:5::2", "192.0.2.7"])], SHA1, 1, 60, flags)),
            (rogue, server4, Register("of SHA-256", [(MERGED, ["198.51.100.14"])], SHA256, 0, 60, flags)),
            (web, server6, Register("of SHA-1", [("10.3.7.0/24", ["203.0.113.10"])], SHA1, 1)),
            (rogue, server4, Register("of SHA-256", [("2001:db8:b:7::/64", ["198.51.100.14", "2001:db8:f:5::2"])])),
            (rogue, server4, Register("of SHA-1", [("10.1.7.0/24", ["198.51.100.14"])], SHA1, 1, 3, 0)),  # no Map-Notify
        ]
        for node, server, register in sent:
            notify = registers.send(node, server, register, wait=3 if register.flags & registers.WANT_NOTIFY else 0.3)
            expect(notify is not None or not register.flags & registers.WANT_NOTIFY,
                   f"no Map-Notify for {register.records}")
        for register in (Register("wrong", [(MERGED, ["203.0.113.10"])], SHA1, 1),
                         Register("of SHA-1", [(MERGED, ["192.0.2.66"])], SHA1, 1),
                         Register("of SHA-1", [("10.77.0.0/16", ["192.0.2.66"])], SHA1, 1)):
            registers.send(rogue, server4, register, wait=0.3)

    def make_traffic(self):
        for host in (self.network.host_a, self.red_a):
            for address in (SITE_B.host4, SITE_B.host6):
                wait_reachable(host, address)
        for address in ("10.4.4.4", "10.200.0.1", "10.3.0.1", "203.0.113.10", "2001:db8:f:4::2", "2001:db8:b:ffff::1"):
            ping(self.network.host_a, address, 1, wait=1)
        wait_until("negative mappings are there", lambda: any(
            row.is_negative for row in tables.map_cache(self.xtr_a)), 15)

    # Comparing

    def show(self, router, *words):
        text, before, after = iosxe.snapshot(router, *words)
        return text, iosxe.together(before, after)

    def compare(self, parser, text, expected, **arguments):
        parsed = iosxe.parse(parser, text, **arguments)
        found = iosxe.differences(parsed, expected)
        expect(not found, "\n".join([f"{parser}:", *found[:12], text[:600]]))
        return parsed

    def compare_blocks(self, router, what, heading, parser, expected, *words):
        """Each table's block of a `show` that has entries; returns the tables compared."""
        text, report = self.show(router, what, *words)
        blocks = [heading + block for block in text.split(heading)[1:]]
        expect(len(blocks) == len(report["tables"]), f"{len(report['tables'])} tables in {len(blocks)} blocks:\n{text}")
        compared = []
        for table, block in zip(report["tables"], blocks):
            if not table["entryCount"]:
                expect(len(block.strip().splitlines()) <= 2, f"an empty table shows\n{block}")
                continue
            block, table = self.with_short_vrf(block, table)
            self.compare(parser, block, expected(report, table), service=table["family"],
                         instance_id=str(table["instanceID"]))
            compared.append((table["instanceID"], table["family"]))
        return compared

    def with_short_vrf(self, text, table):
        """ShowLispServiceDatabase takes letters, digits and underscores in a VRF's name; ours here have hyphens."""
        if "namespace" not in table:
            return text, table
        return text.replace(table["namespace"], "red"), {**table, "namespace": "red"}

    # What is read

    @test("`show map-cache` of each family and instance is read with the values of --json")
    def map_cache(self):
        for family in FAMILIES:
            for instance in (0, TENANT):
                compared = self.compare_blocks(
                    self.xtr_a, "map-cache", "Output for router lisp", "ShowLispServiceMapCache", iosxe.map_cache,
                    family, "--instance-id", str(instance))
                expect(compared == [(instance, family)], f"compared {compared}")

    @test("`show map-cache` of everything has one block for each table, and each is read")
    def all_map_caches(self):
        for router in (self.xtr_a, self.xtr_b):
            compared = self.compare_blocks(
                router, "map-cache", "Output for router lisp", "ShowLispServiceMapCache", iosxe.map_cache)
            expect(len(compared) == 4, f"compared {compared}")
        report = tables.show(self.xtr_b, "map-cache")
        priorities = {locator["priority"] for entry in report["entries"] for locator in entry["locators"]}
        expect({1, 2, 255} <= priorities, f"only the priorities {priorities} were to be seen")
        actions = {row.action for row in tables.map_cache(self.xtr_a) if row.is_negative}
        expect({"drop-policy-denied", "natively-forward"} <= actions, f"only the actions {actions} were to be seen")

    @test("`show map-cache --detail` is read with the same values")
    def map_cache_detail(self):
        self.compare_blocks(self.xtr_a, "map-cache", "Output for router lisp", "ShowLispServiceMapCache",
                            iosxe.map_cache, "--detail")

    @test("`show database` of each family and instance is read with the values of --json")
    def database(self):
        for router in (self.xtr_a, self.xtr_b):
            compared = self.compare_blocks(
                router, "database", "LISP ETR", "ShowLispServiceDatabase", iosxe.database)
            expect(len(compared) == 4, f"compared {compared}")
        for family in FAMILIES:
            compared = self.compare_blocks(
                self.xtr_a, "database", "LISP ETR", "ShowLispServiceDatabase", iosxe.database, family,
                "--instance-id", str(TENANT))
            expect(compared == [(TENANT, family)], f"compared {compared}")
        without = [row for row in tables.show(self.xtr_a, "database")["entries"] if not row["hasRoute"]]
        expect(without, "no EID-prefix without a route was to be seen")

    @test("`show site` is read with the values of --json, by family and instance too")
    def site(self):
        for words in ((), ("ipv6",), ("--instance-id", str(TENANT))):
            text, report = self.show(self.map_server, "site", *words)
            self.compare("ShowLispSite", text, iosxe.sites(report, iosxe.site_row))

    @test("`show site --detail` is read with the values of --json; of SHA-256 registrations all but the ETR's own block")
    def site_detail(self):
        for words in ((), ("site-a",), ("merged",), (SITE_B.prefix6,), ("ipv4", "--instance-id", str(TENANT))):
            text, report = self.show(self.map_server, "site", *words, "--detail")
            parsed = self.compare("ShowLispSiteDetail", text, iosxe.sites(report, iosxe.site_detail))
            if not words:
                self.expect_whole(parsed["lisp_id"]["0"]["site_name"], text)

    def expect_whole(self, names, text):
        """What the comparison was to see was there."""
        first = names["site-a"]["instance_id"]["0"]["eid_prefix"]
        expect(list(first[SITE_A.prefix4]["etr"]), "site A's ETR was not read")
        expect("etr" not in first["10.1.7.0/24"] and first["10.1.7.0/24"]["merged_locators"], "10.1.7.0/24 was not read")
        second = names["a-site-with-a-name-of-some-length"]["instance_id"]["0"]["eid_prefix"][SITE_B.prefix4]
        expect("etr" not in second and len(second["merged_locators"]) == 2, f"site B was read as {second}")
        expect("hash-function sha2, key 0, hmac-sha-256-128, nonce 0x" in text, f"no word of SHA-256:\n{text}")
        expect("hash-function sha1, key 1, hmac-sha-1-96, nonce 0x" in text, f"no ETR without Map-Notify:\n{text}")
        merged = names["merged"]["instance_id"]["0"]["eid_prefix"][MERGED]
        expect(merged["merge_active"] == "Yes" and len(merged["etr"]) == 2 and len(merged["merged_locators"]) == 4,
               f"the merged site was read as {merged}")
        expect(merged["registration_erros"] == {"authentication_failures": 1, "allowed_locators_mismatch": 1},
               f"{merged['registration_erros']}")

    @test("`show service` of each family and instance is read with the values of --json")
    def service(self):
        heading = "  Instance ID:"
        for router in (self.xtr_a, self.map_server):
            for words in ((), ("ipv6",), ("--instance-id", "0")):
                text, report = self.show(router, "service", *words)
                blocks = [heading + block for block in text.split(heading)[1:]]
                expect(len(blocks) == len(report["services"]) > 0, f"{len(blocks)} blocks:\n{text}")
                for status, block in zip(report["services"], blocks):
                    self.compare("ShowLispService", block, iosxe.service(status), service=status["family"])
                    number = re.match(r"  Instance ID: +(\d+)\n  Service: +(\w+)\n", block)
                    expect(number and number.groups() == (str(status["instanceID"]),
                                                          status["family"].replace("ip", "IP")), block)

    @test("`show statistics` of each family is read with the values of --json")
    def statistics(self):
        heading = "LISP EID Statistics"
        for router in (self.xtr_a, self.xtr_b, self.map_server):
            for words in ((), ("ipv4",), ("ipv6",)):
                text, report = self.show(router, "statistics", *words)
                head, shared = text.split("LISP RLOC Statistics")
                blocks = [heading + block for block in head.split(heading)[1:]]
                expect(len(blocks) == len(report["control"]), f"{len(blocks)} blocks:\n{text}")
                for control, block in zip(report["control"], blocks):
                    self.compare("ShowLispServiceStatistics", f"{block}LISP RLOC Statistics{shared}",
                                 iosxe.statistics(report, control["family"]), service=control["family"])
        counted = tables.show(self.map_server, "statistics")["control"][0]
        expect(counted["registerAuthenticationFailures"] and counted["registerUnknownEID"]
               and counted["registerDisallowedLocators"], f"the Map-Server counted no refusal: {counted}")

    @test("a value that differs, one too many and one too few are each noticed")
    def notices(self):
        text, report = self.show(self.map_server, "site", "merged")
        expected = iosxe.sites(report, iosxe.site_detail)
        self.compare("ShowLispSiteDetail", text, expected)
        for wrong in (text.replace("/100", "/99", 1), text.replace("Merge active:         Yes", "Merge active:  No"),
                      text.replace("    Origin: ", "    Routing table tag:    0\n    Origin: ", 1),
                      re.sub(r" +192\.0\.2\.7 [^\n]*\n", "", text)):
            found = iosxe.differences(iosxe.parse("ShowLispSiteDetail", wrong), expected)
            expect(wrong != text and found, f"not noticed:\n{wrong}")
