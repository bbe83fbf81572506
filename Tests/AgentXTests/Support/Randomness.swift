// All randomness of these tests comes from one printed seed.
//
//     AGENTX_TEST_SEED=12345 swift test --filter AgentXTests
//
// repeats a run.

import Foundation

@testable import AgentX

/// SplitMix64: small, fast, and the same everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    /// `purpose` keeps the tests independent of each other's order.
    init(_ purpose: String) {
        state = purpose.utf8.reduce(testSeed) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

/// The seed of this run, printed when first used.
let testSeed: UInt64 = {
    let given = ProcessInfo.processInfo.environment["AGENTX_TEST_SEED"].flatMap { UInt64($0) }
    let seed = given ?? UInt64.random(in: 1...UInt64.max)
    print("AGENTX_TEST_SEED=\(seed)")
    return seed
}()

extension RandomNumberGenerator {
    mutating func number<Number: FixedWidthInteger>(_ range: ClosedRange<Number>) -> Number {
        Number.random(in: range, using: &self)
    }

    mutating func flip() -> Bool { Bool.random(using: &self) }

    mutating func octets(_ counts: ClosedRange<Int>) -> [UInt8] {
        (0..<number(counts)).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    /// Often within 1.3.6.1, as most are.
    mutating func oid(_ counts: ClosedRange<Int> = 0...20) -> OID {
        var all: [UInt32] = flip() ? [1, 3, 6, 1] : []
        for _ in 0..<number(counts) { all.append(flip() ? number(0...UInt32.max) : number(0...3)) }
        return OID(all)!
    }

    mutating func value() -> VariableValue {
        switch number(0...12) {
        case 0: .integer(number(Int32.min...Int32.max))
        case 1: .octetString(octets(0...40))
        case 2: .null
        case 3: .objectIdentifier(oid())
        case 4: .ipAddress(number(0...UInt32.max))
        case 5: .counter32(number(0...UInt32.max))
        case 6: .gauge32(number(0...UInt32.max))
        case 7: .timeTicks(number(0...UInt32.max))
        case 8: .opaque(octets(0...9))
        case 9: .counter64(number(0...UInt64.max))
        case 10: .noSuchObject
        case 11: .noSuchInstance
        default: .endOfMibView
        }
    }

    mutating func variables() -> [VarBind] { (0..<number(0...5)).map { _ in VarBind(oid(), value()) } }

    mutating func ranges() -> [SearchRange] {
        (0..<number(0...5)).map { _ in SearchRange(oid(), includesStart: flip(), end: oid()) }
    }

    mutating func registration(isUnregister: Bool) -> Registration {
        let subtree = oid()
        let range: Registration.Range? =
            if subtree.isEmpty || flip() { nil } else {
                Registration.Range(position: number(1...UInt8(subtree.count)), upperBound: number(0...UInt32.max))
            }
        return Registration(
            subtree,
            range: range,
            priority: number(1...255),
            timeout: isUnregister ? 0 : number(0...255),
            isInstance: !isUnregister && flip()
        )
    }

    mutating func body(_ type: PDUType) -> PDU.Body {
        switch type {
        case .open: .open(timeout: number(0...255), id: oid(), description: octets(0...40))
        case .close: .close(CloseReason(rawValue: number(1...6))!)
        case .register: .register(registration(isUnregister: false))
        case .unregister: .unregister(registration(isUnregister: true))
        case .get: .get(ranges())
        case .getNext: .getNext(ranges())
        case .getBulk: .getBulk(nonRepeaters: number(0...9), maxRepetitions: number(0...99), ranges())
        case .testSet: .testSet(variables())
        case .commitSet: .commitSet
        case .undoSet: .undoSet
        case .cleanupSet: .cleanupSet
        case .notify: .notify(variables())
        case .ping: .ping
        case .indexAllocate: .indexAllocate([.named, .any, .new].randomElement(using: &self)!, variables())
        case .indexDeallocate: .indexDeallocate(variables())
        case .addAgentCaps: .addAgentCaps(id: oid(), description: octets(0...40))
        case .removeAgentCaps: .removeAgentCaps(id: oid())
        case .response:
            .response(
                PDU.Response(
                    sysUpTime: number(0...UInt32.max),
                    error: ErrorStatus(rawValue: number(0...300)),
                    index: number(0...UInt16.max),
                    variables: variables()
                )
            )
        }
    }

    mutating func pdu(_ type: PDUType, _ order: ByteOrder) -> PDU {
        PDU(
            body(type),
            sessionID: number(0...UInt32.max),
            transactionID: number(0...UInt32.max),
            packetID: number(0...UInt32.max),
            order: order,
            context: flip() ? octets(0...9) : nil
        )
    }
}
