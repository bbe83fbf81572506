// lispMapCacheTable: what the ITR has learnt of other sites.

import AgentX

extension LISPMIB {
    var mapCacheTable: MIBObject {
        Table("lispMapCacheEntry", at: entry(6), rows: model.mapCache.rows()) {
            Column(3, "lispMapCacheEidTimeStamp") { stamp($0.age) }
            Column(4, "lispMapCacheEidExpiryTime") { $0.remaining.map(VariableValue.ticks) }
            Column(5, "lispMapCacheEidState") { $0.isActive.map(VariableValue.truth) }
            Column(6, "lispMapCacheEidAuthoritative") { .truth($0.isAuthoritative) }
            trafficColumns(from: 7, "lispMapCacheEid") { $0.traffic }
        }
    }
}
