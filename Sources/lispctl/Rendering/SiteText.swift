// show site, in the words of `show lisp site` and, in detail, of `show lisp site detail`.

import ManagementAPI

func text(of report: SiteReport, detail: Bool) -> String {
    var lines = ["LISP Site Registration Information"]
    if detail {
        for site in report.sites { lines += [""] + detailLines(of: site) }
    } else {
        lines += [
            "* = Some locators are down or unreachable", "# = Some registrations are sourced by reliable transport",
        ]
        lines += ["", "Site Name      Last      Up     Who Last             Inst     EID Prefix"]
        lines += ["               Register         Registered           ID"]
        for site in report.sites {
            var name = site.name
            for eid in site.eids {
                lines += row(name, eid)
                name = ""
            }
        }
    }
    let refusals = report.sites.flatMap { site in refusalLines(site.refusals, "site \(site.name)") }
    let unknown = refusalLines(report.unknownSite, "EIDs of no site")
    if !detail, !(refusals + unknown).isEmpty { lines += ["", "Refused registrations"] + refusals + unknown }
    if detail, !unknown.isEmpty { lines += ["", "Refused registrations of no site"] + unknown }
    return joined(lines)
}

/// A long address goes on a line of its own, with the rest of the columns below.
private func row(_ name: String, _ eid: SiteEID) -> [String] {
    let impaired = eid.registrations.contains { $0.locators.contains { !$0.isReachable } }
    let up = eid.isRegistered ? (impaired ? "yes*" : "yes") : "no"
    let head = name.padded(to: 14) + " " + ago(eid.lastRegistered).padded(to: 9) + " " + up.padded(to: 6) + " "
    let tail = String(eid.instanceID).padded(to: 8) + " " + eid.eidPrefix
    let who = eid.lastRegisteredBy?.text ?? "--"
    guard who.count > 20 else { return [head + who.padded(to: 20) + " " + tail] }
    return [head + who, String(repeating: " ", count: 53) + tail]
}

private func refusalLines(_ refusals: [ReasonCount], _ what: String) -> [String] {
    refusals.filter { $0.count > 0 }.map { refusal in
        let last = refusal.last.map { ", last \(duration($0.secondsAgo)) ago" } ?? ""
        let source = refusal.lastSource.map { " from \($0)" } ?? ""
        return "  \(what): \(refusal.reason) \(refusal.count)\(last)\(source)"
    }
}

private func detailLines(of site: Site) -> [String] {
    let locators = site.allowedLocators.map { $0.joined(separator: ", ") } ?? "any"
    var lines = ["Site name: \(site.name)"]
    if let description = site.description { lines.append("Description: \(description)") }
    lines += ["Allowed configured locators: \(locators)", "Nonce check: \(site.nonceCheck)"]
    lines += refusalLines(site.refusals, "Refused")
    lines.append("Allowed EID-prefixes:")
    for eid in site.eids { lines += [""] + detailLines(of: eid) }
    return lines
}

private func detailLines(of eid: SiteEID) -> [String] {
    func yes(_ value: Bool) -> String { value ? "Yes" : "No" }
    func line(_ label: String, _ value: String) -> String { "    " + (label + ":").padded(to: 22) + value }
    var origin = "Configuration" + (eid.acceptMoreSpecifics ? ", accepting more specifics" : "")
    if let covering = eid.moreSpecificOf { origin = "Dynamic, more specific of \(covering)" }
    var lines = [
        "  EID-prefix: \(eid.eidPrefix) instance-id \(eid.instanceID)",
        line("First registered", ago(eid.firstRegistered)),
        line("Last registered", ago(eid.lastRegistered)),
        line("Origin", origin),
        line("Merge active", yes(eid.mergeActive)),
        line("Proxy reply", yes(eid.proxyReply)),
        line("TTL", eid.ttl.map(duration) ?? "N/A"),
        line("State", eid.isRegistered ? "complete" : "unknown"),
        "    Registration errors:",
        "      Authentication failures:   \(eid.authenticationFailures)",
        "      Allowed locators mismatch: \(eid.allowedLocatorsMismatches)",
    ]
    lines += refusalLines(eid.refusals, "    Refused")
    if eid.registrations.isEmpty { lines.append("    No registrations.") }
    for registration in eid.registrations { lines += detailLines(of: registration) }
    if !eid.mergedLocators.isEmpty { lines += mergedLines(eid.mergedLocators) }
    return lines
}

private func detailLines(of registration: Registration) -> [String] {
    let flags =
        (registration.proxyReply ? "proxy-reply" : "no proxy-reply") + ", "
        + (registration.wantMapNotify ? "map-notify" : "no map-notify")
    let registered = "last registered \(duration(registration.lastRegistered.secondsAgo)), \(flags)"
    let hash = registration.algorithm.hasPrefix("hmac-sha-1") ? "sha1" : "sha2"
    let indent = String(repeating: " ", count: 21)
    var lines: [String]
    if EIDFamily(ofAddress: registration.etr.address) == .ipv6 {
        lines = ["    ETR \(registration.etr.text)", indent + registered]
    } else {
        lines = ["    ETR \(registration.etr.text), \(registered)"]
    }
    lines.append(
        indent + "TTL \(duration(registration.ttl)), \(registration.merge ? "merge" : "no merge"), "
            + "hash-function \(hash), nonce \(grouped(registration.nonce))"
    )
    lines.append(
        indent + "state complete, " + (registration.securityCapable ? "security-capability" : "no security-capability")
    )
    lines.append(indent + "xTR-ID \(registration.xtrID.map(grouped) ?? "N/A")")
    lines.append(indent + "site-ID \(siteIDText(registration.siteID ?? 0))")
    lines.append(indent + "key \(registration.keyID), \(registration.algorithm)")
    let rows = registration.locators.map(cells)
    return lines + columns(["Locator", "Local", "State", "Pri/Wgt", "Scope"], rows, indent: 6)
}

private func mergedLines(_ locators: [MergedLocator]) -> [String] {
    let rows = locators.map { cells($0.locator) + [$0.registeredBy.text, "[-]"] }
    let heading = ["Locator", "Local", "State", "Pri/Wgt", "Scope", "Registering ETR", "RDP"]
    return ["    Merged locators"] + columns(heading, rows, indent: 6)
}

private func cells(_ locator: RegisteredLocator) -> [String] {
    [
        locator.address, locator.isLocal ? "yes" : "no", locator.isReachable ? "up" : "down",
        String(locator.priority).leftPadded(to: 3) + "/" + String(locator.weight).padded(to: 3),
        "\(EIDFamily(ofAddress: locator.address).name) none",
    ]
}

/// A site-ID as IOS prints it.
func siteIDText(_ siteID: UInt64) -> String {
    siteID == 0 ? "unspecified" : String(siteID)
}
