// diagnose registration: of each EID-prefix the verdict, then the reasons, then what to do.

import ManagementAPI

struct RegistrationDiagnosisText: PagedText {
    private var hasOwn = false
    private var hasSites = false
    private var ofNoSite: [EIDOfNoSite] = []

    mutating func lines(of page: RegistrationDiagnosis) -> [String] {
        var lines: [String] = []
        if let own = page.ownEIDs, !own.isEmpty || page.sites == nil && !hasOwn {
            if !hasOwn { lines.append("This router's own EID-prefixes (ETR)") }
            hasOwn = true
            if own.isEmpty { lines.append("  none is selected: see `lispctl show database`") }
            for eid in own { lines += [""] + textLines(of: eid) }
        }
        if let sites = page.sites {
            if !hasSites {
                lines += (hasOwn ? [""] : []) + ["EID-prefixes of sites (Map-Server)"]
                if sites.eids.isEmpty { lines.append("  none is selected: see `lispctl show site`") }
            }
            hasSites = true
            ofNoSite += sites.ofNoSite
            for eid in sites.eids { lines += [""] + textLines(of: eid) }
        }
        return lines.map(oneLine)
    }

    mutating func end() -> [String] {
        guard !ofNoSite.isEmpty else { return [] }
        return (["", "EID-prefixes of no site"] + ofNoSite.flatMap { [""] + textLines(of: $0) }).map(oneLine)
    }
}

private func name(_ instanceID: UInt32, _ prefix: String) -> String {
    instanceID == 0 ? prefix : "[\(instanceID)] \(prefix)"
}

private func adviceLines(_ advice: [String], indent: Int) -> [String] {
    advice.map { String(repeating: " ", count: indent) + "-> \($0)" }
}

private func textLines(of eid: OwnEIDDiagnosis) -> [String] {
    ["\(name(eid.instanceID, eid.eidPrefix)): \(eid.summary)"]
        + eid.mapServers.flatMap { server in
            ["  \(server.address): \(server.summary)"] + adviceLines(server.advice, indent: 4)
        }
}

private func textLines(of eid: SiteEIDDiagnosis) -> [String] {
    let part = eid.moreSpecificOf.map { ", part of \($0)" } ?? ""
    var lines = ["\(name(eid.instanceID, eid.eidPrefix)) (site \(eid.site)\(part)): \(eid.summary)"]
    if eid.etrs.count > 1 {
        for etr in eid.etrs {
            lines.append(
                "  registered by \(etr.etr.text) \(duration(etr.lastRegistered.secondsAgo)) ago, expires in "
                    + duration(etr.expiresIn)
            )
        }
    }
    lines += adviceLines(eid.advice, indent: 4)
    for refusal in eid.refusals {
        lines.append("  refused: \(refusal.reason), \(times(refusal.count))\(last(refusal))")
        lines += adviceLines(refusal.advice, indent: 4)
    }
    return lines
}

private func textLines(of eid: EIDOfNoSite) -> [String] {
    let instance = eid.instanceID == 0 ? "" : "[\(eid.instanceID)] "
    let source = eid.lastSource.map { " from \($0.text)" } ?? ""
    let tried = eid.last.map { ["  refused \(times(eid.count)), last \(duration($0.secondsAgo)) ago\(source)"] } ?? []
    return ["\(instance)\(eid.summary)"] + tried + adviceLines(eid.advice, indent: 4)
}

private func times(_ count: UInt64) -> String { count == 1 ? "once" : "\(count) times" }

private func last(_ refusal: RefusalDiagnosis) -> String {
    guard let moment = refusal.last else { return "" }
    let source = refusal.lastSource.map { " from \($0.text)" } ?? ""
    let prefix = refusal.lastEIDPrefix.map { " for \($0)" } ?? ""
    return ", last \(duration(moment.secondsAgo)) ago\(source)\(prefix)"
}

/// Whether what was asked about is registered.
struct DiagnosisState {
    private(set) var isRegistered = true

    /// - Parameter page: the first.
    mutating func note(_ page: RegistrationDiagnosis) {
        let own = page.ownEIDs ?? []
        let sites = page.sites?.eids ?? []
        isRegistered =
            !(own.isEmpty && sites.isEmpty) && own.allSatisfy(\.isRegistered)
            && sites.allSatisfy { $0.isRegistered || $0.registeredParts > 0 }
    }
}
