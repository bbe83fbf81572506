// Counts of the last seconds and minutes.

import LISPWire
import Testing

@testable import LISPControl

@Suite struct TallyHistoryTests {
    @Test func `counts periods that have ended, five minutes back at most`() {
        var tally = Tally<String>()
        var history = TallyHistory<String>()
        func recent() -> [UInt64] { [1, 12, 60, 1_000].map { history.recent("asked", .ipv4, periods: $0) } }
        #expect(recent() == [0, 0, 0, 0])
        tally.add("asked", .ipv4, count: 3)
        #expect(recent() == [0, 0, 0, 0])
        history.note(tally)
        #expect(recent() == [3, 3, 3, 3])
        #expect(history.recent("asked", .ipv6, periods: 1) == 0)
        for _ in 1...11 {
            tally.add("asked", .ipv4)
            history.note(tally)
        }
        #expect(recent() == [1, 14, 14, 14])
        history.note(tally)
        #expect(recent() == [0, 11, 14, 14])
        for _ in 13..<60 { history.note(tally) }
        #expect(recent() == [0, 0, 14, 14])
        history.note(tally)
        #expect(recent() == [0, 0, 11, 11])
    }
}
