// show service, in the words of `show lisp service ipv4`. Lines of services that lispd has not say so, because those who
// read this output by program expect them.

import ManagementAPI

func text(of report: ServiceReport) -> String {
    joined(Array(report.services.map(textLines).joined(separator: [""])))
}

private func textLines(of service: ServiceStatus) -> [String] {
    func enabled(_ value: Bool) -> String { value ? "enabled" : "disabled" }
    var lines = [
        labelled("Instance ID", String(service.instanceID)),
        labelled("Service", service.family.name),
        labelled("Router-lisp ID", "0"),
        labelled("Locator table", "default"),
        labelled("Ingress Tunnel Router (ITR)", enabled(service.itr)),
        labelled("Egress Tunnel Router (ETR)", enabled(service.etr)),
        labelled("Proxy-ITR Router (PITR)", enabled(service.proxyITR)),
        labelled("Proxy-ETR Router (PETR)", enabled(service.proxyETR)),
        labelled("NAT-traversal Router (NAT-RTR)", "disabled"),
        labelled("Mobility First-Hop Router", "disabled"),
        labelled("Map Server (MS)", enabled(service.mapServer)),
        labelled("Map Resolver (MR)", enabled(service.mapResolver)),
        labelled("Delegated Database Tree (DDT)", "disabled"),
        labelled("Mr-use-petr", "disabled"),
        labelled("First-Packet pETR", "disabled"),
    ]
    if !service.proxyETRs.isEmpty {
        lines.append(labelled("ITR use proxy ETR RLOC(Encap IID)", service.proxyETRs.joined(separator: ", ")))
    }
    if !service.mapResolvers.isEmpty {
        lines.append(labelled("ITR Map-Resolver(s)", service.mapResolvers.joined(separator: ", ")))
    }
    if !service.mapServers.isEmpty {
        let servers = service.mapServers.map { "\($0.address) (\(ago($0.acknowledged)))" }
        lines.append(labelled("ETR Map-Server(s)", servers.joined(separator: ", ")))
    }
    if let id = service.xtrID { lines.append(labelled("xTR-ID", grouped(id))) }
    let solicit = service.solicitMapRequests ? "accept and process" : "ignore"
    lines += [
        labelled("site-ID", siteIDText(service.siteID ?? 0)),
        labelled("ITR Solicit Map Request (SMR)", solicit),
        labelled("Max SMRs per map-cache entry", service.solicitMapRequests ? "1" : "0", indent: 4),
        labelled("Multiple SMR suppression time", service.solicitMapRequests ? "3 secs" : "0 secs", indent: 4),
        labelled("ETR accept mapping data", acceptMapData(service.acceptMapData)),
        labelled("ETR map-cache TTL", service.ttl.map(duration) ?? "N/A"),
        "  Locator Status Algorithms:",
        labelled("RLOC-probe algorithm", enabled(service.rlocProbing), indent: 4),
        labelled(
            "RLOC-probe on route change",
            service.rlocProbing ? "disabled" : "N/A (periodic probing disabled)",
            indent: 4
        ),
        labelled("RLOC-probe on member change", "disabled", indent: 4),
        labelled("LSB reports", service.locatorStatusBits ? "process" : "ignore", indent: 4),
        labelled("IPv4 RLOC minimum mask length", "/0", indent: 4),
        labelled("IPv6 RLOC minimum mask length", "/0", indent: 4),
        "  Map-cache:",
        labelled("Map-cache size", String(service.mapCacheEntries), indent: 4),
        labelled("Map-cache limit", String(service.mapCacheLimit), indent: 4),
        labelled("Map-cache activity check period", "0 secs", indent: 4),
        labelled("Persistent map-cache", "disabled", indent: 4),
        "  Database:",
        labelled("Total database mapping size", String(service.databaseEntries), indent: 4),
        labelled("Dynamic database mapping limit", "0", indent: 4),
    ]
    return lines
}

private func acceptMapData(_ choice: String) -> String {
    switch choice {
    case "on": "enabled, verify disabled"
    case "verify": "enabled, verify enabled"
    default: "disabled, verify disabled"
    }
}
