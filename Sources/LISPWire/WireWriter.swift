// The mirror of WireReader.

/// Writes a message from front to back. Numbers are big-endian.
package struct WireWriter {
    /// What is written, and room for more: a number is stored where it belongs, not appended octet by octet.
    private var buffer: [UInt8]
    private var end = 0

    package init(capacity: Int = 128) {
        buffer = Array(repeating: 0, count: capacity)
    }

    /// What has been written.
    package var bytes: [UInt8] { Array(buffer[..<end]) }

    /// What has been written, without a copy of it. The writer is at its end.
    consuming func finished() -> [UInt8] {
        buffer.removeLast(buffer.count - end)
        return buffer
    }

    private mutating func makeRoom(_ count: Int) {
        guard buffer.count - end < count else { return }
        buffer += Array(repeating: 0, count: max(count, buffer.count))
    }

    package mutating func integer<Number: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_ value: Number) {
        makeRoom(MemoryLayout<Number>.size)
        let position = end
        buffer.withUnsafeMutableBytes {
            $0.storeBytes(of: value.bigEndian, toByteOffset: position, as: Number.self)
        }
        end += MemoryLayout<Number>.size
    }

    package mutating func bytes(_ value: some Collection<UInt8>) {
        let count = value.count
        makeRoom(count)
        let position = end
        buffer.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[position..<position + count]).copyBytes(from: value)
        }
        end += count
    }

    /// Writes what `body` writes behind its length in octets, a 16-bit number.
    package mutating func lengthPrefixed(_ body: (inout WireWriter) -> Void) {
        let lengthPosition = end
        integer(UInt16(0))
        body(&self)
        let length = UInt16(clamping: end - lengthPosition - 2)
        buffer[lengthPosition] = UInt8(length >> 8)
        buffer[lengthPosition + 1] = UInt8(length & 0xff)
    }
}
