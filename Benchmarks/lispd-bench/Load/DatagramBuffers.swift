// Where a batch of datagrams is received.

import LinuxNetwork

/// Buffers of one batch.
final class DatagramBuffers {
    static let count = 64
    /// Of each, in octets: more than any LISP control message of ours has.
    private static let size = 2048

    let batch = ReceiveBatch(capacity: count)
    // Safe: freed by `deinit`, together with the batch that points into it.
    private let octets = UnsafeMutableRawBufferPointer.allocate(byteCount: count * size, alignment: 16)

    init() {
        for index in 0..<Self.count {
            let start = index * Self.size
            batch.setBuffer(index, UnsafeMutableRawBufferPointer(rebasing: octets[start..<start + Self.size]))
        }
    }

    deinit { octets.deallocate() }

    /// The payload of datagram `index` of the last reception, valid until the next.
    subscript(index: Int) -> UnsafeRawBufferPointer {
        let start = index * Self.size
        return UnsafeRawBufferPointer(rebasing: octets[start..<start + min(batch.length(index), Self.size)])
    }
}
