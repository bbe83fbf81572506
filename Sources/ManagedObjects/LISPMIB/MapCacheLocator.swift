// lispMapCacheLocatorTable: the RLOCs of each map-cache entry.

import AgentX

extension LISPMIB {
    var mapCacheLocatorTable: MIBObject {
        let rows = LocatorRows(table: model.mapCacheLocators, room: room)
        return Table("lispMapCacheLocatorEntry", at: entry(7), rows: rows.source()) {
            inner(3, "lispMapCacheLocatorRlocPriority") { .number($0.preference.priority) }
            inner(4, "lispMapCacheLocatorRlocWeight") { $0.preference.weightUpTo100 }
            inner(5, "lispMapCacheLocatorRlocMPriority") { .number($0.preference.multicastPriority) }
            inner(6, "lispMapCacheLocatorRlocMWeight") { $0.preference.multicastWeightUpTo100 }
            inner(7, "lispMapCacheLocatorRlocState") { ($0.state?.rawValue).map(VariableValue.integer) }
            inner(8, "lispMapCacheLocatorRlocTimeStamp") { stamp($0.age) }
            inner(9, "lispMapCacheLocatorRlocLastPriorityChange") { $0.priorityAge.map(VariableValue.ticks) }
            inner(10, "lispMapCacheLocatorRlocLastWeightChange") { $0.weightAge.map(VariableValue.ticks) }
            inner(11, "lispMapCacheLocatorRlocLastMPriorityChange") { $0.multicastPriorityAge.map(VariableValue.ticks) }
            inner(12, "lispMapCacheLocatorRlocLastMWeightChange") { $0.multicastWeightAge.map(VariableValue.ticks) }
            inner(13, "lispMapCacheLocatorRlocLastStateChange") { $0.stateAge.map(VariableValue.ticks) }
            inner(14, "lispMapCacheLocatorRlocRtt") { $0.roundTrip.map(VariableValue.ticks) }
            trafficColumns(from: 15, "lispMapCacheLocatorRloc") { $0?.traffic }
        }
    }
}
