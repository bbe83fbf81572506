// show status: the daemon at a glance.

import ManagementAPI

func text(of report: StatusReport) -> String {
    var lines = [
        "lispd \(report.version), process \(report.processID), up \(duration(report.started.secondsAgo))",
        "Configuration: \(report.configurationFile), loaded \(duration(report.configurationLoaded.secondsAgo)) ago",
    ]
    if let failure = report.reloadFailure { lines.append("Last reload refused: \(failure)") }
    if let xtrID = report.xtrID {
        lines.append("xTR-ID: \(grouped(xtrID)), site-ID: \(siteIDText(report.siteID ?? 0))")
    }
    lines.append("")
    lines += columns(["Role", "State", ""], report.roles.map { [$0.role, $0.health.rawValue, $0.reason ?? ""] })
    lines += [""]
    if let count = report.mapCacheEntries, let limit = report.mapCacheLimit {
        lines.append("Map-cache: \(count) of at most \(limit) entries")
    }
    if let count = report.databaseEntries { lines.append("Database: \(count) EID-prefixes") }
    if let count = report.registeredPrefixes { lines.append("Registered here: \(count) EID-prefixes") }
    if !report.instances.isEmpty {
        let rows = report.instances.map { [String($0.instanceID), $0.interface ?? "-", $0.namespace ?? "-"] }
        lines += [""] + columns(["Instance", "TUN", "Namespace"], rows)
    }
    if !report.workers.isEmpty {
        let rows = report.workers.map { [String($0.index), packets($0.encapsulated), packets($0.decapsulated)] }
        lines += [""] + columns(["Worker", "Encapsulated", "Decapsulated"], rows)
    }
    if !report.sockets.isEmpty { lines += [""] + socketLines(report.sockets) }
    if !report.offloads.isEmpty {
        let rows = report.offloads.map { [$0.name, $0.isOn ? "on" : "off", $0.reason ?? "-"] }
        lines += [""] + columns(["Offload", "State", "Reason"], rows)
    }
    if let snmp = report.snmp { lines += [""] + snmpLines(snmp) }
    if !report.warnings.isEmpty { lines += ["", "Warnings"] + report.warnings.map { "  \($0)" } }
    return joined(lines)
}

private func snmpLines(_ snmp: SNMPStatus) -> [String] {
    var lines: [String]
    switch snmp.state {
    case .open:
        lines = [
            "SNMP: connected to \(snmp.master), \(snmp.regionsRegistered) of \(snmp.regionsWanted) regions registered, "
                + "\(snmp.requests) requests"
        ]
    case .opening, .connecting: lines = ["SNMP: not connected to \(snmp.master)"]
    }
    if let error = snmp.lastError { lines.append("  last error: \(error)") }
    lines += snmp.rowsLeftOut.map { "  left out: \($0.reason), \($0.count) times" }
    return lines
}

private func socketLines(_ sockets: [SocketStatus]) -> [String] {
    columns(
        ["Socket", "Family", "Port", "Count", "Receive buffer", "Send buffer"],
        sockets.map { socket in
            [
                socket.purpose, socket.family.name, socket.port.map { String($0) } ?? "-", String(socket.count),
                socket.receiveBuffer.map { String($0) } ?? "-", socket.sendBuffer.map { String($0) } ?? "-",
            ]
        }
    )
}

/// `12 packets, 3456 octets`
func packets(_ traffic: Traffic) -> String {
    "\(traffic.packets) packets, \(traffic.octets) octets"
}
