"""What an operator sees of proxies: explain at both ends, show proxy-etrs, and the events when one dies."""

from lispnet import tables
from lispnet.sites import SITE_A, SITE_B
from lispnet.testing import expect, test
from lispnet.traffic import ping, wait_reachable
from lispnet.waiting import wait_until

from .proxies import NOBODY4, WEB4, WEB6, ProxiedGroup

PROBING = {"enabled": True, "interval": "1s", "retries": 1, "retry-interval": "1s"}


class ProxyManagementGroup(ProxiedGroup):
    name = "proxy-management"
    captured = None

    def make_daemons(self):
        super().make_daemons()
        self.xtr_a.write({**self.xtr_a.configuration, "rloc-probing": PROBING})
        self.rloc = self.network.rloc(self.network.proxy)

    def explain(self, each, *words):
        return each.control("explain", *words)["data"]

    def proxy_etr(self):
        listed = tables.show(self.xtr_a, "proxy-etrs")["proxyETRs"]
        expect([each["address"] for each in listed] == [self.rloc], f"{listed}")
        return listed[0]

    @test("explain at an xTR sends what is no LISP site to the Proxy-ETR, and the counters of show proxy-etrs follow")
    def site_to_web(self):
        for host, web in ((SITE_A.host4, WEB4), (SITE_A.host6, WEB6)):
            wait_reachable(self.network.host_a, web)
            report = self.explain(self.xtr_a, host, web)
            expect(report["outcome"] == "encapsulated" and report["usesProxyETRs"], f"{report}")
            expect([each["isChosen"] for each in report["locators"]] == [True], f"{report['locators']}")
            expect(report["mapping"]["action"] == "natively-forward" and not report["notes"], f"{report}")
            before = self.proxy_etr()["encapsulated"]["packets"]
            expect(ping(self.network.host_a, web, 10, interval=0.05).lost == 0, f"pings to {web} are lost")
            grown = self.proxy_etr()["encapsulated"]["packets"] - before
            expect(10 <= grown < 20, f"{grown} packets went to the Proxy-ETR")
        expect(self.proxy_etr()["isUsed"] and self.proxy_etr()["state"] == "up", f"{self.proxy_etr()}")
        text = self.xtr_a.text("explain", SITE_A.host4, WEB4)
        expect(f"Result: encapsulated to Proxy-ETR {self.rloc}" in text and "*  " + self.rloc in text, text)

    @test("explain at a Proxy-ITR encapsulates for a stranger, and refuses what nobody has instead of looping")
    def web_to_site(self):
        wait_reachable(self.network.web, SITE_B.host4)
        report = self.explain(self.proxy, WEB4, SITE_B.host4)
        expect(report["outcome"] == "encapsulated" and report["host"]["interface"] == "lisp0", f"{report}")
        expect(any("10040" in step for step in report["host"]["steps"]), f"{report['host']}")
        expect("Proxy-ITR attracts" in report["host"]["text"], f"{report['host']}")
        expect([each["address"] for each in report["locators"] if each["isChosen"]] == [self.network.rloc(self.network.xtr_b)],
               f"{report['locators']}")
        expect("in no EID-prefix of this site" in report["wayBack"], report["wayBack"])
        before = tables.show(self.proxy, "statistics")["dataPlane"]["instances"][0]["encapsulated"]["packets"]
        expect(ping(self.network.web, SITE_B.host4, 10, interval=0.05).lost == 0, "pings are lost")
        after = tables.show(self.proxy, "statistics")["dataPlane"]["instances"][0]["encapsulated"]["packets"]
        expect(after >= before + 10, f"only {after - before} packets were encapsulated")

        ping(self.network.web, NOBODY4, 1, wait=2)
        refused = wait_until("explain refuses it", lambda: next(
            (report for report in [self.explain(self.proxy, WEB4, NOBODY4)] if report["outcome"] == "dropped"), None), 10)
        expect(not refused["notes"], f"{refused}")
        expect(ping(self.network.web, NOBODY4, 2, wait=1).received == 0, "somebody answers")
        # From the proxy's own site there is none: a stranger to a stranger is none of its business.
        foreign = self.explain(self.proxy, WEB4, "192.0.2.77")
        expect(foreign["outcome"] == "natively" and "not in the EID space that we attract" in foreign["host"]["text"], f"{foreign}")

    @test("a Proxy-ETR that dies and comes back is an event of its own, and explain and show proxy-etrs say so")
    def proxy_dies(self):
        wait_reachable(self.network.host_a, WEB4)
        wait_until("it has answered a probe",
                   lambda: self.proxy_etr().get("probing", {}).get("probesAnswered", 0) > 0, 15)
        self.proxy.stop()
        wait_until("it is down", lambda: self.proxy_etr()["state"] == "down", 20)
        expect(not self.proxy_etr()["isUsed"], f"{self.proxy_etr()}")
        report = self.explain(self.xtr_a, SITE_A.host4, WEB4)
        expect(report["outcome"] == "dropped" and "does not answer RLOC-probes" in report["locators"][0]["why"], f"{report}")
        expect(not report["notes"], f"{report['notes']}")
        self.proxy.start()
        wait_until("it is up", lambda: self.proxy_etr()["state"] == "up", 20)
        kinds = [event["kind"] for event in tables.show(self.xtr_a, "events")["events"] if event.get("locator") == self.rloc]
        expect(kinds[-2:] == ["proxy-etr-down", "proxy-etr-up"], f"{kinds}")
        wait_reachable(self.network.host_a, WEB4)
        expect(self.explain(self.xtr_a, SITE_A.host4, WEB4)["outcome"] == "encapsulated", "it is not used again")
