// Reading single values out of the parsed file. Each reader returns the value, or reports what was found and what was
// expected at the value's place and returns nil, so that one run finds every fault.

import LISPWire
import Yams

/// A place in the file; both count from 1.
struct FilePosition {
    var line: Int
    var column: Int
}

extension FilePosition {
    init(_ mark: Yams.Mark) {
        self.init(line: mark.line, column: mark.column)
    }
}

/// The faults and warnings of one run.
final class Findings {
    let file: String
    private(set) var issues: [ConfigurationIssue] = []
    private(set) var warnings: [String] = []

    init(file: String) {
        self.file = file
    }

    func report(_ mark: FilePosition?, found: String, expected: String) {
        let issue = ConfigurationIssue(
            file: file,
            line: mark?.line ?? 1,
            column: mark?.column ?? 1,
            message: "found \(found), expected \(expected)"
        )
        issues.append(issue)
    }

    func warn(_ mark: FilePosition?, _ text: String) {
        warnings.append("\(file):\(mark?.line ?? 1):\(mark?.column ?? 1): \(text)")
    }
}

/// A value of the file and where it stands.
struct ConfigurationNode {
    let node: Node
    let findings: Findings
    /// Whether the value may be a secret, so that no message may quote it.
    var isSecret = false

    var mark: FilePosition? { node.mark.map { FilePosition($0) } }

    func report(found: String? = nil, expected: String) {
        findings.report(mark, found: found ?? self.found, expected: expected)
    }

    /// What stands here, in words; scalars are quoted unless they may be secret.
    var found: String {
        switch node {
        case .mapping: return "a mapping"
        case .sequence: return "a list"
        case .alias: return "an alias"
        case .scalar(let scalar):
            if scalar.string.isEmpty { return "nothing" }
            return isSecret ? "text" : quoted(scalar.string)
        }
    }

    /// Plain or quoted text, never empty.
    func text(_ expected: String) -> String? {
        guard case .scalar(let scalar) = node, !scalar.string.isEmpty else {
            report(expected: expected)
            return nil
        }
        return scalar.string
    }

    /// Text without quotes around it: what a number or a truth value is written as.
    private func plain(_ expected: String) -> String? {
        guard case .scalar(let scalar) = node, !scalar.string.isEmpty else {
            report(expected: expected)
            return nil
        }
        guard scalar.style == .plain || scalar.style == .any else {
            report(found: isSecret ? "text in quotes" : "the text \"\(escaped(scalar.string))\"", expected: expected)
            return nil
        }
        return scalar.string
    }

    /// A decimal number within `range`; `other` is what else would have been right.
    func integer<Value: FixedWidthInteger>(_ range: ClosedRange<Value>, or other: String? = nil) -> Value? {
        let expected = (other.map { "\($0) or " } ?? "") + "a number from \(range.lowerBound) to \(range.upperBound)"
        guard let text = plain(expected) else { return nil }
        guard text.utf8.allSatisfy({ (48...57).contains($0) }), let value = Value(text), range.contains(value) else {
            report(expected: expected)
            return nil
        }
        return value
    }

    /// Whether just this stands here.
    func isWord(_ word: String) -> Bool {
        guard case .scalar(let scalar) = node else { return false }
        return scalar.string == word
    }

    func bool() -> Bool? {
        guard let text = plain("true or false") else { return nil }
        switch text {
        case "true": return true
        case "false": return false
        default:
            report(expected: "true or false")
            return nil
        }
    }

    /// One of a few words.
    func choice<Value>(_ choices: [(name: String, value: Value)]) -> Value? {
        let names = choices.map(\.name)
        let expected = names.count == 1 ? names[0] : "one of " + names.joined(separator: ", ")
        guard let text = text(expected) else { return nil }
        if let choice = choices.first(where: { $0.name == text }) { return choice.value }
        report(expected: isSecret ? expected : nearest(to: text, among: names).map { "`\($0)`" } ?? expected)
        return nil
    }

    func choice<Value: RawRepresentable & CaseIterable>(_ type: Value.Type) -> Value? where Value.RawValue == String {
        choice(Value.allCases.map { (name: $0.rawValue, value: $0) })
    }

    /// A number with its unit, `60s`, `3m`, `24h` or `1d`, in seconds; within `range`, a multiple of `step`.
    func seconds(_ range: ClosedRange<UInt64>, step: UInt64 = 1) -> UInt64? {
        let expected =
            "a duration from \(durationText(range.lowerBound)) to \(durationText(range.upperBound))"
            + (step == 60 ? " in whole minutes" : "") + ", such as 60s, 3m, 24h or 1d"
        guard let text = text(expected) else { return nil }
        guard let value = parseDuration(text), range.contains(value), value % step == 0 else {
            report(expected: expected)
            return nil
        }
        return value
    }

    /// An address that packets can be sent to.
    func ipAddress(_ meaning: String = "an IPv4 or IPv6 address") -> IPAddress? {
        guard let text = text(meaning) else { return nil }
        guard let address = IPAddress(text) else {
            report(expected: meaning)
            return nil
        }
        if let kind = address.unusableKind {
            report(found: "\(quoted(text)), \(kind)", expected: "a unicast address that others can reach")
            return nil
        }
        return address
    }

    /// An address to listen at, and its port: `127.0.0.1:9341`, `[::1]:9341`, and 0.0.0.0 or [::] for all of this host's.
    func listener() -> Endpoint? {
        let expected = "an address of this host and a port such as 127.0.0.1:9341 or \"[::1]:9341\""
        guard let text = text(expected) else { return nil }
        guard let listener = Endpoint(listener: text[...]) else {
            report(expected: expected)
            return nil
        }
        if !listener.address.isUnspecified, let kind = listener.address.unusableKind {
            report(found: "\(quoted(text)), \(kind)", expected: expected)
            return nil
        }
        return listener
    }

    func ipPrefix() -> IPPrefix? {
        let expected = "an IPv4 or IPv6 prefix such as 10.1.0.0/16 or 2001:db8:1::/48"
        guard let text = text(expected) else { return nil }
        if let prefix = IPPrefix(text) { return prefix }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, let address = IPAddress(parts[0]), let length = UInt8(parts[1]) {
            if let network = IPPrefix(address, length: length) {
                report(found: "\(quoted(text)) with bits set beyond its length", expected: "\(network)")
            } else {
                let width = address.family.bitWidth
                report(expected: "a prefix length from 0 to \(width) for an \(address.family) prefix")
            }
        } else {
            report(expected: expected)
        }
        return nil
    }

    /// A prefix that hosts can have addresses in.
    func eidPrefix() -> IPPrefix? {
        guard let prefix = ipPrefix() else { return nil }
        if prefix.length > 0, let kind = prefix.address.unusableKind, !prefix.address.isUnspecified {
            report(found: "`\(prefix)`, \(kind)", expected: "a prefix of unicast addresses")
            return nil
        }
        return prefix
    }

    func instanceID() -> InstanceID? {
        integer(0...InstanceID.maximum).flatMap(InstanceID.init(rawValue:))
    }

    /// The name of a network interface or namespace, at most `length` octets.
    func kernelName(_ expected: String, length: Int) -> String? {
        guard let text = text(expected) else { return nil }
        let isName =
            text.utf8.count <= length && text != "." && text != ".."
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }
        guard isName else {
            report(expected: expected)
            return nil
        }
        return text
    }

    /// An absolute path that fits a UNIX socket's address or a file name.
    func path(_ expected: String, length: Int) -> String? {
        guard let text = text(expected) else { return nil }
        guard text.hasPrefix("/"), text.utf8.count <= length, !text.utf8.contains(0) else {
            report(expected: "\(expected) (absolute, at most \(length) octets)")
            return nil
        }
        return text
    }

    /// The members of a list. An empty list is refused unless `allowsEmpty`.
    func list(_ expected: String, allowsEmpty: Bool = false) -> [ConfigurationNode]? {
        guard case .sequence(let sequence) = node else {
            report(expected: expected)
            return nil
        }
        guard allowsEmpty || !sequence.isEmpty else {
            report(found: "an empty list", expected: "\(expected) with at least one member")
            return nil
        }
        return sequence.map { ConfigurationNode(node: $0, findings: findings, isSecret: isSecret) }
    }

    /// A mapping with no other keys than `keys`; unknown ones are reported and left out.
    func mapping(_ keys: [String], _ expected: String = "a mapping") -> ConfigurationMapping? {
        guard case .mapping(let mapping) = node else {
            report(expected: expected)
            return nil
        }
        var values: [String: (key: FilePosition?, value: ConfigurationNode)] = [:]
        var mistyped: Set<String> = []
        for (key, value) in mapping {
            let mark = key.mark.map { FilePosition($0) }
            guard case .scalar(let scalar) = key else {
                findings.report(mark, found: "a key that is not text", expected: oneOf(keys))
                continue
            }
            guard keys.contains(scalar.string) else {
                // `key:secret` without a space is one long key: what follows the colon is not to be shown.
                let shown = String(scalar.string.prefix { $0 != ":" })
                let meant = nearest(to: shown, among: keys)
                let name = mayBeSecret(shown, meant: meant, among: keys) ? "key" : "key \(quoted(shown))"
                if let meant { mistyped.insert(meant) }
                findings.report(mark, found: "unknown \(name)", expected: meant.map { "`\($0)`" } ?? oneOf(keys))
                continue
            }
            values[scalar.string] = (mark, ConfigurationNode(node: value, findings: findings, isSecret: isSecret))
        }
        return ConfigurationMapping(mark: mark, values: values, mistyped: mistyped, findings: findings)
    }

    /// Whether an unknown key may be a secret in the wrong place: among the keys of a key, unless it resembles one of them;
    /// elsewhere in what may be a key file, if it is long.
    private func mayBeSecret(_ shown: String, meant: String?, among keys: [String]) -> Bool {
        guard isSecret else { return false }
        return keys.contains("key-file") ? meant == nil : shown.utf8.count > 20
    }

    private func oneOf(_ keys: [String]) -> String {
        keys.isEmpty ? "no keys here" : "one of " + keys.joined(separator: ", ")
    }
}

/// A mapping whose keys are known.
struct ConfigurationMapping {
    let mark: FilePosition?
    fileprivate let values: [String: (key: FilePosition?, value: ConfigurationNode)]
    /// Keys that are missing because they were mistyped, which has been reported.
    fileprivate let mistyped: Set<String>
    let findings: Findings

    subscript(_ key: String) -> ConfigurationNode? { values[key]?.value }

    /// The same values, free or not free to be quoted in messages.
    func withSecrecy(_ isSecret: Bool) -> ConfigurationMapping {
        let values = values.mapValues { entry in
            (key: entry.key, value: ConfigurationNode(node: entry.value.node, findings: findings, isSecret: isSecret))
        }
        return ConfigurationMapping(mark: mark, values: values, mistyped: mistyped, findings: findings)
    }

    func mark(of key: String) -> FilePosition? { values[key]?.key ?? mark }

    /// The value of a key that must be there; `why` follows "expected it".
    func required(_ key: String, _ why: String = "here") -> ConfigurationNode? {
        if let value = self[key] { return value }
        if !mistyped.contains(key) {
            findings.report(mark, found: "no `\(key)`", expected: "it \(why)")
        }
        return nil
    }

    /// Refuses a key whose feature is not built yet; its value must have been checked before.
    func refuseNotSupported(_ key: String, _ value: String? = nil) {
        guard values[key] != nil else { return }
        let found = value.map { "`\(key): \($0)`" } ?? "`\(key)`"
        findings.report(mark(of: key), found: "\(found), which is not supported yet", expected: "it to be left out")
    }
}

extension Endpoint {
    /// Parses `192.0.2.1:705` or `[2001:db8::1]:705`.
    init?(listener text: Substring) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0,
            text[text.index(after: colon)...].utf8.allSatisfy({ (48...57).contains($0) })
        else { return nil }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(host), (address.family == .ipv6) == isBracketed else { return nil }
        self.init(address, port)
    }
}

extension IPAddress {
    /// Why nothing can be addressed there; `nil` for an ordinary unicast address.
    var unusableKind: String? {
        switch self {
        case .v4(let address):
            switch address.rawValue >> 24 {
            case 0: return "which is no host's address"
            case 224...239: return "a multicast address"
            case 240...255: return "a reserved address"
            default: return nil
            }
        case .v6(let address):
            if address.rawValue == 0 { return "which is no host's address" }
            if address.rawValue >> 120 == 0xff { return "a multicast address" }
            if address.rawValue >> 118 == 0x3fa { return "a link-local address" }
            return nil
        }
    }
}

/// In backticks, on one line, shortened.
func quoted(_ text: String) -> String { "`\(escaped(text))`" }

private func escaped(_ text: String) -> String {
    let limit = 60
    let shown = text.unicodeScalars.prefix(limit).map { scalar in
        let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
        let isBreak = scalar.properties.isPatternWhitespace && scalar != " "
        return isControl || isBreak ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }
    return shown.joined() + (text.unicodeScalars.count > limit ? "..." : "")
}

/// Seconds of `60s`, `3m`, `24h`, `1d`; `nil` for anything else or too much.
private func parseDuration(_ text: String) -> UInt64? {
    let units: [Character: UInt64] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
    guard let last = text.last, let unit = units[last] else { return nil }
    let digits = text.dropLast()
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let count = UInt64(digits) else {
        return nil
    }
    let (seconds, overflow) = count.multipliedReportingOverflow(by: unit)
    return overflow ? nil : seconds
}

/// The shortest way to write a duration: the largest unit that divides it.
func durationText(_ seconds: UInt64) -> String {
    for (unit, name) in [(86400, "d"), (3600, "h"), (60, "m")] as [(UInt64, String)]
    where seconds >= unit && seconds % unit == 0 {
        return "\(seconds / unit)\(name)"
    }
    return "\(seconds)s"
}
