// Capture files of raw IP packets, written by hand so that the codecs under test have no part in it.

import Foundation
import LISPWire

/// A UDP datagram in its IP packet, and a file of them.
enum Pcap {
    /// The IP packet around a UDP payload. Without a checksum its field is zero.
    static func packet(_ payload: [UInt8], from source: Endpoint, to destination: Endpoint, checksum: Bool = true)
        -> [UInt8]
    {
        var datagram =
            octets(source.port) + octets(destination.port) + octets(UInt16(payload.count + 8)) + [0, 0] + payload
        let addresses = octets(source.address) + octets(destination.address)
        if checksum {
            let sum = onesComplement(addresses + octets(UInt16(datagram.count)) + [0, 17] + datagram)
            datagram.replaceSubrange(6..<8, with: octets(sum == 0 ? 0xffff : sum))
        }
        switch source.address {
        case .v4:
            var header: [UInt8] =
                [0x45, 0] + octets(UInt16(20 + datagram.count)) + [0, 0, 0x40, 0, 64, 17, 0, 0] + addresses
            header.replaceSubrange(10..<12, with: octets(onesComplement(header)))
            return header + datagram
        case .v6:
            return [0x60, 0, 0, 0] + octets(UInt16(datagram.count)) + [17, 64] + addresses + datagram
        }
    }

    /// A file of link type RAW: each packet starts with its IP header.
    static func file(_ packets: [[UInt8]]) -> Data {
        var bytes: [UInt8] = [
            0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 101,
        ]
        for (index, packet) in packets.enumerated() {
            let length = octets(UInt16(packet.count))
            bytes += [0, 0] + octets(UInt16(index)) + [0, 0, 0, 0] + [0, 0] + length + [0, 0] + length + packet
        }
        return Data(bytes)
    }

    static func octets(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255)] }

    static func octets(_ address: IPAddress) -> [UInt8] {
        (0..<Int(address.family.bitWidth / 8)).map { UInt8(truncatingIfNeeded: address.leftAligned >> (120 - 8 * $0)) }
    }

    private static func onesComplement(_ bytes: [UInt8]) -> UInt16 {
        let padded = bytes + (bytes.count % 2 == 0 ? [] : [0])
        var sum = 0
        for index in stride(from: 0, to: padded.count, by: 2) {
            sum += Int(padded[index]) << 8 | Int(padded[index + 1])
            if sum > 0xffff { sum -= 0xffff }
        }
        return ~UInt16(sum)
    }
}
