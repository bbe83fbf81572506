// Indices there and back, and the nearest index after any sequence of numbers, against a search through all indices there are.

import TestRandomness
import Testing

@testable import AgentX

/// Made of every kind of object that an INDEX can have.
private struct EveryIndex: RowIndex, Hashable {
    var number: UInt32 = 0
    var small: UInt32 = 0
    var fixed: [UInt8] = []
    var text: [UInt8] = []
    var address: UInt32 = 0
    var inet = InetAddressIndex(type: 0, octets: [])
    var object = OID()
    var implied: [UInt8] = []

    init() {}

    init(from reader: inout IndexReader) {
        number = reader.integer()
        small = reader.integer(in: 5...39)
        fixed = reader.fixedString(2)
        text = reader.string()
        address = reader.ipAddress()
        inet = reader.inetAddress()
        object = reader.oid()
        implied = reader.impliedString()
    }

    func encode(into writer: inout IndexWriter) {
        writer.integer(number)
        writer.integer(small)
        writer.fixedString(fixed)
        writer.string(text)
        writer.ipAddress(address)
        writer.inetAddress(inet)
        writer.oid(object)
        writer.impliedString(implied)
    }
}

/// Few enough that all can be listed: a number of 1 or 2, a string of up to two octets out of 0, 1 and 255, a number again.
private struct SmallIndex: RowIndex, Hashable {
    var number: UInt32
    var text: [UInt8]
    var last: UInt32

    init(number: UInt32, text: [UInt8], last: UInt32) {
        self.number = number
        self.text = text
        self.last = last
    }

    init(from reader: inout IndexReader) {
        number = reader.integer(in: 1...2)
        text = reader.string(0...2)
        last = reader.integer(in: 3...4)
    }

    func encode(into writer: inout IndexWriter) {
        writer.integer(number)
        writer.string(text)
        writer.integer(last)
    }

    static let all: [SmallIndex] = {
        let octets: [UInt8] = [0, 1, 255]
        let texts: [[UInt8]] = [[]] + octets.map { [$0] } + octets.flatMap { first in octets.map { [first, $0] } }
        return [1, 2].flatMap { number in
            texts.flatMap { text in [3, 4].map { SmallIndex(number: number, text: text, last: $0) } }
        }.sorted { $0.suffix < $1.suffix }
    }()
}

/// One string that is IMPLIED.
private struct ImpliedIndex: RowIndex, Hashable {
    var text: [UInt8]

    init(text: [UInt8]) { self.text = text }
    init(from reader: inout IndexReader) { text = reader.impliedString() }
    func encode(into writer: inout IndexWriter) { writer.impliedString(text) }
}

@Suite struct RowIndexTests {
    @Test func `an index of all kinds of objects comes back`() {
        var random = SeededGenerator("every index")
        for _ in 0..<500 {
            var index = EveryIndex()
            index.number = random.number(0...UInt32.max)
            index.small = random.number(5...39)
            index.fixed = random.octets(2...2)
            index.text = random.octets(0...8)
            index.address = random.number(0...UInt32.max)
            index.inet = InetAddressIndex(type: 2, octets: random.octets(16...16))
            index.object = random.oid(0...4)
            index.implied = random.octets(0...8)
            if EveryIndex(suffix: index.suffix) != index { Issue.record("another comes back: \(index)") }
        }
    }

    @Test func `suffixes look as RFC 2578 7.7 has them`() {
        #expect((7 as UInt32).suffix == [7])
        #expect(SmallIndex(number: 1, text: [8, 9], last: 3).suffix == [1, 2, 8, 9, 3])
        #expect(ImpliedIndex(text: [8, 9]).suffix == [8, 9])
        var writer = IndexWriter()
        writer.ipAddress(0xc000_0201)
        writer.inetAddress(InetAddressIndex(type: 1, octets: [10, 0, 0, 1]))
        writer.oid([1, 3])
        #expect(writer.subidentifiers == [192, 0, 2, 1, 1, 4, 10, 0, 0, 1, 2, 1, 3])
    }

    @Test(
        arguments: [
            [], [1], [1, 0], [1, 1, 0], [1, 0, 2], [3, 0, 3], [1, 3, 0, 0, 0, 3], [1, 1, 256, 3], [1, 0, 3, 0],
        ] as [OID]
    )
    func `what is no index is none`(suffix: OID) {
        #expect(SmallIndex(suffix: suffix) == nil)
    }

    @Test func `the next index after any sequence is the one that a search through all finds`() {
        var random = SeededGenerator("next index")
        let numbers: [UInt32] = [0, 1, 2, 3, 4, 5, 128, 254, 255, 256, 1 << 31, UInt32.max]
        var starts: Set<String> = []
        let all = SmallIndex.all.map { (index: $0, suffix: $0.suffix) }
        for _ in 0..<20_000 {
            let suffix = OID((0..<random.number(0...6)).map { _ in numbers.randomElement(using: &random)! })!
            let expected = all.first { $0.suffix > suffix }?.index
            let start = RowStart<SmallIndex>(after: suffix)
            let found: SmallIndex? =
                switch start {
                case .first: all.first?.index
                case .atLeast(let index): all.first { [least = index.suffix] in $0.suffix >= least }?.index
                case .after(let index): all.first { [least = index.suffix] in $0.suffix > least }?.index
                }
            if found != expected { Issue.record("after \(suffix), from \(start)") }
            starts.insert("\(start)".prefix(5).description)
        }
        #expect(starts.count == 2)
    }

    @Test func `the next IMPLIED string after any sequence is the one that a search through all finds`() {
        var random = SeededGenerator("next implied")
        let octets: [UInt8] = [0, 1, 255]
        let all = (octets.map { [$0] } + octets.flatMap { a in octets.map { [a, $0] } } + [[255, 255, 255]])
            .map(ImpliedIndex.init(text:)).sorted { $0.suffix < $1.suffix }
        for _ in 0..<5000 {
            let suffix = OID(
                (0..<random.number(0...4)).map { _ in [0, 1, 255, 256, UInt32.max].randomElement(using: &random)! }
            )!
            let found: ImpliedIndex? =
                switch RowStart<ImpliedIndex>(after: suffix) {
                case .first: all.first
                case .atLeast(let index): all.first { $0.suffix >= index.suffix }
                case .after(let index): all.first { $0.suffix > index.suffix }
                }
            if found != all.first(where: { $0.suffix > suffix }) { Issue.record("after \(suffix)") }
        }
    }

    @Test func `lengths of four billion are refused before anything is made of them`() {
        let suffix: OID = [7, 10, 1, 1, UInt32.max, 1, 1]
        #expect(EveryIndex(suffix: suffix) == nil)
        guard case .after(let index) = RowStart<EveryIndex>(after: suffix) else {
            Issue.record("not after the largest string")
            return
        }
        #expect(index.text.count <= OID.limit)
    }
}
