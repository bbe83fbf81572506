"""The AgentX target with net-snmp's snmpd as its master: agentx-test-agent's tables, SETs, notifications, and masters that go away."""

import json
import os
import select
import signal
import socket
import threading
import time

from lispnet.agentx_master import BulkMaster
from lispnet.daemon import program
from lispnet.nodes import Node
from lispnet.snmp import Master, Refused, TrapReceiver
from lispnet.testing import QUIET, Group, expect, test
from lispnet.waiting import wait_until

ROOT = "1.3.6.1.4.1.8072.9999.9999.2741"
ENTRY = f"{ROOT}.1.1"
LONG = f"{ROOT}.2.1"
LIMIT = f"{ROOT}.3.0"
UP_TIME = f"{ROOT}.4.0"
TICK = f"{ROOT}.0.1"
TICKS = f"{ROOT}.5.0"
SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"
SYS_OR_DESCR = "1.3.6.1.2.1.1.9.1.3"
TCP = "127.0.0.1:1705"


def key(oid):
    return tuple(int(part) for part in oid.split("."))


class AgentBase(Group):
    def set_up(self):
        self.node = Node(self.run, "agent")
        self.master = Master(self.node, tcp=TCP).start()
        self.started = 0
        self.agents = []

    def agent(self, *options, master=None, beside=False, name="agentx-test-agent"):
        """Starts one: beside others, or when those that a failed test has left are gone."""
        if not beside:
            for agent in self.agents:
                agent.stop(signal.SIGKILL)
            self.agents = []
        self.started += 1
        words = ["--master"] if name == "agentx-test-agent" else []
        agent = self.node.start(program(name), *words, master or self.master.socket, *options,
                                log=f"agent{self.started}.log")
        self.agents.append(agent)
        return agent

    def serves(self, oid=LIMIT, **options):
        """Whether the master has a value for this."""
        try:
            return "No Such" not in self.master.get(oid, **options)[0]
        except Refused:
            return False

    def wait_served(self, oid=LIMIT, timeout=15, **options):
        return wait_until(f"{oid} is served", lambda: self.serves(oid, **options), timeout)

    def wait_gone(self, oid=LIMIT):
        wait_until(f"{oid} is gone", lambda: not self.serves(oid), 10)

    def end(self, oid=LIMIT):
        """Ends the agents of a test, which have served this."""
        for agent in self.agents:
            expect(agent.status is None, f"the agent ended with {agent.status}: {agent.log()[-500:]}")
            expect(agent.stop(), "SIGTERM did not end the agent")
        self.wait_gone(oid)

    @staticmethod
    def report(agent):
        """The newest report of an agent."""
        lines = [line for line in agent.log().splitlines() if line.startswith("report ")]
        return json.loads(lines[-1].removeprefix("report ")) if lines else None


class AgentXGroup(AgentBase):
    name = "agentx"

    # Reading

    @test("answers Get and GetNext, also with authentication and privacy, and leaves nothing behind")
    def reads(self):
        self.agent()
        self.wait_served()
        for v3 in (False, True):
            values = self.master.get(LIMIT, f"{ENTRY}.2.1", f"{ENTRY}.2.9", f"{ENTRY}.7.1", v3=v3)
            expect(values[:2] == ["Gauge32: 100", "INTEGER: 0"], f"{values}")
            expect("No Such Instance" in values[2] and "No Such Object" in values[3], f"{values}")
            found = self.master.get_next(f"{ENTRY}.2.1", f"{ENTRY}.2.3", f"{ENTRY}.4.3", v3=v3)
            expect([key(name) for name, _ in found] == [key(f"{ENTRY}.2.2"), key(f"{ENTRY}.3.1"), key(LIMIT)], f"{found}")
        self.end()
        left = [value for _, value in self.master.walk(ROOT) if "No Such" not in value]
        expect(not left, f"the subtree is still there: {left}")

    @test("a walk finds every row once and in order, by GetNext and GetBulk, in both byte orders, over a UNIX socket and TCP")
    def walks(self):
        expected = [f"{ENTRY}.{column}.{row}" for column in (2, 3, 4) for row in range(1, 4)]
        expected += [f"{LONG}.{column}.{row}" for column in (1, 2) for row in range(1, 301)]
        expected += [f"{LONG}.3.{row}" for row in range(1, 301, 2)] + [LIMIT, UP_TIME, TICKS]
        for options, master in ((["--swapped"], None), ([], f"tcp:{TCP}")):
            self.agent("--long", "300", *options, master=master)
            self.wait_served()
            for walk in (self.master.walk(ROOT), self.master.bulk_walk(ROOT, "-Cr40"), self.master.bulk_walk(ROOT, v3=True)):
                expect([name for name, _ in walk] == expected, f"{len(walk)} of {len(expected)}: {walk[:30]}")
                values = dict(walk)
                expect(values[f"{LONG}.1.300"] == "Counter64: 90000", values[f"{LONG}.1.300"])
                expect(values[f"{LONG}.2.7"] == 'STRING: "row 7"', values[f"{LONG}.2.7"])
            self.end()

    @test("a table of 20,000 rows is walked whole, the agent's loop is free all the time")
    def long_walk(self):
        agent = self.agent("--long", "20000", "--report")
        self.wait_served()
        walk = self.master.bulk_walk(f"{LONG}.1", "-Cr50", timeout=10)
        keys = [key(name) for name, _ in walk]
        expect(len(keys) == 20000 and keys == sorted(set(keys)), f"{len(keys)} rows")
        report = wait_until("a report", lambda: (found := self.report(agent)) and found["statistics"]["variables"] >= 20000
                            and found, 5)
        expect(report["longestSliceMicroseconds"] < 20_000, f"the loop was held up: {report}")
        expect(report["statistics"]["disorder"] == 0 and report["statistics"]["refusals"] == 0, f"{report}")
        self.end()

    def bulk_rate(self, rows, times):
        """(rows a second of GetBulk, the longest slice in microseconds) over a whole column."""
        master = BulkMaster(os.path.join(self.run.runtime, "bulk.agentx"))
        try:
            agent = self.agent("--long", str(rows), "--report", master=master.path)
            master.accept(requests=2)
            started = time.monotonic()
            for _ in range(times):
                names = master.walk(key(f"{LONG}.2"), key(f"{LONG}.3"), 500)
                expect(names == [key(f"{LONG}.2.{row}") for row in range(1, rows + 1)], f"{len(names)} of {rows} rows")
            rate = rows * times / (time.monotonic() - started)
            report = wait_until("a report", lambda: (found := self.report(agent))
                                and found["statistics"]["variables"] >= rows * times and found, 5)
            return rate, report["longestSliceMicroseconds"]
        finally:
            master.close()

    @test("GetBulk, which snmpd makes GetNexts of, walks 100,000 rows as fast as 1,000, in slices")
    def bulk(self):
        rates, slices = zip(*(self.bulk_rate(rows, 100_000 // rows) for rows in (1000, 10_000, 100_000)))
        print(f"       rows/s of 1,000, 10,000 and 100,000: {', '.join(f'{rate:,.0f}' for rate in rates)}; longest slices "
              f"{', '.join(f'{each:.0f} us' for each in slices)}", flush=True)
        expect(min(rates) > 0.4 * max(rates), f"rows/s of 1,000, 10,000 and 100,000: {rates}")
        # Half a millisecond, and what the machine does in between.
        expect(max(slices) < 20_000, f"longest slices: {slices} us")

    @test("a context has its own tables")
    def contexts(self):
        self.agent()
        self.agent("--context", "red", "--rows", "7-7", beside=True)
        self.wait_served()
        self.wait_served(context="red")
        expect([name for name, _ in self.master.walk(f"{ENTRY}.2")] == [f"{ENTRY}.2.{row}" for row in (1, 2, 3)], "default")
        expect([name for name, _ in self.master.walk(f"{ENTRY}.2", context="red")] == [f"{ENTRY}.2.7"], "context red")
        self.end()

    @test("sysORTable lists the agent's capabilities as long as it is there")
    def capabilities(self):
        def listed():
            return 'STRING: "what tests need"' in [value for _, value in self.master.walk(SYS_OR_DESCR)]
        expect(not listed(), "listed before")
        self.agent("--capabilities")
        wait_until("the capabilities are listed", listed, 10)
        self.end()
        wait_until("they are gone", lambda: not listed(), 5)

    @test("TimeStamps follow the master's sysUpTime, and are 0 for what was before its start")
    def time_stamps(self):
        self.agent()
        self.wait_served()

        def ticks(value):
            return int(value.split("(")[1].split(")")[0])
        stamp, now = map(ticks, self.master.get(UP_TIME, SYS_UP_TIME))
        expect(0 < stamp <= now, f"{stamp} at {now}")
        time.sleep(0.5)
        again = ticks(self.master.get(UP_TIME)[0])
        expect(abs(again - stamp) <= 3, f"{stamp}, then {again}")
        self.master.kill()
        self.master.start()
        self.wait_served()
        expect(ticks(self.master.get(UP_TIME)[0]) == 0, "it began before the master did")
        self.end()

    @test("indices that the master allocates are unlike each other, and asked for again after its restart")
    def indices(self):
        agents = [self.agent("--allocate", "2", "--rows-only", "--rows", f"{row}-{row}", beside=row > 1) for row in (1, 2)]

        def allocated():
            return [line for agent in agents for line in agent.log().splitlines() if line.startswith("allocated success")]
        wait_until("four are allocated", lambda: len(allocated()) == 4, 10)
        expect(len(set(allocated())) == 4, f"{allocated()}")
        self.master.kill()
        self.master.start()
        for row in (1, 2):
            self.wait_served(f"{ENTRY}.2.{row}")
        # The master has forgotten; what both have told it again is not given to a third.
        agents.append(self.agent("--allocate", "2", "--rows-only", "--rows", "3-3", beside=True))
        wait_until("two more are allocated", lambda: len(allocated()) == 6, 10)
        expect(len(set(allocated())) == 6, f"{allocated()}")
        expect(not any("refuses" in agent.log() for agent in agents), f"{[agent.log() for agent in agents]}")
        self.end(f"{ENTRY}.2.1")

    # Writing

    def refused(self, *changes):
        try:
            self.master.set(*changes)
        except Refused as refusal:
            return refusal.reason, refusal.object
        return "noError", None

    def rows(self, column=2, rows=range(1, 7)):
        return self.master.get(*(f"{ENTRY}.{column}.{row}" for row in rows))

    @test("each mistake of a SET has its error-status, at its variable")
    def set_errors(self):
        self.agent()
        self.wait_served()
        right = (f"{ENTRY}.2.1", "i", 5)
        for wrong, reason in (
            ((f"{ENTRY}.4.1", "u", 5), "notWritable"), ((UP_TIME, "t", 5), "notWritable"),
            ((f"{ENTRY}.2.2", "s", "five"), "wrongType"), ((f"{ENTRY}.3.2", "s", "x" * 33), "wrongLength"),
            ((f"{ENTRY}.2.2", "i", 101), "wrongValue"), ((f"{ENTRY}.2.9", "i", 5), "noCreation"),
            ((f"{ROOT}.3.1", "u", 5), "noCreation"), ((f"{ENTRY}.3.2", "s", "refuse"), "inconsistentValue"),
            ((f"{ENTRY}.3.2", "s", "fail"), "commitFailed"),
        ):
            found = self.refused(right, wrong)
            expect(found == (reason, wrong[0]), f"{wrong}: wanted {reason}, found {found}")
            expect(self.rows(rows=(1, 2, 3)) == ["INTEGER: 0"] * 3, f"after {wrong}: {self.rows(rows=(1, 2, 3))}")
        expect(self.refused(right, (f"{ENTRY}.3.2", "s", "stay"), (f"{ENTRY}.3.3", "s", "fail"))[0] == "undoFailed", "undoFailed")
        expect(self.rows(rows=(1,)) == ["INTEGER: 0"], "what could be undone was not")
        expect(self.refused(right, (LIMIT, "u", 7), (f"{ENTRY}.3.1", "s", "abc"))[0] == "noError", "nothing wrong")
        expect(self.master.get(f"{ENTRY}.2.1", LIMIT, f"{ENTRY}.3.1", f"{ENTRY}.4.1")
               == ["INTEGER: 5", "Gauge32: 7", 'STRING: "abc"', "Counter32: 1"], "the SET did not happen")
        self.end()

    @test("a SET over rows of two agents happens whole or not at all")
    def two_agents(self):
        self.agent("--rows", "1-3", "--rows-only")
        self.agent("--rows", "4-6", "--rows-only", beside=True)
        for row in (1, 4):
            self.wait_served(f"{ENTRY}.2.{row}")

        def attempt(value, *more):
            return self.refused(*((f"{ENTRY}.2.{row}", "i", value) for row in range(1, 7)), *more)[0]
        expect(attempt(1) == "noError", "nothing wrong")
        expect(self.rows() == ["INTEGER: 1"] * 6, f"{self.rows()}")
        for row in (2, 5):
            for text, reason in (("refuse", "inconsistentValue"), ("fail", "commitFailed")):
                found = attempt(2, (f"{ENTRY}.3.{row}", "s", text))
                expect(found == reason, f"{text} in row {row}: {found}")
                expect(self.rows() == ["INTEGER: 1"] * 6, f"{text} in row {row}: {self.rows()}")
                expect(self.rows(3) == ['""'] * 6, f"{text} in row {row}: {self.rows(3)}")
        expect(attempt(3) == "noError" and self.rows() == ["INTEGER: 3"] * 6, f"{self.rows()}")
        self.end(f"{ENTRY}.2.1")

    # Notifications, and masters that go

    def wait_ticks(self, receiver, last, timeout=15):
        """Until the tick of this number has come; returns all that came."""
        def ticks():
            return [int(value.removeprefix("Counter32: ")) for value in receiver.values(TICK, TICKS)]
        return wait_until(f"tick {last} has come", lambda: (found := ticks()) and found[-1] >= last and found, timeout)

    @test("no notification is lost while snmpd is killed, restarted and its socket removed; the tables come back")
    def restarts(self):
        receiver = TrapReceiver(self.node, self.master.directory)
        agent = self.agent("--tick", "50", "--report")
        self.wait_served()
        came = self.wait_ticks(receiver, 5)
        for end in (self.master.kill, self.master.stop):
            end()
            time.sleep(0.5)
            self.master.start()
            self.wait_served()
            came = self.wait_ticks(receiver, came[-1] + 40)
        os.unlink(self.master.socket)
        came = self.wait_ticks(receiver, came[-1] + 10)
        self.master.kill()
        wait_until("the agent sees that the socket is gone", lambda: "No such file" in agent.log(), 10)
        self.master.start()
        self.wait_served()
        came = self.wait_ticks(receiver, came[-1] + 60)
        missing = sorted(set(range(1, came[-1] + 1)) - set(came))
        expect(not missing, f"lost: {missing}")
        report = wait_until("a report of the fourth session",
                            lambda: (found := self.report(agent)["statistics"])["sessionsOpened"] == 4 and found, 5)
        expect(report["notificationsLost"] == 0 and report["notificationsRefused"] == 0, f"{report}")
        expect(len(came) - len(set(came)) <= 16 * 3, "more came twice than could be on their way")
        self.end()
        receiver.process.stop()

    @test("a master that stands still is left, and found again when it goes on")
    def stands_still(self):
        agent = self.agent("--patience", "1")
        self.wait_served()
        self.master.send(signal.SIGSTOP)
        try:
            wait_until("the agent gives it up", lambda: "session lost: no answer" in agent.log(), 10)
            wait_until("it tries again", lambda: "not reached: no answer" in agent.log(), 10)
        finally:
            self.master.send(signal.SIGCONT)
        self.wait_served()
        self.end()

    @test("an agent that is killed and started again serves at once, what it had registered is no obstacle")
    def agent_restarts(self):
        agent = self.agent()
        self.wait_served()
        agent.stop(signal.SIGKILL)
        agent = self.agent()
        self.wait_served(timeout=5)
        expect("refuses" not in agent.log(), agent.log())
        self.end()

    @test("the example agent serves its planets")
    def example(self):
        self.agent(name="agentx-example")
        self.wait_served(f"{ROOT}.2.0")
        expect(self.master.get(f"{ROOT}.1.1.2.3", f"{ROOT}.1.1.3.3", f"{ROOT}.2.0")
               == ['STRING: "Earth"', "Gauge32: 12756", "Gauge32: 3"], "planets")
        self.end(f"{ROOT}.2.0")


class PatientAgentXGroup(AgentBase):
    """What takes tens of seconds by its nature."""

    name = "patient-agentx"
    weight = QUIET

    @test("answers that come ten seconds late end no session; when a master is impatient itself, the tables come back")
    def late_answers(self):
        proxy = SlowMaster(os.path.join(self.run.runtime, "slow.agentx"), self.master.socket, 10)
        agent = self.agent("--capabilities", "--report", master=proxy.path)
        try:
            # Open, then everything else at once: twenty seconds.
            wait_until("the agent has registered",
                       lambda: (found := self.report(agent)) and found["statistics"]["regionsRegistered"] == 1, 30)
            expect(proxy.connections == 1 and "lost" not in agent.log(), f"{proxy.connections} connections: {agent.log()}")
            # snmpd gives questions up after some seconds, and then the session.
            expect(not self.serves(), "the answer was there before the question")
            wait_until("snmpd has had enough", lambda: "session lost" in agent.log(), 40)
            proxy.delay = 0
            self.wait_served()
            self.end()
        finally:
            proxy.stop()


class SlowMaster:
    """Stands between agents and a master, and holds back for `delay` seconds whatever the master says."""

    def __init__(self, path, master, delay):
        self.path, self.master, self.delay = path, master, delay
        self.connections = 0
        self._is_over = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._listener.settimeout(0.1)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self._is_over = True

    def _accept(self):
        while not self._is_over:
            try:
                agent, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            threading.Thread(target=self._serve, args=(agent,), daemon=True).start()
        self._listener.close()

    def _serve(self, agent):
        with agent, socket.socket(socket.AF_UNIX) as master:
            master.connect(self.master)
            try:
                self._pass_on(agent, master)
            except (BrokenPipeError, ConnectionResetError):
                pass  # one of them is gone; closing both tells the other

    def _pass_on(self, agent, master):
        held = []  # (when it came, octets)
        while not self._is_over:
            readable, _, _ = select.select([agent, master], [], [], 0.02)
            for each in readable:
                octets = each.recv(65536)
                if not octets:
                    return
                if each is agent:
                    master.sendall(octets)
                else:
                    held.append((time.monotonic(), octets))
            while held and held[0][0] + self.delay <= time.monotonic():
                agent.sendall(held.pop(0)[1])
