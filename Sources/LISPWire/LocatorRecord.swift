// Locator entry of an EID-Record, RFC 9301 section 5.4.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |   Priority    |    Weight     |  M Priority   |   M Weight    |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |      Unused Flags       |L|p|R|           Loc-AFI             |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                             Locator                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// A routing locator at which an EID-prefix can be reached.
package struct LocatorRecord: Hashable, Sendable {
    /// Preference for unicast, lower first. 255 means never used for unicast.
    package var priority: UInt8
    /// Share of unicast traffic, relative to locators of equal priority (not a percentage).
    package var weight: UInt8
    /// The same two for multicast trees (RFC 6831).
    package var multicastPriority: UInt8
    package var multicastWeight: UInt8
    /// L: an address of the ETR that sends this.
    package var isLocal: Bool
    /// p: the locator that the answered probe was sent to.
    package var isProbed: Bool
    /// R: the sender has a route to it.
    package var isReachable: Bool
    package var address: LISPAddress

    package init(
        priority: UInt8,
        weight: UInt8,
        multicastPriority: UInt8 = 255,
        multicastWeight: UInt8 = 0,
        isLocal: Bool = false,
        isProbed: Bool = false,
        isReachable: Bool = true,
        address: LISPAddress
    ) {
        self.priority = priority
        self.weight = weight
        self.multicastPriority = multicastPriority
        self.multicastWeight = multicastWeight
        self.isLocal = isLocal
        self.isProbed = isProbed
        self.isReachable = isReachable
        self.address = address
    }
}

extension LocatorRecord {
    package init(from reader: inout WireReader) throws(WireError) {
        self.priority = try reader.integer("Priority")
        self.weight = try reader.integer("Weight")
        self.multicastPriority = try reader.integer("M Priority")
        self.multicastWeight = try reader.integer("M Weight")
        // Unused flags are ignored on receipt.
        let flags: UInt16 = try reader.integer("Flags")
        self.isLocal = flags & 4 != 0
        self.isProbed = flags & 2 != 0
        self.isReachable = flags & 1 != 0
        self.address = try LISPAddress("Locator", from: &reader)
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(priority)
        writer.integer(weight)
        writer.integer(multicastPriority)
        writer.integer(multicastWeight)
        writer.integer((isLocal ? 4 : 0) | (isProbed ? 2 : 0) | (isReachable ? 1 : 0) as UInt16)
        address.encode(into: &writer)
    }
}
