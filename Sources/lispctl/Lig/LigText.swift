// An answer of lig as RFC 6835 section 4.2 shows it, and as JSON.

import LISPWire

func text(of result: LigResult) -> String {
    var lines: [String] = []
    if let answer = result.answer {
        lines += textLines(of: answer, result.target)
        if let verification = result.verification { lines += textLines(of: verification) }
    } else {
        let sent = result.attempts.map(\.sent).reduce(0, +)
        let asked = result.attempts.map(\.mapResolver.description).joined(separator: ", ")
        lines.append(
            (result.wasInterrupted ? "Interrupted: " : "")
                + "\(sent) Map-Request\(sent == 1 ? "" : "s") for \(result.target.eid)"
                + " sent to \(asked), no Map-Reply"
        )
    }
    return joined(lines)
}

private func textLines(of answer: LigAnswer, _ target: LigTarget) -> [String] {
    let (seconds, rest) = answer.roundTripMicroseconds.quotientAndRemainder(dividingBy: 1_000_000)
    let fraction = String(rest)
    let rtt = "\(seconds).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)"
    var lines = [
        "Received map-reply from \(answer.source) with rtt \(rtt) secs", "",
        "Mapping entry for \(target.name.map { "\($0) " } ?? "")EID \(target.eid):",
    ]
    for record in answer.records { lines += textLines(of: record) }
    return lines
}

private func textLines(of verification: LigVerification) -> [String] {
    let verdict =
        verification.matches
        ? "Registration: as this router registers it" : "Registration: NOT as this router registers it"
    return ["", verdict] + (verification.differences + verification.notes).map { "  \($0)" }
}

private func textLines(of record: EIDRecord) -> [String] {
    let prefix = record.eidPrefix?.description ?? "an EID of another kind"
    let authoritative = record.isAuthoritative ? "auth" : "non-auth"
    var lines = [
        "\(prefix), record ttl: \(ttlText(record.ttlMinutes)), via map-reply, \(authoritative)"
    ]
    if record.locators.isEmpty { lines.append("  Negative cache entry, action: \(record.action.name)") }
    guard !record.locators.isEmpty else { return lines }
    let rows = record.locators.map { locator in
        [
            text(of: locator.address), locator.isReachable ? "up" : "down",
            String(locator.priority).leftPadded(to: 3) + "/" + String(locator.weight).padded(to: 3),
            "\(locator.multicastPriority)/\(locator.multicastWeight)",
            [locator.isLocal ? "L" : nil, locator.isProbed ? "p" : nil, locator.isReachable ? "R" : nil]
                .compactMap(\.self).joined(separator: " "),
        ]
    }
    lines += columns(["Locator", "State", "Pri/Wgt", "Mcast", "Flags"], rows, indent: 2)
    return lines
}

private func text(of address: LISPAddress) -> String {
    address.locatorAddress?.description ?? "another kind"
}

/// A record's TTL, which is in minutes.
private func ttlText(_ minutes: UInt32) -> String {
    minutes == .max ? "unlimited" : duration(Int64(minutes) * 60)
}

extension MapReplyAction {
    /// As in the tables of `show map-cache`.
    var name: String {
        switch self {
        case .noAction: "no-action"
        case .nativelyForward: "natively-forward"
        case .sendMapRequest: "send-map-request"
        case .dropNoReason, .unassigned6, .unassigned7: "drop"
        case .dropPolicyDenied: "drop-policy-denied"
        case .dropAuthFailure: "drop-auth-failure"
        }
    }
}

/// `lispctl lig --json`; keys as in the other reports.
struct LigReport: Encodable {
    var schema = "lispd/1"
    var eid: String
    var instanceID: UInt32
    /// What was typed, if that was a name.
    var name: String?
    /// `answered`, `negative`, `mismatch`, `none`, `interrupted`
    var outcome: String
    var asked: [Asked]
    /// These four of the answer.
    var mapResolver: String?
    var answeredBy: String?
    var attempt: Int?
    var roundTripMicroseconds: UInt64?
    var records: [Record]
    /// Of an EID-prefix of this router's own.
    var registration: Registration?

    struct Asked: Encodable {
        var mapResolver: String
        var sent: Int
        var problem: String?
    }

    struct Registration: Encodable {
        var matches: Bool
        var differences: [String]
        var notes: [String]
    }

    struct Record: Encodable {
        var eidPrefix: String
        var instanceID: UInt32
        /// Seconds; absent: no limit.
        var ttl: Int64?
        var isAuthoritative: Bool
        var action: String?
        var mapVersion: UInt16
        var locators: [Locator]
    }

    struct Locator: Encodable {
        var address: String
        var priority: UInt8
        var weight: UInt8
        var multicastPriority: UInt8
        var multicastWeight: UInt8
        var isLocal: Bool
        var isProbed: Bool
        var isReachable: Bool
    }

    init(_ result: LigResult) {
        eid = result.target.eid.address.description
        instanceID = result.target.eid.instanceID.rawValue
        name = result.target.name
        outcome = result.outcome.name
        asked = result.attempts.map {
            Asked(mapResolver: $0.mapResolver.description, sent: $0.sent, problem: $0.problem)
        }
        mapResolver = result.answer == nil ? nil : result.attempts.last?.mapResolver.description
        answeredBy = result.answer?.source.description
        attempt = result.answer?.attempt
        roundTripMicroseconds = result.answer?.roundTripMicroseconds
        records = (result.answer?.records ?? []).compactMap(Record.init)
        registration = result.verification.map {
            Registration(matches: $0.matches, differences: $0.differences, notes: $0.notes)
        }
    }
}

extension LigReport.Record {
    fileprivate init?(_ record: EIDRecord) {
        guard let prefix = record.eidPrefix else { return nil }
        self.init(
            eidPrefix: prefix.prefix.description,
            instanceID: prefix.instanceID.rawValue,
            ttl: record.ttlMinutes == .max ? nil : Int64(record.ttlMinutes) * 60,
            isAuthoritative: record.isAuthoritative,
            action: record.locators.isEmpty ? record.action.name : nil,
            mapVersion: record.mapVersion,
            locators: record.locators.map { locator in
                LigReport.Locator(
                    address: text(of: locator.address),
                    priority: locator.priority,
                    weight: locator.weight,
                    multicastPriority: locator.multicastPriority,
                    multicastWeight: locator.multicastWeight,
                    isLocal: locator.isLocal,
                    isProbed: locator.isProbed,
                    isReachable: locator.isReachable
                )
            }
        )
    }
}
