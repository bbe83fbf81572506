// What `diagnose registration` says of each reason why a record was refused, and what to do about it. The switch has no default:
// whoever adds a reason says here what an operator does about it.

import LISPControl
import LISPTables
import LISPWire

/// A refusal at our Map-Server, with what is needed to advise.
struct RefusalFacts {
    let reason: RegistrationRefusal
    /// Unless it is too long ago.
    let last: RegistrationFailure?
    let site: SiteSettings
    let configured: SiteEID
    /// The site's key files that hold another key than the one in use.
    var changedKeyFiles: [String] = []

    /// One line each.
    var advice: [String] {
        switch reason {
        case .notConfiguredEID:
            return ["add the EID-prefix to the `eids` of a site, or correct the ETR's `database`"]
        case .moreSpecificEID:
            let part = last?.prefix.map { "\($0) is a part of" } ?? "parts were registered of"
            return [
                "\(part) \(configured.prefix), which is taken only as a whole: set `accept-more-specifics: true` there, "
                    + "list the part among the site's `eids`, or let the ETR register the whole"
            ]
        case .unsupportedEID:
            return ["the ETR registers an EID that is neither IPv4 nor IPv6: take that out at the ETR"]
        case .unknownKeyID:
            let ids = Set(site.keys.map(\.id)).sorted().map(String.init).joined(separator: ", ")
            let theirs = last.map { "key ID \($0.keyID)" } ?? "another key ID"
            return ["the ETR signs with \(theirs), site \(site.name) has \(ids): give both ends the same `id`"]
        case .algorithmNotAllowed:
            return [algorithmAdvice]
        case .badLength:
            return [
                "the authentication data is not as long as its algorithm makes it: the message was changed on its way, or the "
                    + "ETR's software is at fault (`lispctl decode` of a capture shows it)"
            ]
        case .wrongKey:
            let id = last.map { " of key ID \($0.keyID)" } ?? ""
            return [
                "the keys differ: compare `key` or `key-file`\(id) at both ends; or somebody who has no key of the site sends this"
            ] + keyFileAdvice(changedKeyFiles)
        case .tooManyKeys:
            return [
                "one Map-Register holds EID-prefixes of more sites than are tried: let the ETR register those of each site in "
                    + "a message of its own"
            ]
        case .replayedNonce:
            return [
                "the ETR has lost its count (lispd keeps it in its state directory), two ETRs have the same xTR-ID, or somebody "
                    + "repeats old messages: after looking which, `lispctl clear site \(site.name)` lets it start afresh",
                "`nonce-check` of the site is \(site.nonceCheck.rawValue)",
            ]
        case .locatorNotAllowed:
            let locator = last?.locator.map { "locator \($0)" } ?? "a locator"
            return [
                "\(locator) is not among the `allowed-locators` of site \(site.name): add it there, or correct the ETR's "
                    + "`locators`"
            ]
        case .tooManyOfSite:
            return [
                "the site's ETRs send more than `limits.map-registers-per-site` allows: look which repeats itself or runs more than "
                    + "once, or raise the limit"
            ]
        case .limitReached:
            return [
                "64 ETRs have registered the EID-prefix, or as many more-specifics are registered as `max-registrations` of "
                    + "the configured one allows: see `lispctl show site \(site.name)`, and let the ETRs register fewer, or raise it"
            ]
        }
    }

    private var algorithmAdvice: String {
        let mine = site.keys.filter { key in last.map { $0.keyID == key.id } ?? true }.map(\.algorithm.name)
        let theirs =
            last.map { failure in
                AuthenticationAlgorithm(rawValue: failure.algorithm).map(\.name) ?? "algorithm \(failure.algorithm)"
            } ?? "another algorithm"
        let key = last.map { "key ID \($0.keyID)" } ?? "the key"
        return
            "the ETR signs with \(theirs), \(key) of site \(site.name) is for \(mine.joined(separator: ", ")): set the same "
            + "`algorithm` at both ends"
    }
}

func keyFileAdvice(_ changed: [String]) -> [String] {
    changed.map { "key file \($0) holds another key than the one in use: `lispctl config reload` takes it over" }
}
