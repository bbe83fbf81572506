// lispUseMapServerTable, lispUseMapResolverTable and lispUseProxyEtrTable: whom this router uses.

import AgentX

extension LISPMIB {
    var useMapServerTable: MIBObject {
        Table("lispUseMapServerEntry", at: entry(12), rows: addressRows(room, model.mapServers)) {
            Column(3, "lispUseMapServerState") { ($0.state?.rawValue).map(VariableValue.integer) }
        }
    }

    var useMapResolverTable: MIBObject {
        Table("lispUseMapResolverEntry", at: entry(13), rows: addressRows(room, model.mapResolvers)) {
            Column(3, "lispUseMapResolverState") { $0.isUp.map { .integer($0 ? 1 : 2) } }
        }
    }

    var useProxyEtrTable: MIBObject {
        Table("lispUseProxyEtrEntry", at: entry(14), rows: addressRows(room, model.proxyETRs)) {
            Column(3, "lispUseProxyEtrPriority") { .number($0.preference.priority) }
            Column(4, "lispUseProxyEtrWeight") { $0.preference.weightUpTo100 }
            Column(5, "lispUseProxyEtrMPriority") { .number($0.preference.multicastPriority) }
            Column(6, "lispUseProxyEtrMWeight") { $0.preference.multicastWeightUpTo100 }
            // down(0), unlike elsewhere.
            Column(7, "lispUseProxyEtrState") { .integer($0.isUp ? 1 : 0) }
        }
    }
}
