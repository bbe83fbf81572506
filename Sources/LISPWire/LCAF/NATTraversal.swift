// What an Info-Reply tells a router behind a NAT: RFC 8060 section 4.4.
//
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |       MS UDP Port Number      |      ETR UDP Port Number      |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |  Global ETR RLOC Address  ... |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |       MS RLOC Address  ...    |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          | Private ETR RLOC Address  ... |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |      RTR RLOC Address 1 ...   |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// The addresses and ports of a router on both sides of a NAT, and the RTRs that reach it.
package struct NATTraversal: CanonicalContent {
    package var mapServerPort: UInt16
    /// As translated by the NAT.
    package var etrPort: UInt16
    package var globalETRRLOC: LISPAddress
    package var mapServerRLOC: LISPAddress
    package var privateETRRLOC: LISPAddress
    /// As many as follow; none may also be said by a single one of AFI 0.
    package var rtrRLOCs: [LISPAddress]

    package var type: LCAFType { .natTraversal }

    package init(
        mapServerPort: UInt16,
        etrPort: UInt16,
        globalETRRLOC: LISPAddress,
        mapServerRLOC: LISPAddress,
        privateETRRLOC: LISPAddress,
        rtrRLOCs: [LISPAddress]
    ) {
        self.mapServerPort = mapServerPort
        self.etrPort = etrPort
        self.globalETRRLOC = globalETRRLOC
        self.mapServerRLOC = mapServerRLOC
        self.privateETRRLOC = privateETRRLOC
        self.rtrRLOCs = rtrRLOCs
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.mapServerPort = try reader.integer("MS UDP Port Number")
        self.etrPort = try reader.integer("ETR UDP Port Number")
        self.globalETRRLOC = try LISPAddress("Global ETR RLOC Address", from: &reader)
        self.mapServerRLOC = try LISPAddress("MS RLOC Address", from: &reader)
        self.privateETRRLOC = try LISPAddress("Private ETR RLOC Address", from: &reader)
        self.rtrRLOCs = []
        while reader.remaining > 0 {
            rtrRLOCs.append(try LISPAddress("RTR RLOC Address", from: &reader))
        }
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(mapServerPort)
        writer.integer(etrPort)
        globalETRRLOC.encode(into: &writer)
        mapServerRLOC.encode(into: &writer)
        privateETRRLOC.encode(into: &writer)
        for rtr in rtrRLOCs {
            rtr.encode(into: &writer)
        }
    }
}
