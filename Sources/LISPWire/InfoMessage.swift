// Info-Request and Info-Reply, draft-ermagan-lisp-nat-traversal section 4.1 and 4.2.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |Type=7 |R|            Reserved                                 |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         Nonce . . .                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                      . . . Nonce                              |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              Key ID           |  Authentication Data Length   |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    ~                     Authentication Data                       ~
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                              TTL                              |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |   Reserved    | EID mask-len  |        EID-prefix-AFI         |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                          EID-prefix                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |   AFI = 0 in a request, a NAT-Traversal address in a reply    |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// Asks a Map-Server or an RTR how a NAT on the way translates the sender's address, or answers that.
package struct InfoMessage: Hashable, Sendable {
    /// R: an Info-Reply.
    package var isReply: Bool
    package var nonce: Nonce
    package var keyID: UInt16
    /// At most 65,535 octets; what is beyond is not sent.
    package var authenticationData: [UInt8]
    /// Minutes for which the receiver of an Info-Reply keeps what it says of RTRs.
    package var ttlMinutes: UInt32
    package var eid: LISPAddress
    package var maskLength: UInt8
    /// A canonical address of type NAT-Traversal in a reply, `.none` in a request.
    package var natTraversal: LISPAddress
    /// What follows.
    package var tail: [UInt8]

    package init(
        isReply: Bool,
        nonce: Nonce,
        keyID: UInt16 = 0,
        authenticationData: [UInt8] = [],
        ttlMinutes: UInt32,
        eid: LISPAddress,
        maskLength: UInt8,
        natTraversal: LISPAddress = .none,
        tail: [UInt8] = []
    ) {
        self.isReply = isReply
        self.nonce = nonce
        self.keyID = keyID
        self.authenticationData = authenticationData
        self.ttlMinutes = ttlMinutes
        self.eid = eid
        self.maskLength = maskLength
        self.natTraversal = natTraversal
        self.tail = tail
    }
}

extension InfoMessage: ControlMessageBody {
    package init(from reader: inout WireReader) throws(WireError) {
        let header = try reader.header(.info)
        self.isReply = header.isSet(4)
        self.nonce = Nonce(rawValue: try reader.integer("Nonce"))
        self.keyID = try reader.integer("Key ID")
        let length: UInt16 = try reader.integer("Authentication Data Length")
        self.authenticationData = try reader.bytes("Authentication Data", count: Int(length))
        self.ttlMinutes = try reader.integer("TTL")
        let _: UInt8 = try reader.integer("Reserved")
        self.maskLength = try reader.integer("EID mask-len")
        self.eid = try LISPAddress("EID-prefix", from: &reader)
        self.natTraversal = try LISPAddress("NAT-Traversal", from: &reader)
        self.tail = reader.rest()
    }

    package func encode(into writer: inout WireWriter) {
        var header = MessageHeader(.info, recordCount: 0)
        header.set(4, isReply)
        writer.integer(header.bits)
        writer.integer(nonce.rawValue)
        writer.integer(keyID)
        writer.lengthPrefixed { $0.bytes(authenticationData.prefix(Int(UInt16.max))) }
        writer.integer(ttlMinutes)
        writer.integer(UInt8(0))
        writer.integer(maskLength)
        eid.encode(into: &writer)
        natTraversal.encode(into: &writer)
        writer.bytes(tail)
    }
}
