// The octets a master has sent, up to where they are worked off. They are taken apart one PDU at a time, when its turn comes.

struct FrameBuffer {
    enum Frame {
        case pdu(PDUHeader, PDUReader)
        /// Its payload is longer than is taken, and is passed over as it arrives.
        case tooLong(PDUHeader)
    }

    /// Octets of a payload.
    private let limit: Int
    private var octets: [UInt8] = []
    /// Octets in front of this are worked off.
    private var start = 0
    /// Octets of a payload that was too long, still to come.
    private var octetsToSkip = 0

    init(limit: Int) { self.limit = limit }

    /// Octets that are not worked off.
    var count: Int { octets.count - start }

    mutating func append(_ received: some Collection<UInt8>) {
        let skipped = min(octetsToSkip, received.count)
        octetsToSkip -= skipped
        if start > 0, start >= octets.count / 2 {
            octets.removeFirst(start)
            start = 0
        }
        octets += received.dropFirst(skipped)
    }

    /// Whether `next` has something to say.
    var hasNext: Bool {
        guard count >= PDUHeader.length else { return false }
        guard let header = try? PDUHeader(octets, at: start), header.payloadLength <= limit else { return true }
        return count >= PDUHeader.length + header.payloadLength
    }

    /// The next PDU; `nil` if it is not there yet.
    ///
    /// - Throws: if the header is none. Where the next PDU begins cannot be known then.
    mutating func next() throws(WireError) -> Frame? {
        guard count >= PDUHeader.length else { return nil }
        let header = try PDUHeader(octets, at: start)
        let payload = start + PDUHeader.length
        guard header.payloadLength <= limit else {
            let skipped = min(header.payloadLength, octets.count - payload)
            start = payload + skipped
            octetsToSkip = header.payloadLength - skipped
            return .tooLong(header)
        }
        guard octets.count - payload >= header.payloadLength else { return nil }
        start = payload + header.payloadLength
        return .pdu(header, PDUReader(octets, in: payload..<start, order: header.order))
    }
}
