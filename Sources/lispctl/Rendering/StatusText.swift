// show status: the daemon at a glance.

import ManagementAPI

func text(of report: StatusReport) -> String {
    var lines = [
        "lispd \(report.version), process \(report.processID), up \(duration(report.started.secondsAgo))",
        "Configuration: \(report.configurationFile), loaded \(duration(report.configurationLoaded.secondsAgo)) ago",
    ]
    if let failure = report.reloadFailure { lines.append("Last reload refused: \(failure)") }
    lines += ["xTR-ID: \(report.xtrID.map(grouped) ?? "none"), site-ID: \(siteIDText(report.siteID))", ""]
    lines += columns(["Role", "State", ""], report.roles.map { [$0.role, $0.health.rawValue, $0.reason ?? ""] })
    lines += [
        "",
        "Map-cache: \(report.mapCacheEntries) of at most \(report.mapCacheLimit) entries",
        "Database: \(report.databaseEntries) EID-prefixes",
        "Registered here: \(report.registeredPrefixes) EID-prefixes",
    ]
    if !report.instances.isEmpty {
        let rows = report.instances.map { [String($0.instanceID), $0.interface ?? "-", $0.namespace ?? "-"] }
        lines += [""] + columns(["Instance", "TUN", "Namespace"], rows)
    }
    if !report.workers.isEmpty {
        let rows = report.workers.map { [String($0.index), packets($0.encapsulated), packets($0.decapsulated)] }
        lines += [""] + columns(["Worker", "Encapsulated", "Decapsulated"], rows)
    }
    if !report.sockets.isEmpty { lines += [""] + socketLines(report.sockets) }
    if !report.warnings.isEmpty { lines += ["", "Warnings"] + report.warnings.map { "  \($0)" } }
    return joined(lines)
}

private func socketLines(_ sockets: [SocketStatus]) -> [String] {
    columns(
        ["Socket", "Family", "Port", "Count", "Receive buffer", "Send buffer", "Overflows"],
        sockets.map { socket in
            [
                socket.purpose, socket.family.name, String(socket.port), String(socket.count),
                String(socket.receiveBuffer), String(socket.sendBuffer), socket.overflows.map(String.init) ?? "-",
            ]
        }
    )
}

/// `12 packets, 3456 octets`
func packets(_ traffic: Traffic) -> String {
    "\(traffic.packets) packets, \(traffic.octets) octets"
}
