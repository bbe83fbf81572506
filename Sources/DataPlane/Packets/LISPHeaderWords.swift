// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-----------------------------------------------+
//    |N|L|E|V|I|R|K|K|            Nonce/Map-Version                  |
//    +-+-+-+-+-+-+-+-+-------------------------------+---------------+
//    |                 Instance ID                   |     LSBs      |
//    +-----------------------------------------------+---------------+

/// The LISP header as one number of 64 bits (RFC 9300 section 5.3).
enum LISPHeaderWords {
    static let instanceFlag: UInt64 = 1 << 59
    static let keyFlags: UInt64 = 3 << 56

    /// The header for packets of an instance, without nonce, map-versions and locator status; instance 0 has no I bit.
    static func header(instance: UInt32) -> UInt64 {
        instance == 0 ? 0 : instanceFlag | UInt64(instance) << 8
    }

    /// The instance that a header names; 0 without the I bit.
    @inline(__always)
    static func instance(_ header: UInt64) -> UInt32 {
        header & instanceFlag != 0 ? UInt32(truncatingIfNeeded: header >> 8) & 0xff_ffff : 0
    }

    @inline(__always)
    static func isEncrypted(_ header: UInt64) -> Bool { header & keyFlags != 0 }
}
