// An array that never moves what it holds: a large one grows by a chunk at a time, so that no single append takes long, no room
// stands half empty, and a change to a copy copies one chunk.
//
// Public, since Swift 6.3 inlines into another module what is public and inlinable, but not what is `package`: every access by the
// nonces of a Map-Server looked up the metadata of an array.

/// Elements by index, appended at the end and removed there.
@frozen
public struct ChunkedArray<Element> {
    /// Elements in a chunk. The first grows by doubling up to this, so that a small array is small.
    @inlinable static var chunkSize: Int { 1 << shift }
    @inlinable static var shift: Int { 9 }

    @usableFromInline var chunks: [[Element]] = []
    @usableFromInline var elementCount = 0

    @inlinable
    public init() {}

    @inlinable
    public var count: Int { elementCount }

    @inlinable
    public subscript(index: Int) -> Element {
        get { chunks[index >> Self.shift][index & (Self.chunkSize - 1)] }
        _modify { yield &chunks[index >> Self.shift][index & (Self.chunkSize - 1)] }
    }

    @inlinable
    public mutating func append(_ element: Element) {
        if elementCount & (Self.chunkSize - 1) == 0 {
            chunks.append([])
            if elementCount > 0 { chunks[chunks.count - 1].reserveCapacity(Self.chunkSize) }
        }
        chunks[chunks.count - 1].append(element)
        elementCount += 1
    }

    /// - Precondition: there is an element.
    @inlinable
    public mutating func removeLast() {
        chunks[chunks.count - 1].removeLast()
        elementCount -= 1
        if elementCount & (Self.chunkSize - 1) == 0 { chunks.removeLast() }
    }
}

extension ChunkedArray: Sendable where Element: Sendable {}
