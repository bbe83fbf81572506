// How what the Map-Server knows of nonces is written down, so that a message which was refused before a crash is refused after it.
//
// A journal is a sequence of frames; each is whole or not there:
//
//     length (4)  CRC-32C of the entries (4)  entries
//
// and an entry is one of (numbers big-endian, sizes in octets):
//
//     1 state      place (4) Key ID (1) counting (1) flags (1: strict, 2: reuses nonces) messages (1)
//                  site: length (2), UTF-8     ETR: 0 xTR-ID (16) Site-ID (8), 1 IPv4 (4) or 2 IPv6 (16)
//                  messages, oldest first: nonce (8) MAC (8)
//     2 accepted   place (4) nonce (8) MAC (8)          of the ETR whose state has this place
//     3 forgotten  Key ID (1)  site: length (2), UTF-8
//     4 cleared    all that was written before
//
// A part of the journal begins to write of an ETR with its state: it can be read without the parts before it.

import LISPTables
import LISPWire

/// All that is known of the nonces of one ETR at one site under one key.
struct NonceJournalState: Hashable, Sendable {
    var site: String
    var etr: ETRIdentity
    var keyID: UInt8
    var counting: UInt8
    var isStrict: Bool
    var reusesNonces: Bool
    /// The last one accepted at the end; 1 to 64.
    var messages: [NonceHistory.Message]
}

private enum Tag {
    static let state: UInt8 = 1
    static let accepted: UInt8 = 2
    static let forgotten: UInt8 = 3
    static let cleared: UInt8 = 4
}

/// Collects entries and makes frames of them.
struct NonceJournalWriter: Sendable {
    /// A frame is begun anew beyond this.
    static let frameSize = 1 << 16

    /// Which part of the journal this is.
    let part: UInt32
    /// Whole frames, and the entries of the next.
    private var frames: [UInt8] = []
    private var entries: [UInt8] = []

    init(part: UInt32) {
        self.part = part
    }

    var isEmpty: Bool { entries.isEmpty && frames.isEmpty }

    mutating func state(_ state: NonceJournalState, at place: Int32) {
        entries.append(Tag.state)
        entries.put(UInt32(bitPattern: place))
        entries.append(state.keyID)
        entries.append(state.counting)
        entries.append((state.isStrict ? 1 : 0) | (state.reusesNonces ? 2 : 0))
        entries.append(UInt8(state.messages.count))
        put(site: state.site)
        switch state.etr {
        case .named(let xtrID, let siteID):
            entries.append(0)
            entries.put(xtrID.rawValue)
            entries.put(siteID.rawValue)
        case .source(.v4(let address)):
            entries.append(1)
            entries.put(address.rawValue)
        case .source(.v6(let address)):
            entries.append(2)
            entries.put(address.rawValue)
        }
        for message in state.messages { put(message) }
        endFrame(ifLargerThan: Self.frameSize)
    }

    mutating func accept(_ message: NonceHistory.Message, at place: Int32) {
        entries.append(Tag.accepted)
        entries.put(UInt32(bitPattern: place))
        put(message)
        endFrame(ifLargerThan: Self.frameSize)
    }

    mutating func forget(site: String, keyID: UInt8) {
        entries.append(Tag.forgotten)
        entries.append(keyID)
        put(site: site)
    }

    mutating func clear() {
        entries.append(Tag.cleared)
    }

    private mutating func put(site: String) {
        let name = Array(site.utf8.prefix(Int(UInt16.max)))
        entries.put(UInt16(name.count))
        entries += name
    }

    private mutating func put(_ message: NonceHistory.Message) {
        entries.put(message.nonce)
        entries.put(message.mac)
    }

    private mutating func endFrame(ifLargerThan size: Int) {
        guard entries.count > size else { return }
        frames.put(UInt32(entries.count))
        frames.put(CRC32C.of(entries[...]))
        frames += entries
        entries.removeAll(keepingCapacity: true)
    }

    /// All frames since the last call.
    mutating func take() -> [UInt8] {
        endFrame(ifLargerThan: 0)
        defer { frames = [] }
        return frames
    }
}

/// Repeats what parts of a journal tell.
package struct NonceJournalReader {
    /// What a file was found to be.
    package struct Outcome: Hashable, Sendable {
        /// Frames that were read, and those that were passed over since their checksum is wrong or their contents are.
        package var frames = 0
        package var damagedFrames = 0
        /// Octets at the end that are no whole frame: the last write was cut off, or the length itself is damaged.
        package var cutOff = 0

        package var isWhole: Bool { damagedFrames == 0 && cutOff == 0 }
    }

    /// The largest frame that is read: a state more than the size at which a frame ends.
    private static let largestFrame = 1 << 18

    private struct Sender {
        let site: String
        let etr: ETRIdentity
        let keyID: UInt8
    }

    package private(set) var nonces: NonceGuard

    /// - Parameter nonces: what was known before the first part.
    package init(_ nonces: NonceGuard = NonceGuard()) {
        self.nonces = nonces
    }

    /// Reads one part. What of it is damaged costs no more than itself: an ETR of which a message is missing is judged by those
    /// before.
    package mutating func read(_ part: [UInt8]) -> Outcome {
        var outcome = Outcome()
        var senders: [UInt32: Sender] = [:]
        var rest = part[...]
        while !rest.isEmpty {
            var header = ByteReader(rest.prefix(8))
            guard let length = header.take(UInt32.self), let checksum = header.take(UInt32.self),
                length <= Self.largestFrame, rest.count >= 8 + Int(length)
            else {
                outcome.cutOff = rest.count
                break
            }
            let entries = rest.dropFirst(8).prefix(Int(length))
            rest = rest.dropFirst(8 + Int(length))
            if CRC32C.of(entries) == checksum, read(entries, &senders) {
                outcome.frames += 1
            } else {
                outcome.damagedFrames += 1
            }
        }
        return outcome
    }

    /// `false` if the entries make no sense; what came before in the frame counts.
    private mutating func read(_ entries: ArraySlice<UInt8>, _ senders: inout [UInt32: Sender]) -> Bool {
        var reader = ByteReader(entries)
        while let tag = reader.take(UInt8.self) {
            switch tag {
            case Tag.state:
                guard let (place, state) = reader.takeState() else { return false }
                senders[place] = Sender(site: state.site, etr: state.etr, keyID: state.keyID)
                nonces.restore(state)
            case Tag.accepted:
                guard let place = reader.take(UInt32.self), let message = reader.takeMessage() else { return false }
                // Its state was in a frame that is damaged.
                guard let sender = senders[place] else { continue }
                nonces.accept(message, site: sender.site, etr: sender.etr, keyID: sender.keyID)
            case Tag.forgotten:
                guard let forgotten = reader.take(UInt8.self), let name = reader.takeSite() else { return false }
                nonces.forget { site, keyID in site != name || keyID != forgotten }
            case Tag.cleared:
                nonces.removeAll()
            default:
                return false
            }
        }
        return true
    }
}

/// Takes big-endian numbers from the front of octets; `nil` where there are too few.
private struct ByteReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    mutating func take<Value: FixedWidthInteger>(_: Value.Type) -> Value? {
        let size = Value.bitWidth / 8
        guard rest.count >= size else { return nil }
        var value: Value = 0
        for byte in rest.prefix(size) { value = (size == 1 ? 0 : value << 8) | Value(truncatingIfNeeded: byte) }
        rest = rest.dropFirst(size)
        return value
    }

    mutating func takeMessage() -> NonceHistory.Message? {
        guard let nonce = take(UInt64.self), let mac = take(UInt64.self) else { return nil }
        return NonceHistory.Message(nonce: nonce, mac: mac)
    }

    mutating func takeSite() -> String? {
        guard let length = take(UInt16.self), rest.count >= length else { return nil }
        defer { rest = rest.dropFirst(Int(length)) }
        return String(validating: rest.prefix(Int(length)), as: UTF8.self)
    }

    private mutating func takeETR() -> ETRIdentity? {
        switch take(UInt8.self) {
        case 0:
            guard let xtrID = take(UInt128.self), let siteID = take(UInt64.self) else { return nil }
            return .named(XTRID(rawValue: xtrID), SiteID(rawValue: siteID))
        case 1: return take(UInt32.self).map { .source(.v4(IPv4Address($0))) }
        case 2: return take(UInt128.self).map { .source(.v6(IPv6Address($0))) }
        default: return nil
        }
    }

    mutating func takeState() -> (place: UInt32, state: NonceJournalState)? {
        guard let place = take(UInt32.self), let keyID = take(UInt8.self), let counting = take(UInt8.self),
            let flags = take(UInt8.self), let count = take(UInt8.self), let site = takeSite(), let etr = takeETR(),
            (1...NonceGuard.remembered).contains(Int(count))
        else { return nil }
        var messages: [NonceHistory.Message] = []
        for _ in 0..<count {
            guard let message = takeMessage() else { return nil }
            messages.append(message)
        }
        let state = NonceJournalState(
            site: site,
            etr: etr,
            keyID: keyID,
            counting: counting,
            isStrict: flags & 1 != 0,
            reusesNonces: flags & 2 != 0,
            messages: messages
        )
        return (place, state)
    }
}

extension [UInt8] {
    fileprivate mutating func put(_ value: some FixedWidthInteger) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}

/// The checksum of RFC 3720 appendix B.4.
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82f6_3b78 }
    }

    static func of(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        let table = table
        var value: UInt32 = .max
        for byte in bytes { value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] }
        return ~value
    }
}
