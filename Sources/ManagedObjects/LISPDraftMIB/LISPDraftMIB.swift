// The ten tables of draft-ietf-lisp-mib-00, which was never given an OID: they stand under one that the operator chooses. They
// differ from LISP-MIB's in that times are ages, sites are an index, and numbers of states begin with 0. Where the draft contradicts
// itself: the name of an object counts, not that in its SEQUENCE; a TruthValue is true(1) or false(2); all instances are summed up.

import AgentX
import LISPWire

package struct LISPDraftMIB {
    /// In net-snmp's playground.
    package static let defaultRoot: OID = "1.3.6.1.4.1.8072.9999.9999.6830"

    let root: OID
    let model: LISPModel
    package let omitted: OmittedRows

    package init(_ model: LISPModel, at root: OID = Self.defaultRoot, omitted: OmittedRows) {
        self.root = root
        self.model = model
        self.omitted = omitted
    }

    /// - Parameter capabilities: what the AGENT-CAPABILITIES statement about it is called, if there is one.
    package func module(capabilities: OID? = nil) -> MIBModule {
        let text = "LISP-DRAFT-00-MIB (draft-ietf-lisp-mib-00), as lispd has it"
        let statements = capabilities.map { [AgentCapabilities($0, text)] } ?? []
        return MIBModule("LISP-DRAFT-00-MIB", at: root, capabilities: statements) {
            lispTable
            mappingDatabaseTable
            mappingDatabaseLocatorTable
            mapCacheTable
            mapCacheLocatorTable
            siteTable
            siteLocatorTable
            mapServersTable
            mapResolversTable
            useProxyEtrTable
        }
    }

    func entry(_ table: UInt32) -> OID { root + [table, 1] }

    /// The draft sets no limit to an address.
    var room: AddressRoom {
        AddressRoom(longest: OID.limit, subidentifiers: OID.limit - entry(1).count - 1, omitted: omitted)
    }

    var siteNames: SiteNames { SiteNames(all: model.siteNames, room: room) }
}

extension Reachability {
    /// The draft has numbers for two of them and leaves the others open.
    var draftNumber: Int32 { rawValue - 1 }
}
