// Control messages by instance and family of the EIDs that they are about: what lispGlobalStatsTable shows (RFC 7052).

import LISPTables
import LISPWire

/// How many messages of each kind were about EIDs of one family of one instance.
package struct ServiceMessages: Hashable, Sendable {
    package enum Kind: Int, Hashable, Sendable, CaseIterable {
        case mapRequest
        case mapReply
        case mapRegister
    }

    fileprivate var counts: [UInt64] = Array(repeating: 0, count: ServiceTally.width)

    package subscript(kind: Kind, direction: MessageCount.Direction) -> UInt64 {
        counts[ServiceTally.column(kind, direction)]
    }
}

/// The counts of the instances that this router has to do with; anybody may send messages about others. A message counts once for
/// each family and instance that it has EIDs of.
///
/// Messages in a row are mostly about the same, which then costs next to nothing.
package struct ServiceTally: Sendable {
    fileprivate static let width = 2 * ServiceMessages.Kind.allCases.count

    /// An instance with a family, in one number that is quickly compared.
    private struct Code: Hashable {
        let number: UInt32

        init(_ instanceID: InstanceID, isIPv4: Bool) {
            number = instanceID.rawValue << 1 | (isIPv4 ? 0 : 1)
        }

        init(_ key: EIDTableKey) {
            self.init(key.instanceID, key.family)
        }

        init(_ instanceID: InstanceID, _ family: AddressFamily) {
            switch family {
            case .ipv4: self.init(instanceID, isIPv4: true)
            case .ipv6: self.init(instanceID, isIPv4: false)
            }
        }

        /// `nil` if the EID is neither IPv4 nor IPv6.
        init?(_ eid: LISPAddress) {
            switch eid {
            case .ip(.v4): self.init(.default, isIPv4: true)
            case .ip(.v6): self.init(.default, isIPv4: false)
            case .instance(let instanceID, _, .ip(.v4)): self.init(instanceID, isIPv4: true)
            case .instance(let instanceID, _, .ip(.v6)): self.init(instanceID, isIPv4: false)
            case .none, .mac, .distinguishedName, .instance, .lcaf:
                guard let eid = EID(eid) else { return nil }
                self.init(eid.instanceID, eid.address.family)
            }
        }

        var instanceID: InstanceID { InstanceID(uncheckedRawValue: number >> 1) }
    }

    /// `width` numbers for each code. Never fewer over time: what was counted stays.
    private var counts: [UInt64] = []
    private var rows: [Code: Int] = [:]
    private var lastCode: Code?
    private var lastRow = 0
    private var instances: Set<InstanceID>

    init(_ instances: Set<InstanceID>) {
        self.instances = instances
    }

    fileprivate static func column(_ kind: ServiceMessages.Kind, _ direction: MessageCount.Direction) -> Int {
        switch direction {
        case .received: 2 * kind.rawValue
        case .sent: 2 * kind.rawValue + 1
        }
    }

    package subscript(key: EIDTableKey) -> ServiceMessages {
        var messages = ServiceMessages()
        if let row = rows[Code(key)] { messages.counts = Array(counts[row..<row + Self.width]) }
        return messages
    }

    mutating func count(_ instances: Set<InstanceID>) {
        self.instances = instances
        lastCode = nil
    }

    // MARK: Counting

    mutating func add(_ kind: ServiceMessages.Kind, _ direction: MessageCount.Direction, _ key: EIDTableKey) {
        add(kind, direction, Code(key))
    }

    private mutating func add(_ kind: ServiceMessages.Kind, _ direction: MessageCount.Direction, _ code: Code) {
        guard lastCode == code || find(code) else { return }
        counts[lastRow + Self.column(kind, direction)] &+= 1
    }

    /// Makes a code the last one; `false` if it is not counted.
    @inline(never)
    private mutating func find(_ code: Code) -> Bool {
        guard instances.contains(code.instanceID) else { return false }
        if let row = rows[code] {
            lastRow = row
        } else {
            lastRow = counts.count
            rows[code] = lastRow
            counts += Array(repeating: 0, count: Self.width)
        }
        lastCode = code
        return true
    }

    @inline(__always)
    private mutating func add(
        _ kind: ServiceMessages.Kind,
        _ direction: MessageCount.Direction,
        _ count: Int,
        _ code: (Int) -> Code?
    ) {
        // Most messages are about one EID alone, or about several of one kind.
        guard count > 1 else {
            if count == 1, let code = code(0) { add(kind, direction, code) }
            return
        }
        if let first = code(0), (1..<count).allSatisfy({ code($0) == first }) {
            add(kind, direction, first)
        } else {
            for code in Set((0..<count).compactMap(code)) { add(kind, direction, code) }
        }
    }

    mutating func add(_ message: ControlMessage, _ direction: MessageCount.Direction) {
        switch message {
        case .mapRequest(let request): add(request, direction)
        case .mapReply(let reply): add(.mapReply, direction, reply.records.count) { Code(reply.records[$0].eid) }
        case .mapRegister(let register):
            add(.mapRegister, direction, register.records.count) { Code(register.records[$0].eid) }
        case .encapsulated(let ecm):
            if case .mapRequest(let request) = try? ecm.decodePayload() { add(request, direction) }
        case .mapNotify, .mapReferral, .info, .sharedExtension: break
        }
    }

    mutating func add(_ request: MapRequest, _ direction: MessageCount.Direction) {
        add(.mapRequest, direction, request.records.count) { Code(request.records[$0].eid) }
    }

    /// Counts an encoded Map-Reply of ours by its outline.
    mutating func addSentReply(_ records: [RecordOutline]) {
        if records.count == 1 {
            if let family = records[0].family { add(.mapReply, .sent, Code(records[0].instanceID, family)) }
            return
        }
        add(.mapReply, .sent, records.count) { index in
            records[index].family.map { Code(records[index].instanceID, $0) }
        }
    }
}
