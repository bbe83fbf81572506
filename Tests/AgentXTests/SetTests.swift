// SETs: what is refused and why, and that all of it happens or none, whatever fails and whenever the master is gone.

import TestRandomness
import Testing

@testable import AgentX

/// A table with two writable columns and a scalar, which write down what is done to them and fail when told to.
private final class Store {
    static let root: OID = "1.3.6.1.4.1.8072.9999.1"
    static let entry = root + [1, 1]

    struct Row: Hashable {
        var number: Int32
        var text: [UInt8]
    }

    let rows = SortedRows<UInt32, Row>()
    var scalar: Int32 = 0
    var log: [String] = []
    var failsCommit: Set<UInt32> = []
    var failsUndo: Set<UInt32> = []
    var allowsCreation = false

    var modules: [MIBModule] {
        [
            MIBModule("TEST-MIB", at: Self.root) {
                Table("entry", at: Self.entry, rows: rows, allowsCreation: allowsCreation, set: setRow) {
                    Column(2, "number", writable: .integer(0...100)) { .integer($0.number) }
                    Column(3, "text", writable: .octetString(0...4)) { .octetString($0.text) }
                    Column(4, "fixed") { .integer($0.number + 1) }
                }
                Scalar("scalar", at: Self.root + [2], writable: .oneOf([1, 2, 7]), set: setScalar) {
                    .integer(self.scalar)
                }
                Scalar("constant", at: Self.root + [3]) { .integer(1) }
            }
        ]
    }

    private func setRow(_ change: RowChange<Row>) throws(SetFailure) -> Change {
        let index = UInt32(suffix: change.index)!
        let old = change.row
        var new = old ?? Row(number: 0, text: [])
        if case .integer(let number)? = change.values[2] { new.number = number }
        if case .octetString(let text)? = change.values[3] { new.text = text }
        if new.number == 13 { throw SetFailure(.inconsistentValue, column: 2) }
        log.append("test \(index)")
        return Change(
            commit: { () throws(SetFailure) in
                if self.failsCommit.contains(index) { throw SetFailure(.commitFailed) }
                self.log.append("commit \(index)")
                self.rows[index] = new
            },
            undo: { () throws(SetFailure) in
                if self.failsUndo.contains(index) { throw SetFailure(.undoFailed) }
                self.log.append("undo \(index)")
                self.rows[index] = old
            },
            cleanUp: { self.log.append("clean up \(index)") }
        )
    }

    private func setScalar(_ value: VariableValue) throws(SetFailure) -> Change {
        guard case .integer(let number) = value else { throw SetFailure(.genErr) }
        let old = scalar
        return Change(commit: { self.scalar = number }, undo: { self.scalar = old })
    }

    static func number(_ row: UInt32, _ value: Int32) -> VarBind { VarBind(entry + [2, row], .integer(value)) }
    static func text(_ row: UInt32, _ value: String) -> VarBind { VarBind(entry + [3, row], .octetString(value)) }
}

@Suite struct SetTests {
    private let store = Store()
    private let conversation: Conversation

    init() {
        for row in 1...5 as ClosedRange<UInt32> { store.rows[row] = Store.Row(number: 1, text: []) }
        conversation = Conversation(modules: store.modules)
        conversation.openWholly()
    }

    private var numbers: [Int32] { (1...5 as ClosedRange<UInt32>).map { store.rows[$0]!.number } }

    private func status(_ variables: [VarBind]) -> [Int]? {
        conversation.ask(.testSet(variables)).map { [Int($0.error.rawValue), Int($0.index)] }
    }

    @Test func `each mistake has its error, at the variable that is wrong`() {
        let right = Store.number(1, 5)
        let entry = Store.entry
        func expect(_ wrong: VarBind, _ error: ErrorStatus) {
            #expect(status([right, wrong]) == [Int(error.rawValue), 2], "\(wrong)")
            #expect(conversation.ask(.cleanupSet) == nil)
        }
        expect(VarBind(entry + [4, 1], .integer(1)), .notWritable)
        expect(VarBind(entry + [9, 1], .integer(1)), .notWritable)
        expect(VarBind(entry, .integer(1)), .notWritable)
        expect(VarBind([1, 3, 6], .integer(1)), .notWritable)
        expect(VarBind(Store.root + [3, 0], .integer(1)), .notWritable)
        expect(VarBind(entry + [2, 1], .gauge32(1)), .wrongType)
        expect(VarBind(entry + [2, 9], .gauge32(1)), .wrongType)
        expect(VarBind(entry + [3, 1], .octetString("12345")), .wrongLength)
        expect(Store.number(2, 101), .wrongValue)
        expect(VarBind(Store.root + [2, 0], .integer(3)), .wrongValue)
        expect(Store.number(9, 1), .noCreation)
        expect(VarBind(entry + [2], .integer(1)), .noCreation)
        expect(VarBind(entry + [2, 1, 1], .integer(1)), .noCreation)
        expect(VarBind(Store.root + [2, 1], .integer(1)), .noCreation)
        expect(Store.number(2, 13), .inconsistentValue)
        expect(Store.number(1, 6), .inconsistentValue)
        #expect(numbers == [1, 1, 1, 1, 1])
        // Whatever had been prepared was let go of.
        #expect(store.log.filter { $0.hasPrefix("test") }.count == store.log.filter { $0.hasPrefix("clean") }.count)
        #expect(!store.log.contains { $0.hasPrefix("commit") })
    }

    @Test func `a SET of several rows and a scalar is tested, committed, cleaned up`() {
        let variables = [
            Store.number(1, 5), Store.number(2, 6), Store.text(1, "abc"), VarBind(Store.root + [2, 0], .integer(7)),
        ]
        #expect(status(variables) == [0, 0])
        #expect(numbers == [1, 1, 1, 1, 1])
        #expect(conversation.ask(.commitSet)?.error == .noError)
        #expect(numbers == [5, 6, 1, 1, 1])
        #expect(store.rows[1]?.text == Array("abc".utf8))
        #expect(store.scalar == 7)
        #expect(conversation.ask(.cleanupSet) == nil)
        #expect(store.log == ["test 1", "test 2", "commit 1", "commit 2", "clean up 1", "clean up 2"])
        // It is over.
        #expect(conversation.ask(.undoSet)?.error == .processingError)
        #expect(numbers == [5, 6, 1, 1, 1])
    }

    @Test func `a commit that fails half-way is taken back by UndoSet`() {
        store.failsCommit = [3]
        #expect(status([Store.number(1, 5), Store.number(2, 6), Store.number(3, 7), Store.number(4, 8)]) == [0, 0])
        let answer = conversation.ask(.commitSet)
        #expect(answer?.error == .commitFailed && answer?.index == 3)
        #expect(conversation.ask(.undoSet)?.error == .noError)
        #expect(numbers == [1, 1, 1, 1, 1])
        #expect(store.log.suffix(6) == ["undo 2", "undo 1", "clean up 1", "clean up 2", "clean up 3", "clean up 4"])
    }

    @Test func `a commit that fails half-way is taken back even by CleanupSet`() {
        store.failsCommit = [3]
        #expect(status([Store.number(1, 5), Store.number(3, 7)]) == [0, 0])
        #expect(conversation.ask(.commitSet)?.error == .commitFailed)
        #expect(conversation.ask(.cleanupSet) == nil)
        #expect(numbers == [1, 1, 1, 1, 1])
    }

    @Test func `what was committed is taken back when another agent failed`() {
        #expect(status([Store.number(1, 5), Store.number(2, 6)]) == [0, 0])
        #expect(conversation.ask(.commitSet)?.error == .noError)
        #expect(conversation.ask(.undoSet)?.error == .noError)
        #expect(numbers == [1, 1, 1, 1, 1])
    }

    @Test func `an undo that fails is told, and the others are undone all the same`() {
        store.failsUndo = [2]
        #expect(status([Store.number(1, 5), Store.number(2, 6), Store.number(3, 7)]) == [0, 0])
        #expect(conversation.ask(.commitSet)?.error == .noError)
        let answer = conversation.ask(.undoSet)
        #expect(answer?.error == .undoFailed && answer?.index == 2)
        #expect(numbers == [1, 6, 1, 1, 1])
    }

    @Test(arguments: [false, true])
    func `a session that is lost takes a SET with it`(isCommitted: Bool) {
        #expect(status([Store.number(1, 5), Store.number(2, 6)]) == [0, 0])
        if isCommitted { #expect(conversation.ask(.commitSet)?.error == .noError) }
        conversation.subagent.disconnected("gone", now: conversation.now)
        #expect(numbers == [1, 1, 1, 1, 1])
        #expect(store.log.suffix(2) == ["clean up 1", "clean up 2"])
        conversation.pass(.seconds(30))
        conversation.openWholly()
        #expect(conversation.ask(.commitSet)?.error == .processingError)
        #expect(numbers == [1, 1, 1, 1, 1])
    }

    @Test func `a test is cut into slices, row by row, and what it prepared is let go when the session is lost`() {
        let variables = (1...5 as ClosedRange<UInt32>).map { Store.number($0, 9) }
        let request = PDU(.testSet(variables), sessionID: Conversation.sessionID, transactionID: 1, packetID: 1)
        conversation.subagent.receive(request.octets, now: conversation.now)
        for row in 0...3 {
            #expect(conversation.subagent.work(now: conversation.now, until: { true }))
            #expect(store.log.count == row)
        }
        conversation.subagent.disconnected("gone", now: conversation.now)
        #expect(store.log == ["test 1", "test 2", "test 3", "clean up 1", "clean up 2", "clean up 3"])
    }

    @Test func `commit, undo and clean-up of another transaction do nothing`() {
        #expect(status([Store.number(1, 5)]) == [0, 0])
        #expect(conversation.ask(.commitSet, transaction: 9)?.error == .processingError)
        #expect(conversation.ask(.cleanupSet, transaction: 9) == nil)
        #expect(conversation.ask(.undoSet, transaction: 9)?.error == .processingError)
        #expect(conversation.ask(.commitSet)?.error == .noError)
        #expect(conversation.ask(.commitSet)?.error == .processingError)
        #expect(numbers == [5, 1, 1, 1, 1])
    }

    @Test func `an undo of what was not committed is an end without a change`() {
        #expect(status([Store.number(1, 5)]) == [0, 0])
        #expect(conversation.ask(.undoSet)?.error == .noError)
        #expect(conversation.ask(.commitSet)?.error == .processingError)
        #expect(numbers == [1, 1, 1, 1, 1])
        #expect(store.log == ["test 1", "clean up 1"])
    }

    @Test func `a new SET ends one that the master has forgotten`() {
        #expect(conversation.ask(.testSet([Store.number(1, 5)]), transaction: 1)?.error == .noError)
        #expect(conversation.ask(.testSet([Store.number(2, 6)]), transaction: 2)?.error == .noError)
        #expect(store.log == ["test 1", "clean up 1", "test 2"])
        #expect(conversation.ask(.commitSet, transaction: 1)?.error == .processingError)
        #expect(conversation.ask(.commitSet, transaction: 2)?.error == .noError)
        #expect(numbers == [1, 6, 1, 1, 1])
    }

    @Test func `a SET may come in parts, each tested and committed by itself, and all undone`() {
        store.failsCommit = [3]
        #expect(status([Store.number(1, 5)]) == [0, 0])
        #expect(status([Store.number(2, 6), Store.number(3, 7)]) == [0, 0])
        #expect(conversation.ask(.commitSet)?.error == .noError)
        #expect(numbers == [5, 1, 1, 1, 1])
        let answer = conversation.ask(.commitSet)
        #expect(answer?.error == .commitFailed && answer?.index == 2)
        #expect(conversation.ask(.undoSet)?.error == .noError)
        #expect(conversation.ask(.undoSet)?.error == .noError)
        #expect(numbers == [1, 1, 1, 1, 1])
    }

    @Test func `a row may be created where the table says so`() {
        let store = Store()
        store.allowsCreation = true
        let conversation = Conversation(modules: store.modules)
        conversation.openWholly()
        #expect(conversation.ask(.testSet([Store.number(8, 5), Store.text(8, "x")]))?.error == .noError)
        #expect(conversation.ask(.commitSet)?.error == .noError)
        #expect(store.rows[8] == Store.Row(number: 5, text: [0x78]))
        #expect(conversation.ask(.undoSet)?.error == .noError)
        #expect(store.rows.count == 0)
    }

    @Test func `a setter may be written in place`() {
        let rows = SortedRows<UInt32, UInt32>()
        rows[1] = 5
        let module = MIBModule("TEST-MIB", at: [1, 3]) {
            Table(
                "entry",
                at: [1, 3, 1],
                rows: rows,
                set: { change throws(SetFailure) in
                    guard case .gauge32(let new)? = change.values[1], let old = change.row else {
                        throw SetFailure(.genErr)
                    }
                    guard new >= old else { throw SetFailure(.inconsistentValue, column: 1) }
                    return Change(commit: { rows[1] = new }, undo: { rows[1] = old })
                }
            ) {
                Column(1, "limit", writable: .gauge32(1...10)) { .gauge32($0) }
            }
        }
        let conversation = Conversation(modules: [module])
        conversation.openWholly()
        #expect(conversation.ask(.testSet([VarBind([1, 3, 1, 1, 1], .gauge32(4))]))?.error == .inconsistentValue)
        #expect(conversation.ask(.testSet([VarBind([1, 3, 1, 1, 1], .gauge32(7))]))?.error == .noError)
        #expect(conversation.ask(.commitSet)?.error == .noError)
        #expect(rows[1] == 7)
    }

    @Test func `random SETs, failures and ends leave all or nothing`() {
        var random = SeededGenerator("random sets")
        for transaction in 1...2000 as ClosedRange<UInt32> {
            store.failsCommit = random.number(0...2) == 0 ? [random.number(1...5)] : []
            let before = numbers
            let value = random.number(20...99 as ClosedRange<Int32>)
            let touched = Set((0..<random.number(1...5)).map { _ in random.number(1...5 as ClosedRange<UInt32>) })
            let after = before.enumerated().map { touched.contains(UInt32($0 + 1)) ? value : $1 }
            #expect(
                conversation.ask(.testSet(touched.map { Store.number($0, value) }), transaction: transaction)?.error
                    == .noError
            )
            switch random.number(0...4) {
            case 0:
                #expect(conversation.ask(.cleanupSet, transaction: transaction) == nil)
                #expect(numbers == before)
            case 1:
                conversation.subagent.disconnected("gone", now: conversation.now)
                #expect(numbers == before)
                conversation.pass(.seconds(30))
                conversation.openWholly()
            default:
                let isCommitted = conversation.ask(.commitSet, transaction: transaction)?.error == .noError
                #expect(isCommitted == store.failsCommit.isDisjoint(with: touched))
                if isCommitted, random.flip() {
                    #expect(conversation.ask(.cleanupSet, transaction: transaction) == nil)
                    #expect(numbers == after)
                } else {
                    #expect(conversation.ask(.undoSet, transaction: transaction)?.error == .noError)
                    #expect(numbers == before)
                }
            }
        }
    }
}
