// lispMappingDatabaseTable: the EID-prefixes of this site.

import AgentX

extension LISPMIB {
    var mappingDatabaseTable: MIBObject {
        Table("lispMappingDatabaseEntry", at: entry(4), rows: model.database.rows()) {
            Column(3, "lispMappingDatabaseLsb") { .unsigned($0.statusBits) }
            Column(4, "lispMappingDatabaseEidPartitioned") { $0.isPartitioned.map(VariableValue.truth) }
            Column(5, "lispMappingDatabaseTimeStamp") { stamp($0.age) }
            trafficColumns(from: 6, "lispMappingDatabase") { $0.traffic }
        }
    }
}
