"""The demo itself: it works, and leaves nothing behind, also when it is interrupted half-way."""

import os
import re
import signal
import subprocess
import sys

from lispnet.run import INTEROP, NETNS
from lispnet.testing import Group, expect, test
from lispnet.waiting import wait_until

DEMO = os.path.join(INTEROP, "demo")


def host_state():
    """What the demo could leave in the host's own namespace."""
    words = (["-4", "rule"], ["-6", "rule"], ["-4", "route", "show", "table", "all"],
             ["-6", "route", "show", "table", "all"], ["-br", "link"])
    return [subprocess.run(["ip", *each], capture_output=True, text=True, check=True).stdout for each in words]


def processes_naming(text):
    """pids of processes whose command line names a run."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if text.encode() in file.read():
                    found.append(int(pid))
        except OSError:
            continue
    return found


class DemoGroup(Group):
    name = "demo"

    def set_up(self):
        self.before = host_state()
        self.started = 0

    def start(self):
        self.started += 1
        demo = self.run.start([sys.executable, DEMO], log=f"demo-{self.started}.log")
        return demo, f"lispd-{demo.pid}-"

    def expect_nothing_left(self, prefix):
        namespaces = [name for name in os.listdir(NETNS) if name.startswith(prefix)]
        expect(not namespaces, f"namespaces are left: {namespaces}")
        expect(not processes_naming(prefix), f"processes are left: {processes_naming(prefix)}")
        files = [name for name in os.listdir("/tmp") if name.startswith(prefix)]
        expect(not files, f"files are left in /tmp: {files}")
        expect(host_state() == self.before, "rules, routes or links of the host changed")

    @staticmethod
    def wait_half_way(demo, condition):
        wait_until("the demo is half-way", lambda: condition() or demo.status is not None, 40, interval=0.05)
        expect(demo.status is None, f"the demo ended before it was half-way:\n{demo.log()[-2000:]}")

    def interrupt(self, number, is_half_way):
        demo, prefix = self.start()
        self.wait_half_way(demo, lambda: is_half_way(demo, prefix))
        demo.send(number)
        status = demo.wait(20)
        expect(status == 128 + number, f"it ended with {status}:\n{demo.log()[-2000:]}")
        self.expect_nothing_left(prefix)

    @test("shows two sites talking, ends with status 0 and leaves nothing behind")
    def works(self):
        demo, prefix = self.start()
        status = demo.wait(120)
        screens = demo.log()
        expect(status == 0, f"it ended with {status}:\n{screens[-3000:]}")
        for text in ("10.2.0.0/16", "2001:db8:b::/48", "bits/sec", "site-a", "site-b"):
            expect(text in screens, f"it does not show {text}")
        expect(not re.search("\x1b", screens), "it prints colours although its output is no terminal")
        self.expect_nothing_left(prefix)

    @test("leaves nothing behind when Ctrl-C comes while the network is being built")
    def interrupted_early(self):
        self.interrupt(signal.SIGINT, lambda demo, prefix: any(n.startswith(prefix) for n in os.listdir(NETNS)))

    @test("leaves nothing behind when SIGTERM comes while the daemons run")
    def interrupted_late(self):
        self.interrupt(signal.SIGTERM, lambda demo, prefix: "ping" in demo.log().lower())

    @test("leaves no process behind when it is killed, and the next run removes the namespaces")
    def killed(self):
        demo, prefix = self.start()
        self.wait_half_way(demo, lambda: "ping" in demo.log().lower())
        demo.send(signal.SIGKILL)
        demo.wait(5)
        wait_until("its processes are gone", lambda: not processes_naming(prefix), 5)
        subprocess.run([sys.executable, os.path.join(INTEROP, "cleanup")], check=True, stdout=subprocess.DEVNULL)
        self.expect_nothing_left(prefix)
