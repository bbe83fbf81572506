// LISP-MIB, RFC 7052: its 14 tables, each in a file of its own. All of it is read-only, and there are no notifications.

import AgentX
import LISPWire

/// Made of the router's own tables: nothing is copied, every value is that of the moment it is asked for.
package struct LISPMIB {
    package static let root: OID = "1.3.6.1.2.1.220"

    let model: LISPModel
    package let omitted: OmittedRows

    package init(_ model: LISPModel, omitted: OmittedRows) {
        self.model = model
        self.omitted = omitted
    }

    /// - Parameter capabilities: what the AGENT-CAPABILITIES statement about it is called, if there is one.
    package func module(capabilities: OID? = nil) -> MIBModule {
        let statements = capabilities.map { [AgentCapabilities($0, "LISP-MIB (RFC 7052), as lispd has it")] } ?? []
        return MIBModule("LISP-MIB", at: Self.root, capabilities: statements) {
            featuresTable
            iidToVrfTable
            globalStatsTable
            mappingDatabaseTable
            mappingDatabaseLocatorTable
            mapCacheTable
            mapCacheLocatorTable
            configuredLocatorTable
            eidRegistrationTable
            eidRegistrationEtrTable
            eidRegistrationLocatorTable
            useMapServerTable
            useMapResolverTable
            useProxyEtrTable
        }
    }

    /// Of table number `table` of lispObjects.
    func entry(_ table: UInt32) -> OID { Self.root + [1, table, 1] }

    /// For what stands behind a column of such an entry.
    var room: AddressRoom {
        AddressRoom(
            longest: LispAddressType.longest,
            subidentifiers: OID.limit - entry(1).count - 1,
            omitted: omitted
        )
    }

    func stamp(_ age: Duration) -> VariableValue { .timeTicks(model.timeStamp(age)) }
}
