"""Start, end, death and change of a daemon, and what each leaves in the host."""

import os
import shutil

from lispnet import daemon, tables
from lispnet.sites import SITE_A, SITE_B, TwoSites
from lispnet.testing import expect, test
from lispnet.traffic import finish_ping, ping, start_ping, wait_reachable
from lispnet.waiting import wait_until

from .base import SitesGroup


def lasting_state(node):
    """What stands in the host, without the routes that follow the map-cache."""
    return [line for line in node.routing_state() if "throw" not in line and "table 10002" not in line]


class LifecycleGroup(SitesGroup):
    name = "lifecycle"
    captured = None

    def set_up(self):
        super().set_up()
        self.wait_both_families()

    def make_daemons(self):
        super().make_daemons()
        self.bare = self.network.xtr_a.routing_state()

    def stable_state(self, node=None):
        return lasting_state(node or self.network.xtr_a)

    def difference(self, expected, found):
        return "\n".join([f"- {line}" for line in expected if line not in found]
                         + [f"+ {line}" for line in found if line not in expected])

    def expect_state(self, expected, what, timeout=5):
        found = []

        def is_same():
            found[:] = self.stable_state()
            return found == expected

        try:
            wait_until(what, is_same, timeout)
        except Exception as error:
            raise AssertionError(f"{what}:\n{self.difference(expected, found)}") from error

    def expect_no_leak(self, seconds=2):
        """EID traffic gets nowhere and nothing of it reaches the core."""
        before = self.counters.read()
        for address in (SITE_B.host4, SITE_B.host6, "203.0.113.10"):
            result = ping(self.network.host_a, address, seconds * 5, wait=1)
            expect(result.received == 0, f"{address} answers although lispd is not running")
        crossed = self.counters.since(before)
        leaked = crossed["native4"] + crossed["native6"]
        expect(leaked == 0, f"{leaked} packets with an EID went natively to the core")

    @test("leaks nothing natively while it is dead after kill -9, and talks again after a new start")
    def killed(self):
        installed = self.stable_state()
        expect(installed != self.bare, "lispd has installed nothing")
        self.xtr_a.kill()
        self.expect_no_leak()
        self.xtr_a.start()
        wait_reachable(self.network.host_a, SITE_B.host4)
        wait_reachable(self.network.host_a, SITE_B.host6)
        self.expect_state(installed, "after kill -9 and a new start the same stands in the host, once")

    @test("removes after kill -9 also what its new configuration does not want any more")
    def killed_and_changed(self):
        configuration = self.xtr_a.configuration
        self.xtr_a.write({**configuration, "database": configuration["database"] + [{"eid": "10.11.0.0/16"}]})
        installed = self.stable_state()
        self.xtr_a.stop()
        self.xtr_a.start()
        expect(any("10.11.0.0/16" in line for line in self.stable_state()), "no rule for 10.11.0.0/16")
        self.xtr_a.kill()
        self.xtr_a.write(configuration)
        self.xtr_a.start()
        self.expect_state(installed, "after kill -9 and a start with another configuration nothing stale is left")

    @test("refuses to be the second in a namespace, says why, and leaves the first in peace")
    def second(self):
        installed = self.stable_state()
        second = daemon.Daemon(self.network.xtr_a, daemon.xtr(self.network, SITE_A), name="second")
        second.start(ready=False)
        status = second.process.wait(15)
        log = second.log()
        expect(status != 0, "the second daemon ended with status 0")
        expect(any(word in log.lower() for word in ("in use", "already", "another", "taken")),
               f"it does not say why:\n{log}")
        expect("4342" in log or "4341" in log or "lispd" in log.lower(), f"it does not say what is taken:\n{log}")
        self.expect_state(installed, "the second daemon changed nothing in the host")
        result = ping(self.network.host_a, SITE_B.host4, 5)
        expect(result.lost == 0, f"{result.lost} of 5 pings lost after the second daemon's attempt")
        self.expect_running()

    @test("leaves no rule, route or TUN behind at SIGTERM, and deregisters its prefixes")
    def terminated(self):
        status = self.xtr_a.stop()
        expect(status == 0, f"lispd ended with {status} at SIGTERM:\n{self.xtr_a.log_tail()}")
        self.expect_state(self.bare, "after SIGTERM the host is as it was before")
        left = [line for line in self.network.xtr_a.routing_state() if "proto 216" in line]
        expect(not left, f"rules or routes of lispd are left after SIGTERM: {left}")
        wait_until("the Map-Server has no registration of site A any more",
                   lambda: not tables.is_registered(self.map_server, SITE_A.prefix4), 5)
        expect(not os.path.exists(self.xtr_a.socket), "the management socket is left behind")
        self.xtr_a.start()
        self.wait_registered()
        wait_reachable(self.network.host_a, SITE_B.host4)

    @test("leaves nothing behind at SIGTERM after it had been killed before")
    def killed_then_terminated(self):
        self.xtr_a.kill()
        self.xtr_a.start()
        self.xtr_a.stop()
        self.expect_state(self.bare, "after kill -9, a start and SIGTERM the host is as it was before")
        self.xtr_a.start()

    @test("lets EID traffic go natively while it is dead where the configuration says so")
    def when_down_native(self):
        configuration = self.xtr_a.configuration
        self.xtr_a.stop()
        self.xtr_a.write({**configuration, "when-down": "native"})
        self.xtr_a.start()
        wait_reachable(self.network.host_a, SITE_B.host4)
        self.xtr_a.kill()
        self.network.let_core_route(SITE_A)
        try:
            wait_reachable(self.network.host_a, "203.0.113.10")
        finally:
            self.network.forget_core_routes(SITE_A)
            self.xtr_a.write(configuration)
            self.xtr_a.start()

    @test("follows the RLOC interface's address when it changes")
    def follows_address(self):
        self.wait_registered()
        self.network.core.ip("address add 198.51.100.17/30 dev xtrA")
        self.network.xtr_a.ip(
            "address del 198.51.100.2/30 dev core", "address add 198.51.100.18/30 dev core",
            "route replace default via 198.51.100.17 dev core")
        wait_until("the Map-Server has the new RLOC",
                   lambda: tables.locators_of(self.map_server, SITE_A.prefix4) == {"198.51.100.18"}, 30)
        self.xtr_b.control("clear", "map-cache")
        wait_reachable(self.network.host_b, SITE_A.host4)


class ReloadGroup(SitesGroup):
    name = "reload"
    captured = None

    @test("keeps the running configuration when SIGHUP finds a bad file, and names file, line and column")
    def bad_file(self):
        self.wait_both_families()
        good = daemon.to_yaml(self.xtr_a.configuration)
        installed = lasting_state(self.network.xtr_a)
        self.xtr_a.write_text(good + "no-such-key: 1\n")
        line = good.count("\n") + 1
        self.xtr_a.reload()
        wait_until("the log names the bad key", lambda: "no-such-key" in self.xtr_a.log(), 5)
        expect(f"{self.xtr_a.configuration_path}:{line}:" in self.xtr_a.log(),
               f"the log does not name the place:\n{self.xtr_a.log_tail()}")
        done = self.xtr_a.control("config", "reload", json_output=False, check=False)
        expect(done.returncode != 0 and "no-such-key" in done.stderr + done.stdout,
               f"`config reload` ends with {done.returncode}: {done.stderr}{done.stdout}")
        self.xtr_a.write_text("roles: [itr, etr\n")
        self.xtr_a.reload()
        result = ping(self.network.host_a, SITE_B.host4, 5)
        expect(result.lost == 0, f"{result.lost} of 5 pings lost")
        self.expect_running()
        expect(lasting_state(self.network.xtr_a) == installed, "a refused reload changed the host")
        self.xtr_a.write_text(good)

    @test("changes only what differs when SIGHUP finds a good file: nothing is lost, mappings and counters stay")
    def good_file(self):
        self.wait_both_families()
        self.network.host_b.ip("address add 10.3.0.10/32 dev lo")
        self.network.xtr_b.ip(f"route add 10.3.0.0/16 via {SITE_B.host4}")
        before = self.counters.read()["control"]
        created = self.mapping_created()
        running = start_ping(self.network.host_a, SITE_B.host4, 200, interval=0.02)
        configuration = self.xtr_b.configuration
        self.xtr_b.write({**configuration, "database": configuration["database"] + [{"eid": "10.3.0.0/16"}]})
        self.xtr_b.reload()
        wait_until("the new prefix is registered", lambda: tables.is_registered(self.map_server, "10.3.0.0/16"), 10)
        result = finish_ping(running, 30)
        expect(result.lost == 0, f"{result.lost} of 200 pings lost over the reload")
        expect(tables.mapping(self.xtr_b, SITE_A.prefix4), "the map-cache was emptied")
        expect(self.counters.read()["control"] - before < 20, "the reload sent a flood of control messages")
        expect(abs(self.mapping_created() - created) <= 1, "the mapping was made anew")
        wait_reachable(self.network.host_a, "10.3.0.10")

        self.xtr_b.write(configuration)
        self.xtr_b.control("config", "reload", json_output=False)
        wait_until("the prefix is gone again",
                   lambda: not tables.is_registered(self.map_server, "10.3.0.0/16"), 10)
        expect(not any("10.3.0.0/16" in line and "rule" in line for line in self.network.xtr_b.routing_state()),
               "a rule for the removed prefix is left")
        self.expect_running()

    def mapping_created(self):
        return tables.mapping(self.xtr_b, SITE_A.prefix4).created

    def make_daemons(self):
        super().make_daemons()
        configuration = daemon.map_server()
        configuration["map-server"]["sites"][1]["eids"].append({"prefix": "10.3.0.0/16"})
        self.map_server.write(configuration)


class RefusalGroup(SitesGroup):
    name = "refusals"
    captured = None

    def set_up(self):
        self.network = TwoSites(self.run)

    def try_start(self, node, configuration, name, prefix=()):
        """Starts a daemon that is to refuse; returns (status, what it said)."""
        refused = daemon.Daemon(node, configuration, name)
        process = node.start(*prefix, *refused.command, log=f"{name}.log")
        return process.wait(15), process.log()

    @test("refuses to run without privileges, says so and which it wants")
    def no_privileges(self):
        configuration = daemon.xtr(self.network, SITE_A)
        directory = os.path.join(self.run.runtime, "nobody")
        os.makedirs(directory, exist_ok=True)
        copied = os.path.join(directory, "lispd")
        shutil.copy(daemon.program("lispd"), copied)
        os.chmod(directory, 0o777)
        target = os.path.join(directory, "lispd.yaml")
        with open(target, "w", encoding="utf-8") as file:
            file.write(daemon.to_yaml({**configuration, "management": {"socket": f"{directory}/nobody.sock"}}))
        as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
        node = self.network.xtr_a
        if node.run(*as_nobody, copied, "--help", check=False).returncode != 0:
            # The Swift libraries stand where nobody may not read: stay root, without any capability.
            as_nobody = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
        before = node.routing_state()
        done = node.run(*as_nobody, copied, "--config", target, "--state-directory", directory, check=False, timeout=15)
        said = done.stdout + done.stderr
        expect(done.returncode > 0, f"it ended with {done.returncode}:\n{said}")
        expect("CAP_NET_ADMIN" in said or "root" in said.lower() or "privilege" in said.lower(),
               f"it does not say what it lacks:\n{said}")
        expect(node.routing_state() == before, "it changed the host")

    @test("refuses to start when its state cannot be kept: a full disk and a damaged xTR-ID, in one line each, leaving nothing behind")
    def state_cannot_be_kept(self):
        node = self.network.xtr_a
        before = node.routing_state()
        refused = daemon.Daemon(node, daemon.xtr(self.network, SITE_A), "full")
        # A mount namespace of its own: the full disk ends with the process.
        full = ["unshare", "--mount", "sh", "-c",
                'mount -t tmpfs -o size=16k tmpfs "$0" && { head -c 100000 /dev/zero > "$0/fill" || exec "$@"; }',
                refused.state_directory]
        for cause, expected in ((full, "No space left on device"), ((), "holds no xTR-ID")):
            with open(os.path.join(refused.state_directory, "xtr-id"), "w", encoding="ascii") as file:
                file.write("damaged\n")
            done = node.run(*cause, *refused.command, check=False, timeout=15)
            said = [line for line in done.stderr.splitlines() if line.startswith("<3>")]
            expect(done.returncode == 73 and len(said) == 1 and expected in said[0], f"{done.returncode}:\n{done.stderr}")
        expect(node.routing_state() == before, "it changed the host")

    @test("refuses a configuration with an unknown key, naming file, line, column and what was expected")
    def bad_configuration(self):
        node = self.network.xtr_a
        refused = daemon.Daemon(node, daemon.xtr(self.network, SITE_A), "misspelt")
        refused.write_text(daemon.to_yaml(refused.configuration).replace("priority", "pirority"))
        process = node.start(*refused.command, log="misspelt.log")
        status, log = process.wait(15), process.log()
        expect(status != 0 and "pirority" in log and f"{refused.configuration_path}:" in log, f"{status}:\n{log}")
        done = node.run(daemon.program("lispctl"), "config", "check", refused.configuration_path, check=False)
        expect(done.returncode != 0 and "pirority" in done.stdout + done.stderr, f"config check: {done.returncode}")

    @test("refuses what is not supported yet instead of ignoring it")
    def not_supported_yet(self):
        for name, value in (("flow-monitors", [{"name": "a"}]), ("site-interfaces", ["site0"])):
            configuration = {**daemon.xtr(self.network, SITE_A), name: value}
            status, log = self.try_start(self.network.xtr_a, configuration, f"later-{name}")
            expect(status != 0 and "not supported yet" in log, f"{name}: {status}\n{log}")

    @test("lispctl ends with status 69 without a daemon and 64 for an EID that does not parse, in one line")
    def tool_without_daemon(self):
        node = self.network.xtr_a
        tool = daemon.program("lispctl")
        nowhere = os.path.join(self.run.runtime, "nowhere.sock")
        done = node.run(tool, "show", "status", "--socket", nowhere, check=False)
        expect(done.returncode == 69, f"status {done.returncode}: {done.stderr}")
        expect(len(done.stderr.strip().splitlines()) == 1, f"more than a line:\n{done.stderr}")
        done = node.run(tool, "show", "map-cache", "10.2.0.300", "--socket", nowhere, check=False)
        expect(done.returncode == 64, f"status {done.returncode}: {done.stderr}")
