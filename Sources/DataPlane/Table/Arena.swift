// Memory of the forwarding table: blocks of a few sizes cut from slabs, so that the table neither moves nor fragments.
// Only the control loop allocates and frees; workers read what it has published.

import Glibc

/// Hands out blocks of 16 to 8,192 octets, each aligned to 16, those of 64 to a cache line. Slabs are kept for reuse until
/// the arena goes, so it never holds more than the table's largest extent.
final class Arena {
    private static let slabSize = 65_536
    private static let largest = 8_192
    private static let classCount = 8 + 6 * 4

    private var freeLists = [UnsafeMutableRawPointer?](repeating: nil, count: Arena.classCount)
    private var unused = [(start: UnsafeMutableRawPointer, left: Int)?](repeating: nil, count: Arena.classCount)
    private var slabs: [UnsafeMutableRawPointer] = []

    /// Octets in blocks that are handed out.
    private(set) var usedBytes = 0
    /// Octets obtained from the system.
    var reservedBytes: Int { slabs.count * Self.slabSize }

    deinit {
        for slab in slabs { Glibc.free(slab) }
    }

    /// The class of blocks for `size` octets, and how large they are: steps of 16 up to 128, then four to an octave.
    static func sizeClass(_ size: Int) -> (index: Int, size: Int) {
        precondition(size > 0 && size <= largest, "a block of 1 to \(largest) octets")
        if size <= 128 {
            let index = (size - 1) / 16
            return (index, (index + 1) * 16)
        }
        let below = size - 1
        let shift = Int.bitWidth - 1 - below.leadingZeroBitCount - 2
        return (8 + (shift - 5) * 4 + (below >> shift & 3), (below >> shift + 1) << shift)
    }

    /// Uninitialised memory for at least `size` octets.
    func allocate(_ size: Int) -> UnsafeMutableRawPointer {
        let (index, blockSize) = Self.sizeClass(size)
        usedBytes += blockSize
        if let block = freeLists[index] {
            // Safe: a free block begins with the address of the next one.
            freeLists[index] = block.load(as: UnsafeMutableRawPointer?.self)
            return block
        }
        var (start, left) = unused[index] ?? (newSlab(), Self.slabSize)
        if left < blockSize { (start, left) = (newSlab(), Self.slabSize) }
        unused[index] = (start + blockSize, left - blockSize)
        return start
    }

    /// Takes back a block of `size` octets, as asked for in `allocate`.
    func free(_ block: UnsafeMutableRawPointer, _ size: Int) {
        let (index, blockSize) = Self.sizeClass(size)
        usedBytes -= blockSize
        block.storeBytes(of: freeLists[index], as: UnsafeMutableRawPointer?.self)
        freeLists[index] = block
    }

    private func newSlab() -> UnsafeMutableRawPointer {
        let slab = aligned_alloc(64, Self.slabSize)
        precondition(slab != nil, "the system has memory for the forwarding table")
        // Safe: checked one line above.
        let start = slab.unsafelyUnwrapped
        slabs.append(start)
        return start
    }
}
