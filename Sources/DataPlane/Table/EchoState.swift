// Hot path. Runs for packets while an echo is asked for or owed, so: no allocation, no existential, no lock, no log line, no
// `throws`.
//
// What echo-noncing keeps of one RLOC (RFC 9300 section 10.1): the nonce that we want back from there, and the one that we owe. Both
// directions meet here: any worker may receive the peer's nonce, any other send it back.

import ForwardingInterface
import Synchronization

struct EchoState: ~Copyable {
    /// How long a peer's nonce is sent back after it last asked, in milliseconds.
    static let memory: UInt64 = 2_000
    private static let isAsking: UInt32 = 1 << 24

    /// The nonce that packets ask for, with `isAsking`; 0: none.
    private let request = Atomic<UInt32>(0)
    /// The peer's nonce in the lower 24 bits, above it the millisecond until which it is sent back; 0: none.
    private let owed = Atomic<UInt64>(0)
    /// Whether the last nonce sent was an echo.
    private let wasEcho = Atomic<Bool>(false)

    private let requested = Atomic<UInt64>(0)
    private let matched = Atomic<UInt64>(0)
    private let mismatched = Atomic<UInt64>(0)
    private let echoed = Atomic<UInt64>(0)

    /// Without the packets in all, which the RLOC's own counters know.
    var counters: EchoCounters {
        EchoCounters(
            requested: requested.load(ordering: .relaxed),
            matched: matched.load(ordering: .relaxed),
            mismatched: mismatched.load(ordering: .relaxed),
            echoed: echoed.load(ordering: .relaxed)
        )
    }

    // MARK: Our nonce

    /// Control loop: from now on packets ask for this nonce, or for none.
    func ask(_ nonce: UInt32?) {
        request.store(nonce.map { $0 & LISPHeaderWords.nonceMask | Self.isAsking } ?? 0, ordering: .relaxed)
    }

    /// The nonce that packets ask for.
    @inline(__always)
    var asked: UInt32? {
        let word = request.load(ordering: .relaxed)
        return word == 0 ? nil : word & LISPHeaderWords.nonceMask
    }

    @inline(__always)
    func countRequest() {
        requested.wrappingAdd(1, ordering: .relaxed)
        wasEcho.store(false, ordering: .relaxed)
    }

    @inline(__always)
    func countMatch() { matched.wrappingAdd(1, ordering: .relaxed) }

    @inline(__always)
    func countMismatch() { mismatched.wrappingAdd(1, ordering: .relaxed) }

    // MARK: The peer's nonce

    /// Whether there may be an echo to send: worth asking the clock.
    @inline(__always)
    var mayOwe: Bool { owed.load(ordering: .relaxed) != 0 }

    /// The peer has asked for this nonce. The last one counts.
    @inline(__always)
    func owe(_ nonce: UInt32, now: UInt64) {
        // Safe: milliseconds since the start of the machine fit 40 bits for 34 years.
        owed.store((now &+ Self.memory) &<< 24 | UInt64(nonce), ordering: .relaxed)
    }

    /// The nonce to send back; `nil` once the peer has not asked for a while.
    @inline(__always)
    func nonceOwed(now: UInt64) -> UInt32? {
        let word = owed.load(ordering: .relaxed)
        guard word != 0 else { return nil }
        if word &>> 24 > now { return UInt32(truncatingIfNeeded: word) & LISPHeaderWords.nonceMask }
        // Unless the peer has asked again meanwhile.
        _ = owed.compareExchange(expected: word, desired: 0, ordering: .relaxed)
        return nil
    }

    /// Whether, of an echo and a request that are both to be sent, it is the echo's turn.
    @inline(__always)
    var isEchoNext: Bool { !wasEcho.load(ordering: .relaxed) }

    @inline(__always)
    func countEcho() {
        echoed.wrappingAdd(1, ordering: .relaxed)
        wasEcho.store(true, ordering: .relaxed)
    }
}

extension LocatorCell {
    /// `nil` while echo-nonce is not in use. Valid until the reader's next quiet point.
    @inline(__always)
    var echoState: UnsafeMutablePointer<EchoState>? {
        UnsafeMutablePointer(bitPattern: echo.load(ordering: .acquiring))
    }
}
