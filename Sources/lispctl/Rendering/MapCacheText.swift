// show map-cache, in the words of `show lisp all instance-id N ipv4 map-cache` and, in detail, of the same with a prefix.

import ManagementAPI

struct MapCacheText: PagedText {
    let isDetailed: Bool
    /// Tables whose entries have not come yet, and the one whose entries come; `nil` before the first page.
    private var waiting: ArraySlice<EIDTable>?
    private var current: EIDTable?

    init(isDetailed: Bool) {
        self.isDetailed = isDetailed
    }

    mutating func lines(of page: MapCacheReport) -> [String] {
        if waiting == nil { waiting = page.tables[...] }
        var lines: [String] = []
        for entry in page.entries {
            while current.map({ !$0.holds(entry) }) ?? true {
                guard let opened = openTable() else { break }
                lines += opened
            }
            lines += textLines(of: entry, detail: isDetailed)
        }
        return lines
    }

    mutating func end() -> [String] {
        var lines: [String] = []
        while let opened = openTable() { lines += opened }
        return lines
    }

    /// The heading of the next table, if there is one.
    private mutating func openTable() -> [String]? {
        guard let table = waiting?.popFirst() else { return nil }
        let separation = current == nil ? [] : [""]
        current = table
        return separation + [
            "Output for router lisp 0 instance-id \(table.instanceID)",
            "LISP \(table.family.name) Mapping Cache for LISP 0 EID-table \(table.name) (IID \(table.instanceID)), "
                + "\(table.entryCount) entries",
            "",
        ]
    }
}

extension EIDTable {
    fileprivate func holds(_ entry: MapCacheEntry) -> Bool {
        entry.instanceID == instanceID && EIDFamily(ofAddress: entry.eidPrefix) == family
    }
}

private func textLines(of entry: MapCacheEntry, detail: Bool) -> [String] {
    var via = ["via \(entry.source)"]
    if entry.locators.contains(where: \.isSelf) { via.append("self") }
    via.append(entry.state.rawValue)
    var lines = [
        "\(entry.eidPrefix), uptime: \(ago(entry.created)), expires: \(remaining(entry.expiresIn)), "
            + via.joined(separator: ", ")
    ]
    if detail { lines += detailLines(of: entry) }
    if let action = entry.action { lines.append("  Negative cache entry, action: \(action)") }
    if entry.forwarding == .proxyETR { lines.append("  Encapsulating to proxy ETR") }
    guard !entry.locators.isEmpty else { return lines }
    let rows = entry.locators.map(row)
    let table = columns(["Locator", "Uptime", "State", "Pri/Wgt", "Encap-IID"], rows, indent: 2)
    lines.append(table[0])
    for (line, locator) in zip(table.dropFirst(), entry.locators) {
        lines.append(line)
        if detail { lines += detailLines(of: locator) }
    }
    return lines
}

private func row(_ locator: MapCacheLocator) -> [String] {
    let state = locator.state.name + (locator.isSelf && locator.state == .up ? ", self" : "")
    return [
        locator.address, ago(locator.since), state,
        String(locator.priority).leftPadded(to: 3) + "/" + String(locator.weight).padded(to: 3), "-",
    ]
}

private func detailLines(of entry: MapCacheEntry) -> [String] {
    let lastUsed = entry.lastUsed.map { ", last used: \(ago($0))" } ?? ""
    var lines = [
        "  Sources: \(entry.source)",
        "  State: \(entry.state.rawValue), last modified: \(ago(entry.lastModified)), "
            + "map-source: \(entry.answeredBy ?? "local")",
        "  Packets out: \(entry.encapsulated.packets)(\(entry.encapsulated.octets) bytes)",
        "  Packets in: \(entry.decapsulated.packets)(\(entry.decapsulated.octets) bytes)\(lastUsed)",
    ]
    switch entry.forwarding {
    case .native: lines.append("  Forwarding: natively")
    case .mapRequest: lines.append("  Forwarding: each packet asks for the mapping")
    case .drop: lines.append("  Forwarding: dropped")
    case .encapsulate, .proxyETR, nil: break
    }
    if !entry.locators.isEmpty, entry.source == "map-reply" {
        lines.append("  Answered by \(entry.isAuthoritative ? "an ETR of the site" : "a Map-Server for the site")")
    }
    if let status = entry.statusBits {
        lines.append("  Locator-status-bits: 0x\(String(status.bits, radix: 16)), last changed: \(ago(status.changed))")
    }
    return lines
}

private func detailLines(of locator: MapCacheLocator) -> [String] {
    [
        "    Last up-down state change:         \(ago(locator.since)), state change count: \(locator.stateChanges)",
        "    Multicast priority/weight:         \(locator.multicastPriority)/\(locator.multicastWeight)",
        "    Packets out:                       \(locator.encapsulated.packets)"
            + "(\(locator.encapsulated.octets) bytes)",
    ] + (locator.mtu.map { ["    Path MTU:                          \($0)"] } ?? [])
        + (locator.probing.map(detailLines) ?? []) + (locator.echoes.map(detailLines) ?? [])
}

private func detailLines(of probing: LocatorProbing) -> [String] {
    var lines = [
        "    RLOC-probes sent/answered:         \(probing.probesSent)/\(probing.probesAnswered)"
            + (probing.lastAnswered.map { ", last answered: \(ago($0))" } ?? "")
    ]
    if let time = probing.roundTrip {
        lines.append(
            "    Round-trip time, milliseconds:     last \(time.last), smoothed \(time.smoothed), "
                + "min/max \(time.smallest)/\(time.largest)"
        )
    }
    return lines
}

private func detailLines(of echoes: LocatorEchoes) -> [String] {
    let state =
        switch echoes.state {
        case .notCapable: "the site does not echo"
        case .resting, .asking, .down: echoes.state.rawValue
        }
    return [
        "    Echo-nonce:                        \(state)"
            + (echoes.lastEchoed.map { ", last echoed: \(ago($0))" } ?? "")
            + (echoes.failures > 0 ? ", requests without an echo: \(echoes.failures)" : ""),
        "    Nonces asked/echoed/other:         \(echoes.requested)/\(echoes.matched)/\(echoes.mismatched), "
            + "echoed for the site: \(echoes.echoed)",
    ]
}

extension LocatorState {
    /// One word, as IOS has it where it has one.
    var name: String {
        switch self {
        case .up: "up"
        case .down: "down"
        case .unreachable: "no-route"
        case .unusable: "unusable"
        }
    }
}
