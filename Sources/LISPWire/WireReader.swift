// The only code of this module that takes bytes apart. Every length and count is compared with what is there before
// anything is read or allocated.

/// Reads a message from front to back. A reader made by `slice` ends where its slice ends.
///
/// Names of fields are made only when an error needs them.
package struct WireReader {
    private let bytes: [UInt8]
    /// Index into `bytes`.
    private var index: Int
    private let end: Int
    /// Octets of the message in front of `bytes`.
    private let base: Int
    /// How many canonical addresses the octets to be read stand in.
    private(set) var nesting = 0

    /// - Parameter base: where `bytes` starts in what errors count from, if they are a part of it.
    package init(_ bytes: [UInt8], base: Int = 0) {
        self.bytes = bytes
        self.index = 0
        self.end = bytes.count
        self.base = base
    }

    private init(_ reader: WireReader, _ range: Range<Int>, nesting: Int) {
        self.bytes = reader.bytes
        self.index = range.lowerBound
        self.end = range.upperBound
        self.base = reader.base
        self.nesting = nesting
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

    /// Octets read so far, counted from the start of the message.
    package var position: Int { base + index }

    /// Octets left.
    package var remaining: Int { end - index }

    /// The next octet, left where it is; `nil` at the end.
    package var next: UInt8? { index < end ? bytes[index] : nil }

    /// A big-endian number as wide as its type.
    package mutating func integer<Number: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ field: @autoclosure () -> String
    ) throws(WireError) -> Number {
        let start = try advance(MemoryLayout<Number>.size, field).lowerBound
        return bytes.withUnsafeBytes { Number(bigEndian: $0.loadUnaligned(fromByteOffset: start, as: Number.self)) }
    }

    package mutating func bytes(_ field: @autoclosure () -> String, count: Int) throws(WireError) -> [UInt8] {
        Array(bytes[try advance(count, field)])
    }

    /// A reader of the next `count` octets alone; this one goes on behind them.
    package mutating func slice(_ field: @autoclosure () -> String, count: Int) throws(WireError) -> WireReader {
        WireReader(self, try advance(count, field), nesting: nesting)
    }

    /// The same for the body of a canonical address.
    mutating func nestedSlice(_ field: @autoclosure () -> String, count: Int) throws(WireError) -> WireReader {
        WireReader(self, try advance(count, field), nesting: nesting + 1)
    }

    /// The octets before the next NUL, which is read too.
    package mutating func bytesBeforeNUL(_ field: @autoclosure () -> String) throws(WireError) -> [UInt8] {
        guard let nul = bytes[index..<end].firstIndex(of: 0) else {
            throw fault(.truncated(field: field(), needed: remaining + 1, available: remaining))
        }
        defer { index = nul + 1 }
        return Array(bytes[index..<nul])
    }

    /// All that is left.
    package mutating func rest() -> [UInt8] {
        defer { index = end }
        return Array(bytes[index..<end])
    }

    /// Shows what is left without reading it.
    func withRest<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[index..<end])) }
    }

    /// Refuses octets that nobody has read.
    package func finish(_ field: @autoclosure () -> String) throws(WireError) {
        guard remaining == 0 else { throw fault(.trailingBytes(field: field(), count: remaining)) }
    }

    /// An error about what comes next, or about a field read just before of `size` octets.
    package func fault(_ reason: WireError.Reason, size: Int = 0) -> WireError {
        WireError(reason, at: position - size)
    }

    private mutating func advance(_ count: Int, _ field: () -> String) throws(WireError) -> Range<Int> {
        guard count >= 0, count <= remaining else {
            throw fault(.truncated(field: field(), needed: count, available: remaining))
        }
        defer { index += count }
        return index..<index + count
    }
}
