// Numbers that IANA keeps for LISP:
// https://www.iana.org/assignments/lisp-parameters and https://www.iana.org/assignments/address-family-numbers

/// The type of a control message: the first four bits (RFC 9301 section 5.1).
package enum MessageType: UInt8, Hashable, Sendable, CaseIterable {
    case mapRequest = 1
    case mapReply = 2
    case mapRegister = 3
    case mapNotify = 4
    case mapNotifyAck = 5
    case mapReferral = 6
    /// Info-Request and Info-Reply of the NAT traversal drafts; unassigned in RFC 9301.
    case info = 7
    case encapsulatedControlMessage = 8
    /// RFC 9304.
    case sharedExtension = 15
}

/// Address families that an address field may hold.
package enum AddressFamilyIdentifier {
    package static let none: UInt16 = 0
    package static let ipv4: UInt16 = 1
    package static let ipv6: UInt16 = 2
    /// "802": six octets, the way some routers write a MAC address.
    package static let ieee802: UInt16 = 6
    /// RFC 9735.
    package static let distinguishedName: UInt16 = 17
    /// RFC 8060.
    package static let lcaf: UInt16 = 16387
    /// A MAC address of 48 bits (RFC 7042).
    package static let mac48: UInt16 = 16389
}

/// Kinds of LISP Canonical Addresses that this module looks into (RFC 8060 section 3).
package enum LCAFType {
    package static let instanceID: UInt8 = 2
}

/// UDP ports (RFC 9301 section 12.1, RFC 9300 section 16).
package enum LISPPort {
    package static let data: UInt16 = 4341
    package static let control: UInt16 = 4342
}
