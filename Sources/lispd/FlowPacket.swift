// A packet made up to ask the data plane about its flow.

import LISPWire

enum FlowPacket {
    private static let icmp: UInt8 = 1
    private static let icmpIPv6: UInt8 = 58

    /// Protocols whose ports a flow hash goes by: TCP, UDP, SCTP.
    static func hasPorts(_ number: UInt8) -> Bool { number == 6 || number == 17 || number == 132 }

    /// Header and eight octets, which begin with the ports.
    ///
    /// - Parameter protocolNumber: `nil`: ICMP of the family.
    static func octets(
        from source: IPAddress,
        to destination: IPAddress,
        protocolNumber: UInt8?,
        ports: (source: UInt16, destination: UInt16)
    ) -> [UInt8] {
        let payload = bytes(ports.source) + bytes(ports.destination) + [UInt8](repeating: 0, count: 4)
        switch (source, destination) {
        case (.v4(let from), .v4(let to)):
            let number = protocolNumber ?? icmp
            let length = UInt16(20 + payload.count)
            // Version and header length, TOS, length; identification, fragment; TTL, protocol, checksum, which nobody checks.
            let header: [UInt8] = [0x45, 0] + bytes(length) + [0, 0, 0, 0] + [64, number, 0, 0]
            return header + bytes(from.rawValue) + bytes(to.rawValue) + payload
        case (.v6(let from), .v6(let to)):
            let number = protocolNumber ?? icmpIPv6
            let header: [UInt8] = [0x60, 0, 0, 0] + bytes(UInt16(payload.count)) + [number, 64]
            return header + bytes(from.rawValue) + bytes(to.rawValue) + payload
        case (.v4, .v6), (.v6, .v4):
            return []
        }
    }

    private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}
