// The mirror of WireReader.

/// Writes a message from front to back. Numbers are big-endian.
package struct WireWriter {
    package private(set) var bytes: [UInt8] = []

    package init(capacity: Int = 128) {
        bytes.reserveCapacity(capacity)
    }

    package mutating func integer<Number: FixedWidthInteger & UnsignedInteger>(_ value: Number) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func bytes(_ value: some Sequence<UInt8>) {
        bytes.append(contentsOf: value)
    }

    /// Writes what `body` writes behind its length in octets, a 16-bit number.
    package mutating func lengthPrefixed(_ body: (inout WireWriter) -> Void) {
        let lengthPosition = bytes.count
        integer(UInt16(0))
        body(&self)
        let length = UInt16(clamping: bytes.count - lengthPosition - 2)
        bytes[lengthPosition] = UInt8(length >> 8)
        bytes[lengthPosition + 1] = UInt8(length & 0xff)
    }
}
