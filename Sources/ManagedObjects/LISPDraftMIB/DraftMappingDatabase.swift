// lispMappingDatabaseTable and lispMappingDatabaseLocatorTable of the draft.

import AgentX

extension LISPDraftMIB {
    var mappingDatabaseTable: MIBObject {
        Table("lispMappingDatabaseEntry", at: entry(2), rows: model.database.rows()) {
            Column(3, "lispMappingDatabaseLsb") { .unsigned($0.statusBits) }
            Column(4, "lispMappingDatabaseEidPartitioned") { $0.isPartitioned.map(VariableValue.truth) }
            trafficColumns(from: 5, "lispMappingDatabase") { $0.traffic }
        }
    }

    var mappingDatabaseLocatorTable: MIBObject {
        let rows = LocatorRows(table: model.databaseLocators, room: room)
        return Table("lispMappingDatabaseLocatorEntry", at: entry(3), rows: rows.source()) {
            inner(5, "lispMappingDatabaseLocatorRlocPriority") { .number($0.preference.priority) }
            inner(6, "lispMappingDatabaseLocatorRlocWeight") { .number($0.preference.weight) }
            inner(7, "lispMappingDatabaseLocatorRlocMPriority") { .number($0.preference.multicastPriority) }
            inner(8, "lispMappingDatabaseLocatorRlocMWeight") { .number($0.preference.multicastWeight) }
            inner(9, "lispMappingDatabaseLocatorRlocState") { .integer($0.state.draftNumber) }
            inner(10, "lispMappingDatabaseLocatorRlocLocal") { .integer($0.isSelf ? 1 : 0) }
            trafficColumns(from: 11, "lispMappingDatabaseLocatorRloc") { $0?.traffic }
        }
    }
}
