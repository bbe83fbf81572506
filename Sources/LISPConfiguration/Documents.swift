// A document as YAML and as JSON. Short enough to be written here, and both keep the order of the keys.

extension ConfigurationValue {
    /// Block style; lists of plain mappings one member a line.
    package var yaml: String {
        var text = ""
        guard case .mapping(let pairs) = self else { return flow + "\n" }
        Self.write(pairs, indent: "", into: &text)
        return text
    }

    private static func write(_ pairs: [Pair], indent: String, into text: inout String) {
        for pair in pairs {
            text += "\(indent)\(pair.key):"
            write(pair.value, indent: indent + "  ", into: &text)
        }
    }

    /// Writes what follows a key's colon.
    private static func write(_ value: ConfigurationValue, indent: String, into text: inout String) {
        switch value {
        case .mapping(let pairs) where !pairs.isEmpty:
            text += "\n"
            write(pairs, indent: indent, into: &text)
        case .list(let members) where members.contains(where: \.isNested):
            text += "\n"
            for member in members {
                guard case .mapping(let pairs) = member, member.isDeep else {
                    text += "\(indent)- \(member.flow)\n"
                    continue
                }
                var block = ""
                write(pairs, indent: indent + "  ", into: &block)
                text += "\(indent)- " + block.dropFirst(indent.count + 2)
            }
        case .text, .number, .bool, .list, .mapping:
            text += " \(value.flow)\n"
        }
    }

    private var isNested: Bool {
        switch self {
        case .text, .number, .bool: false
        case .list(let members): !members.isEmpty
        case .mapping(let pairs): !pairs.isEmpty
        }
    }

    /// Whether something nested lies inside.
    private var isDeep: Bool {
        switch self {
        case .text, .number, .bool: false
        case .list(let members): members.contains(where: \.isNested)
        case .mapping(let pairs): pairs.contains { $0.value.isNested }
        }
    }

    /// On one line, as flow style.
    private var flow: String {
        switch self {
        case .text(let text): Self.isPlain(text) ? text : Self.jsonText(text)
        case .number(let number): String(number)
        case .bool(let bool): String(bool)
        case .list(let members): "[" + members.map(\.flow).joined(separator: ", ") + "]"
        case .mapping(let pairs): "{" + pairs.map { "\($0.key): \($0.value.flow)" }.joined(separator: ", ") + "}"
        }
    }

    /// Whether text needs no quotes anywhere in YAML and is still read as text by every reader.
    private static func isPlain(_ text: String) -> Bool {
        guard let first = text.utf8.first, !["true", "false", "null", "yes", "no", "on"].contains(text.lowercased())
        else { return false }
        func isLetter(_ byte: UInt8) -> Bool { (97...122).contains(byte) || (65...90).contains(byte) }
        func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
        let dots = text.utf8.count { $0 == UInt8(ascii: ".") }
        let isNumber =
            dots < 2 && text.utf8.allSatisfy { isDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "e") }
        return !isNumber && (isLetter(first) || isDigit(first) || first == UInt8(ascii: "/"))
            && text.utf8.allSatisfy { isLetter($0) || isDigit($0) || "-_./".utf8.contains($0) }
    }

    package var json: String {
        var text = ""
        writeJSON(indent: "", into: &text)
        return text + "\n"
    }

    private func writeJSON(indent: String, into text: inout String) {
        let inner = indent + "  "
        switch self {
        case .text(let value): text += Self.jsonText(value)
        case .number(let number): text += String(number)
        case .bool(let bool): text += String(bool)
        case .list(let members):
            if members.isEmpty { return text += "[]" }
            for (index, member) in members.enumerated() {
                text += (index == 0 ? "[\n" : ",\n") + inner
                member.writeJSON(indent: inner, into: &text)
            }
            text += "\n\(indent)]"
        case .mapping(let pairs):
            if pairs.isEmpty { return text += "{}" }
            for (index, pair) in pairs.enumerated() {
                text += (index == 0 ? "{\n" : ",\n") + inner + Self.jsonText(pair.key) + ": "
                pair.value.writeJSON(indent: inner, into: &text)
            }
            text += "\n\(indent)}"
        }
    }

    /// A JSON string, which is also a YAML double-quoted scalar.
    private static func jsonText(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || scalar.value == 0xfeff:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
