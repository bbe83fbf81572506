// Canonical addresses that list addresses: RFC 8060 sections 4.6, 4.9 and 4.10.

// AFI List (4.10): any number of
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |          Address  ...         |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// Addresses that belong together: an RLOC and what is said about it, or one thing in several families.
package struct AFIList: CanonicalContent {
    package var addresses: [LISPAddress]
    /// Why the list was not read to its end. The addresses in front are good.
    package private(set) var fault: WireError?

    package var type: LCAFType { .afiList }

    package init(_ addresses: [LISPAddress]) {
        self.addresses = addresses
    }

    init(from reader: inout WireReader) {
        self.addresses = []
        do throws(WireError) {
            while reader.remaining > 0 {
                var ahead = reader
                addresses.append(try LISPAddress("AFI List", from: &ahead))
                reader = ahead
            }
        } catch {
            self.fault = error
            _ = reader.rest()
        }
    }

    package func encode(into writer: inout WireWriter) {
        for address in addresses {
            address.encode(into: &writer)
        }
    }
}

// Explicit Locator Path (4.6): any number of
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |           Rsvd3         |L|P|S|           AFI = x             |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         Reencap Hop  ...                      |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// Routers that packets shall pass on their way.
package struct ExplicitLocatorPath: CanonicalContent {
    package struct Hop: Hashable, Sendable {
        /// L: not to be encapsulated to, but to be looked up in the mapping system.
        package var isLookup: Bool
        /// P: may be probed.
        package var isProbed: Bool
        /// S: must not be skipped.
        package var isStrict: Bool
        package var address: LISPAddress

        package init(isLookup: Bool = false, isProbed: Bool = false, isStrict: Bool = false, address: LISPAddress) {
            self.isLookup = isLookup
            self.isProbed = isProbed
            self.isStrict = isStrict
            self.address = address
        }
    }

    package var hops: [Hop]

    package var type: LCAFType { .explicitLocatorPath }

    package init(hops: [Hop]) {
        self.hops = hops
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.hops = []
        while reader.remaining > 0 {
            let flags: UInt16 = try reader.integer("Reencap Hop Flags")
            hops.append(
                Hop(
                    isLookup: flags & 4 != 0,
                    isProbed: flags & 2 != 0,
                    isStrict: flags & 1 != 0,
                    address: try LISPAddress("Reencap Hop", from: &reader)
                )
            )
        }
    }

    package func encode(into writer: inout WireWriter) {
        for hop in hops {
            writer.integer((hop.isLookup ? 4 : 0) | (hop.isProbed ? 2 : 0) | (hop.isStrict ? 1 : 0) as UInt16)
            hop.address.encode(into: &writer)
        }
    }
}

// Replication List Entry (4.9): any number of
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              Rsvd3            |     Rsvd4     |  Level Value  |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |           RTR/ETR  ...        |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// Routers that multicast packets are replicated to.
package struct ReplicationList: CanonicalContent {
    package struct Entry: Hashable, Sendable {
        /// The level in the distribution tree: 0 is next to the ITR.
        package var level: UInt8
        package var address: LISPAddress

        package init(level: UInt8, address: LISPAddress) {
            self.level = level
            self.address = address
        }
    }

    package var entries: [Entry]

    package var type: LCAFType { .replicationList }

    package init(entries: [Entry]) {
        self.entries = entries
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.entries = []
        while reader.remaining > 0 {
            let bits: UInt32 = try reader.integer("Level Value")
            entries.append(
                Entry(
                    level: UInt8(truncatingIfNeeded: bits),
                    address: try LISPAddress("RTR/ETR", from: &reader)
                )
            )
        }
    }

    package func encode(into writer: inout WireWriter) {
        for entry in entries {
            writer.integer(UInt32(entry.level))
            entry.address.encode(into: &writer)
        }
    }
}
