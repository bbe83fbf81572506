"""The suite's own options: what --data-plane says reaches lispd."""

import contextlib
import json
import os
import subprocess

from lispnet import daemon, tables
from lispnet.run import INTEROP
from lispnet.sites import SITE_A, TwoSites
from lispnet.testing import Group, expect, test


@contextlib.contextmanager
def common_data_plane(settings):
    """As with --data-plane inside; afterwards as it was."""
    before = os.environ.get(daemon.DATA_PLANE)
    os.environ[daemon.DATA_PLANE] = json.dumps(settings)
    try:
        yield
    finally:
        if before is None:
            del os.environ[daemon.DATA_PLANE]
        else:
            os.environ[daemon.DATA_PLANE] = before


class DataPlaneOptionGroup(Group):
    name = "data-plane-option"

    def set_up(self):
        self.network = TwoSites(self.run)

    def in_effect(self, name, **changes):
        """(the data plane's settings, the number of workers) of site A's router."""
        router = daemon.Daemon(self.network.xtr_a, daemon.xtr(self.network, SITE_A, **changes), name).start()
        try:
            return router.control("config", "show")["data-plane"], len(tables.show(router, "status")["workers"])
        finally:
            router.stop()

    @test("is in effect in every router of this run")
    def this_run(self):
        settings, workers = self.in_effect("this-run")
        wanted = daemon.common_data_plane()
        expect(wanted.items() <= settings.items(), f"wanted {wanted}, in effect is {settings}")
        expect(wanted.get("workers", "auto") in ("auto", workers), f"wanted {wanted}, {workers} workers run")

    @test("leaves a test what it says itself")
    def merged(self):
        with common_data_plane({"workers": 3, "offload": "off"}):
            settings, workers = self.in_effect("common")
            expect((settings["workers"], settings["offload"], workers) == (3, "off", 3), f"{settings}, {workers} workers")
            settings, workers = self.in_effect("own", data_plane={"workers": 1})
            expect((settings["workers"], settings["offload"], workers) == (1, "off", 1), f"{settings}, {workers} workers")

    @test("goes to tunnel routers only, and not into what tests take for their own configuration")
    def tunnel_routers_only(self):
        with common_data_plane({"offload": "off"}):
            for roles, is_given in ((["itr"], True), (["map-server", "proxy-etr"], True), (["map-server", "map-resolver"], False)):
                text = daemon.to_yaml({"roles": roles})
                expect(('offload: "off"' in text) == is_given, f"{roles}: {text}")
            router = daemon.Daemon(self.network.xtr_b, {"roles": ["etr"]}, "unused")
            expect("data-plane" not in router.configuration and router.data_plane == {"offload": "off"}, router.configuration)

    @test("is refused if it is no mapping, and shown at the start of the run")
    def command_line(self):
        def suite(text, *words):
            return subprocess.run([os.path.join(INTEROP, "suite"), "--data-plane", text, *words], capture_output=True,
                                  text=True, check=False)

        for text in ("off", "[1]", "2", ""):
            done = suite(text, "--list")
            expect(done.returncode == 2 and "--data-plane" in done.stderr, f"{text!r}: {done.returncode} {done.stderr}")
        done = suite('{"workers":2}', "no test has this name")
        expect(done.stdout.startswith('data-plane of every tunnel router: {"workers": 2}\n'), done.stdout)
