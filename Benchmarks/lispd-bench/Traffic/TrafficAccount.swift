// What came of a run of the traffic generator, datagram by datagram: none is counted twice.

/// The datagrams of one run.
struct TrafficAccount {
    /// More flows, and more datagrams in one, than any run has: numbers beyond are not ours, and would take memory.
    static let flowLimit: UInt32 = 1 << 16
    static let sequenceLimit: UInt32 = 1 << 27

    /// Datagrams that came, each counted once, and their payload.
    private(set) var packets = 0
    private(set) var octets = 0
    /// Those that came again.
    private(set) var duplicates = 0
    /// Those that came after a later one of their flow.
    private(set) var outOfOrder = 0
    /// Flows that something came of.
    private(set) var flowCount = 0
    /// Datagrams of another run, or of nobody's.
    private(set) var strangers = 0
    /// The sender has said that this was all; what was overtaken by that may follow.
    private(set) var hasEnded = false

    private let run: UInt32
    private var flows: [Flow] = []

    private struct Flow {
        /// One more than the highest sequence number so far.
        var end: UInt32 = 0
        /// A bit for each sequence number that came.
        var seen: [UInt64] = []
    }

    init(run: UInt32) { self.run = run }

    mutating func note(_ datagram: UnsafeRawBufferPointer) {
        guard let mark = TrafficMark(datagram), mark.run == run, mark.flow < Self.flowLimit,
            mark.sequence < Self.sequenceLimit || mark.sequence == TrafficMark.end
        else {
            strangers += 1
            return
        }
        guard mark.sequence != TrafficMark.end else {
            hasEnded = true
            return
        }
        let flow = Int(mark.flow)
        if flow >= flows.count { flows += Array(repeating: Flow(), count: flow + 1 - flows.count) }
        let word = Int(mark.sequence / 64)
        let bit = UInt64(1) << UInt64(mark.sequence % 64)
        if word >= flows[flow].seen.count {
            // By doubling, so that a long run is not copied for every word.
            let missing = max(word + 1 - flows[flow].seen.count, flows[flow].seen.count)
            flows[flow].seen += Array(repeating: 0, count: missing)
        }
        guard flows[flow].seen[word] & bit == 0 else {
            duplicates += 1
            return
        }
        flows[flow].seen[word] |= bit
        packets += 1
        octets += datagram.count
        if flows[flow].end == 0 { flowCount += 1 }
        if mark.sequence < flows[flow].end {
            outOfOrder += 1
        } else {
            flows[flow].end = mark.sequence + 1
        }
    }
}
