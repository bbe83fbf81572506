// lispSiteTable and lispSiteLocatorTable of the draft: what sites register at this Map-Server.

import AgentX

extension LISPDraftMIB {
    var siteTable: MIBObject {
        let rows = SiteRows<AddressPart, SiteEID>(
            names: siteNames,
            at: { model.siteEIDs($0).row(at: $1) },
            next: { name, start in model.siteEIDs(name).row(from: start).map { ($0, $1) } }
        )
        return Table("lispSiteEntry", at: entry(6), rows: rows.source()) {
            inner(4, "lispSiteEidRegisterState") { .truth($0.isRegistered) }
            inner(5, "lispSiteEidFirstRegisterTime") { $0.firstRegisterAge.map(VariableValue.ticks) }
            inner(6, "lispSiteEidRegisterSenderLength") { $0.lastSender.map(VariableValue.octetCount) }
            inner(7, "lispSiteEidRegisterSender") { $0.lastSender.map(VariableValue.address) }
            // The router gives routes no tags.
            inner(8, "lispSiteEidRouteTag") { _ in nil }
            inner(9, "lispSiteEidAuthenticationErrors") { .counter64($0.authenticationErrors) }
            inner(10, "lispSiteEidRegisterRlocsMismatch") { .counter64($0.locatorMismatches) }
        }
    }

    var siteLocatorTable: MIBObject {
        func locators(_ site: [UInt8]) -> LocatorRows<SiteLocator> {
            LocatorRows(table: model.siteLocators(site), room: room.behind(site.count + 1))
        }
        let rows = SiteRows<LocatorIndex, SiteLocator>(
            names: siteNames,
            at: { locators($0).at($1).flatMap(\.self) },
            next: { locators($0).next($1) }
        )
        return Table("lispSiteLocatorEntry", at: entry(7), rows: rows.source()) {
            inner(6, "lispSiteLocatorRlocState") { .integer($0.locator.isReachable ? 1 : 0) }
            inner(7, "lispSiteLocatorRlocPriority") { .number($0.locator.preference.priority) }
            inner(8, "lispSiteLocatorRlocWeight") { .number($0.locator.preference.weight) }
            inner(9, "lispSiteLocatorRlocMPriority") { .number($0.locator.preference.multicastPriority) }
            inner(10, "lispSiteLocatorRlocMWeight") { .number($0.locator.preference.multicastWeight) }
            // A row is there as long as it is registered.
            inner(11, "lispSiteLocatorRlocRegisterState") { _ in .truth(true) }
            inner(12, "lispSiteLocatorRlocFirstRegisterTime") { .ticks($0.firstRegisterAge) }
            inner(13, "lispSiteLocatorRlocLastRegisterTime") { .ticks($0.lastRegisterAge) }
            inner(14, "lispSiteLocatorRlocRegisterSenderLength") { .octetCount($0.sender) }
            inner(15, "lispSiteLocatorRlocRegisterSender") { .address($0.sender) }
            inner(16, "lispSiteLocatorRlocProxyReply") { .truth($0.wantsProxyReply) }
        }
    }
}
