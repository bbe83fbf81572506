// show site, in the words of `show lisp site` and, in detail, of `show lisp site detail`.

import ManagementAPI

struct SiteText: PagedText {
    let isDetailed: Bool
    private var isBegun = false
    /// The site that the last page ended with.
    private var lastSite: String?
    /// Of the column of names. A longer name widens it, for those who read this by program want a row in one line.
    private var nameWidth = 14
    /// What follows the sites.
    private var refusals: [String] = []
    private var refusalsOfNoSite: [String] = []

    init(isDetailed: Bool) {
        self.isDetailed = isDetailed
    }

    mutating func lines(of page: SiteReport) -> [String] {
        nameWidth = max(nameWidth, page.sites.map(\.name.count).max() ?? 0)
        var lines: [String] = []
        if !isBegun {
            lines = heading
            refusalsOfNoSite = refusalLines(page.unknownSite, "EIDs of no site")
        }
        isBegun = true
        for site in page.sites {
            let isNew = lastSite != site.name
            lastSite = site.name
            if isDetailed {
                if isNew { lines += [""] + detailLines(of: site) }
                for eid in site.eids { lines += [""] + detailLines(of: eid) }
            } else {
                if isNew { refusals += refusalLines(site.refusals, "site \(site.name)") }
                for (index, eid) in site.eids.enumerated() {
                    lines += row(isNew && index == 0 ? site.name : "", eid)
                }
            }
        }
        return lines
    }

    mutating func end() -> [String] {
        let all = isDetailed ? refusalsOfNoSite : refusals + refusalsOfNoSite
        return all.isEmpty ? [] : ["", "Refused registrations" + (isDetailed ? " of no site" : "")] + all
    }

    private var heading: [String] {
        let title = "LISP Site Registration Information"
        if isDetailed { return [title] }
        return [
            title, "* = Some locators are down or unreachable",
            "# = Some registrations are sourced by reliable transport", "",
            "Site Name".padded(to: nameWidth) + " Last      Up     Who Last             Inst     EID Prefix",
            String(repeating: " ", count: nameWidth) + " Register         Registered           ID",
        ]
    }

    /// A long address goes on a line of its own, with the rest of the columns below.
    private func row(_ name: String, _ eid: SiteEID) -> [String] {
        let impaired = eid.registrations.contains { $0.locators.contains { !$0.isReachable } }
        let up = eid.isRegistered ? (impaired ? "yes*" : "yes") : "no"
        let head =
            name.padded(to: nameWidth) + " " + ago(eid.lastRegistered).padded(to: 9) + " " + up.padded(to: 6) + " "
        let tail = String(eid.instanceID).padded(to: 8) + " " + eid.eidPrefix
        let who = eid.lastRegisteredBy?.text ?? "--"
        guard who.count > 20 else { return [head + who.padded(to: 20) + " " + tail] }
        return [head + who, String(repeating: " ", count: head.count + 21) + tail]
    }
}

private func refusalLines(_ refusals: [ReasonCount], _ what: String) -> [String] {
    refusals.filter { $0.count > 0 }.map { refusal in
        let last = refusal.last.map { ", last \(duration($0.secondsAgo)) ago" } ?? ""
        let source = refusal.lastSource.map { " from \($0)" } ?? ""
        return "  \(what): \(refusal.reason) \(refusal.count)\(last)\(source)"
    }
}

private func detailLines(of site: Site) -> [String] {
    var lines = ["Site name: \(site.name)"]
    if let description = site.description { lines.append("Description: \(oneLine(description))") }
    lines += listed("Allowed configured locators", site.allowedLocators ?? ["any"], indent: 0)
    lines.append("Nonce check: \(site.nonceCheck)")
    lines += refusalLines(site.refusals, "Refused")
    lines.append("Allowed EID-prefixes:")
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
