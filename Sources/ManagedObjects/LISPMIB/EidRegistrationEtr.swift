// lispEidRegistrationEtrTable: each ETR that registers an EID-prefix.

import AgentX

extension LISPMIB {
    var eidRegistrationEtrTable: MIBObject {
        let etrs = EIDTable<RowList<RegisteringETR>>(
            at: { [table = model.registeringETRs] in table.at($0)?.etrs },
            after: { [table = model.registeringETRs] in table.after($0).map { ($0.key, $0.value.etrs) } }
        )
        let rows = LocatorRows(table: etrs, room: room)
        return Table("lispEidRegistrationEtrEntry", at: entry(10), rows: rows.source()) {
            inner(3, "lispEidRegistrationEtrLastTimeStamp") { stamp($0.lastRegisterAge) }
            inner(4, "lispEidRegistrationEtrTtl") { .unsigned($0.ttlMinutes) }
            inner(5, "lispEidRegistrationEtrProxyReply") { .truth($0.wantsProxyReply) }
            inner(6, "lispEidRegistrationEtrWantsMapNotify") { .truth($0.wantsMapNotify) }
        }
    }
}
