// Get, GetNext and GetBulk as RFC 2741 7.2.3 has them, and how they are cut into slices.

import TestRandomness
import Testing

@testable import AgentX

@Suite struct RetrievalTests {
    static let entry: OID = "1.3.6.1.4.1.8072.9999.1.1.1"

    static func conversation(
        rows: Range<UInt32>,
        columns: ClosedRange<UInt32> = 1...2,
        sparse: Bool = false,
        _ change: (inout AgentXSettings) -> Void = { _ in }
    ) -> Conversation {
        let source = SortedRows<UInt32, UInt32>()
        for row in rows { source[row] = row }
        let module = MIBModule("TEST-MIB", at: "1.3.6.1.4.1.8072.9999.1") {
            Table("entry", at: entry, rows: source) {
                for column in columns {
                    Column(column, "c") { sparse && $0 + 1 < rows.upperBound ? nil : .gauge32($0) }
                }
            }
        }
        let conversation = Conversation(modules: [module], change)
        conversation.openWholly()
        return conversation
    }

    static func variable(_ column: UInt32, _ row: UInt32) -> VarBind { VarBind(entry + [column, row], .gauge32(row)) }

    @Test func `Get answers each by itself`() {
        let conversation = Self.conversation(rows: 0..<9)
        let names: [OID] = [Self.entry + [1, 3], Self.entry + [1, 30], Self.entry + [7, 3], [1, 3]]
        let answer = conversation.ask(.get(names.map { SearchRange($0) }))
        #expect(answer?.variables.map(\.name) == names)
        #expect(answer?.variables.map(\.value) == [.gauge32(3), .noSuchInstance, .noSuchObject, .noSuchObject])
    }

    @Test func `GetNext keeps to the range, and to the start if that is included`() {
        let conversation = Self.conversation(rows: 0..<9)
        let answer = conversation.ask(
            .getNext([
                SearchRange(Self.entry + [1, 3]),
                SearchRange(Self.entry + [1, 3], includesStart: true),
                SearchRange(Self.entry + [1, 8], end: Self.entry + [2]),
                SearchRange(Self.entry + [2, 8]),
                SearchRange(OID(), end: Self.entry),
            ])
        )
        #expect(
            answer?.variables == [
                Self.variable(1, 4),
                Self.variable(1, 3),
                VarBind(Self.entry + [1, 8], .endOfMibView),
                VarBind(Self.entry + [2, 8], .endOfMibView),
                VarBind(OID(), .endOfMibView),
            ]
        )
    }

    @Test func `GetBulk repeats all but the non-repeaters, and stops once all are at the end`() {
        let conversation = Self.conversation(rows: 0..<3, columns: 1...3)
        let answer = conversation.ask(
            .getBulk(
                nonRepeaters: 1,
                maxRepetitions: 99,
                [
                    SearchRange(Self.entry + [1, 0]),
                    SearchRange(Self.entry + [2, 0], end: Self.entry + [3]),
                    SearchRange(Self.entry + [3]),
                ]
            )
        )
        let end = VariableValue.endOfMibView
        #expect(
            answer?.variables == [
                Self.variable(1, 1),
                Self.variable(2, 1), Self.variable(3, 0),
                Self.variable(2, 2), Self.variable(3, 1),
                VarBind(Self.entry + [2, 2], end), Self.variable(3, 2),
                VarBind(Self.entry + [2, 2], end), VarBind(Self.entry + [3, 2], end),
            ]
        )
    }

    @Test(arguments: [(0, 2, 4), (1, 2, 3), (2, 9, 2), (9, 9, 2), (0, 0, 0)])
    func `GetBulk gives as many as were asked for`(nonRepeaters: UInt16, repetitions: UInt16, count: Int) {
        let conversation = Self.conversation(rows: 0..<9)
        let ranges = [SearchRange(Self.entry + [1]), SearchRange(Self.entry + [2])]
        let answer = conversation.ask(.getBulk(nonRepeaters: nonRepeaters, maxRepetitions: repetitions, ranges))
        #expect(answer?.variables.count == count)
    }

    @Test func `GetBulk ends early where the answer would be too long, with whole repetitions`() {
        let conversation = Self.conversation(rows: 0..<1000) { $0.bulkLimit = 2000 }
        let ranges = [SearchRange(Self.entry + [1]), SearchRange(Self.entry + [2])]
        let answer = conversation.ask(.getBulk(nonRepeaters: 0, maxRepetitions: UInt16.max, ranges))
        let count = answer?.variables.count ?? 0
        #expect(count > 20 && count < 60 && count % 2 == 0)
    }

    @Test func `an answer that is too long even so is refused`() {
        let conversation = Self.conversation(rows: 0..<1000) { $0.answerLimit = 2000 }
        let ranges = (0..<100 as Range<UInt32>).map { SearchRange(Self.entry + [1, $0]) }
        let answer = conversation.ask(.get(ranges))
        #expect(answer?.error == .tooBig)
        #expect(answer?.variables == [])
        #expect(conversation.subagent.statistics.refusals == 1)
    }

    @Test func `work stops whenever it is told to, and the answer is the same`() {
        let whole = Self.conversation(rows: 0..<200)
        let sliced = Self.conversation(rows: 0..<200)
        let request = PDU.Body.getBulk(nonRepeaters: 0, maxRepetitions: 300, [SearchRange(Self.entry)])
        let expected = whole.ask(request)
        sliced.subagent.receive(PDU(request, sessionID: Conversation.sessionID, packetID: 1).octets, now: sliced.now)
        var slices = 0
        while sliced.subagent.work(now: sliced.now, until: { true }) { slices += 1 }
        #expect(slices > 300)
        let answer = sliced.sent()
        #expect(answer.map(\.body) == [.response(expected!)])
    }

    @Test func `a column in which no row has a value is searched in slices, too`() {
        let conversation = Self.conversation(rows: 0..<5000, columns: 1...1, sparse: true)
        let request = PDU(.getNext([SearchRange(Self.entry)]), sessionID: Conversation.sessionID, packetID: 1)
        conversation.subagent.receive(request.octets, now: conversation.now)
        var slices = 0
        var steps = 0
        while conversation.subagent.work(
            now: conversation.now,
            until: {
                steps += 1
                return steps % 100 == 0
            }
        ) { slices += 1 }
        #expect(slices >= 49)
        #expect(conversation.sent().count == 1)
    }

    @Test func `what is asked again is read again, also when a SET came in between`() {
        let rows = SortedRows<UInt32, UInt32>()
        rows[1] = 5
        let module = MIBModule("TEST-MIB", at: [1, 3]) {
            Table(
                "entry",
                at: [1, 3, 1],
                rows: rows,
                set: { change in Change(commit: { rows[1] = 6 }, undo: { rows[1] = 5 }) }
            ) {
                Column(1, "limit", writable: .gauge32(1...10)) { .gauge32($0) }
            }
        }
        let conversation = Conversation(modules: [module])
        conversation.openWholly()
        let name: OID = [1, 3, 1, 1, 1]
        let requests: [PDU.Body] = [
            .get([SearchRange(name)]), .getNext([SearchRange([1, 3])]), .testSet([VarBind(name, .gauge32(6))]),
            .commitSet,
            .cleanupSet, .get([SearchRange(name)]), .getNext([SearchRange([1, 3])]),
        ]
        // All in one slice.
        for (number, body) in requests.enumerated() {
            let pdu = PDU(body, sessionID: Conversation.sessionID, transactionID: 1, packetID: UInt32(number))
            conversation.subagent.receive(pdu.octets, now: conversation.now)
        }
        #expect(!conversation.subagent.work(now: conversation.now, until: { false }))
        let values = conversation.sent().compactMap { pdu in
            if case .response(let response) = pdu.body { response.variables.first?.value } else { nil }
        }
        #expect(values == [.gauge32(5), .gauge32(5), .gauge32(6), .gauge32(6)])
        rows[1] = 7
        #expect(conversation.ask(.get([SearchRange(name)]))?.variables.first?.value == .gauge32(7))
    }

    @Test func `rows may change between two slices`() {
        let source = SortedRows<UInt32, UInt32>()
        for row in 0..<100 as Range<UInt32> { source[row] = row }
        let module = MIBModule("TEST-MIB", at: Self.entry) {
            Table("entry", at: Self.entry, rows: source) {
                for column in 1...3 as ClosedRange<UInt32> { Column(column, "c") { .gauge32($0) } }
            }
        }
        let conversation = Conversation(modules: [module])
        conversation.openWholly()
        let ranges = (1...3).map { SearchRange(Self.entry + [$0]) }
        let request = PDU(
            .getBulk(nonRepeaters: 0, maxRepetitions: 200, ranges),
            sessionID: Conversation.sessionID,
            packetID: 1
        )
        conversation.subagent.receive(request.octets, now: conversation.now)
        var random = SeededGenerator("between slices")
        while conversation.subagent.work(now: conversation.now, until: { random.number(0...4) == 0 }) {
            source[random.number(0...99)] = random.flip() ? nil : 5
        }
        guard case .response(let answer)? = conversation.sent().first?.body else {
            Issue.record("no answer")
            return
        }
        for column in 0..<3 {
            let names = stride(from: column, to: answer.variables.count, by: 3).map { answer.variables[$0] }
                .prefix { !$0.value.isException }.map(\.name)
            #expect(names.count > 10 && zip(names, names.dropFirst()).allSatisfy { $0 < $1 })
        }
    }
}
