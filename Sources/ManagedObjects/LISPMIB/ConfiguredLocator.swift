// lispConfiguredLocatorTable: the RLOCs of this site, whatever the EID-prefix.

import AgentX

extension LISPMIB {
    var configuredLocatorTable: MIBObject {
        let rows = addressRows(room, model.configuredLocators)
        return Table("lispConfiguredLocatorEntry", at: entry(8), rows: rows) {
            Column(3, "lispConfiguredLocatorRlocState") { .integer($0.state.rawValue) }
            Column(4, "lispConfiguredLocatorRlocLocal") { .integer($0.isSelf ? 1 : 2) }
            Column(5, "lispConfiguredLocatorRlocTimeStamp") { stamp($0.age) }
            trafficColumns(from: 6, "lispConfiguredLocatorRloc") { $0.traffic }
        }
    }
}
