"""What an operator sees while things happen: events, live and afterwards, metrics, and why packets go where they go.

xtrB has a second address beside its one on the core link; site B offers the first with priority 1 and the second with 2.
"""

import json
import re
import signal
import socket
import subprocess
import threading
import time

from lispnet import daemon, registers, tables
from lispnet.daemon import program
from lispnet.registers import SHA1, Register
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.traffic import finish_ping, ping, start_ping, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup

PORT = 9341
SECOND = "198.51.100.22"
PROBING = {"enabled": True, "interval": "1s", "retries": 1, "retry-interval": "1s"}


class ManagementGroup(SitesGroup):
    name = "management"
    captured = None

    def make_daemons(self):
        self.first = self.network.rloc(self.network.xtr_b)
        self.network.xtr_b.ip(f"address add {SECOND}/32 dev core")
        self.network.core.ip(f"route add {SECOND}/32 via {self.first}")
        self.map_server = daemon.Daemon(self.network.map_server, daemon.map_server(
            management={"http": f"[::1]:{PORT}"}))
        self.xtr_a = daemon.Daemon(self.network.xtr_a, daemon.xtr(
            self.network, SITE_A, rloc_probing=PROBING, management={"http": f"{self.network.rloc(self.network.xtr_a)}:{PORT}"}))
        self.xtr_b = daemon.Daemon(self.network.xtr_b, daemon.xtr(self.network, SITE_B, locators=self.preference()))

    def preference(self):
        return [{"address": self.first, "priority": 1, "weight": 100}, {"address": SECOND, "priority": 2, "weight": 100}]

    # Events

    def events(self, each, *kinds):
        """The events of a daemon, of these kinds if any are given."""
        return [event for event in tables.show(each, "events", "--count", "1000")["events"]
                if not kinds or event["kind"] in kinds]

    @test("events tell of the start and of registrations, at both ends, with the words of the journal")
    def registration_events(self):
        for server, kind, name in ((self.map_server, "site-registered", "site"), (self.xtr_a, "registration-acknowledged", "peer")):
            found = wait_until(f"{server.name} has {kind}", lambda: self.events(server, kind), 5)
            expect(all(name in event for event in found), f"no {name} in {found}")
            for event in found:
                expect(event["text"] in server.log(), f"the log has not: {event['text']}")
        prefixes = {event["eidPrefix"] for event in self.events(self.map_server, "site-registered")}
        expect(prefixes == set(SITE_A.prefixes + SITE_B.prefixes), f"registered: {prefixes}")
        for each in self.daemons:
            listed = self.events(each)
            numbers = [event["sequence"] for event in listed]
            expect(numbers == sorted(set(numbers)), f"not in order: {numbers}")
            expect(len([event for event in listed if event["kind"] == "started"]) == 1, f"no start in {listed}")
            expect(all(abs(event["milliseconds"] / 1000 - time.time()) < 300 for event in listed), f"{listed}")
            text = each.text("show", "events", "--count", "1000")
            expect(len(text.splitlines()) == len(listed) and "started: lispd" in text, text)

    @test("monitor shows an RLOC that dies and comes back as it happens, to several who watch")
    def monitors_locators(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        first, second = Watcher(self, self.xtr_a), Watcher(self, self.xtr_a)
        text = self.run.start([program("lispctl"), "monitor", "--count", "0", "--socket", self.xtr_a.socket],
                              self.xtr_a.node.namespace, log="monitor.txt")
        try:
            self.set_dead(self.first)
            for watcher in (first, second):
                event = watcher.wait_for("locator-down", 10)
                expect(event["locator"] == self.first and event["severity"] == "warning", f"{event}")
                late = time.time() - event["milliseconds"] / 1000
                expect(late < 2, f"shown {late:.1f} s late")
        finally:
            self.set_dead()
        for watcher in (first, second):
            expect(watcher.wait_for("locator-up", 10)["locator"] == self.first, "another came back")
        wait_until("the text has both", lambda: " warning locator-down: RLOC" in text.log()
                   and " info    locator-up: RLOC" in text.log(), 5)
        shown = [(event["kind"], event["locator"]) for event in self.events(self.xtr_a, "locator-down", "locator-up")]
        expect(shown[-2:] == [("locator-down", self.first), ("locator-up", self.first)], f"show events has {shown}")
        for process in (first.process, second.process, text):
            process.send(signal.SIGINT)
            expect(process.wait(5) == -signal.SIGINT, "it does not end by SIGINT")

    @test("tells of a reload and of a refused one, whoever asks for it")
    def reloads(self):
        watcher = Watcher(self, self.xtr_b)
        good = self.xtr_b.configuration
        self.xtr_b.write({**good, "map-cache": {"limit": 5000}})
        self.xtr_b.reload()
        expect("map-cache" in watcher.wait_for("configuration-reloaded", 5)["text"], "it does not say what changed")
        self.xtr_b.write_text("roles: [itr\n")
        self.xtr_b.control("config", "reload", check=False)
        event = watcher.wait_for("configuration-refused", 5)
        expect(event["severity"] == "error" and self.xtr_b.configuration_path in event["text"], f"{event}")
        self.xtr_b.write(good)
        self.xtr_b.control("config", "reload")
        watcher.wait_for("configuration-reloaded", 5)
        watcher.stop()

    @test("a stranger's garbage pushes no other event out, and how much was left out is told")
    def flood(self):
        before = self.events(self.map_server, "site-registered", "started")
        wrong = [(f"10.9.{number}.0/24", ["198.51.100.14"]) for number in range(20)]
        for _ in range(3):
            registers.send(self.network.rogue, self.network.map_server_address,
                           Register("wrong", wrong, SHA1, 1, flags=0), 0.1)
        garbage = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n" \
                  f"for _ in range(3000): s.sendto(b'\\x10garbage', ('{self.network.map_server_address}', 4342))"
        self.network.rogue.run("python3", "-c", garbage)
        wait_until("garbage is refused", lambda: self.events(self.map_server, "message-refused"), 5)
        expect(self.events(self.map_server, "site-registered", "started") == before, "events are gone")
        refused = self.events(self.map_server, "message-refused")
        expect(len(refused) <= 40, f"{len(refused)} events of garbage")
        expect(refused[0]["peer"] == "198.51.100.14", f"{refused[0]}")
        expect(self.map_server.log().count("198.51.100.14") < 100, "the journal is flooded")

    @test("a monitor that is killed leaves nothing behind, and one that does not read holds nothing up")
    def killed_and_slow(self):
        killed = Watcher(self, self.map_server)
        killed.process.send(signal.SIGKILL)
        killed.process.wait(5)
        # One that reads nothing: its answer waits in the socket.
        with socket.socket(socket.AF_UNIX) as mute:
            mute.connect(self.map_server.socket)
            mute.sendall(b"GET /v1/events?after=0&limit=1000 HTTP/1.1\r\nHost: lispd\r\n\r\n" * 50)
            for _ in range(20):
                started = time.monotonic()
                tables.show(self.map_server, "status")
                expect(time.monotonic() - started < 2, "lispctl waits")
        watcher = Watcher(self, self.map_server)
        self.refused_register()
        self.map_server.control("config", "reload")
        watcher.wait_for("configuration-reloaded", 5)
        watcher.stop()
        self.expect_running()

    @test("more who watch than there is room for are told so, and lispctl still gets its answers")
    def many_watchers(self):
        held = []
        latest = tables.show(self.xtr_b, "events")["latest"]
        for _ in range(32):
            waiting = socket.socket(socket.AF_UNIX)
            waiting.connect(self.xtr_b.socket)
            waiting.sendall(b"GET /v1/events?after=%d&wait=30 HTTP/1.1\r\nHost: lispd\r\n\r\n" % latest)
            held.append(waiting)
        try:
            def refused():
                done = subprocess.run([program("lispctl"), "monitor", "--count", "0", "--socket", self.xtr_b.socket],
                                      capture_output=True, text=True, timeout=40, check=False)
                return done.returncode == 69 and "others wait for events" in done.stderr
            wait_until("one more is turned away", refused, 60)
            expect(tables.show(self.xtr_b, "status")["version"], "no status")
        finally:
            for waiting in held:
                waiting.close()

    @test("monitor ends by status 69 and one line when the daemon ends or is killed")
    def daemon_goes(self):
        for end in (lambda: self.xtr_b.stop(), lambda: self.xtr_b.kill()):
            with subprocess.Popen([program("lispctl"), "monitor", "--count", "1", "--socket", self.xtr_b.socket],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as monitor:
                expect(monitor.stdout.readline(), "nothing comes first")
                end()
                _, error = monitor.communicate(timeout=20)
                expect(monitor.returncode == 69 and error.count("\n") == 1 and error.startswith("lispctl: "),
                       f"ended with {monitor.returncode}: {error}")
            self.xtr_b.start()
        done = self.xtr_b.control("monitor", "--count", "2000", json_output=False, check=False)
        expect(done.returncode == 64, f"ended with {done.returncode}")

    @test("a changed locator is in show smr and among the events, at both ends")
    def shows_smr(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        rloc = self.network.rloc(self.network.xtr_a)
        changed = [{**each, "priority": 3 - each["priority"]} for each in self.preference()]
        self.xtr_b.write({**self.xtr_b.configuration, "locators": changed})
        self.xtr_b.control("config", "reload")
        sender = wait_until("xtrB told xtrA and was asked", lambda: next(
            (peer for peer in tables.show(self.xtr_b, "smr")["smrPeers"]
             if peer["address"] == rloc and peer["sent"] and peer["invoked"]), None), 15)
        expect(sender["lastSentEID"] in SITE_B.prefixes and sender["lastSent"]["secondsAgo"] < 20, f"{sender}")
        receivers = [peer for peer in tables.show(self.xtr_a, "smr")["smrPeers"] if peer["received"]]
        expect([peer["address"] for peer in receivers] == [self.first], f"{receivers}")
        expect(receivers[0]["lastReceivedEID"] in SITE_B.prefixes, f"{receivers}")
        sent, received = self.events(self.xtr_b, "smr-sent"), self.events(self.xtr_a, "smr-received")
        expect(sent and sent[-1]["peer"] == rloc and received and received[-1]["peer"] == self.first, f"{sent} {received}")
        metrics = self.metrics()
        expect(value(metrics, "lispd_control_events_total", role="itr", event="smrs_received") >= 1, "no SMR counted")
        text = self.xtr_b.text("show", "smr")
        expect(text.startswith("RLOC") and rloc in text, text)
        done = self.map_server.control("show", "smr", json_output=False, check=False)
        expect(done.returncode == 1 and "neither ITR nor ETR" in done.stderr, done.stderr)
        self.xtr_b.write({**self.xtr_b.configuration, "locators": self.preference()})
        self.xtr_b.control("config", "reload")
        wait_until("xtrA has heard", lambda: [
            each["priority"] for each in tables.mapping(self.xtr_a, SITE_B.prefix4).raw["locators"]] == [1, 2], 15)

    # Metrics

    def refused_register(self):
        """A Map-Register for an EID-prefix of no site."""
        registers.send(self.network.rogue, self.network.map_server_address,
                       Register("wrong", [("10.9.0.0/24", ["198.51.100.14"])], SHA1, 1, flags=0), 0.1)

    @property
    def http(self):
        """Where xtrA can be read from the core."""
        return f"http://{self.network.rloc(self.network.xtr_a)}:{PORT}"

    def fetch(self, path, node=None, base=None, method="GET"):
        """(status, body) of a request over TCP."""
        command = ["curl", "-s", "-g", "-X", method, "-w", "\n%{http_code}", "--max-time", "20", (base or self.http) + path]
        body, _, status = (node or self.network.core).run(*command).stdout.rpartition("\n")
        return int(status), body

    def metrics(self):
        status, text = self.fetch("/metrics")
        expect(status == 200, f"status {status}")
        return parse_metrics(text)

    @test("metrics move with traffic and equal show statistics, show status and show map-servers")
    def metrics_agree(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        before = self.metrics()
        expect(ping(self.network.host_a, SITE_B.host4, 20, interval=0.05).lost == 0, "pings are lost")
        self.network.host_a.run("ping", "-c", "3", "-i", "0.1", "-W", "1", "224.1.2.3", check=False)
        # Nothing else moves between two looks, as soon as they say the same.
        def agrees():
            statistics = tables.show(self.xtr_a, "statistics")
            return (self.metrics(), statistics) if tables.show(self.xtr_a, "statistics") == statistics else None
        after, statistics = wait_until("two looks say the same", agrees, 20)
        plane = statistics["dataPlane"]
        for instance in plane["instances"]:
            labels = {"instance_id": str(instance["instanceID"])}
            for verb in ("encapsulated", "decapsulated"):
                for unit, name in (("packets", "packets"), ("octets", "bytes")):
                    found = value(after, f"lispd_{verb}_{name}_total", **labels)
                    expect(found == instance[verb][unit], f"{verb} {unit}: {found}, not {instance[verb][unit]}")
        grown = value(after, "lispd_encapsulated_packets_total", instance_id="0") - \
            value(before, "lispd_encapsulated_packets_total", instance_id="0")
        expect(20 <= grown < 60, f"encapsulated packets grew by {grown}")
        hits = value(after, "lispd_map_cache_hits_total") - value(before, "lispd_map_cache_hits_total")
        expect(20 <= hits < 60, f"hits grew by {hits}")
        drops = {labels["reason"]: number for labels, number in samples(after, "lispd_packet_drops_total") if number}
        expect(sorted(drops.values()) == sorted(each["count"] for each in plane["drops"]), f"{drops}, not {plane['drops']}")
        control = [number for labels, number in samples(after, "lispd_control_drops_total") if number]
        expect(sorted(control) == sorted(each["count"] for each in statistics["controlDrops"]),
               f"{control}, not {statistics['controlDrops']}")
        expect(value(after, "lispd_misses_reported_total") == plane["misses"], "misses differ")
        cached = sum(number for _, number in samples(after, "lispd_map_cache_entries"))
        expect(cached == tables.show(self.xtr_a, "status")["mapCacheEntries"], f"{cached} entries")
        expect(value(after, "lispd_rloc_up", rloc=self.first) == 1, "the RLOC is not up")
        expect(0 < value(after, "lispd_rloc_round_trip_seconds", rloc=self.first) < 5, "no round-trip time")
        server = self.network.map_server_address
        expect(value(after, "lispd_etr_registration_up", map_server=server) == 1, "not registered")
        expect(value(after, "lispd_build_info", version=tables.show(self.xtr_a, "status")["version"]) == 1, "no version")
        expect(value(after, "lispd_role_health", role="itr", health="up") == 1, "the ITR is not up")
        expect(value(after, "process_resident_memory_bytes") / 1024 > 1000, "no memory is in use")
        expect(3 < value(after, "process_open_fds") < value(after, "process_max_fds"), "open files")
        expect(abs(value(after, "process_start_time_seconds") - time.time()) < 3600, "it did not start within the hour")

    @test("metrics follow Prometheus' conventions, and the UNIX socket of a Map-Server has them, too")
    def conventions(self):
        self.refused_register()
        text = self.map_server.metrics()
        for families in (self.metrics(), parse_metrics(text)):
            for name, family in families.items():
                expect(family["type"] in ("counter", "gauge") and family["help"].endswith("."), f"{name}: {family}")
                expect(name.endswith("_total") == (family["type"] == "counter"), f"{name} is a {family['type']}")
                expect(name.startswith(("lispd_", "process_")), name)
                expect(not any("eid" in label for labels, _ in family["samples"] for label in labels), f"{name} names EIDs")
        families = parse_metrics(text)
        expect(value(families, "lispd_map_server_sites") == 2, "sites")
        expect(value(families, "lispd_map_server_registered_prefixes") == 4, "registered prefixes")
        refused = value(families, "lispd_map_server_refused_records_total", reason="not_configured_eid")
        shown = tables.refusals_of_nobody(self.map_server)
        expect(refused >= 1 and refused == tables.counts(tables.show(self.map_server, "statistics")["controlDrops"])
               ["record of a Map-Register refused: EID-prefix is of no configured site"], f"{refused}; {shown}")
        expect("lispd_map_cache_entries" not in families, "a Map-Server has no map-cache")

    @test("over TCP everything can be looked at and nothing changed")
    def looking_only(self):
        for path in ("status", "service", "map-cache", "database", "statistics", "map-servers", "locators", "events",
                     "configuration"):
            status, body = self.fetch(f"/v1/{path}")
            expect(status == 200 and json.loads(body)["schema"] == "lispd/1", f"{path}: {status} {body[:200]}")
        expect(self.fetch("/v1/sites")[0] == 409 and self.fetch("/v1/nothing")[0] == 404, "no refusal")
        reloads = self.events(self.xtr_a, "configuration-reloaded")
        entries = tables.show(self.xtr_a, "map-cache")["entries"]
        for path in ("/v1/configuration/reload", "/v1/map-cache/clear", "/metrics"):
            for method in ("POST", "PUT", "DELETE"):
                expect(self.fetch(path, method=method)[0] == 405, f"{method} {path} is not refused")
        expect(self.events(self.xtr_a, "configuration-reloaded") == reloads, "it was reloaded")
        expect(len(tables.show(self.xtr_a, "map-cache")["entries"]) == len(entries), "the map-cache was cleared")
        status, body = self.fetch("/v1/status", self.network.map_server, f"http://[::1]:{PORT}")
        expect(status == 200 and "map-server" in body, f"over IPv6: {status} {body}")
        status, body = self.fetch("/v1/configuration")
        expect(status == 200 and SITE_A.key not in body, "a secret is shown")

    @test("scrapers that are many, slow, endless or killed hold neither packets nor lispctl up")
    def bad_scrapers(self):
        running = start_ping(self.network.host_a, SITE_B.host4, 200, interval=0.05, wait=1)
        script = f"""
import socket, threading, time
place = ('{self.network.rloc(self.network.xtr_a)}', {PORT})
def mute():                       # asks for much and takes nothing
    s = socket.create_connection(place)
    s.sendall(b'GET /v1/map-cache?limit=5000 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' * 200)
    time.sleep(4)
def slow():                       # an octet now and then
    s = socket.create_connection(place)
    for _ in range(8):
        s.sendall(b'G')
        time.sleep(0.5)
def endless():                    # a request line without end
    s = socket.create_connection(place)
    try:
        s.sendall(b'GET /')
        for _ in range(1000): s.sendall(b'a' * 65536)
    except OSError:
        pass
threads = [threading.Thread(target=each) for each in [mute] * 5 + [slow] * 5 + [endless] * 5]
for t in threads: t.start()
for t in threads: t.join()
"""
        memory = self.xtr_a.resident_kilobytes()
        bad = self.network.core.start("python3", "-c", script, log="bad.txt")
        results = []
        scrapes = [threading.Thread(target=lambda: results.append(self.fetch("/metrics")[0])) for _ in range(50)]
        for each in scrapes:
            each.start()
        slowest = 0
        while bad.status is None:
            started = time.monotonic()
            tables.show(self.xtr_a, "status")
            slowest = max(slowest, time.monotonic() - started)
        for each in scrapes:
            each.join()
        expect(results == [200] * 50, f"scrapes: {results}")
        expect(slowest < 2, f"lispctl waited {slowest:.1f} s")
        grown = self.xtr_a.resident_kilobytes() - memory
        expect(grown < 50_000, f"memory grew by {grown} kB")
        result = finish_ping(running, 40)
        expect(result.lost == 0, f"{result.lost} pings lost")
        expect(self.fetch("/metrics")[0] == 200, "no metrics afterwards")
        self.expect_running()

    @test("a port that is taken and an address that is not ours are one line and exit status 69")
    def port_taken(self):
        for place, words in ((f"[::1]:{PORT}", "the port is taken"), ("192.0.2.77:80", "does not have the address")):
            other = daemon.Daemon(self.network.rogue, daemon.map_server(SITE_A, management={"http": place}), name="other")
            if "taken" in words:
                self.network.rogue.start("python3", "-m", "http.server", str(PORT), "--bind", "::1")
                wait_until("the port is taken", lambda: f":{PORT}" in self.network.rogue.run("ss", "-ltn").stdout, 10)
            process = self.network.rogue.start(*other.command, log="other.log")
            status, log = process.wait(15), process.log()
            expect(status == 69 and f"management.http {place}: " in log and words in log, f"ended with {status}:\n{log}")
            expect(log.count("<3>") == 1, f"more than a line:\n{log}")
            open(process.log_path, "w", encoding="ascii").close()

    # Explain

    def explain(self, each, *words):
        return each.control("explain", *words)["data"]

    @test("explain names the locator that a flow takes, and its packets do take it")
    def explains_flows(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        self.share(SITE_B.prefix4)
        carried = {self.first: 0, SECOND: 0}
        for port in range(40000, 40016):
            flow = ["--protocol", "udp", "--source-port", str(port), "--destination-port", "9"]
            report = self.explain(self.xtr_a, SITE_A.host4, SITE_B.host4, *flow)
            expect(report["outcome"] == "encapsulated" and report["host"]["interface"] == "lisp0", f"{report}")
            chosen = [each["address"] for each in report["locators"] if each["isChosen"]]
            expect(len(chosen) == 1, f"chosen: {report['locators']}")
            before = self.sent_to()
            send_datagrams(self.network.host_a, SITE_B.host4, port, 9, 20)
            now = wait_until("the packets are counted", lambda: self.grew(before, 20), 10)
            other = SECOND if chosen == [self.first] else self.first
            expect(now[chosen[0]] >= 20 and now[other] < 20, f"flow of port {port}: {now}, not to {chosen[0]}")
            carried[chosen[0]] += 1
        expect(all(carried.values()), f"sixteen flows all take one locator: {carried}")
        # Without the flow nobody can know.
        report = self.explain(self.xtr_a, SITE_A.host4, SITE_B.host4)
        expect(not any(each["isChosen"] for each in report["locators"]) and "or" in report["summary"], f"{report}")
        self.unshare()

    def share(self, prefix):
        """Site B offers both RLOCs alike, and xtrA knows."""
        self.xtr_b.write({**self.xtr_b.configuration, "locators": [
            {"address": address, "priority": 1, "weight": 50} for address in (self.first, SECOND)]})
        self.xtr_b.control("config", "reload")
        self.relearn(prefix, lambda locators: all(each["priority"] == 1 for each in locators))

    def unshare(self):
        self.xtr_b.write({**self.xtr_b.configuration, "locators": self.preference()})
        self.xtr_b.control("config", "reload")
        self.relearn(SITE_B.prefix4, lambda locators: any(each["priority"] == 2 for each in locators))

    def relearn(self, prefix, check):
        def known():
            self.xtr_a.control("clear", "map-cache")
            wait_reachable(self.network.host_a, SITE_B.host4)
            entry = tables.mapping(self.xtr_a, prefix)
            return entry and check(entry.raw["locators"])
        wait_until("xtrA has the new mapping", known, 30)

    def sent_to(self):
        locators = tables.mapping(self.xtr_a, SITE_B.prefix4).raw["locators"]
        return {each["address"]: each["encapsulated"]["packets"] for each in locators}

    def grew(self, before, packets):
        grown = {address: number - before[address] for address, number in self.sent_to().items()}
        return grown if sum(grown.values()) >= packets else None

    @test("explain says why a dead locator is not used, and which one steps in")
    def explains_dead(self):
        wait_reachable(self.network.host_a, SITE_B.host4)
        report = self.explain(self.xtr_a, SITE_A.host4, SITE_B.host4)
        expect([(each["address"], each["isUsed"]) for each in report["locators"]] == [(self.first, True), (SECOND, False)],
               f"{report['locators']}")
        expect("stands by" in report["locators"][1]["why"], f"{report['locators'][1]}")
        wait_until("it has answered a probe", lambda: tables.mapping(self.xtr_a, SITE_B.prefix4).raw["locators"][0].get(
            "probing", {}).get("probesAnswered"), 15)
        expect(report["largestPacket"] == 1500 - 36 and "registered with" in report["wayBack"], f"{report}")
        self.set_dead(self.first)
        try:
            wait_until("the first is down", lambda: self.explain(
                self.xtr_a, SITE_A.host4, SITE_B.host4)["locators"][0]["state"] == "down", 15)
            report = self.explain(self.xtr_a, SITE_A.host4, SITE_B.host4)
            expect("does not answer RLOC-probes, last answered" in report["locators"][0]["why"], f"{report['locators']}")
            expect(report["locators"][1]["isChosen"] and SECOND in report["summary"], f"{report}")
            before = self.sent_to()
            expect(ping(self.network.host_a, SITE_B.host4, 10, interval=0.05).lost == 0, "pings are lost")
            now = wait_until("they are counted", lambda: self.grew(before, 10), 5)
            expect(now[SECOND] >= 10 and now[self.first] < 10, f"packets went {now}")
            text = self.xtr_a.text("explain", SITE_A.host4, SITE_B.host4)
            expect(f"Result: encapsulated to {SECOND}" in text and "no    does not answer RLOC-probes" in text, text)
        finally:
            self.set_dead()
        wait_until("the first is up", lambda: self.explain(
            self.xtr_a, SITE_A.host4, SITE_B.host4)["locators"][0]["state"] == "up", 15)

    @test("explain and the packets agree about own, unrouted, foreign, negative and unknown addresses")
    def explains_others(self):
        wait_reachable(self.network.host_a, SITE_A.second_host4)
        own = self.explain(self.xtr_a, SITE_A.host4, SITE_A.second_host4)
        expect(own["outcome"] == "local" and any("10010" in step for step in own["host"]["steps"]), f"{own}")
        unrouted = self.explain(self.xtr_a, SITE_A.host4, SITE_A.unrouted4)
        expect(unrouted["outcome"] == "dropped" and any("10011" in step for step in unrouted["host"]["steps"]), f"{unrouted}")
        expect(ping(self.network.host_a, SITE_A.unrouted4, 1, wait=1).received == 0, "an unrouted own EID answers")
        foreign = self.explain(self.xtr_a, "203.0.113.10", SITE_B.host4)
        expect(foreign["outcome"] == "natively" and not foreign["host"]["steps"], f"{foreign}")
        for family, unknown in (("4", "10.99.0.1"), ("6", "2001:db8:b:99::1")):
            source = SITE_A.host4 if family == "4" else SITE_A.host6
            report = self.explain(self.xtr_a, source, unknown)
            if "mapping" not in report:
                expect(report["outcome"] == "asked" and self.network.map_server_address in report["question"], f"{report}")
        self.xtr_a.control("clear", "map-cache")
        missing = self.explain(self.xtr_a, SITE_A.host4, SITE_B.host4)
        expect(missing["outcome"] == "asked" and "the first packet makes the router ask" in missing["question"], f"{missing}")
        # A host that is no LISP site: the answer is negative, and the next packets never come to us.
        ping(self.network.host_a, "203.0.113.10", 1, wait=2)
        negative = wait_until("explain knows that it is negative", lambda: next(
            (report for report in [self.explain(self.xtr_a, SITE_A.host4, "203.0.113.10")]
             if report["outcome"] == "natively" and "mapping" in report), None), 10)
        expect(negative["mapping"]["action"] == "natively-forward", f"{negative}")
        for report in (own, unrouted, foreign, missing, negative):
            expect(not report["notes"], f"{report['notes']}")

    @test("explain refuses what cannot be right by exit status 64 and one line")
    def explain_usage(self):
        for words in (("10.1.0.1",), ("10.1.0.1", "site-b"), ("10.1.0.1", "2001:db8::1"), ("10.1.0.0/16", "10.2.0.1"),
                      ("10.1.0.1", "10.2.0.1", "--protocol", "tpc"), ("10.1.0.1", "10.2.0.1", "--source-port", "80"),
                      ("10.1.0.1", "10.2.0.1", "--protocol", "256"), ("10.1.0.1", "10.2.0.1", "--source-port", "65536")):
            done = self.xtr_a.control("explain", *words, json_output=False, check=False)
            expect(done.returncode == 64 and not done.stdout, f"{words}: {done.returncode} {done.stdout}")
        for words in (("10.1.0.1", "site-b"), ("10.1.0.1", "2001:db8::1"), ("10.1.0.1", "10.2.0.1", "--protocol", "tpc")):
            done = self.xtr_a.control("explain", *words, json_output=False, check=False)
            expect(done.stderr.count("\n") == 1, f"{words}: {done.stderr}")
        done = self.xtr_a.control("explain", "10.1.0.1", "10.2.0.1", "--instance-id", "7", json_output=False, check=False)
        expect(done.returncode == 1 and "instance 7 is not configured" in done.stderr, done.stderr)
        done = self.map_server.control("explain", "10.1.0.1", "10.2.0.1", json_output=False, check=False)
        expect(done.returncode == 1 and "carries no packets" in done.stderr, done.stderr)


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"')


def parse_metrics(text):
    """{name: {help, type, samples: [(labels, value)]}} of text in the exposition format 0.0.4; ValueError if it is none."""
    families = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, words = line.split(" ", 3)
            if name in families:
                raise ValueError(f"again: {line}")
            families[name] = {"help": words, "type": None, "samples": []}
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            families[name]["type"] = kind
        else:
            match = SAMPLE.fullmatch(line)
            if not match or match[1] not in families:
                raise ValueError(f"no sample: {line}")
            labels = dict(LABEL.findall(match[2] or ""))
            family = families[match[1]]
            if any(labels == other for other, _ in family["samples"]):
                raise ValueError(f"twice: {line}")
            family["samples"].append((labels, float(match[3])))
    return families


def samples(families, name):
    return families[name]["samples"]


def value(families, name, **labels):
    """The value of the one sample with these labels."""
    for found, number in samples(families, name):
        if found == labels:
            return number
    raise KeyError(f"{name} {labels}")


def send_datagrams(node, address, source_port, port, count):
    """UDP datagrams of one flow."""
    script = f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', {source_port}))\n" \
             f"for _ in range({count}): s.sendto(b'flow', ('{address}', {port}))"
    node.run("python3", "-c", script)


class Watcher:
    """A `lispctl monitor --json` whose lines are read as they come."""

    number = 0

    def __init__(self, group, each):
        Watcher.number += 1
        self.seen = 0
        command = [program("lispctl"), "monitor", "--json", "--count", "1", "--socket", each.socket]
        self.process = group.run.start(command, each.node.namespace, log=f"monitor{Watcher.number}.txt")
        wait_until("monitor shows the last event", self.lines, 10)
        self.seen = len(self.lines())

    def lines(self):
        return [json.loads(line) for line in self.process.log().splitlines(keepends=True) if line.endswith("\n")]

    def wait_for(self, kind, timeout):
        """The next event of that kind."""
        def found():
            for index, event in enumerate(self.lines()[self.seen:]):
                if event["kind"] == kind:
                    self.seen += index + 1
                    return event
            return None

        return wait_until(f"monitor shows {kind}", found, timeout, interval=0.05)

    def stop(self):
        self.process.send(signal.SIGINT)
        self.process.wait(5)
