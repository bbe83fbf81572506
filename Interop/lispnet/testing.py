"""Tests named as sentences, in groups that share a network; and what runs the groups side by side.

A group is a class with `set_up` and methods marked `@test("sentence")`. Each group runs in a process of its own, with
namespaces of its own, so groups that mostly wait run beside the others and one that crashes takes no other with it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback

from .run import OUT, Interrupted, Run, remove_if_empty, remove_leftovers

QUIET, NORMAL, EXCLUSIVE = "quiet", "normal", "exclusive"
PATIENCE = 480  # seconds a group may take


def test(sentence):
    """Marks a method as a test that is named by a sentence."""
    def mark(method):
        method.sentence = sentence
        return method
    return mark


class Group:
    """Tests that share a network. Subclasses say `weight`:

    quiet      waits most of the time: started first, runs beside everything
    normal     two at a time
    exclusive  measures: runs when no normal group does
    """

    name = ""
    weight = NORMAL

    def __init__(self, run, options):
        self.run = run
        self.options = options

    @classmethod
    def obstacle(cls):
        """Why the group cannot run on this machine, or None. It is skipped then; with CI in the environment it fails."""
        return None

    def set_up(self):
        """Builds the network and starts what the tests share."""

    def tear_down(self):
        """Runs after the tests. Processes and namespaces end by themselves."""

    @classmethod
    def tests(cls):
        """(sentence, method name) in the order of the source, inherited ones last."""
        return [
            (method.sentence, name)
            for each in cls.__mro__ for name, method in vars(each).items() if hasattr(method, "sentence")
        ]

    @classmethod
    def matching(cls, words):
        """The tests whose group or sentence contains every word of the filter."""
        return [
            (sentence, name) for sentence, name in cls.tests()
            if all(word.lower() in f"{cls.name}: {sentence}".lower() for word in words)
        ]


def expect(condition, message):
    """An assertion that python -O does not remove."""
    if not condition:
        raise AssertionError(message)


# In the process of a group


def run_group(group_class, words, directory, options):
    """Runs a group's tests and writes their results; prints each as soon as it is known."""
    results = []
    path = os.path.join(directory, "results.json")
    with Run(group_class.name, directory) as run:
        run.keep = options.keep
        group = group_class(run, options)
        chosen = group_class.matching(words)
        failure = attempt(group.set_up)
        for sentence, name in chosen:
            started = time.monotonic()
            error = f"the group was not set up: {failure}" if failure else attempt(getattr(group, name))
            results.append({"sentence": sentence, "error": error})
            report(group_class.name, sentence, error, time.monotonic() - started)
            run.failed = run.failed or error is not None
            write_results(path, results)
        if not failure:
            trouble = attempt(group.tear_down)
            if trouble:
                run.failed = True
                results.append({"sentence": "tear down", "error": trouble})
                report(group_class.name, "tear down", trouble, 0)
        run.keep = True  # the parent reads the results, then removes the directory
        write_results(path, results)
    return not run.failed


def attempt(action):
    """None if it succeeds, else what went wrong."""
    try:
        action()
        return None
    except AssertionError as error:
        return f"{error} ({place_of(error)})"
    except Exception as error:  # any other exception is a failure of this test alone
        return f"{type(error).__name__}: {error} ({place_of(error)})"


def place_of(error):
    """Where in the cases it happened."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/cases/" in frame.filename]
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "?"


def report(group, sentence, error, seconds):
    mark = "ok    " if error is None else "FAILED"
    text = f"{mark} {group}: {sentence} ({seconds:.1f} s)\n"
    if error:
        text += "       " + error.strip()[:1500].replace("\n", "\n       ") + "\n"
    sys.stdout.write(text)
    sys.stdout.flush()


def write_results(path, results):
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(results, file)
    os.replace(path + ".new", path)


# In the process of the suite


class Scheduler:
    """Starts groups as their weight allows and collects what they found."""

    def __init__(self, script, groups, words, run_directory, options):
        self.script, self.words, self.options = script, words, options
        self.directory = run_directory
        self.waiting = [group for group in groups if group.matching(words)]
        self.running = {}
        self.passed = self.failed = 0
        self.left_out = [each for each in self.waiting if each.obstacle()]
        for group in self.left_out:
            self.waiting.remove(group)
            self._leave_out(group)

    def run(self):
        """Runs everything; returns (passed, failed)."""
        try:
            while self.waiting or self.running:
                self._start_ready()
                self._collect()
                time.sleep(0.1)
        finally:
            self._end_running()
        return self.passed, self.failed

    def _leave_out(self, group):
        count = len(group.matching(self.words))
        in_ci = bool(os.environ.get("CI"))
        self.failed += count if in_ci else 0
        print(f"{'FAILED' if in_ci else 'SKIPPED'} {group.name}: {count} tests not run: {group.obstacle()}", flush=True)

    def _start_ready(self):
        for group in list(self.waiting):
            if self._may_start(group):
                self.waiting.remove(group)
                self.running[group] = (self._start(group), time.monotonic())

    def _may_start(self, group):
        weights = [each.weight for each in self.running]
        if group.weight == QUIET:
            return True
        if EXCLUSIVE in weights:
            return False
        if group.weight == EXCLUSIVE:
            return NORMAL not in weights and not any(each.weight == NORMAL for each in self.waiting)
        return weights.count(NORMAL) < self.options.jobs

    def _start(self, group):
        directory = os.path.join(self.directory, group.name)
        os.makedirs(directory, exist_ok=True)
        command = ["setpriv", "--pdeathsig", "TERM", sys.executable, self.script, "--run-group", group.name,
                   "--directory", directory, *self.options.passed_on, *self.words]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def _collect(self):
        for group, (process, started) in list(self.running.items()):
            if process.poll() is None:
                if time.monotonic() - started > PATIENCE:
                    print(f"FAILED {group.name}: not ended after {PATIENCE} s", flush=True)
                    process.terminate()
                continue
            del self.running[group]
            self._count(group)

    def _count(self, group):
        directory = os.path.join(self.directory, group.name)
        try:
            with open(os.path.join(directory, "results.json"), encoding="utf-8") as file:
                results = json.load(file)
        except (OSError, ValueError):
            results = []
        passed = sum(result["error"] is None for result in results)
        failed = len(results) - passed
        missing = max(0, len(group.matching(self.words)) - len(results))
        if missing:
            print(f"FAILED {group.name}: {missing} of its tests did not run", flush=True)
        self.passed += passed
        self.failed += failed + missing
        if not failed and not missing and not self.options.keep:
            shutil.rmtree(directory, ignore_errors=True)

    def _end_running(self):
        for process, _ in self.running.values():
            process.terminate()
        for process, _ in self.running.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        remove_leftovers()


def main(script, groups, words, options):
    """Runs the suite and returns its exit status."""
    if os.geteuid() != 0:
        sys.exit("The suite needs root: it makes network namespaces. Try it with sudo.")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, Run._interrupt)
    remove_leftovers()
    directory = os.path.join(OUT, f"lispd-{os.getpid()}-suite")
    started = time.monotonic()
    scheduler = Scheduler(script, groups, words, directory, options)
    try:
        passed, failed = scheduler.run()
    except Interrupted as interrupted:
        print(f"interrupted by {interrupted}", flush=True)
        return 128 + interrupted.number
    remove_if_empty(directory)
    remove_if_empty(OUT)
    print(f"namespace suite: {time.monotonic() - started:.0f} s" + (f", logs in {directory}" if failed else ""))
    if passed + failed == 0 and not scheduler.left_out:
        print("no test matches")
        failed = 1
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if failed == 0 else 1
