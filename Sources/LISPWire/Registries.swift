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

/// Types of LISP canonical addresses (RFC 8060 sections 3 and 7, RFC 10040).
package enum LCAFType: UInt8, Hashable, Sendable, CaseIterable {
    case nullBody = 0
    case afiList = 1
    case instanceID = 2
    case asNumber = 3
    case applicationData = 4
    case geoCoordinates = 5
    case opaqueKey = 6
    case natTraversal = 7
    case nonceLocator = 8
    case multicastInfo = 9
    case explicitLocatorPath = 10
    case securityKey = 11
    case sourceDestinationKey = 12
    case replicationList = 13
    case json = 14
    case keyValue = 15
    case encapsulationFormat = 16
    case geoLocation = 17

    /// The name that the registry gives.
    package var name: String {
        switch self {
        case .nullBody: "Null Body"
        case .afiList: "AFI List"
        case .instanceID: "Instance ID"
        case .asNumber: "AS Number"
        case .applicationData: "Application Data"
        case .geoCoordinates: "Geo-Coordinates"
        case .opaqueKey: "Opaque Key"
        case .natTraversal: "NAT-Traversal"
        case .nonceLocator: "Nonce Locator"
        case .multicastInfo: "Multicast Info"
        case .explicitLocatorPath: "Explicit Locator Path"
        case .securityKey: "Security Key"
        case .sourceDestinationKey: "Source/Dest Key"
        case .replicationList: "Replication List Entry"
        case .json: "JSON Data Model"
        case .keyValue: "Key/Value Address Pair"
        case .encapsulationFormat: "Encapsulation Format"
        case .geoLocation: "Geo-Location"
        }
    }
}

extension LCAFType: CustomStringConvertible {
    package var description: String { name }
}

/// UDP ports (RFC 9301 section 12.1, RFC 9300 section 16).
package enum LISPPort {
    package static let data: UInt16 = 4341
    package static let control: UInt16 = 4342
}
