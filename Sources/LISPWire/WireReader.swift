// The only code of this module that takes bytes apart. Every length and count is compared with what is there before
// anything is read or allocated.

/// Reads a message from front to back. A reader made by `slice` ends where its slice ends.
package struct WireReader {
    private let bytes: [UInt8]
    /// Octets read so far, counted from the start of the message.
    package private(set) var position: Int
    private let end: Int

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        self.position = 0
        self.end = bytes.count
    }

    private init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        self.position = range.lowerBound
        self.end = range.upperBound
    }

    /// Decodes a value that must use `bytes` up.
    package static func whole<Value>(
        _ bytes: some Sequence<UInt8>,
        _ decode: (inout WireReader) throws(WireError) -> Value
    ) throws(WireError) -> Value {
        var reader = WireReader(Array(bytes))
        let value = try decode(&reader)
        try reader.finish("message")
        return value
    }

    /// Octets left.
    package var remaining: Int { end - position }

    /// The next octet, left where it is; `nil` at the end.
    package var next: UInt8? { position < end ? bytes[position] : nil }

    /// A big-endian number as wide as its type.
    package mutating func integer<Number: FixedWidthInteger & UnsignedInteger>(
        _ field: String
    ) throws(WireError) -> Number {
        let range = try advance(field, Number.bitWidth / 8)
        var value: Number = 0
        for byte in bytes[range] {
            value = value << 8 | Number(byte)
        }
        return value
    }

    package mutating func bytes(_ field: String, count: Int) throws(WireError) -> [UInt8] {
        Array(bytes[try advance(field, count)])
    }

    /// A reader of the next `count` octets alone; this one goes on behind them.
    package mutating func slice(_ field: String, count: Int) throws(WireError) -> WireReader {
        WireReader(bytes, try advance(field, count))
    }

    /// The octets before the next NUL, which is read too.
    package mutating func bytesBeforeNUL(_ field: String) throws(WireError) -> [UInt8] {
        guard let nul = bytes[position..<end].firstIndex(of: 0) else {
            throw .truncated(field: field, needed: remaining + 1, available: remaining)
        }
        defer { position = nul + 1 }
        return Array(bytes[position..<nul])
    }

    /// All that is left.
    package mutating func rest() -> [UInt8] {
        defer { position = end }
        return Array(bytes[position..<end])
    }

    /// Refuses octets that nobody has read.
    package func finish(_ field: String) throws(WireError) {
        guard remaining == 0 else { throw .trailingBytes(field: field, count: remaining) }
    }

    private mutating func advance(_ field: String, _ count: Int) throws(WireError) -> Range<Int> {
        guard count >= 0, count <= remaining else {
            throw .truncated(field: field, needed: count, available: remaining)
        }
        defer { position += count }
        return position..<position + count
    }
}
