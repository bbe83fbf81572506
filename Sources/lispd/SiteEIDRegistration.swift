// Whether an EID-prefix of a site is registered, and if not, why: the Map-Server's end of `diagnose registration`.

import LISPControl
import LISPTables
import LISPWire
import ManagementAPI

struct SiteEIDRegistration {
    let eid: EIDPrefix
    let configured: ConfiguredEID
    let registered: RegisteredEID?
    let ending: RegistrationEnding?
    /// One for each reason that there was.
    let refusals: [RefusalFacts]
    let counts: Tally<RegistrationRefusal>
    /// The start of the daemon.
    let started: Instant
    let time: ReportTime

    private var isConfigured: Bool { eid == configured.eid.prefix }

    /// Of the whole EID-prefix, also when it is over.
    private var lastRegistered: (time: Instant, source: Endpoint)? {
        if let latest = registered?.mostRecent { return (latest.lastRegistered, latest.source) }
        return isConfigured ? configured.lastRegistration.map { ($0.time, $0.source) } : nil
    }

    var diagnosis: SiteEIDDiagnosis {
        SiteEIDDiagnosis(
            site: configured.site,
            instanceID: eid.instanceID.rawValue,
            eidPrefix: eid.prefix.description,
            moreSpecificOf: isConfigured ? nil : configured.eid.prefix.prefix.description,
            isRegistered: registered != nil,
            summary: summary,
            advice: registered == nil && latestRefusal == nil && parts == 0 ? [silenceAdvice] : [],
            etrs: (registered?.registrations ?? []).map { registration in
                RegisteringETR(
                    etr: PeerAddress(registration.source),
                    xtrID: registration.xtrID?.description,
                    lastRegistered: time.moment(registration.lastRegistered),
                    expiresIn: time.seconds(until: registration.expires)
                )
            },
            registeredParts: parts,
            lastRegistered: (lastRegistered?.time).map(time.moment),
            ended: ending.map { time.moment($0.time) },
            refusals: refusals.sorted { ($0.last?.time ?? .zero) > ($1.last?.time ?? .zero) }.map { refusal in
                RefusalDiagnosis(
                    reason: refusal.reason.rawValue,
                    count: counts[refusal.reason],
                    last: refusal.last.map { time.moment($0.time) },
                    lastSource: refusal.last.map { PeerAddress($0.source) },
                    lastEIDPrefix: refusal.last?.prefix?.prefix.description,
                    advice: refusal.advice
                )
            }
        )
    }

    /// Registered in it, itself included.
    private var parts: Int { isConfigured ? configured.registeredCount : registered == nil ? 0 : 1 }

    /// The last refusal of the whole EID-prefix since it was registered, or of a part where only parts were tried.
    private var latestRefusal: RefusalFacts? {
        refusals.filter { refusal in
            guard let last = refusal.last else { return false }
            return lastRegistered.map { $0.time < last.time } ?? true
        }.max { ($0.last?.time ?? .zero) < ($1.last?.time ?? .zero) }
    }

    private var summary: String {
        if let registered { return registeredSummary(registered) }
        if let refusal = latestRefusal, let last = refusal.last {
            let whole = last.prefix == eid ? "" : " (of \(last.prefix.map { "\($0.prefix)" } ?? "an EID"))"
            let before = parts > 0 ? "\(parts) more-specifics are registered; " : ""
            return "NOT registered: \(before)the last Map-Register\(whole) was refused \(time.ago(last.time)): "
                + "\(refusal.reason.rawValue) (from \(PeerAddress(last.source).text))"
        }
        if parts > 0 { return "registered in \(parts) more-specifics, not as a whole" }
        return "NOT registered: \(ended)"
    }

    private func registeredSummary(_ registered: RegisteredEID) -> String {
        let left = registered.registrations.map { time.seconds(until: $0.expires) }.min() ?? 0
        let by =
            registered.registrations.count == 1
            ? registered.registrations.first.map { PeerAddress($0.source).text } ?? ""
            : "\(registered.registrations.count) ETRs"
        var text = "registered by \(by), for another \(ReportTime.words(left)) unless refreshed"
        if parts > 1 { text += "; with \(parts - 1) more-specifics" }
        if let refusal = latestRefusal, let last = refusal.last {
            text += "; yet one was refused \(time.ago(last.time)): \(refusal.reason.rawValue)"
        }
        return text
    }

    /// How it came to an end, or that it never was.
    private var ended: String {
        let last =
            lastRegistered.map { " (last Map-Register \(time.ago($0.time)) from \(PeerAddress($0.source).text))" } ?? ""
        guard let ending else {
            return lastRegistered == nil
                ? "never since lispd started \(time.ago(started)), and nothing was refused" : "not any more\(last)"
        }
        let how =
            switch ending.cause {
            case .expired: "expired"
            case .withdrawn: "withdrawn by its ETR"
            case .cleared: "cleared by the operator"
            case .dropped: "dropped by a change of the configuration"
            }
        return "\(how) \(time.ago(ending.time))\(last)"
    }

    private var silenceAdvice: String {
        switch ending?.cause {
        case .cleared: "an ETR that is up registers again within a minute"
        case .withdrawn: "the ETR has ended, or does not serve the EID-prefix any more"
        case .expired, .dropped, nil:
            "no Map-Register for it gets here: is the ETR up, is this router among its `map-servers`, does UDP port 4342 get "
                + "through? `lispctl diagnose registration` on the ETR tells its end"
        }
    }
}

extension EIDOfNoSite {
    /// - Parameter last: the last refusal; `nil` for one that was only asked about.
    init(_ eid: EIDPrefix, count: UInt64, last: RegistrationFailure?, _ registry: SiteRegistry, _ time: ReportTime) {
        let nearest = registry.configured.nearest(to: eid)
        let elsewhere = registry.instances(limit: 64).first { instance in
            registry.configured.longestMatch(EIDPrefix(instanceID: instance, eid.prefix)) != nil
        }
        var summary = "\(eid.prefix) is of no site"
        if let nearest {
            summary += "; nearest: \(nearest.value.site) with \(nearest.key.prefix)"
        } else {
            summary += ", and no site has an EID-prefix like it in instance \(eid.instanceID)"
        }
        var advice: [String] = []
        if let elsewhere {
            advice.append("instance \(elsewhere) has it: set the same `instance-id` at both ends")
        }
        if let nearest, eid.prefix.covers(nearest.key.prefix) {
            advice.append(
                "the ETR registers more than the site may: let it register \(nearest.key.prefix), or widen the site's `eids`"
            )
        } else if elsewhere == nil {
            advice.append("add the EID-prefix to the `eids` of a site, or correct the ETR's `database`")
        }
        self.init(
            instanceID: eid.instanceID.rawValue,
            eidPrefix: eid.prefix.description,
            count: count,
            last: last.map { time.moment($0.time) },
            lastSource: last.map { PeerAddress($0.source) },
            nearestSite: nearest?.value.site,
            nearestEIDPrefix: nearest?.key.prefix.description,
            summary: summary,
            advice: advice
        )
    }
}
