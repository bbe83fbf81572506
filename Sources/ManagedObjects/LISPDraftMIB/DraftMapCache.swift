// lispMapCacheTable and lispMapCacheLocatorTable of the draft.

import AgentX

extension LISPDraftMIB {
    var mapCacheTable: MIBObject {
        Table("lispMapCacheEntry", at: entry(4), rows: model.mapCache.rows()) {
            // The draft describes it as the next object, by mistake.
            Column(3, "lispMapCacheEidUpTime") { .ticks($0.age) }
            Column(4, "lispMapCacheEidExpiryTime") { $0.remaining.map(VariableValue.ticks) }
            Column(5, "lispMapCacheEidState") { $0.isActive.map { .integer($0 ? 1 : 0) } }
            Column(6, "lispMapCacheEidAuthoritative") { .truth($0.isAuthoritative) }
            trafficColumns(from: 7, "lispMapCache") { $0.traffic }
        }
    }

    var mapCacheLocatorTable: MIBObject {
        let rows = LocatorRows(table: model.mapCacheLocators, room: room)
        return Table("lispMapCacheLocatorEntry", at: entry(5), rows: rows.source()) {
            inner(5, "lispMapCacheLocatorRlocPriority") { .number($0.preference.priority) }
            inner(6, "lispMapCacheLocatorRlocWeight") { .number($0.preference.weight) }
            inner(7, "lispMapCacheLocatorRlocMPriority") { .number($0.preference.multicastPriority) }
            inner(8, "lispMapCacheLocatorRlocMWeight") { .number($0.preference.multicastWeight) }
            inner(9, "lispMapCacheLocatorRlocState") { ($0.state?.draftNumber).map(VariableValue.integer) }
            inner(10, "lispMapCacheLocatorRlocUpTime") { .ticks($0.age) }
            inner(11, "lispMapCacheLocatorRlocLastPriorityChange") { $0.priorityAge.map(VariableValue.ticks) }
            inner(12, "lispMapCacheLocatorRlocLastWeightChange") { $0.weightAge.map(VariableValue.ticks) }
            inner(13, "lispMapCacheLocatorRlocLastMPriorityChange") { $0.multicastPriorityAge.map(VariableValue.ticks) }
            inner(14, "lispMapCacheLocatorRlocLastMWeightChange") { $0.multicastWeightAge.map(VariableValue.ticks) }
            inner(15, "lispMapCacheLocatorRlocLastStateChange") { $0.stateAge.map(VariableValue.ticks) }
            inner(16, "lispMapCacheLocatorRlocRtt") { $0.roundTrip.map(VariableValue.ticks) }
            trafficColumns(from: 17, "lispMapCacheLocatorRloc") { $0?.traffic }
        }
    }
}
