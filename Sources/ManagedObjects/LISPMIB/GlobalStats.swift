// lispGlobalStatsTable: control messages.

import AgentX

extension LISPMIB {
    var globalStatsTable: MIBObject {
        Table("lispGlobalStatsEntry", at: entry(3), rows: serviceRows(model.messages)) {
            Column(1, "lispGlobalStatsMapRequestsIn") { .counter64($0.mapRequestsIn) }
            Column(2, "lispGlobalStatsMapRequestsOut") { .counter64($0.mapRequestsOut) }
            Column(3, "lispGlobalStatsMapRepliesIn") { .counter64($0.mapRepliesIn) }
            Column(4, "lispGlobalStatsMapRepliesOut") { .counter64($0.mapRepliesOut) }
            Column(5, "lispGlobalStatsMapRegistersIn") { .counter64($0.mapRegistersIn) }
            Column(6, "lispGlobalStatsMapRegistersOut") { .counter64($0.mapRegistersOut) }
        }
    }
}
