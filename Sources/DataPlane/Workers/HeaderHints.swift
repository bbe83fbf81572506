// Hot path, but only for packets that carry hints, or while hints are in use: no allocation, no existential, no lock, no log line,
// no `throws`.
//
// What packets say in the LISP header beside their payload (RFC 9300 sections 5.3 and 10), sent and heeded. The functions are not
// inlined, so that packets without hints pay for one branch and no more.
//
// Echo-nonce: while the control loop asks an RLOC for an echo, packets to it carry N, E and our nonce. A packet has room for one
// nonce, so when we owe one at the same time they take turns. (Section 10.1 would have ours wait. But a peer whose way from us is
// dead gets no echo and asks on and on, and ours would never leave.)
//
// Locator-Status-Bits: those of the own EID-prefix that the inner source is in are looked up once for a run of packets. Received
// ones are compared with what the control loop was told of the site last.

import ForwardingInterface
import LISPWire
import Synchronization

/// What workers have counted of hints.
package struct HeaderHintStatistics: Sendable, Hashable {
    /// Packets that asked for an echo.
    package var echoesRequested: UInt64 = 0
    /// Nonces that came back, and nonces that came from an RLOC which was asked for another.
    package var echoesMatched: UInt64 = 0
    package var echoesMismatched: UInt64 = 0
    /// Packets of others that asked us, and packets that echoed their nonces.
    package var echoRequestsReceived: UInt64 = 0
    package var echoesSent: UInt64 = 0
    /// Nonces ignored: nobody is asked for one at the moment, as after an echo that has come.
    package var noncesNotAsked: UInt64 = 0
    /// Nonces ignored: the packet's source RLOC is none of the mapping of its source EID.
    package var noncesOfStrangers: UInt64 = 0

    /// Packets sent and received with Locator-Status-Bits.
    package var statusBitsSent: UInt64 = 0
    package var statusBitsReceived: UInt64 = 0
    /// Changes of them that were handed to the control plane, and those for which there was no room: the next packet tries again.
    package var statusBitsReported: UInt64 = 0
    package var statusBitsLost: UInt64 = 0
    /// Bits ignored: the packet's source RLOC is none of the mapping of its source EID.
    package var statusBitsOfStrangers: UInt64 = 0

    /// Whether nothing was counted.
    package var isEmpty: Bool { self == HeaderHintStatistics() }
}

extension DataPlane {
    func hintStatistics() -> HeaderHintStatistics {
        func sum(_ counter: WorkerCounter) -> UInt64 { workers.reduce(0) { $0 + $1.value(counter) } }
        return HeaderHintStatistics(
            echoesRequested: sum(.echoesRequested),
            echoesMatched: sum(.echoesMatched),
            echoesMismatched: sum(.echoesMismatched),
            echoRequestsReceived: sum(.echoRequestsReceived),
            echoesSent: sum(.echoesSent),
            noncesNotAsked: sum(.noncesNotAsked),
            noncesOfStrangers: sum(.noncesOfStrangers),
            statusBitsSent: sum(.statusBitsSent),
            statusBitsReceived: sum(.statusBitsReceived),
            statusBitsReported: sum(.statusBitsReported),
            statusBitsLost: sum(.statusBitsLost),
            statusBitsOfStrangers: sum(.statusBitsOfStrangers)
        )
    }
}

extension Worker where Device: ~Copyable {
    @inline(__always)
    private var hintsInUse: HeaderHints { HintsWord.hints(hints.pointee.load(ordering: .relaxed)) }

    private func milliseconds() -> UInt64 { device.now() / 1_000_000 }

    // MARK: Sending

    /// What the header of a packet to `cell`, a member of `set`, says beside the instance.
    @inline(never)
    mutating func hintBits(
        to cell: UnsafeMutablePointer<LocatorCell>,
        of set: LocatorSetBody,
        _ inner: InnerPacket,
        _ instance: InstanceReader
    ) -> UInt64 {
        let hints = hintsInUse
        var bits: UInt64 = 0
        if hints.contains(.locatorStatusBits) { bits |= statusBits(of: inner, instance) }
        if hints.contains(.echoNonce) { bits |= nonceBits(to: cell, of: set) }
        return bits
    }

    @inline(__always)
    private func nonceBits(to cell: UnsafeMutablePointer<LocatorCell>, of set: LocatorSetBody) -> UInt64 {
        guard let state = cell.pointee.echoState else { return 0 }
        let asked = state.pointee.asked
        if asked == nil || state.pointee.isEchoNext, let nonce = nonceOwed(to: state, set) {
            state.pointee.countEcho()
            count(.echoesSent)
            return LISPHeaderWords.nonceBits(nonce, requestsEcho: false)
        }
        guard let asked else { return 0 }
        state.pointee.countRequest()
        count(.echoesRequested)
        return LISPHeaderWords.nonceBits(asked, requestsEcho: true)
    }

    /// The nonce that the RLOC of `state` wants back; else one that another RLOC of its site does: a site may well send from another
    /// RLOC than those it is reached at.
    @inline(__always)
    private func nonceOwed(to state: UnsafeMutablePointer<EchoState>, _ set: LocatorSetBody) -> UInt32? {
        if state.pointee.mayOwe, let nonce = state.pointee.nonceOwed(now: milliseconds()) { return nonce }
        for index in 0..<set.total {
            guard let other = set.cell(index).pointee.echoState, other.pointee.mayOwe,
                let nonce = other.pointee.nonceOwed(now: milliseconds())
            else { continue }
            return nonce
        }
        return nil
    }

    /// The Locator-Status-Bits of the own EID-prefix that the packet comes from.
    @inline(__always)
    private mutating func statusBits(of inner: InnerPacket, _ instance: InstanceReader) -> UInt64 {
        if ownStatus.family != inner.family || ownStatus.source != inner.source || ownStatus.instance != instance.object
        {
            ownStatus = OwnStatus(instance: instance.object, family: inner.family, source: inner.source)
            if let words = instance.own(inner.family).longestMatch(inner.source)?.pointee.words,
                words.target == EntryTarget.ownWithStatusBits
            {
                ownStatus.bits = LISPHeaderWords.statusBits(words.mapping, instance: instance.object.pointee.id)
            }
        }
        if ownStatus.bits != 0 { count(.statusBitsSent) }
        return ownStatus.bits
    }

    // MARK: Heeding

    /// Counts the hints of a packet whose source EID has no mapping.
    @inline(__always)
    func heedNothing(_ header: UInt64) {
        if header & LISPHeaderWords.hintFlags != 0 { ignore(header) }
    }

    @inline(never)
    private func ignore(_ header: UInt64) {
        let hints = hintsInUse
        if hints.contains(.echoNonce), header & LISPHeaderWords.nonceFlag != 0 { count(.noncesOfStrangers) }
        if hints.contains(.locatorStatusBits), header & LISPHeaderWords.statusFlag != 0 {
            count(.statusBitsOfStrangers)
        }
    }

    /// Takes note of what a packet says beside its payload.
    ///
    /// - Parameters:
    ///   - cell: of the RLOC that sent it, if it is one of the mapping of the source EID. Else nothing is believed.
    ///   - words: of that mapping's entry.
    @inline(never)
    mutating func heed(
        _ header: UInt64,
        from cell: UnsafeMutablePointer<LocatorCell>?,
        _ words: EntryWords,
        _ inner: InnerPacket,
        _ instance: InstanceReader
    ) {
        guard let cell, case .encapsulate(let set?) = EntryTarget.decode(words.target, instance.base),
            let body = UnsafeMutableRawPointer(bitPattern: set.pointee.body.load(ordering: .acquiring))
        else { return ignore(header) }
        let hints = hintsInUse
        if hints.contains(.echoNonce), header & LISPHeaderWords.nonceFlag != 0 {
            heedNonce(header, from: cell, LocatorSetBody(body, instance.base))
        }
        if hints.contains(.locatorStatusBits), header & LISPHeaderWords.statusFlag != 0 {
            heedStatusBits(header, of: set, inner, instance)
        }
    }

    @inline(__always)
    private func heedNonce(_ header: UInt64, from cell: UnsafeMutablePointer<LocatorCell>, _ set: LocatorSetBody) {
        guard let state = cell.pointee.echoState else { return count(.noncesOfStrangers) }
        let nonce = LISPHeaderWords.nonce(header)
        if header & LISPHeaderWords.echoRequestFlag != 0 {
            state.pointee.owe(nonce, now: milliseconds())
            count(.echoRequestsReceived)
        } else {
            match(nonce, from: state, set)
        }
    }

    /// Tells the control loop if the bits are others than those that it was told last.
    @inline(__always)
    private mutating func heedStatusBits(
        _ header: UInt64,
        of set: UnsafeMutablePointer<LocatorSetCell>,
        _ inner: InnerPacket,
        _ instance: InstanceReader
    ) {
        count(.statusBitsReceived)
        let (bits, width) = LISPHeaderWords.statusBits(header)
        let last = set.pointee.statusBits.load(ordering: .relaxed)
        guard !StatusBitsWord.tells(last, bits) else { return }
        let now = milliseconds()
        guard StatusBitsWord.mayTell(last, now: now) else { return }
        guard
            shared.statusReports.push(
                instance: instance.object.pointee.id,
                family: inner.family,
                source: inner.source,
                bits: bits,
                width: width
            )
        else { return count(.statusBitsLost) }
        // Another worker may have told another thing meanwhile: then the next packet sees to it.
        _ = set.pointee.statusBits.compareExchange(
            expected: last,
            desired: StatusBitsWord.word(bits, now: now),
            ordering: .relaxed
        )
        count(.statusBitsReported)
        hasNews = true
    }

    /// A nonce without E: an echo, or a number that means nothing. Each RLOC is asked for another nonce, so an echo tells by itself
    /// which of the site's RLOCs it proves, whichever of them it came from.
    @inline(__always)
    private func match(_ nonce: UInt32, from state: UnsafeMutablePointer<EchoState>, _ set: LocatorSetBody) {
        var isAsking = false
        for index in 0..<set.total {
            guard let member = set.cell(index).pointee.echoState, let asked = member.pointee.asked else { continue }
            isAsking = true
            if asked == nonce {
                member.pointee.countMatch()
                return count(.echoesMatched)
            }
        }
        guard isAsking else { return count(.noncesNotAsked) }
        state.pointee.countMismatch()
        count(.echoesMismatched)
    }
}
