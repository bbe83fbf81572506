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
    static let nonceFlag: UInt64 = 1 << 63
    static let statusFlag: UInt64 = 1 << 62
    static let echoRequestFlag: UInt64 = 1 << 61
    static let instanceFlag: UInt64 = 1 << 59
    static let keyFlags: UInt64 = 3 << 56
    /// A packet with none of these says nothing beside its payload that we heed.
    static let hintFlags = nonceFlag | statusFlag

    /// The header for packets of an instance, without nonce, map-versions and locator status; instance 0 has no I bit.
    static func header(instance: UInt32) -> UInt64 {
        instance == 0 ? 0 : instanceFlag | UInt64(instance) << 8
    }

    /// The instance that a header names; 0 without the I bit.
    @inline(__always)
    static func instance(_ header: UInt64) -> UInt32 {
        header & instanceFlag != 0 ? UInt32(truncatingIfNeeded: header >> 8) & 0xff_ffff : 0
    }

    /// The 24 bits that are a nonce with the N bit, whatever the V bit says (RFC 9300 section 5.3).
    @inline(__always)
    static func nonce(_ header: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: header >> 32) & nonceMask }

    static let nonceMask: UInt32 = 0xff_ffff

    /// What asks for a nonce to be echoed, or echoes it.
    @inline(__always)
    static func nonceBits(_ nonce: UInt32, requestsEcho: Bool) -> UInt64 {
        nonceFlag | (requestsEcho ? echoRequestFlag : 0) | UInt64(nonce & nonceMask) << 32
    }

    /// Locator-Status-Bits as they stand in a packet of this instance: 32, or 8 beside its ID.
    @inline(__always)
    static func statusBits(_ bits: UInt32, instance: UInt32) -> UInt64 {
        statusFlag | UInt64(instance == 0 ? bits : bits & 0xff)
    }

    /// The Locator-Status-Bits of a header with the L bit, and how many they are.
    @inline(__always)
    static func statusBits(_ header: UInt64) -> (bits: UInt32, width: Int) {
        let low = UInt32(truncatingIfNeeded: header)
        return header & instanceFlag == 0 ? (low, 32) : (low & 0xff, 8)
    }

    @inline(__always)
    static func isEncrypted(_ header: UInt64) -> Bool { header & keyFlags != 0 }
}
