// Messages made before they are sent, and their answers kept until they are checked: neither making, signing nor checking
// takes part in what is measured.

import LISPWire

/// Messages in the order in which they will be sent.
struct PreparedMessages {
    private(set) var octets: [UInt8] = []
    /// Where each begins, and the end of the last.
    private(set) var bounds = [0]
    /// In network order.
    private(set) var sources: [UInt32] = []

    var count: Int { sources.count }

    mutating func append(_ payload: [UInt8], from source: IPv4Address) {
        octets += payload
        bounds.append(octets.count)
        sources.append(source.rawValue.bigEndian)
    }
}

/// The first answer to each of `count` messages whose nonces are `firstNonce` and those behind.
struct CollectedAnswers {
    /// Longer ones are cut off, and so wrong: none of ours has so many octets.
    private static let room = 192

    let firstNonce: UInt64
    /// How many were answered.
    private(set) var answered = 0
    /// Datagrams that answer nothing that was sent, or what was answered before.
    private(set) var unexpected = 0
    private var octets: [UInt8]
    /// 0: none yet.
    private var lengths: [UInt16]

    init(count: Int, firstNonce: UInt64) {
        self.firstNonce = firstNonce
        octets = Array(repeating: 0, count: count * Self.room)
        lengths = Array(repeating: 0, count: count)
    }

    /// - Parameter sent: how many of the messages are out.
    mutating func take(_ datagram: UnsafeRawBufferPointer, sent: Int) {
        guard datagram.count >= 12 else {
            unexpected += 1
            return
        }
        let nonce = UInt64(bigEndian: datagram.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
        let index = nonce &- firstNonce
        guard index < UInt64(sent), lengths[Int(index)] == 0 else {
            unexpected += 1
            return
        }
        let length = min(datagram.count, Self.room)
        let start = Int(index) * Self.room
        octets.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[start..<start + length])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: datagram[..<length]))
        }
        lengths[Int(index)] = UInt16(length)
        answered += 1
    }

    /// `nil` if the message at `index` was not answered.
    subscript(index: Int) -> [UInt8]? {
        guard lengths[index] > 0 else { return nil }
        let start = index * Self.room
        return Array(octets[start..<start + Int(lengths[index])])
    }
}
