// Canonical addresses with two prefixes: RFC 8060 sections 4.5 and 4.8.

// Multicast Info (4.5)
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         Instance ID                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |            Reserved           | Source MaskLen| Group MaskLen |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |   Source/Subnet Address  ...  |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |       Group Address  ...      |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// A multicast entry: sources and groups, (S,G) or (*,G).
package struct MulticastInfo: CanonicalContent {
    /// 32 bits, of which data packets carry the low 24.
    package var instanceID: UInt32
    package var source: LISPAddress
    package var sourceMaskLength: UInt8
    package var group: LISPAddress
    package var groupMaskLength: UInt8

    package var type: LCAFType { .multicastInfo }

    package init(
        instanceID: UInt32,
        source: LISPAddress,
        sourceMaskLength: UInt8,
        group: LISPAddress,
        groupMaskLength: UInt8
    ) {
        self.instanceID = instanceID
        self.source = source
        self.sourceMaskLength = sourceMaskLength
        self.group = group
        self.groupMaskLength = groupMaskLength
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.instanceID = try reader.integer("Instance ID")
        let _: UInt16 = try reader.integer("Reserved")
        self.sourceMaskLength = try reader.integer("Source MaskLen")
        self.groupMaskLength = try reader.integer("Group MaskLen")
        self.source = try LISPAddress("Source/Subnet Address", from: &reader)
        self.group = try LISPAddress("Group Address", from: &reader)
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(instanceID)
        writer.integer(UInt16(0))
        writer.integer(sourceMaskLength)
        writer.integer(groupMaskLength)
        source.encode(into: &writer)
        group.encode(into: &writer)
    }
}

// Source/Dest Key (4.8)
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |            Reserved           |   Source-ML   |    Dest-ML    |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |         Source-Prefix ...     |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = y          |     Destination-Prefix ...    |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// A mapping's key that looks at both ends of a flow.
package struct SourceDestinationKey: CanonicalContent {
    package var source: LISPAddress
    package var sourceMaskLength: UInt8
    package var destination: LISPAddress
    package var destinationMaskLength: UInt8

    package var type: LCAFType { .sourceDestinationKey }

    package init(
        source: LISPAddress,
        sourceMaskLength: UInt8,
        destination: LISPAddress,
        destinationMaskLength: UInt8
    ) {
        self.source = source
        self.sourceMaskLength = sourceMaskLength
        self.destination = destination
        self.destinationMaskLength = destinationMaskLength
    }

    init(from reader: inout WireReader) throws(WireError) {
        let _: UInt16 = try reader.integer("Reserved")
        self.sourceMaskLength = try reader.integer("Source-ML")
        self.destinationMaskLength = try reader.integer("Dest-ML")
        self.source = try LISPAddress("Source-Prefix", from: &reader)
        self.destination = try LISPAddress("Destination-Prefix", from: &reader)
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(UInt16(0))
        writer.integer(sourceMaskLength)
        writer.integer(destinationMaskLength)
        source.encode(into: &writer)
        destination.encode(into: &writer)
    }
}
