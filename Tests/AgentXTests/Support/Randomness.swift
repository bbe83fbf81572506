// Random PDUs and their parts.

import TestRandomness

@testable import AgentX

extension RandomNumberGenerator {
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
