// What packets may say beside their payload, in the LISP header (RFC 9300 sections 5.3 and 10). Whoever can send us a packet with
// the right addresses can forge it, so each is off until the operator switches it on.

import LISPWire

/// The hints of the LISP header that are in use.
package struct HeaderHints: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Nonces that the other side sends back (section 10.1).
    package static let echoNonce = HeaderHints(rawValue: 1)
    /// Which RLOCs of the sender's site are up (sections 5.3, 10 and 13.1).
    package static let locatorStatusBits = HeaderHints(rawValue: 2)
}

/// The Locator-Status-Bits of packets from one site are others than before, or the first.
package struct LocatorStatusReport: Hashable, Sendable {
    /// Of one of the packets. They came from an RLOC of the mapping that covers it.
    package var source: EID
    /// Bit n is the n-th locator of that mapping, in the order of its record; 1: it is up.
    package var bits: UInt32
    /// How many bits there are: 32, or 8 beside an instance ID.
    package var width: Int

    package init(source: EID, bits: UInt32, width: Int) {
        self.source = source
        self.bits = bits
        self.width = width
    }
}

/// What a data plane has seen of the packets to and from one RLOC. Counters only grow while echo-nonce is in use; they begin anew
/// when it is switched on.
package struct EchoCounters: Hashable, Sendable {
    /// Packets sent there, and packets that came from there.
    package var sent: UInt64
    package var received: UInt64
    /// Packets sent there that asked for an echo (N and E).
    package var requested: UInt64
    /// Nonces that came back while we asked for them.
    package var matched: UInt64
    /// Nonces that came from there while we asked for another.
    package var mismatched: UInt64
    /// Packets sent there that echoed the other side's nonce (N without E).
    package var echoed: UInt64

    package init(
        sent: UInt64 = 0,
        received: UInt64 = 0,
        requested: UInt64 = 0,
        matched: UInt64 = 0,
        mismatched: UInt64 = 0,
        echoed: UInt64 = 0
    ) {
        self.sent = sent
        self.received = received
        self.requested = requested
        self.matched = matched
        self.mismatched = mismatched
        self.echoed = echoed
    }
}
