"""One run of a network: its names, its directory, its processes, and their end.

Every namespace is called `lispd-<pid>-<name>`, so runs never meet and leftovers of a run that was killed can be told
from those of a living one. Processes are started with a parent-death signal and stopped by pid. `with Run("demo") as
run:` turns SIGINT, SIGTERM and SIGHUP into the exception Interrupted; on the way out, whatever the reason, everything
the run made is removed. Only the logs stay, in Interop/out/, and only after a failure.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

INTEROP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(INTEROP)
OUT = os.path.join(INTEROP, "out")
NETNS = "/run/netns"
RUNTIME = "/tmp"
NAME = re.compile(r"^lispd-(\d+)-")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asks the run to end."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


class CommandFailed(Exception):
    """A command ended with another status than 0, or not in time."""

    def __init__(self, command, status, output):
        self.command, self.status, self.output = command, status, output
        super().__init__(f"`{' '.join(command)}` ended with {status}: {output.strip()[-800:]}")


class Run:
    """Names, directories and processes of one run."""

    def __init__(self, purpose, directory=None):
        self.purpose = purpose
        self.prefix = f"lispd-{os.getpid()}-"
        self.directory = directory or os.path.join(OUT, f"{self.prefix}{purpose}")
        # Sockets have short names (108 octets at most), so they cannot live in the checkout.
        self.runtime = os.path.join(RUNTIME, f"{self.prefix}{purpose}")
        self.failed = False
        self.keep = False
        self._namespaces = []
        self._processes = []
        self._handlers = {}
        self._transcript_lock = threading.Lock()

    # Life

    def __enter__(self):
        if os.geteuid() != 0:
            sys.exit("This needs root: it makes network namespaces. Try it with sudo.")
        remove_leftovers()
        os.makedirs(self.directory, exist_ok=True)
        os.makedirs(self.runtime, mode=0o755, exist_ok=True)
        for number in SIGNALS:
            self._handlers[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(self, kind, error, _trace):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        try:
            self.clean_up()
            if kind is not None:
                self._sweep()
        finally:
            failed = self.failed or (kind is not None and not issubclass(kind, (Interrupted, SystemExit)))
            if not (failed or self.keep):
                shutil.rmtree(self.directory, ignore_errors=True)
                remove_if_empty(OUT)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    @staticmethod
    def _interrupt(number, _frame):
        for each in SIGNALS:  # the first signal counts; the way out is not to be disturbed
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    def clean_up(self):
        """Ends the processes, then removes the namespaces and with them their links, addresses, routes and rules."""
        for process in reversed(self._processes):
            process.stop(timeout=2)
        self._processes.clear()
        for name in reversed(self._namespaces):
            remove_namespace(name)
        self._namespaces.clear()
        shutil.rmtree(self.runtime, ignore_errors=True)

    def _sweep(self):
        """Removes what a command that a signal cut off from us makes late: it ends within moments."""
        for _ in range(5):
            time.sleep(0.1)
            for name in os.listdir(NETNS) if os.path.isdir(NETNS) else []:
                if name.startswith(self.prefix):
                    remove_namespace(name)

    # Names

    def namespace(self, name):
        """Makes the namespace `name` of this run and returns its full name."""
        full = self.prefix + name
        self._namespaces.append(full)
        self.command(["ip", "netns", "add", full])
        return full

    def file(self, name):
        """A path in the directory that is kept after a failure."""
        return os.path.join(self.directory, name)

    # Commands and processes

    def command(self, command, namespace=None, input=None, timeout=30, check=True):
        """Runs a command to its end, in a namespace if one is given, and returns it with its output as text."""
        full = within(namespace, command)
        try:
            done = subprocess.run(
                full, input=input, capture_output=True, text=True, errors="replace", timeout=timeout,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as late:
            output = "".join(part if isinstance(part, str) else part.decode(errors="replace")
                             for part in (late.stdout, late.stderr) if part)
            self._record(namespace, command, f"not ended after {timeout} s", output)
            raise CommandFailed(command, f"no end after {timeout} s", output) from None
        self._record(namespace, command, done.returncode, (input or "") + done.stdout + done.stderr)
        if check and done.returncode != 0:
            raise CommandFailed(command, done.returncode, done.stderr + done.stdout)
        return done

    def start(self, command, namespace=None, log=None, stdout=None, environment=None):
        """Starts a process that is ended with the run at the latest. Its output goes to the log, if one is named."""
        process = Process(self, command, namespace, log, stdout, environment)
        self._processes.append(process)
        return process

    def _record(self, namespace, command, status, output):
        with self._transcript_lock, open(self.file("transcript"), "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {namespace or '-'}$ {' '.join(command)}   => {status}\n")
            if output.strip():
                file.write("    " + output.strip()[:4000].replace("\n", "\n    ") + "\n")


class Process:
    """A process of a run. Its pid is the program's own: the launchers in front of it replace themselves."""

    def __init__(self, run, command, namespace, log, stdout, environment):
        self.command = command
        self.log_path = run.file(log) if log else None
        target = open(self.log_path, "ab") if log else None
        try:
            self._popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL"] + within(namespace, command),
                stdin=subprocess.DEVNULL,
                stdout=stdout if stdout is not None else (target or subprocess.PIPE),
                stderr=target or subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **environment} if environment else None,
            )
        finally:
            if target:
                target.close()

    @property
    def pid(self):
        return self._popen.pid

    @property
    def status(self):
        """The exit status, or None while it runs."""
        return self._popen.poll()

    def send(self, number):
        if self.status is None:
            self._popen.send_signal(number)

    def wait(self, timeout):
        """Waits for the end and returns the exit status; CommandFailed if it comes too late."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CommandFailed(self.command, f"no end after {timeout:g} s", self.log()) from None

    def finish(self, timeout):
        """Waits for the end and returns (exit status, output). Only for a process without a log."""
        try:
            output, _ = self._popen.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise CommandFailed(self.command, f"no end after {timeout:g} s", "") from None
        return self._popen.returncode, output.decode(errors="replace")

    def stop(self, number=signal.SIGTERM, timeout=5):
        """Ends it: with the signal, or by SIGKILL after the time-out. Returns whether the signal sufficed."""
        try:
            if self.status is not None:
                return True
            self.send(number)
            try:
                self._popen.wait(timeout)
                return True
            except subprocess.TimeoutExpired:
                self.send(signal.SIGKILL)
                self._popen.wait(10)
                return False
        finally:
            if self._popen.stdout:
                self._popen.stdout.close()

    def log(self):
        """All it has written to its log so far."""
        if not self.log_path or not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()


def within(namespace, command):
    """The command, to be run in a network namespace. (`ip netns exec` would also remount /sys.)"""
    return (["nsenter", f"--net={NETNS}/{namespace}"] if namespace else []) + list(command)


# Leftovers


def remove_leftovers(verbose=False):
    """Removes namespaces and runtime directories of runs whose process is gone. Returns what it removed."""
    removed = []
    names = sorted(os.listdir(NETNS)) if os.path.isdir(NETNS) else []
    for name in names:
        if is_leftover(name):
            remove_namespace(name)
            removed.append(name)
    for name in sorted(os.listdir(RUNTIME)):
        if is_leftover(name):
            shutil.rmtree(os.path.join(RUNTIME, name), ignore_errors=True)
            removed.append(os.path.join(RUNTIME, name))
    if verbose:
        for name in removed:
            print(f"removed {name}")
    return removed


def is_leftover(name):
    match = NAME.match(name)
    return bool(match) and not is_run(int(match.group(1)))


def is_run(pid):
    """Whether that process lives and is one of ours."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return False
    programs = (b"demo", b"suite", b"bench", b"try-network")
    return any(os.path.basename(word) in programs for word in words)


def remove_namespace(name):
    """Ends what still runs in the namespace, then removes it."""
    if not os.path.exists(os.path.join(NETNS, name)):
        return
    listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    for pid in listed.stdout.split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    try:
        os.unlink(os.path.join(NETNS, name))  # the file of one that was never finished
    except OSError:
        pass


def remove_if_empty(directory):
    try:
        os.rmdir(directory)
    except OSError:
        pass
