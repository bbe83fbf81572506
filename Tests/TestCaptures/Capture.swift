// The UDP datagrams of the capture files in Interop/captures: packets that other implementations sent each other.

import Foundation
import LISPWire

/// The folder Interop of the package.
package enum Interop {
    package static let folder = URL(filePath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Interop")
}

/// A UDP datagram in a capture file.
package struct CapturedDatagram: Hashable, Sendable {
    package let pcap: String
    /// Its number in the file, from 1.
    package let frame: Int
    /// Since the start of 1970.
    package let time: Duration
    package let source: Endpoint
    package let destination: Endpoint
    package let payload: [UInt8]

    /// Lispers.net's files start with `ln`, those with Open Overlay Router in them with `oor`.
    package var isControl: Bool { [source.port, destination.port].contains(LISPPort.control) }
    /// A Map-Register, Map-Notify or Map-Notify-Ack.
    package var isAuthenticated: Bool { isControl && (3...5).contains(payload[0] >> 4) }
    package var isData: Bool { destination.port == LISPPort.data }
    package var description: String { "\(pcap) \(frame)" }

    package struct Unreadable: Error, CustomStringConvertible {
        package let description: String
    }

    /// Those of all files, in order.
    package static func all() throws -> [CapturedDatagram] {
        let folder = Interop.folder.appending(path: "captures")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".pcap") }
        return try names.sorted().flatMap { try datagrams(of: $0, in: folder) }
    }

    /// Those of one file.
    package static func datagrams(of name: String) throws -> [CapturedDatagram] {
        try datagrams(of: name, in: Interop.folder.appending(path: "captures"))
    }

    /// Reads little-endian pcap with microseconds and Ethernet, which all of these are.
    private static func datagrams(of name: String, in folder: URL) throws -> [CapturedDatagram] {
        let bytes = Array(try Data(contentsOf: folder.appending(path: name)))
        func number(_ offset: Int) -> Int {
            (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
        }
        guard bytes.count >= 24, number(0) == 0xa1b2_c3d4, number(20) == 1 else {
            throw Unreadable(description: "\(name) is no little-endian pcap file of Ethernet frames")
        }
        var datagrams: [CapturedDatagram] = []
        var offset = 24
        var frame = 0
        while offset < bytes.count {
            frame += 1
            let length = number(offset + 8)
            guard number(offset + 12) == length, offset + 16 + length <= bytes.count else {
                throw Unreadable(description: "\(name): frame \(frame) is cut")
            }
            let time = Duration.seconds(number(offset)) + .microseconds(number(offset + 4))
            let octets = Array(bytes[offset + 16..<offset + 16 + length])
            if let (source, destination, payload) = udp(octets) {
                datagrams.append(
                    CapturedDatagram(
                        pcap: name,
                        frame: frame,
                        time: time,
                        source: source,
                        destination: destination,
                        payload: payload
                    )
                )
            }
            offset += 16 + length
        }
        return datagrams
    }

    /// `nil` for what is no UDP over IPv4 or IPv6. No frame here is a fragment or has IPv6 extension headers before UDP.
    private static func udp(_ frame: [UInt8]) -> (Endpoint, Endpoint, [UInt8])? {
        let packet = Array(frame.dropFirst(14))
        func number(_ bytes: ArraySlice<UInt8>) -> UInt128 { bytes.reduce(0) { $0 << 8 | UInt128($1) } }
        let source: IPAddress
        let destination: IPAddress
        let datagram: [UInt8]
        switch number(frame[12..<14]) {
        case 0x0800 where packet[9] == 17:
            source = .v4(IPv4Address(UInt32(number(packet[12..<16]))))
            destination = .v4(IPv4Address(UInt32(number(packet[16..<20]))))
            datagram = Array(packet[(Int(packet[0] & 15) * 4)...])
        case 0x86dd where packet[6] == 17:
            source = .v6(IPv6Address(number(packet[8..<24])))
            destination = .v6(IPv6Address(number(packet[24..<40])))
            datagram = Array(packet[40...])
        default:
            return nil
        }
        return (
            Endpoint(source, UInt16(number(datagram[0..<2]))),
            Endpoint(destination, UInt16(number(datagram[2..<4]))),
            Array(datagram[8..<Int(number(datagram[4..<6]))])
        )
    }
}
