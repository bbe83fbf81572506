// lispEidRegistrationLocatorTable: each RLOC that an ETR registers.

import AgentX

extension LISPMIB {
    var eidRegistrationLocatorTable: MIBObject {
        let rows = RegistrationRows(table: model.registeringETRs, room: room)
        return Table("lispEidRegistrationLocatorEntry", at: entry(11), rows: rows.source()) {
            inner(3, "lispEidRegistrationLocatorRlocState") { .integer($0.isReachable ? 1 : 2) }
            inner(4, "lispEidRegistrationLocatorIsLocal") { .truth($0.isLocal) }
            inner(5, "lispEidRegistrationLocatorPriority") { .number($0.preference.priority) }
            inner(6, "lispEidRegistrationLocatorWeight") { $0.preference.weightUpTo100 }
            inner(7, "lispEidRegistrationLocatorMPriority") { .number($0.preference.multicastPriority) }
            inner(8, "lispEidRegistrationLocatorMWeight") { $0.preference.multicastWeightUpTo100 }
        }
    }
}
