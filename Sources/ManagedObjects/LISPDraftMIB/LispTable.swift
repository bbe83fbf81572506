// lispTable: roles, options and control messages of each family, all instances together.

import AgentX
import LISPWire

/// What all services of a family are together.
private struct FamilyService {
    var service = Service()
    var messages = MessageCounts()
}

extension LISPDraftMIB {
    var lispTable: MIBObject {
        let rows = orderedRows({ Set(model.services().map(\.family)).sorted() }) { (family: AddressFamily) in
            family.number
        }
        return Table("lispEntry", at: entry(1), rows: rows.map(summary)) {
            Column(2, "lispItrEnabled") { .truth($0.service.isITR) }
            Column(3, "lispEtrEnabled") { .truth($0.service.isETR) }
            Column(4, "lispProxyItrEnabled") { .truth($0.service.isProxyITR) }
            Column(5, "lispProxyEtrEnabled") { .truth($0.service.isProxyETR) }
            Column(6, "lispMapServerEnabled") { .truth($0.service.isMapServer) }
            Column(7, "lispMapResolverEnabled") { .truth($0.service.isMapResolver) }
            Column(8, "lispMapCacheSize") { $0.service.mapCacheEntries.map(VariableValue.unsigned) }
            Column(9, "lispMapCacheLimit") { $0.service.mapCacheLimit.map(VariableValue.unsigned) }
            Column(10, "lispEtrMapCacheTtl") { $0.service.ttlMinutes.map(VariableValue.unsigned) }
            Column(11, "lispRlocProbeEnabled") { .truth($0.service.probesRLOCs) }
            Column(12, "lispEtrAcceptMapData") { .truth($0.service.acceptsMapData) }
            Column(13, "lispEtrAcceptMapDataVerify") { .truth($0.service.verifiesMapData) }
            Column(14, "lispMapRequestsIn") { .counter64($0.messages.mapRequestsIn) }
            Column(15, "lispMapRequestsOut") { .counter64($0.messages.mapRequestsOut) }
            Column(16, "lispMapRepliesIn") { .counter64($0.messages.mapRepliesIn) }
            Column(17, "lispMapRepliesOut") { .counter64($0.messages.mapRepliesOut) }
            Column(18, "lispMapRegistersIn") { .counter64($0.messages.mapRegistersIn) }
            Column(19, "lispMapRegistersOut") { .counter64($0.messages.mapRegistersOut) }
        }
    }

    private func summary(_ family: AddressFamily) -> FamilyService {
        var sum = FamilyService()
        for key in model.services() where key.family == family {
            let service = model.service(key)
            sum.messages += model.messages(key)
            let (before, entries) = (sum.service, sum.service.mapCacheEntries)
            sum.service = service
            sum.service.mapCacheEntries = service.mapCacheEntries.map { $0 + (entries ?? 0) } ?? entries
            sum.service.ttlMinutes = [before.ttlMinutes, service.ttlMinutes].compactMap(\.self).min()
        }
        return sum
    }
}
