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
    if !eid.mergedLocators.isEmpty { lines += ["    Merged locators"] + locatorLines(eid.mergedLocators) }
    return lines
}

/// As IOS prints it, if those who read that by program can read this registration; else the same facts in lines that
/// they pass over, with the locators as they read merged ones.
///
/// The public parsers know only registrations with HMAC-SHA-1, with the M-bit and without the S-bit, and refuse a whole
/// output in which IOS itself prints another. So what they cannot hold is not shown to them; all else is.
private func detailLines(of registration: Registration) -> [String] {
    let isForParsers =
        hashFunction(registration) == "sha1" && registration.wantMapNotify && !registration.securityCapable
    let flags =
        (registration.proxyReply ? "proxy-reply" : "no proxy-reply") + ", "
        + (registration.wantMapNotify ? "map-notify" : "no map-notify")
    let registered = "last registered \(duration(registration.lastRegistered.secondsAgo)), \(flags)"
    let state =
        "state complete, " + (registration.securityCapable ? "security-capability" : "no security-capability")
    let ids = [
        "xTR-ID \(registration.xtrID.map(grouped) ?? "N/A")", "site-ID \(siteIDText(registration.siteID ?? 0))",
    ]
    let hash =
        "TTL \(duration(registration.ttl)), \(registration.merge ? "merge" : "no merge"), "
        + "hash-function \(hashFunction(registration))"
    let nonce = "nonce \(grouped(registration.nonce))"
    let key = "key \(registration.keyID), \(registration.algorithm)"
    func indented(_ lines: [String]) -> [String] { lines.map { String(repeating: " ", count: 21) + $0 } }
    guard isForParsers else {
        let rows = registration.locators.map { MergedLocator(locator: $0, registeredBy: registration.etr) }
        return ["    Registering ETR \(registration.etr.text), \(registered)"]
            + indented(["\(hash), \(key), \(nonce)", "\(state), \(ids[0])", ids[1]]) + locatorLines(rows)
    }
    let isLong = EIDFamily(ofAddress: registration.etr.address) == .ipv6
    let head = "    ETR \(registration.etr.text)"
    return (isLong ? [head] + indented([registered]) : ["\(head), \(registered)"])
        + indented(["\(hash), \(nonce)", state] + ids + [key])
        + columns(["Locator", "Local", "State", "Pri/Wgt", "Scope"], registration.locators.map(cells), indent: 6)
}

/// In the words of IOS: `sha1` or `sha2`.
private func hashFunction(_ registration: Registration) -> String {
    registration.algorithm.hasPrefix("hmac-sha-1") ? "sha1" : "sha2"
}

/// Locators with the ETR that registered each. IOS has an RDP (relative domain) there, which lispd has not.
private func locatorLines(_ locators: [MergedLocator]) -> [String] {
    let rows = locators.map { cells($0.locator) + [$0.registeredBy.text, "[-]"] }
    return columns(["Locator", "Local", "State", "Pri/Wgt", "Scope", "Registering ETR", "RDP"], rows, indent: 6)
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
