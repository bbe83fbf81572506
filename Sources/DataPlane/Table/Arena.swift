// Memory of the forwarding table: blocks of a few sizes cut from slabs, so that the table neither moves nor fragments.
// Only the control loop allocates and frees; workers read what it has published.
//
// All slabs lie in one range of addresses, reserved at the start and filled from its beginning, so a block is named by its
// place, a number of 29 bits, where an address would take 64. That halves what a lookup has to fetch from memory.

import Glibc

/// Where an arena begins. Trivial, so readers may copy it.
struct ArenaBase {
    // Safe: the range stays reserved as long as the arena, which outlives every worker.
    let address: UnsafeMutableRawPointer

    /// The block at a place that `place(of:)` has told.
    @inline(__always)
    subscript(place: UInt32) -> UnsafeMutableRawPointer { address + Int(place) &* Arena.unit }

    @inline(__always)
    func place(of block: UnsafeMutableRawPointer) -> UInt32 {
        UInt32(truncatingIfNeeded: (block - address) / Arena.unit)
    }
}

/// Hands out blocks of 16 to 8,192 octets, each aligned to 16, those of 64 to a cache line. Slabs are kept for reuse until
/// the arena goes, so it never holds more than the table's largest extent.
final class Arena {
    /// Places count these.
    static let unit = 16
    /// As many places as 29 bits tell apart: 8 GiB.
    static let maximumReach = unit << 29
    private static let slabSize = 65_536
    private static let largest = 8_192
    private static let classCount = 8 + 6 * 4
    /// The range is made accessible in such steps.
    private static let step = 2 << 20
    /// Large pages are asked for beyond this size: below it they would cost a small router more than they save.
    private static let smallReach = 4 << 20

    let base: ArenaBase
    private let reach: Int
    private var accessible = 0
    private var slabEnd = 0
    private var freeLists = [UnsafeMutableRawPointer?](repeating: nil, count: Arena.classCount)
    private var unused = [(start: UnsafeMutableRawPointer, left: Int)?](repeating: nil, count: Arena.classCount)

    /// Octets in blocks that are handed out.
    private(set) var usedBytes = 0
    /// Octets obtained from the system.
    var reservedBytes: Int { slabEnd }

    /// Reserves addresses, not memory.
    init() {
        var reach = Self.maximumReach
        while true {
            let start = mmap(nil, reach, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
            if let start, start != MAP_FAILED {
                base = ArenaBase(address: start)
                self.reach = reach
                break
            }
            reach /= 2
            precondition(reach > Self.smallReach, "the system has addresses for the forwarding table")
        }
        // A hint: where there are no large pages the table is slower and nothing else.
        _ = madvise(base.address + Self.smallReach, reach - Self.smallReach, MADV_HUGEPAGE)
    }

    deinit {
        munmap(base.address, reach)
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
        // Place 0 stands for nothing.
        if start == base.address {
            usedBytes -= blockSize
            return allocate(size)
        }
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
        let start = base.address + slabEnd
        slabEnd += Self.slabSize
        precondition(slabEnd <= reach, "the forwarding table fits its \(reach >> 20) MiB of addresses")
        if slabEnd > accessible {
            // What is accessible counts as memory of this process, so no more than is needed soon.
            let result = mprotect(base.address + accessible, Self.step, PROT_READ | PROT_WRITE)
            precondition(result == 0, "the system has memory for the forwarding table")
            accessible += Self.step
        }
        return start
    }
}
