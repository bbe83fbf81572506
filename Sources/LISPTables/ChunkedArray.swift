// An array that never moves what it holds: a large one grows by a chunk at a time, so that no single append takes long, no room
// stands half empty, and a change to a copy copies one chunk.

/// Elements by index, appended at the end and removed there.
struct ChunkedArray<Element> {
    /// Elements in a chunk. The first grows by doubling up to this, so that a small array is small.
    static var chunkSize: Int { 1 << shift }
    private static var shift: Int { 9 }

    private var chunks: [[Element]] = []
    private(set) var count = 0

    subscript(index: Int) -> Element {
        get { chunks[index >> Self.shift][index & (Self.chunkSize - 1)] }
        _modify { yield &chunks[index >> Self.shift][index & (Self.chunkSize - 1)] }
    }

    mutating func append(_ element: Element) {
        if count & (Self.chunkSize - 1) == 0 {
            chunks.append([])
            if count > 0 { chunks[chunks.count - 1].reserveCapacity(Self.chunkSize) }
        }
        chunks[chunks.count - 1].append(element)
        count += 1
    }

    /// - Precondition: there is an element.
    mutating func removeLast() {
        chunks[chunks.count - 1].removeLast()
        count -= 1
        if count & (Self.chunkSize - 1) == 0 { chunks.removeLast() }
    }
}

extension ChunkedArray: Sendable where Element: Sendable {}
