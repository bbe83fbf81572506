// Hot path, but only for packets that carry hints, or while hints are in use: no allocation, no existential, no lock, no log line,
// no `throws`.
//
// What packets say in the LISP header beside their payload (RFC 9300 sections 5.3 and 10), sent and heeded. The functions are not
// inlined, so that packets without hints pay for one branch and no more.
//
// Echo-nonce: while the control loop asks an RLOC for an echo, packets to it carry N, E and our nonce. A packet has room for one
// nonce, so when we owe one at the same time they take turns. (Section 10.1 would have ours wait. But a peer whose way from us is
// dead gets no echo and asks on and on, and ours would never leave.)

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
            noncesOfStrangers: sum(.noncesOfStrangers)
        )
    }
}

extension Worker where Device: ~Copyable {
    @inline(__always)
    private var hintsInUse: HeaderHints { HeaderHints(rawValue: hints.pointee.load(ordering: .relaxed)) }

    private func milliseconds() -> UInt64 { device.now() / 1_000_000 }

    // MARK: Sending

    /// What the header of a packet to `cell`, a member of `set`, says beside the instance.
    @inline(never)
    func hintBits(to cell: UnsafeMutablePointer<LocatorCell>, of set: LocatorSetBody) -> UInt64 {
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
        for index in 0..<set.count {
            guard let other = set.cell(index).pointee.echoState, other.pointee.mayOwe,
                let nonce = other.pointee.nonceOwed(now: milliseconds())
            else { continue }
            return nonce
        }
        return nil
    }

    // MARK: Heeding

    /// Counts the hints of a packet whose source EID has no mapping.
    @inline(__always)
    func heedNothing(_ header: UInt64) {
        if header & LISPHeaderWords.hintFlags != 0 { heed(header, from: nil, nil) }
    }

    /// Takes note of what a packet says beside its payload.
    ///
    /// - Parameters:
    ///   - cell: of the RLOC that sent it, if it is one of the mapping of the source EID.
    ///   - words: of that mapping's entry.
    @inline(__always)
    func heed(
        _ header: UInt64,
        from cell: UnsafeMutablePointer<LocatorCell>?,
        _ words: EntryWords,
        _ instance: InstanceReader
    ) {
        guard case .encapsulate(let set?) = EntryTarget.decode(words.target, instance.base),
            let body = UnsafeMutableRawPointer(bitPattern: set.pointee.body.load(ordering: .acquiring))
        else { return heed(header, from: nil, nil) }
        heed(header, from: cell, LocatorSetBody(body, instance.base))
    }

    @inline(never)
    private func heed(_ header: UInt64, from cell: UnsafeMutablePointer<LocatorCell>?, _ set: LocatorSetBody?) {
        let hints = hintsInUse
        if hints.contains(.echoNonce), header & LISPHeaderWords.nonceFlag != 0 {
            guard let set, let state = cell?.pointee.echoState else { return count(.noncesOfStrangers) }
            let nonce = LISPHeaderWords.nonce(header)
            if header & LISPHeaderWords.echoRequestFlag != 0 {
                state.pointee.owe(nonce, now: milliseconds())
                count(.echoRequestsReceived)
            } else {
                match(nonce, from: state, set)
            }
        }
    }

    /// A nonce without E: an echo, or a number that means nothing. Each RLOC is asked for another nonce, so an echo tells by itself
    /// which of the site's RLOCs it proves, whichever of them it came from.
    @inline(__always)
    private func match(_ nonce: UInt32, from state: UnsafeMutablePointer<EchoState>, _ set: LocatorSetBody) {
        var isAsking = false
        for index in 0..<set.count {
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
