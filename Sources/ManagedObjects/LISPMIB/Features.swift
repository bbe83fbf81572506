// lispFeaturesTable: which roles and options are on.

import AgentX

extension LISPMIB {
    var featuresTable: MIBObject {
        Table("lispFeaturesEntry", at: entry(1), rows: serviceRows(model.service)) {
            Column(3, "lispFeaturesItrEnabled") { .truth($0.isITR) }
            Column(4, "lispFeaturesEtrEnabled") { .truth($0.isETR) }
            Column(5, "lispFeaturesProxyItrEnabled") { .truth($0.isProxyITR) }
            Column(6, "lispFeaturesProxyEtrEnabled") { .truth($0.isProxyETR) }
            Column(7, "lispFeaturesMapServerEnabled") { .truth($0.isMapServer) }
            Column(8, "lispFeaturesMapResolverEnabled") { .truth($0.isMapResolver) }
            Column(9, "lispFeaturesMapCacheSize") { $0.mapCacheEntries.map(VariableValue.unsigned) }
            Column(10, "lispFeaturesMapCacheLimit") { $0.mapCacheLimit.map(VariableValue.unsigned) }
            Column(11, "lispFeaturesEtrMapCacheTtl") { $0.ttlMinutes.map(VariableValue.unsigned) }
            Column(12, "lispFeaturesRlocProbeEnabled") { .truth($0.probesRLOCs) }
            Column(13, "lispFeaturesEtrAcceptMapDataEnabled") { .truth($0.acceptsMapData) }
            Column(14, "lispFeaturesEtrAcceptMapDataVerifyEnabled") { .truth($0.verifiesMapData) }
            Column(15, "lispFeaturesRouterTimeStamp") { stamp($0.age) }
        }
    }

    func serviceRows<Row>(_ row: @escaping (ServiceKey) -> Row) -> some RowSource<Row> {
        let keys = orderedRows(model.services, index: ServiceIndex.init)
        return keys.map(row)
    }
}
