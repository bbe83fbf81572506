// One number for everything that happened in a run, in order.

/// Two runs with the same hash went the same way.
package struct TraceHash: Hashable, Sendable, CustomStringConvertible {
    package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    package init() {}

    package mutating func add(_ word: UInt64) {
        value = (value ^ word) &* 0x9e37_79b9_7f4a_7c15
        value ^= value >> 29
    }

    package mutating func add(_ bytes: [UInt8]) {
        add(UInt64(bytes.count))
        bytes.withUnsafeBytes { bytes in
            // Safe: the words lie within the buffer, and unaligned loads are asked for.
            for offset in stride(from: 0, to: bytes.count - 7, by: 8) {
                add(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            }
            for byte in bytes.suffix(bytes.count % 8) { add(UInt64(byte)) }
        }
    }

    package var description: String { "0x" + String(value, radix: 16) }
}
