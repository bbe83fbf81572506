// A Get, GetNext or GetBulk while it is being answered, RFC 2741 §7.2.3: one row a step, so that the owner can stop after any
// step, see to other things, and go on. What has been found is encoded at once; between steps only OIDs are kept.

/// The work on one retrieval request, and its answer.
struct Retrieval {
    /// Octets of an answer.
    struct Limits {
        /// A GetBulk gets no more repetitions beyond this.
        var bulk: Int
        /// An answer beyond this is refused with tooBig.
        var whole: Int
    }

    private enum Kind {
        case get
        case next
    }

    /// One of the variables that a GetBulk repeats.
    private struct Repeater {
        var search: MIBTree.Search
        /// What was found last, or where the search began.
        var last: OID
        var isAtEnd = false
    }

    private enum Phase {
        /// The ranges that are answered once: at one of them, and the search for it if it has begun.
        case single(Int, MIBTree.Search?)
        /// The repeaters: at one of them in one of the repetitions.
        case repeating(repetition: Int, Int)
    }

    private let kind: Kind
    private let ranges: [SearchRange]
    /// How many ranges are answered once.
    private let singles: Int
    private let repetitions: Int
    private let limits: Limits
    private var repeaters: [Repeater] = []
    private var phase = Phase.single(0, nil)
    private var answer: ResponseWriter
    private(set) var variables = 0
    private(set) var isRefused = false

    init(get ranges: [SearchRange], answer: ResponseWriter, limits: Limits) {
        self.init(.get, ranges, singles: ranges.count, repetitions: 0, answer, limits)
    }

    init(next ranges: [SearchRange], answer: ResponseWriter, limits: Limits) {
        self.init(.next, ranges, singles: ranges.count, repetitions: 0, answer, limits)
    }

    init(
        bulk ranges: [SearchRange],
        nonRepeaters: UInt16,
        maxRepetitions: UInt16,
        answer: ResponseWriter,
        limits: Limits
    ) {
        let singles = min(Int(nonRepeaters), ranges.count)
        self.init(.next, ranges, singles: singles, repetitions: Int(maxRepetitions), answer, limits)
        repeaters = ranges[singles...].map { Repeater(search: MIBTree.Search($0), last: $0.start) }
    }

    private init(
        _ kind: Kind,
        _ ranges: [SearchRange],
        singles: Int,
        repetitions: Int,
        _ answer: ResponseWriter,
        _ limits: Limits
    ) {
        self.kind = kind
        self.ranges = ranges
        self.singles = singles
        self.repetitions = repetitions
        self.answer = answer
        self.limits = limits
    }

    /// Looks at one row.
    ///
    /// - Returns: the answer once it is complete.
    mutating func step(_ tree: MIBTree) -> [UInt8]? {
        switch phase {
        case .single(let place, _) where place == singles:
            phase = .repeating(repetition: 0, 0)
            return nil
        case .single(let place, let search):
            single(place, search, tree)
        case .repeating(let repetition, _) where repetition >= repetitions || repeaters.isEmpty:
            return answer.finished()
        case .repeating(let repetition, let place) where place == repeaters.count:
            let isOver = repeaters.allSatisfy(\.isAtEnd) || answer.count > limits.bulk
            phase = .repeating(repetition: isOver ? repetitions : repetition + 1, 0)
        case .repeating(let repetition, let place):
            `repeat`(repetition, place, tree)
        }
        guard answer.count > limits.whole else { return nil }
        isRefused = true
        variables = 0
        return answer.refusal(.tooBig, index: 0)
    }

    private mutating func single(_ place: Int, _ search: MIBTree.Search?, _ tree: MIBTree) {
        let range = ranges[place]
        switch kind {
        case .get:
            add(range.start, tree.value(of: range.start))
            phase = .single(place + 1, nil)
        case .next:
            var search = search ?? MIBTree.Search(range)
            switch tree.step(&search) {
            case .searching:
                phase = .single(place, search)
                return
            case .found(let variable): add(variable.name, variable.value)
            case .end: add(range.start, .endOfMibView)
            }
            phase = .single(place + 1, nil)
        }
    }

    private mutating func `repeat`(_ repetition: Int, _ place: Int, _ tree: MIBTree) {
        if !repeaters[place].isAtEnd {
            switch tree.step(&repeaters[place].search) {
            case .searching: return
            case .found(let variable):
                repeaters[place].last = variable.name
                add(variable.name, variable.value)
            case .end: repeaters[place].isAtEnd = true
            }
        }
        if repeaters[place].isAtEnd { add(repeaters[place].last, .endOfMibView) }
        phase = .repeating(repetition: repetition, place + 1)
    }

    private mutating func add(_ name: OID, _ value: VariableValue) {
        variables += 1
        answer.add(name, value)
    }
}

/// A response to the master that grows by one variable after the other.
struct ResponseWriter {
    private var writer: PDUWriter
    private static let fixed = PDUHeader.length + 8

    /// The response to a request, without an error so far.
    init(to request: PDUHeader) {
        writer = PDUWriter(order: request.order)
        PDUHeader(
            .response,
            flags: request.flags.intersection(.networkByteOrder),
            sessionID: request.sessionID,
            transactionID: request.transactionID,
            packetID: request.packetID
        ).encode(into: &writer)
        writer.number(UInt32(0))
        writer.number(UInt32(0))
    }

    var count: Int { writer.count }

    mutating func add(_ name: OID, _ value: VariableValue) { writer.variable(name, value) }

    mutating func finished() -> [UInt8] {
        writer.number(UInt32(writer.count - PDUHeader.length), at: PDUHeader.length - 4)
        return writer.octets
    }

    /// The same response with an error, and no variables.
    mutating func refusal(_ error: ErrorStatus, index: UInt16) -> [UInt8] {
        writer.truncate(to: Self.fixed - 4)
        writer.number(error.rawValue)
        writer.number(index)
        writer.number(UInt32(Self.fixed - PDUHeader.length), at: PDUHeader.length - 4)
        return writer.octets
    }
}
