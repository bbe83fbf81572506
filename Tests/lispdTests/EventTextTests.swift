// What the daemon tells of what happens, and how loudly.

import LISPControl
import LISPTables
import LISPWire
import ManagementAPI
import Testing

@testable import lispd

@Suite struct EventTextTests {
    private static let address = IPAddress("192.0.2.2")!
    private static let prefix = EIDPrefix(instanceID: InstanceID(rawValue: 101)!, IPPrefix("10.1.0.0/16")!)
    private static let etr = ETRIdentity.source(address)
    private static let source = Endpoint(address, 4342)

    private static func event(_ kind: EventKind, _ severity: Event.Severity, _ text: String) -> Event {
        Event(kind, severity, text, instanceID: 101, eidPrefix: "10.1.0.0/16")
    }

    @Test func `an RLOC that goes down is a warning, one that comes back is not`() {
        let down = Event(.locator(Self.address, isUp: false))
        #expect(down.kind == "locator-down")
        #expect(down.severity == .warning)
        #expect(down.locator == "192.0.2.2")
        #expect(down.text == "RLOC 192.0.2.2 does not answer probes: it is not used until it does")
        let back = Event(.locator(Self.address, isUp: true))
        #expect(back == Event(.locatorUp, .info, "RLOC 192.0.2.2 answers probes again", locator: "192.0.2.2"))
    }

    @Test func `an RLOC without echoes goes down and is tried again`() {
        let down = Event(.headerHint(.echoesMissing(Self.address)))
        #expect(down.kind == "locator-down" && down.severity == .warning && down.locator == "192.0.2.2")
        #expect(down.text.contains("does not echo nonces"))
        let trial = Event(.headerHint(.onTrial(Self.address)))
        #expect(trial.kind == "locator-up" && trial.severity == .info && trial.locator == "192.0.2.2")
    }

    @Test func `a Proxy-ETR that goes down or comes back is one`() {
        let down = Event(.locator(Self.address, isUp: false), proxyETRs: [Self.address])
        #expect(down.kind == "proxy-etr-down")
        #expect(down.text == "Proxy-ETR 192.0.2.2 does not answer probes: it is not used until it does")
        let other = IPAddress("192.0.2.3")!
        #expect(Event(.locator(Self.address, isUp: true), proxyETRs: [other]).kind == "locator-up")
        #expect(Event(.locator(Self.address, isUp: true), proxyETRs: [other, Self.address]).kind == "proxy-etr-up")
    }

    @Test func `an SMR names the RLOC and the EID-prefix`() {
        let sent = Event(.smrSent(to: Self.address, eids: [Self.prefix], isRepeat: true))
        #expect(sent.kind == "smr-sent" && sent.peer == "192.0.2.2")
        #expect(sent.instanceID == 101 && sent.eidPrefix == "10.1.0.0/16")
        #expect(sent.text.hasSuffix("has changed (SMR), once more since it has not asked"))
        let received = Event(.smrReceived(from: Self.address, eid: Self.prefix))
        #expect(received.kind == "smr-received" && received.severity == .info)
        #expect(received.text == "192.0.2.2 says that the mapping of [101] 10.1.0.0/16 has changed (SMR)")
    }

    @Test func `what a site says of its RLOCs names the EID-prefix`() {
        let down = Event(.headerHint(.saidToBeDown(Self.address, Self.prefix)))
        #expect(down.kind == "locator-down" && down.severity == .warning && down.locator == "192.0.2.2")
        #expect(down.instanceID == 101 && down.eidPrefix == "10.1.0.0/16")
        let back = Event(.headerHint(.saidToBeUp(Self.address, Self.prefix)))
        #expect(back.kind == "locator-up" && back.severity == .info && back.eidPrefix == "10.1.0.0/16")
    }

    @Test func `a path MTU that becomes known is told, and that it is forgotten`() {
        let known = Event(.pathMTU(Self.address, 1300))
        #expect(known == Event(.pathMTU, .info, "path MTU to RLOC 192.0.2.2 is 1300", locator: "192.0.2.2"))
        let forgotten = Event(.pathMTU(Self.address, nil))
        #expect(forgotten.text == "path MTU to RLOC 192.0.2.2 is forgotten: larger packets try again")
        #expect(forgotten.kind == "path-mtu")
    }

    @Test func `a refused message names its sender`() {
        let event = Event(.refused(reason: "control message dropped", source: Self.source))
        #expect(
            event
                == Event(
                    .messageRefused,
                    .notice,
                    "control message dropped, from 192.0.2.2:4342",
                    peer: "192.0.2.2"
                )
        )
    }

    @Test func `registrations of ours name the Map-Server, and five EID-prefixes at most`() {
        let many = (0..<7).map { EIDPrefix(IPPrefix("10.\($0).0.0/16")!) }
        let event = Event(.registration(.acknowledged(mapServer: Self.address, prefixes: many)))
        #expect(event.kind == "registration-acknowledged")
        #expect(event.peer == "192.0.2.2")
        #expect(event.text.hasSuffix("10.4.0.0/16 and 2 more"))
        #expect(Event(.registration(.refused(mapServer: Self.address, prefixes: many))).severity == .warning)
        let silent = Event(.registration(.unanswered(mapServer: Self.address, tries: 4)))
        #expect(silent.kind == "registration-unanswered")
        #expect(silent.text.contains("has not answered 4 Map-Registers"))
    }

    @Test func `registrations at our Map-Server name site, EID-prefix and ETR`() {
        var expected = Self.event(
            .siteRegistered,
            .info,
            "site s: \(Self.prefix) registered by \(Self.etr) from 192.0.2.2:4342"
        )
        expected.peer = "192.0.2.2"
        expected.site = "s"
        let registered = MapServerEvent.registered(
            site: "s",
            prefix: Self.prefix,
            etr: Self.etr,
            source: Self.source
        )
        #expect(Event(.mapServer(registered)) == expected)
        let kinds: [(MapServerEvent, String, Event.Severity)] = [
            (.changed(site: "s", prefix: Self.prefix, etr: Self.etr, source: Self.source), "site-changed", .info),
            (.withdrawn(site: "s", prefix: Self.prefix, etr: Self.etr), "site-withdrawn", .info),
            (.expired(site: "s", prefix: Self.prefix, etr: Self.etr), "site-expired", .warning),
            (.dropped(prefix: Self.prefix, etr: Self.etr), "site-dropped", .info),
            (.notifyUnanswered(prefix: Self.prefix, etr: Self.etr), "map-notify-unanswered", .info),
            (
                .refused(site: nil, prefix: Self.prefix, reason: .wrongKey, source: Self.source),
                "map-register-refused", .warning
            ),
        ]
        for (event, kind, severity) in kinds {
            let made = Event(.mapServer(event))
            #expect(made.kind == kind)
            #expect(made.severity == severity)
            #expect(made.eidPrefix == "10.1.0.0/16", "\(kind)")
            #expect(made.instanceID == 101, "\(kind)")
        }
        let nobody = Event(.mapServer(.refused(site: nil, prefix: nil, reason: .unsupportedEID, source: Self.source)))
        #expect(nobody.eidPrefix == nil)
        #expect(nobody.text.contains("site none, EID-prefix none, from 192.0.2.2:4342"))
    }

    @Test func `the daemon's own events say what changed`() {
        #expect(Event.locatorsChanged(to: [Self.address]).text == "locators are now 192.0.2.2")
        #expect(Event.locatorsChanged(to: []).severity == .warning)
        #expect(Event.configurationReloaded(changed: []).text == "configuration read again: nothing changed")
        #expect(Event.configurationReloaded(changed: ["a", "b"]).text == "configuration read again: a, b")
        let refused = Event.configurationRefused(ReloadFailure.needsRestart(["xtr-id"]))
        #expect(refused.severity == .error)
        #expect(refused.text.contains("a change of xtr-id needs a restart"))
    }
}
