"""net-snmp as it is: snmpd as AgentX master, its commands as manager, snmptrapd as receiver of notifications. None of them reads or
writes a file outside of the run's directories."""

import os
import re
import signal

from .run import ROOT
from .waiting import wait_until

PORT = 16161
TRAP_PORT = 16162
USER, AUTHENTICATION, PRIVACY = "lispuser", "authpass123", "privpass123"

CONFIGURATION = """\
agentAddress udp:127.0.0.1:{port}
master agentx
agentXSocket {sockets}
agentXPerms 0660 0550 root root
rwcommunity public 127.0.0.1
view everything included .1
createUser {user} SHA {authentication} AES {privacy}
rwuser {user} priv -V everything *
trap2sink udp:127.0.0.1:{trap_port} public
"""
# How a manager comes: openly, or authenticated and encrypted.
V2C = ("-v2c", "-c", "public")
V3 = ("-v3", "-l", "authPriv", "-u", USER, "-a", "SHA", "-A", AUTHENTICATION, "-x", "AES", "-X", PRIVACY)
# For `run`: finds the project's own modules.
OWN_MODULES = {"MIBDIRS": "+" + os.path.join(ROOT, "mibs")}
LINE = re.compile(r"^\.?([0-9.]+) = (.*)$")


class Refused(Exception):
    """The agent answered with an error; `reason` is its name, `object` what it is about."""

    def __init__(self, reason, about, output):
        super().__init__(output.strip())
        self.reason, self.object = reason, about


class Master:
    """An snmpd in a node."""

    def __init__(self, node, name="snmpd", tcp=None):
        self.node = node
        self.name = name
        run = node.run_owner
        self.socket = os.path.join(run.runtime, f"{name}.agentx")
        self.directory = os.path.join(run.runtime, f"{name}.state")
        os.makedirs(self.directory, exist_ok=True)
        self.path = run.file(f"{name}.conf")
        sockets = f"unix:{self.socket}" + (f",tcp:{tcp}" if tcp else "")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(port=PORT, trap_port=TRAP_PORT, sockets=sockets, user=USER,
                                            authentication=AUTHENTICATION, privacy=PRIVACY))
        self.process = None

    @property
    def environment(self):
        return {"SNMP_PERSISTENT_DIR": self.directory, "SNMPCONFPATH": self.directory, "MIBS": ""}

    def start(self):
        self.process = self.node.start("snmpd", "-f", "-Lo", "-C", "-c", self.path, log=f"{self.name}.log",
                                       environment=self.environment)
        wait_until("snmpd answers", lambda: self.get("1.3.6.1.2.1.1.5.0"), 10, ignoring=(Refused,))
        return self

    def stop(self):
        self.process.stop()

    def kill(self):
        self.process.stop(signal.SIGKILL)

    def send(self, number):
        self.process.send(number)

    # What a manager asks

    def run(self, name, options, *words, access=V2C, environment=None, timeout=120, check=True):
        """One of net-snmp's commands, finished."""
        environment = {**self.environment, **(environment or {})}
        return self.node.run("env", *(f"{key}={value}" for key, value in environment.items()), name, *access, *options,
                             f"udp:127.0.0.1:{PORT}", *words, timeout=timeout, check=check)

    def command(self, name, *words, context=None, v3=False, timeout=2):
        access = (*V3, "-n", context) if context else V3 if v3 else V2C
        options = [word for word in words if word.startswith("-")]
        rest = [word for word in words if not word.startswith("-")]
        done = self.run(name, ["-On", "-Oe", "-t", str(timeout), "-r", "0", *options], *rest, access=access, check=False)
        output = done.stdout + done.stderr
        if done.returncode != 0 or "Reason:" in output:
            reason = re.search(r"Reason: (\w+)", output)
            about = re.search(r"Failed object: \.?([0-9.]+)", output)
            raise Refused(reason.group(1) if reason else "Timeout" if "Timeout" in output else "?",
                          about.group(1) if about else None, output)
        return [match.groups() for match in map(LINE.match, done.stdout.splitlines()) if match]

    def get(self, *oids, **options):
        """The values of these variables, as text."""
        return [value for _, value in self.command("snmpget", *oids, **options)]

    def get_next(self, *oids, **options):
        """(name, value) of what follows each."""
        return self.command("snmpgetnext", *oids, **options)

    def walk(self, oid, *words, **options):
        """(name, value) of everything in the subtree, by GetNext."""
        return self.command("snmpwalk", *words, oid, **options)

    def bulk_walk(self, oid, *words, **options):
        """The same by GetBulk."""
        return self.command("snmpbulkwalk", *words, oid, **options)

    def set(self, *changes, **options):
        """Each change is (name, type letter, value)."""
        return self.command("snmpset", *(str(word) for change in changes for word in change), **options)


class TrapReceiver:
    """An snmptrapd in a node."""

    def __init__(self, node, directory, name="snmptrapd"):
        run = node.run_owner
        path = run.file(f"{name}.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("disableAuthorization yes\n")
        self.process = node.start("snmptrapd", "-f", "-Lo", "-C", "-c", path, "-On", "-n", f"udp:127.0.0.1:{TRAP_PORT}",
                                  log=f"{name}.log", environment={"SNMP_PERSISTENT_DIR": directory, "MIBS": ""})
        wait_until("snmptrapd listens", lambda: "NET-SNMP version" in self.process.log(), 10)

    def values(self, notification, name):
        """The values of this variable in every notification of that name, in the order of arrival."""
        found = []
        for line in self.process.log().splitlines():
            fields = dict(match.groups() for match in map(LINE.match, line.split("\t")) if match)
            if fields.get("1.3.6.1.6.3.1.1.4.1.0", "").endswith(notification) and name in fields:
                found.append(fields[name])
        return found
