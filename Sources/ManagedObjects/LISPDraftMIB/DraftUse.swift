// lispMapServersTable, lispMapResolversTable and lispUseProxyEtrTable of the draft: whom this router uses.

import AgentX

extension LISPDraftMIB {
    var mapServersTable: MIBObject {
        Table("lispMapServersEntry", at: entry(8), rows: addressRows(room, model.mapServers)) {
            Column(3, "lispMapServersState") { $0.state.map { .truth($0 == .up) } }
        }
    }

    var mapResolversTable: MIBObject {
        Table("lispMapResolversEntry", at: entry(9), rows: addressRows(room, model.mapResolvers)) {
            Column(3, "lispMapResolversState") { $0.isUp.map(VariableValue.truth) }
        }
    }

    var useProxyEtrTable: MIBObject {
        Table("lispUseProxyEtrEntry", at: entry(10), rows: addressRows(room, model.proxyETRs)) {
            Column(3, "lispUseProxyEtrState") { .truth($0.isUp) }
        }
    }
}
