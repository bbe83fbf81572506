// explain: what becomes of a packet, step by step.

import ManagementAPI

func text(of report: ExplainReport) -> String {
    var lines = ["\(report.source) to \(report.destination)\(flow(report)), instance \(report.instanceID)", ""]
    lines.append("Result: \(report.summary)")
    lines += report.notes.map { "*** \($0) ***" }
    lines += ["", "Host: the packet \(report.host.text)"] + report.host.steps.map { "  \($0)" }
    lines += [""] + mappingLines(report)
    if !report.locators.isEmpty {
        let rows = report.locators.map { locator in
            [
                locator.isChosen ? "*" : "", locator.address, locator.state.name,
                String(locator.priority).leftPadded(to: 3) + "/" + String(locator.weight).padded(to: 3),
                locator.mtu.map(String.init) ?? "-", locator.isUsed ? "yes" : "no", locator.why,
            ]
        }
        let heading = report.usesProxyETRs ? "Proxy-ETR" : "Locator"
        lines += columns(["", heading, "State", "Pri/Wgt", "MTU", "Used", "Why"], rows)
    }
    if let largest = report.largestPacket {
        lines += ["", "Size: packets of up to \(largest) octets go as they are"]
    }
    lines += ["", "Way back: \(report.wayBack)"]
    return joined(lines.map(oneLine))
}

/// `, TCP port 1000 to 80`
private func flow(_ report: ExplainReport) -> String {
    guard let number = report.protocolNumber else { return "" }
    let names: [UInt8: String] = [1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP"]
    func port(_ port: UInt16?) -> String { port.map { String($0) } ?? "any" }
    let ports =
        report.sourcePort == nil && report.destinationPort == nil
        ? "" : " port \(port(report.sourcePort)) to \(port(report.destinationPort))"
    return ", \(names[number] ?? "protocol \(number)")\(ports)"
}

private func mappingLines(_ report: ExplainReport) -> [String] {
    guard let entry = report.mapping else { return ["Mapping: none"] + (report.question.map { ["  \($0)"] } ?? []) }
    var lines = [
        "Mapping: \(entry.eidPrefix), uptime \(ago(entry.created)), expires \(remaining(entry.expiresIn)), "
            + "via \(entry.source)" + (entry.answeredBy.map { " from \($0)" } ?? "")
    ]
    if let action = entry.action { lines.append("  Negative, action: \(action)") }
    if let question = report.question { lines.append("  \(question)") }
    return lines
}
