"""The load generator: that what it says of a Map-Server is so."""

from concurrent.futures import ThreadPoolExecutor

from lispnet.datagrams import udp_socket
from lispnet.generator import LoadedMapServer
from lispnet.testing import Group, expect, test


class LoadGeneratorGroup(Group):
    name = "load-generator"

    def set_up(self):
        self.server = LoadedMapServer(self.run)
        self.server.daemon.start()

    @test("registers what it is told to, and finds every answer right")
    def registers(self):
        report = self.server.load("register", "--eids", 3000, "--count", 6000)
        expect(report["answered"] == report["sent"] == 6000, report)
        expect((report["wrong"], report["lost"], report["unexpected"]) == (0, 0, 0), report)
        server = report["server"]
        expect(server["drops"] == 0 and 0 < server["seconds"] and 0 < server["perMessage"], report)
        sites = self.server.daemon.control("show", "site")["data"]["sites"]
        registered = sum(bool(eid["registrations"]) for site in sites for eid in site["eids"])
        expect(registered == 3000, f"{registered} of 3000 EID-prefixes are registered")
        expect(len([site for site in sites if site["eids"]]) == 16, sites)

    @test("asks for what is registered, and finds an answer wrong that is not what was registered")
    def asks(self):
        report = self.server.load("request", "--eids", 3000, "--count", 6000)
        expect(report["answered"] == report["sent"] == 6000 and report["wrong"] == 0, report)
        report = self.server.load("request", "--eids", 4000)
        expect(report["answered"] == report["sent"] == 4000, report)
        # A thousand were never registered: the answers to those are negative.
        expect(report["wrong"] == 1000 and report["fault"] == "another EID-prefix", report)

    @test("keeps the pace it is told to")
    def paces(self):
        report = self.server.load("request", "--eids", 1000, "--rate", 1000)
        expect(report["answered"] == 1000 and 900 < report["rate"] < 1050, report)

    @test("finds a Map-Notify wrong that was not made with the site's key")
    def other_code(self):
        with udp_socket(self.server.node, source=("", 4999)) as impostor:
            impostor.settimeout(5)

            def answer():
                for _ in range(10):
                    message, source = impostor.recvfrom(2048)
                    impostor.sendto(bytes([4 << 4]) + message[1:], source)

            with ThreadPoolExecutor() as pool:
                answering = pool.submit(answer)
                report = self.server.load("register", "--eids", 10, "--port", 4999)
                answering.result()
        expect(report["answered"] == report["wrong"] == 10, report)
        expect(report["fault"] == "its authentication: badMAC", report)

    @test("says what was lost: Map-Registers of sites that have other keys")
    def other_keys(self):
        configuration = self.server.daemon.configuration
        for site in configuration["map-server"]["sites"][:8]:
            site["keys"][0]["key"] = "another"
        self.server.daemon.stop()
        self.server.daemon.write(configuration)
        self.server.daemon.start()
        report = self.server.load("register", "--eids", 1600, "--window", 2000)
        expect(700 < report["lost"] < 900 and report["wrong"] == 0, report)
        expect(report["answered"] + report["lost"] == 1600, report)

    @test("has a ceiling of its own, without any Map-Server")
    def ceiling(self):
        for kind in ("register", "request"):
            report = self.server.ceiling(kind, "--eids", 1000)
            expect(report["answered"] == 1000 and report["wrong"] == 0 and "server" not in report, report)
