// Durations and identifiers as IOS prints them.

import ManagementAPI

/// `00:01:23` below a day, then `1d02h`, `1w3d`, `1y4w`.
func duration(_ seconds: Int64) -> String {
    let seconds = max(0, seconds)
    let (days, hours) = (seconds / 86400, seconds / 3600 % 24)
    func two(_ value: Int64) -> String { (value < 10 ? "0" : "") + String(value) }
    switch days {
    case 0: return "\(two(hours)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
    case 1..<7: return "\(days)d\(two(hours))h"
    case 7..<365: return "\(days / 7)w\(days % 7)d"
    default: return "\(days / 365)y\(days % 365 / 7)w"
    }
}

/// How long ago, or `never`.
func ago(_ moment: Moment?) -> String {
    moment.map { duration($0.secondsAgo) } ?? "never"
}

/// How long yet, or `never`.
func remaining(_ seconds: Int64?) -> String {
    seconds.map(duration) ?? "never"
}

/// `0x01234567-0x89ABCDEF-...`: hexadecimal digits in groups of eight.
func grouped(_ digits: String) -> String {
    let digits = Array(digits.uppercased())
    return stride(from: 0, to: digits.count, by: 8)
        .map { "0x" + String(digits[$0..<min($0 + 8, digits.count)]) }
        .joined(separator: "-")
}

extension EIDFamily {
    /// `IPv4` or `IPv6`
    var name: String { self == .ipv4 ? "IPv4" : "IPv6" }
}

extension EIDTable {
    /// `default`, or `vrf` and the namespace that stands for it.
    var name: String { namespace.map { "vrf \($0)" } ?? "default" }
}
