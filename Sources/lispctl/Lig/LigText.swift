// An answer of lig as RFC 6835 section 4.2 shows it, and as JSON.

import LISPWire

func text(of answer: LigAnswer, eid: EID, name: String) -> String {
    let (seconds, rest) = answer.roundTripMicroseconds.quotientAndRemainder(dividingBy: 1_000_000)
    let fraction = String(rest)
    let rtt = "\(seconds).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)"
    var lines = [
        "Received map-reply from \(answer.source) with rtt \(rtt) secs", "",
        "Mapping entry for \(name == eid.address.description ? "" : "\(name) ")EID \(eid):",
    ]
    for record in answer.records { lines += textLines(of: record) }
    return joined(lines)
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
    var mapResolver: String
    var answeredBy: String
    var attempt: Int
    var roundTripMicroseconds: UInt64
    var records: [Record]

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

    init(_ answer: LigAnswer, eid: EID, resolver: IPAddress) {
        self.eid = eid.address.description
        self.instanceID = eid.instanceID.rawValue
        self.mapResolver = resolver.description
        self.answeredBy = answer.source.description
        self.attempt = answer.attempt
        self.roundTripMicroseconds = answer.roundTripMicroseconds
        self.records = answer.records.compactMap(Record.init)
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
