// Every reason shows up by itself, under a name of its own.

import DataPlane
import LISPControl
import LISPTables
import LISPWire
import ManagementAPI
import Testing

@testable import lispd

@Suite struct CountsTests {
    /// Counts each kind once more than the one before, and looks for it.
    private func check<Kind: Counted>(_ type: Kind.Type) {
        var tally = Tally<Kind>()
        for (number, kind) in Kind.allCases.enumerated() { tally.add(kind, number + 1) }
        let expected = Kind.allCases.enumerated().filter { $0.element.isTrouble }.map {
            ReasonCount(reason: $0.element.rawValue, count: UInt64($0.offset + 1))
        }
        #expect(Kind.troubles(in: tally) == expected)
        #expect(!expected.isEmpty)
        #expect(Kind.troubles(in: Tally()) == [])
        #expect(Kind.troubles(in: nil) == [])
        let labels = Kind.allCases.map { metricLabel($0) }
        #expect(Set(labels).count == Kind.allCases.count)
        for label in labels { #expect(label.wholeMatch(of: /[a-z][a-z0-9]*(_[a-z0-9]+)*/) != nil, "\(label)") }
    }

    @Test func `all that a role refuses or drops is in the statistics`() {
        check(RouterRefusal.self)
        check(ITREvent.self)
        check(ETREvent.self)
        check(MapServerCount.self)
        check(MapResolverCount.self)
        check(RegistrationRefusal.self)
    }

    /// What is no trouble says so by its words; what says that something was dropped is trouble.
    @Test func `what was dropped or refused counts as trouble`() {
        func check<Kind: Counted>(_ type: Kind.Type) {
            for kind in Kind.allCases where !kind.isTrouble {
                let isCountedElsewhere =
                    kind as? MapServerCount == .recordsOfNoSite
                    || kind as? MapServerCount == .recordsUnsupported
                let says = kind.rawValue.contains("dropped") || kind.rawValue.contains("refused")
                #expect(!says || isCountedElsewhere, "\(kind)")
            }
        }
        check(ITREvent.self)
        check(ETREvent.self)
        check(MapServerCount.self)
        check(MapResolverCount.self)
    }

    @Test func `reasons of the data plane have lines and labels of their own`() {
        #expect(Set(DataPlaneDropReason.allCases.map(\.text)).count == DataPlaneDropReason.allCases.count)
        #expect(Set(DataPlaneDropReason.allCases.map { metricLabel($0) }).count == DataPlaneDropReason.allCases.count)
    }

    @Test func `labels are the names of cases, in words`() {
        #expect(metricLabel(DataPlaneDropReason.noUsableLocator) == "no_usable_locator")
        #expect(metricLabel(DataPlaneDropReason.exceedsPathMTU) == "exceeds_path_mtu")
        #expect(metricLabel(ETREvent.mapRequestNoRLOC) == "map_request_no_rloc")
        #expect(metricLabel(RegistrationRefusal.notConfiguredEID) == "not_configured_eid")
        #expect(metricLabel(ControlMessageKind.mapNotifyAck) == "map_notify_ack")
    }
}
