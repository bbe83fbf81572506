// What `show statistics` says once it has been cleared: each counter less what it was.

import LISPTables
import ManagementAPI
import Testing

@testable import lispd

@Suite struct StatisticsBaselineTests {
    /// A report with every field that there is; all counters are `number`.
    private static func report(_ number: UInt64, reasons: [String] = ["one"]) -> StatisticsReport {
        let both = InOut(incoming: number, outgoing: number)
        let recent = RecentCount(fiveSeconds: number, oneMinute: number, fiveMinutes: number)
        let traffic = Traffic(packets: number, octets: number)
        let counts = reasons.map { ReasonCount(reason: $0, count: number) }
        return StatisticsReport(
            control: EIDFamily.allCases.map { family in
                ControlStatistics(
                    family: family,
                    mapRequests: both,
                    recentMapRequests: recent,
                    mapCacheCreated: number,
                    repliesLimited: number
                )
            },
            controlDrops: counts,
            formatErrors: FormatErrors(mapRequests: number, unsupportedTypes: number),
            dataPlane: DataPlaneStatistics(
                instances: [7, 9].map { InstanceTraffic(instanceID: $0, encapsulated: traffic, decapsulated: traffic) },
                drops: counts,
                misses: number,
                portsWithoutTrains: number,
                systemCalls: (0..<2).map { SystemCallCounts(worker: $0, send: .init(calls: number, packets: number)) },
                headerHints: HeaderHintCounts(echoesSent: number, ignored: counts),
                siteErrors: SiteErrorStatistics(sent: number)
            )
        )
    }

    @Test func `counts from where it was cleared, and keeps what is no counter`() {
        let since = StatisticsBaseline(Self.report(5), taken: .zero).since(Self.report(.max))
        let number = UInt64.max - 5
        var expected = Self.report(number)
        for index in expected.control.indices {
            expected.control[index].recentMapRequests = RecentCount(
                fiveSeconds: .max,
                oneMinute: .max,
                fiveMinutes: .max
            )
        }
        expected.dataPlane?.portsWithoutTrains = .max
        #expect(since == expected)
    }

    @Test func `a reason that has not come up since is not listed; a new one is, from its beginning`() {
        let since = StatisticsBaseline(Self.report(5, reasons: ["one", "two"]), taken: .zero)
            .since(Self.report(5, reasons: ["two", "three"]))
        #expect(since.controlDrops == [ReasonCount(reason: "three", count: 5)])
        #expect(since.dataPlane?.drops == since.controlDrops)
        #expect(since.dataPlane?.headerHints?.ignored == since.controlDrops)
    }

    @Test func `one family is cleared, too, and a role that began afresh counts from its beginning`() {
        var one = Self.report(3)
        one.control.removeFirst()
        let since = StatisticsBaseline(Self.report(5), taken: .zero).since(one)
        #expect(since.control.map(\.family) == [.ipv6])
        #expect(since.control[0].mapCacheCreated == 3)
    }
}
