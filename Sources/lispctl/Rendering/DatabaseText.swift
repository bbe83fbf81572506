// show database, in the words of `show lisp instance-id N ipv4 database`.

import ManagementAPI

func text(of report: DatabaseReport) -> String {
    var lines: [String] = []
    for table in report.tables {
        let entries = report.entries.filter {
            $0.instanceID == table.instanceID && EIDFamily(ofAddress: $0.eidPrefix) == table.family
        }
        let withoutRoute = entries.count { !$0.hasRoute }
        let inactive = entries.count { entry in !entry.locators.contains(where: \.isReachable) }
        if !lines.isEmpty { lines.append("") }
        lines.append(
            "LISP ETR \(table.family.name) Mapping Database for LISP 0 EID-table \(table.name) "
                + "(IID \(table.instanceID)), LSBs: \(statusBits(entries))"
        )
        lines.append("Entries total \(table.entryCount), no-route \(withoutRoute), inactive \(inactive)")
        for entry in entries {
            lines.append("")
            lines += textLines(of: entry)
        }
    }
    return joined(lines)
}

private func textLines(of entry: DatabaseEntry) -> [String] {
    let route = entry.hasRoute ? "" : " *** NO ROUTE TO EID PREFIX ***"
    var lines = ["\(entry.eidPrefix), locator-set \(entry.locatorSet)\(route)"]
    guard !entry.locators.isEmpty else { return lines }
    let rows = entry.locators.map { locator in
        [
            locator.address,
            String(locator.priority).leftPadded(to: 3) + "/" + String(locator.weight).padded(to: 3),
            locator.interface == nil ? "cfg-addr" : "cfg-intf",
            (locator.isSelf ? "site-self" : "site-other") + ", " + (locator.isReachable ? "reachable" : "unreachable"),
        ]
    }
    lines += columns(["Locator", "Pri/Wgt", "Source", "State"], rows, indent: 2)
    return lines
}

/// The locator-status-bits of the first entry: bit n for its n-th locator (RFC 9300 section 10).
private func statusBits(_ entries: [DatabaseEntry]) -> String {
    let locators = entries.first?.locators.prefix(32) ?? []
    let bits = locators.enumerated().reduce(0) { $1.element.isReachable ? $0 | 1 << $1.offset : $0 }
    return "0x" + String(bits, radix: 16, uppercase: true)
}
