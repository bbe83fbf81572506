"""Floods of forged messages, a million of each kind: none is accepted, nothing changes, nothing grows, all is counted.

The attacker does not see the traffic. He sends under any address, from namespaces that have those addresses (no router here
filters), and as fast as the daemon reads, so that it judges every message.
"""

import json
import threading
import time

from lispnet import daemon, flooding, tables
from lispnet.daemon import program
from lispnet.generator import MAP_SERVER, LoadedMapServer, generate
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import EXCLUSIVE, Group, expect, test
from lispnet.traffic import Stream
from lispnet.waiting import wait_until

from .base import SitesGroup

# A debug build takes ten times as long.
COUNT = 100_000 if program("lispd").rstrip("/").endswith("debug/lispd") else 1_000_000
WARM_UP = COUNT // 20
GROWTH = 8 * 1024  # kB that a flood may add: the allocator's slack, not a leak
ROUTERS = 64
EIDS = 1000

# The counters of refused messages begin with one of these.
REFUSED_REGISTERS = ("controlDrops.record of a Map-Register refused: ", "controlDrops.Map-Registers dropped unread: ")
UNREAD_REQUESTS = "controlDrops.Map-Request dropped unread: "
HELD_BACK = "controlDrops.SMR-invoked Map-Requests held back: "


def expect_flat(daemon_, before):
    """To be asked before any `show`: what a long answer takes is not the flood's."""
    growth = daemon_.resident_kilobytes() - before
    expect(growth < GROWTH, f"{daemon_.name} grew by {growth} kB in the flood, from {before} kB")


class RegisterFloodGroup(Group):
    name = "register-flood"
    weight = EXCLUSIVE

    def set_up(self):
        self.server = LoadedMapServer(self.run)
        self.daemon = self.server.daemon
        self.daemon.start()
        # Often enough for each ETR to have shown that its nonces count.
        self.refresh(20 * EIDS)
        self.forge(WARM_UP)

    def refresh(self, count, rate=None):
        options = ["--eids", EIDS, "--routers", ROUTERS, "--count", count, *(["--rate", rate] if rate else [])]
        return self.server.load("register", *options)

    def forge(self, count):
        return generate(self.server.loader, "forge", "map-register", "--to", MAP_SERVER, "--pid", self.daemon.pid,
                        "--eids", EIDS, "--routers", ROUTERS, "--count", count)

    def registry(self):
        """What is registered by whom, without what every refresh changes."""
        return {
            (site["name"], eid["eidPrefix"]): sorted(
                (each["xtrID"], each["etr"]["address"], each["ttl"], each["keyID"], each["expiresIn"] > 0,
                 tuple(locator["address"] for locator in each["locators"]))
                for each in eid["registrations"])
            for site in tables.show(self.daemon, "site")["sites"] for eid in site["eids"]
        }

    @test(f"{COUNT:,} forged Map-Registers: none is accepted, all are counted, and who refreshes is refreshed all the while")
    def flood(self):
        registry, counted = self.registry(), tables.statistics(self.daemon)
        memory = self.daemon.resident_kilobytes()
        refreshed, stop = [], threading.Event()

        def keep_refreshing():
            while not stop.is_set():
                refreshed.append(self.refresh(EIDS, rate=500))

        honest = threading.Thread(target=keep_refreshing)
        honest.start()
        try:
            flood = self.forge(COUNT)
        finally:
            stop.set()
            honest.join()
        expect_flat(self.daemon, memory)
        expect(sum(flood["sent"].values()) == COUNT and len(flood["sent"]) == 6, flood)
        expect(flood["received"] == 0, f"{flood['received']} forged Map-Registers were answered")
        expect(flood["server"]["drops"] == 0, f"the flood was not judged as a whole: {flood}")
        for report in refreshed:
            expect(report["answered"] == report["sent"] == EIDS and report["wrong"] == 0, f"a refresh failed: {report}")
        expect(len(refreshed) > 1, "the flood was over before anybody refreshed")
        expect(self.registry() == registry, "the registry is not what it was")
        grown = tables.grown(counted, tables.statistics(self.daemon))
        refused = {name: number for name, number in grown.items() if name.startswith(REFUSED_REGISTERS)}
        expect(sum(refused.values()) == COUNT, f"{sum(refused.values())} of {COUNT} are counted: {refused}")
        for words in ("wrong key", "authentication data length", "algorithm is not the one", "replayed"):
            expect(any(words in reason for reason in refused), f"none is refused for: {words}; {refused}")

    @test("answers Map-Requests after the flood as before")
    def answers(self):
        report = self.server.load("request", "--eids", EIDS, "--routers", ROUTERS)
        expect(report["answered"] == EIDS and report["wrong"] == 0, report)


class RouterFloodGroup(SitesGroup):
    """xtrA with established mappings, RLOC-probing and running traffic; the attacker claims to be xtrB and the Map-Server."""

    name = "router-flood"
    weight = EXCLUSIVE
    captured = None
    attacker = "198.51.100.14"

    def set_up(self):
        super().set_up()
        network = self.network
        self.feigned = [network.rloc(network.xtr_b), network.map_server_address]
        network.rogue.ip(*(f"route add local {address}/32 dev lo" for address in self.feigned))
        self.wait_both_families()

    def make_daemons(self):
        probing = {"enabled": True, "interval": "5s", "retries": 3, "retry-interval": "1s"}
        self.map_server = daemon.Daemon(self.network.map_server, daemon.map_server())
        self.xtr_a = daemon.Daemon(self.network.xtr_a, daemon.xtr(
            self.network, SITE_A, rloc_probing=probing, limits=daemon.NO_LIMITS))
        self.xtr_b = daemon.Daemon(self.network.xtr_b, daemon.xtr(self.network, SITE_B))

    def forge(self, kind, count):
        options = ["--to", self.network.rloc(self.network.xtr_a), "--pid", self.xtr_a.pid, "--count", count,
                   "--attacker", self.attacker]
        for name, values in (("--from", self.feigned), ("--prefix", SITE_B.prefixes), ("--own", SITE_A.prefixes)):
            options += [word for value in values for word in (name, value)]
        return generate(self.network.rogue, "forge", kind, *options)

    def state(self):
        """What forwarding goes by, and what is registered; no ages, no counters."""
        mappings = {
            (row.prefix, row.instance): (row.state, row.action, sorted(
                (each["address"], each["priority"], each["weight"], each["state"]) for each in row.raw["locators"]))
            for row in tables.map_cache(self.xtr_a)
        }
        database = [(each["eidPrefix"], [locator["address"] for locator in each["locators"]])
                    for each in tables.show(self.xtr_a, "database")["entries"]]
        registered = {(row.site, row.prefix): sorted(row.locators) for row in tables.registrations(self.map_server)}
        return {"map-cache": mappings, "database": database, "registered": registered,
                "map-servers": tables.map_server_states(self.xtr_a), "routes": self.network.xtr_a.routing_state()}

    def expect_unmoved(self, kind):
        """The flood, and what it may not do. Returns its report, and the counters that grew."""
        self.forge(kind, WARM_UP)
        before, counted = self.state(), tables.statistics(self.xtr_a)
        memory = self.xtr_a.resident_kilobytes()
        stream = Stream(self.network.host_a, SITE_B.host4)
        flood = self.forge(kind, COUNT)
        traffic = stream.stop()
        expect(flood["sent"] == {kind: COUNT} and flood["server"]["drops"] == 0, f"not judged as a whole: {flood}")
        expect(traffic.lost <= traffic.sent // 1000, f"{traffic.lost} of {traffic.sent} pings lost in the flood")
        expect_flat(self.xtr_a, memory)
        after = self.state()
        for name, value in before.items():
            expect(after[name] == value, f"{name} was {value}, and is {after[name]} after the flood")
        self.expect_running()
        return flood, tables.grown(counted, tables.statistics(self.xtr_a))

    def expect_refused(self, kind, *reasons):
        """The flood, every message of which is counted under one of these reasons."""
        _, grown = self.expect_unmoved(kind)
        refused = sum(grown.get(f"controlDrops.{reason}.count", 0) for reason in reasons)
        expect(refused == COUNT, f"{refused} of {COUNT} are counted: {grown}")

    @test(f"{COUNT:,} forged Map-Replies to an xTR change nothing")
    def map_replies(self):
        self.expect_refused("map-reply", "Map-Reply refused: no Map-Request with its nonce is outstanding")

    @test(f"{COUNT:,} forged Map-Notifies to an xTR change nothing")
    def map_notifies(self):
        self.expect_refused("map-notify", "Map-Notify refused: authentication failed",
                            "Map-Notify refused: no configured Map-Server has its key and address")

    @test(f"{COUNT:,} forged replies to RLOC-probes change nothing")
    def probe_replies(self):
        self.expect_refused("probe-reply", "RLOC-probe reply refused: no probe with its nonce is outstanding")

    @test(f"{COUNT:,} forged RLOC-probes change nothing, and are answered within the rate of Map-Replies")
    def probes(self):
        flood, grown = self.expect_unmoved("probe")
        answered = total(grown, "probeRecords.outgoing")
        # 1,000 a second, and 2,000 at once, to each RLOC.
        allowed = len(self.feigned) * (2000 + 1000 * (flood["seconds"] + 1))
        expect(answered <= allowed, f"{answered} probes were answered, {allowed:.0f} are allowed: {flood}")
        refused = total(grown, "the Map-Reply rate to their ITR-RLOC is used up.count") + counted_as(grown, UNREAD_REQUESTS)
        expect(answered + refused == COUNT, f"{answered} answered and {refused} refused of {COUNT}: {grown}")

    @test(f"{COUNT:,} forged SMRs change nothing, and provoke Map-Requests within their pace only")
    def solicitations(self):
        flood, grown = self.expect_unmoved("smr")
        asked = total(grown, "encapsulatedMapRequests.outgoing")
        # Each of the two mappings is asked for once in 3 s.
        allowed = 2 * (flood["seconds"] / 3 + 2)
        expect(0 < asked <= allowed, f"{asked} Map-Requests were provoked in {flood['seconds']:.1f} s")
        held_back = counted_as(grown, HELD_BACK, UNREAD_REQUESTS)
        expect(COUNT - allowed <= held_back <= COUNT, f"{held_back} of {COUNT} are counted as held back: {grown}")


class DataFloodGroup(SitesGroup):
    """Packets on port 4341, far more than the router takes, while it registers, probes and learns."""

    name = "data-flood"
    weight = EXCLUSIVE
    captured = None
    seconds = 12

    def make_daemons(self):
        super().make_daemons()
        self.probing = {"enabled": True, "interval": "1s", "retries": 1, "retry-interval": "1s"}
        self.xtr_a.write(daemon.xtr(self.network, SITE_A, rloc_probing=self.probing))

    def probes(self):
        """(probes that left, replies to them that came) of site A's router."""
        counted = tables.statistics(self.xtr_a)
        return total(counted, "probeMapRequests.outgoing"), total(counted, "probeRecords.incoming")

    @test("more packets on port 4341 than are read: registers, probes, learns and answers as before")
    def flood(self):
        network = self.network
        self.wait_both_families()
        begun, taken = self.probes(), self.taken()
        host = SITE_A.host4
        flood = flooding.start(network.rogue, network.rloc(network.xtr_a), "10.2.200.1", host, self.seconds)
        time.sleep(1)
        # Registers what it had not registered, and hears of it.
        extra = "10.1.77.0/24"
        changed = json.loads(json.dumps(self.xtr_a.configuration))
        changed["database"].append({"eid": extra})
        self.xtr_a.write(changed)
        asked = time.monotonic()
        self.xtr_a.control("config", "reload")
        wait_until(f"{extra} is registered", lambda: tables.is_registered(self.map_server, extra), 5, interval=0.05)
        registered = time.monotonic() - asked
        # Learns what it did not know: the packet is from another host of the site.
        self.xtr_a.control("clear", "map-cache")
        network.host_a2.run("ping", "-c", "3", "-i", "0.3", "-W", "1", SITE_B.host4, check=False)
        wait_until("a mapping is learnt", lambda: any(row.prefix == SITE_B.prefix4 for row in tables.map_cache(self.xtr_a)), 5)
        answers = []
        while flood.status is None:
            begin = time.monotonic()
            states = {each["address"]: each["state"] for row in tables.map_cache(self.xtr_a) for each in row.raw["locators"]}
            answers.append(time.monotonic() - begin)
            expect(all(state == "up" for state in states.values()), f"RLOCs are {states} in the flood")
            time.sleep(0.3)
        status, output = flood.finish(10)
        expect(status == 0, output)
        sent, taken = int(output.split()[-1]), self.taken() - taken
        probed, answered = (after - before for after, before in zip(self.probes(), begun))
        print(f"       {sent / self.seconds:,.0f} packets a second, {taken / sent:.0%} of them taken; registered after "
              f"{registered:.2f} s, {answered} of {probed} probes answered, `show` took {max(answers):.2f} s at most", flush=True)
        expect(taken < 0.9 * sent, f"{taken} of {sent} were taken: that is no flood")
        expect(registered < 3, f"to register took {registered:.1f} s")
        expect(probed >= self.seconds / 2 and answered >= probed - 1, f"{answered} of {probed} probes were answered")
        self.expect_running()

    def taken(self):
        """Packets that the router delivered to its site, or dropped for a reason of its own."""
        delivered = sum(each["decapsulated"]["packets"] for each in tables.show(self.xtr_a, "status")["workers"])
        drops = tables.counts(tables.show(self.xtr_a, "statistics")["dataPlane"]["drops"])
        return delivered + sum(drops.values())


def total(grown, ending):
    """Of all families."""
    return sum(number for name, number in grown.items() if name.endswith(ending))


def counted_as(grown, *beginnings):
    return sum(number for name, number in grown.items() if name.startswith(beginnings))
