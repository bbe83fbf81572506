// lispMappingDatabaseLocatorTable: the RLOCs of each EID-prefix of this site.

import AgentX

extension LISPMIB {
    var mappingDatabaseLocatorTable: MIBObject {
        let rows = LocatorRows(table: model.databaseLocators, room: room)
        return Table("lispMappingDatabaseLocatorEntry", at: entry(5), rows: rows.source()) {
            inner(3, "lispMappingDatabaseLocatorRlocPriority") { .number($0.preference.priority) }
            inner(4, "lispMappingDatabaseLocatorRlocWeight") { $0.preference.weightUpTo100 }
            inner(5, "lispMappingDatabaseLocatorRlocMPriority") { .number($0.preference.multicastPriority) }
            inner(6, "lispMappingDatabaseLocatorRlocMWeight") { $0.preference.multicastWeightUpTo100 }
            inner(7, "lispMappingDatabaseLocatorRlocState") { .integer($0.state.rawValue) }
            inner(8, "lispMappingDatabaseLocatorRlocLocal") { .integer($0.isSelf ? 1 : 2) }
            inner(9, "lispMappingDatabaseLocatorRlocTimeStamp") { stamp($0.age) }
            trafficColumns(from: 10, "lispMappingDatabaseLocatorRloc") { $0?.traffic }
        }
    }
}
