// Map-Referral, RFC 8111 section 6.4.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |Type=6 |                Reserved               | Record Count  |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         Nonce . . .                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         . . . Nonce                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         Record TTL                            |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    | Referral Count| EID mask-len  | ACT |A|I|     Reserved        |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |SigCnt |   Map Version Number  |            EID-AFI            |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                          EID-prefix ...                       |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    ~                 Ref sections, laid out as locators            ~
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    ~                          Sig sections                         ~
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// Tells a DDT client where to ask next for an EID, or that there is nobody to ask.
package struct MapReferral: Hashable, Sendable {
    package var nonce: Nonce
    /// The count has room for 255; what is beyond is not sent.
    package var records: [ReferralRecord]
    /// What follows the records.
    package var tail: [UInt8]

    package init(nonce: Nonce, records: [ReferralRecord], tail: [UInt8] = []) {
        self.nonce = nonce
        self.records = records
        self.tail = tail
    }
}

extension MapReferral: ControlMessageBody {
    package init(from reader: inout WireReader) throws(WireError) {
        let header = try reader.header(.mapReferral)
        self.nonce = Nonce(rawValue: try reader.integer("Nonce"))
        self.records = []
        for _ in 0..<header.recordCount {
            records.append(try ReferralRecord(from: &reader))
        }
        self.tail = reader.rest()
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(MessageHeader(.mapReferral, recordCount: records.count).bits)
        writer.integer(nonce.rawValue)
        for record in records.prefix(255) {
            record.encode(into: &writer)
        }
        writer.bytes(tail)
    }
}

/// What a Map-Referral says. Three bits (RFC 8111 section 6.1).
package enum ReferralAction: UInt8, Hashable, Sendable, CaseIterable {
    case nodeReferral = 0
    case mapServerReferral = 1
    case mapServerAck = 2
    case mapServerNotRegistered = 3
    case delegationHole = 4
    case notAuthoritative = 5
    case unassigned6 = 6
    case unassigned7 = 7

    /// As RFC 8111 writes it.
    package var name: String {
        switch self {
        case .nodeReferral: "NODE-REFERRAL"
        case .mapServerReferral: "MS-REFERRAL"
        case .mapServerAck: "MS-ACK"
        case .mapServerNotRegistered: "MS-NOT-REGISTERED"
        case .delegationHole: "DELEGATION-HOLE"
        case .notAuthoritative: "NOT-AUTHORITATIVE"
        case .unassigned6, .unassigned7: "unassigned \(rawValue)"
        }
    }
}

/// The delegation of one XEID-prefix.
package struct ReferralRecord: Hashable, Sendable {
    /// Minutes.
    package var ttlMinutes: UInt32
    package var eid: LISPAddress
    package var maskLength: UInt8
    package var action: ReferralAction
    /// A.
    package var isAuthoritative: Bool
    /// I: the referral set is incomplete, so the referral should not be cached.
    package var isIncomplete: Bool
    /// Twelve bits. Higher bits are not sent.
    package var mapVersion: UInt16
    /// The DDT nodes to ask. The count has room for 255; what is beyond is not sent.
    package var referrals: [LocatorRecord]
    /// The count has room for 15; what is beyond is not sent.
    package var signatures: [Signature]

    /// A signature over the record, with its TTL as signed and the signature's own octets zero (RFC 8111 section 6.4.1).
    package struct Signature: Hashable, Sendable {
        /// Minutes.
        package var originalTTLMinutes: UInt32
        /// Seconds since 1970, as is `inception`.
        package var expiration: UInt32
        package var inception: UInt32
        package var keyTag: UInt16
        /// 1: RSA-SHA1, 2: RSA-SHA256.
        package var algorithm: UInt8
        /// At most 65,535 octets; what is beyond is not sent.
        package var octets: [UInt8]

        package init(
            originalTTLMinutes: UInt32,
            expiration: UInt32,
            inception: UInt32,
            keyTag: UInt16,
            algorithm: UInt8,
            octets: [UInt8]
        ) {
            self.originalTTLMinutes = originalTTLMinutes
            self.expiration = expiration
            self.inception = inception
            self.keyTag = keyTag
            self.algorithm = algorithm
            self.octets = octets
        }
    }

    package init(
        eid: LISPAddress,
        maskLength: UInt8,
        ttlMinutes: UInt32,
        action: ReferralAction,
        isAuthoritative: Bool = false,
        isIncomplete: Bool = false,
        mapVersion: UInt16 = 0,
        referrals: [LocatorRecord],
        signatures: [Signature] = []
    ) {
        self.ttlMinutes = ttlMinutes
        self.eid = eid
        self.maskLength = maskLength
        self.action = action
        self.isAuthoritative = isAuthoritative
        self.isIncomplete = isIncomplete
        self.mapVersion = mapVersion
        self.referrals = referrals
        self.signatures = signatures
    }

    /// `nil` if the EID is neither IPv4 nor IPv6, or its mask is longer than the address.
    package var eidPrefix: EIDPrefix? { EIDPrefix(address: eid, maskLength: maskLength) }
}

extension ReferralRecord {
    package init(from reader: inout WireReader) throws(WireError) {
        self.ttlMinutes = try reader.integer("Record TTL")
        let referralCount: UInt8 = try reader.integer("Referral Count")
        self.maskLength = try reader.integer("EID mask-len")
        let bits: UInt16 = try reader.integer("ACT")
        // Three bits: each of their values is a case.
        self.action = ReferralAction(rawValue: UInt8(bits >> 13)) ?? .nodeReferral
        self.isAuthoritative = bits & 0x1000 != 0
        self.isIncomplete = bits & 0x0800 != 0
        let version: UInt16 = try reader.integer("Map Version Number")
        self.mapVersion = version & 0x0fff
        self.eid = try LISPAddress("EID-prefix", from: &reader)
        self.referrals = []
        for _ in 0..<referralCount {
            referrals.append(try LocatorRecord(from: &reader))
        }
        self.signatures = []
        for _ in 0..<(version >> 12) {
            signatures.append(try Signature(from: &reader))
        }
    }

    package func encode(into writer: inout WireWriter) {
        let sent = referrals.prefix(255)
        let signed = signatures.prefix(15)
        writer.integer(ttlMinutes)
        writer.integer(UInt8(sent.count))
        writer.integer(maskLength)
        writer.integer(
            UInt16(action.rawValue) << 13 | (isAuthoritative ? 0x1000 : 0) | (isIncomplete ? 0x0800 : 0)
        )
        writer.integer(UInt16(signed.count) << 12 | mapVersion & 0x0fff)
        eid.encode(into: &writer)
        for referral in sent {
            referral.encode(into: &writer)
        }
        for signature in signed {
            signature.encode(into: &writer)
        }
    }
}

//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                      Original Record TTL                      |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                      Signature Expiration                     |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                      Signature Inception                      |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |            Key Tag            |           Sig Length          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    | Sig-Algorithm |    Reserved   |            Reserved           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    ~                             Signature                         ~
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

extension ReferralRecord.Signature {
    init(from reader: inout WireReader) throws(WireError) {
        self.originalTTLMinutes = try reader.integer("Original Record TTL")
        self.expiration = try reader.integer("Signature Expiration")
        self.inception = try reader.integer("Signature Inception")
        self.keyTag = try reader.integer("Key Tag")
        let length: UInt16 = try reader.integer("Sig Length")
        let bits: UInt32 = try reader.integer("Sig-Algorithm")
        self.algorithm = UInt8(bits >> 24)
        self.octets = try reader.bytes("Signature", count: Int(length))
    }

    func encode(into writer: inout WireWriter) {
        let sent = octets.prefix(Int(UInt16.max))
        writer.integer(originalTTLMinutes)
        writer.integer(expiration)
        writer.integer(inception)
        writer.integer(keyTag)
        writer.integer(UInt16(sent.count))
        writer.integer(UInt32(algorithm) << 24)
        writer.bytes(sent)
    }
}
