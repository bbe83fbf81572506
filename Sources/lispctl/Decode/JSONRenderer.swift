// The tree of fields as JSON, one object a line. What comes out is ASCII: everything else is escaped, so that a terminal
// shows it as it is.

struct JSONRenderer {
    /// Keys made so far: the names are a fixed few, making a key of one takes longer than all else here.
    private var keys: [String: String] = [:]

    mutating func write(_ fields: [Field], into text: inout String) {
        var isFirst = true
        text += "{"
        members(fields, &isFirst, &text)
        text += "}"
    }

    private mutating func members(_ fields: [Field], _ isFirst: inout Bool, _ text: inout String) {
        for field in fields {
            let key = self.key(field.name)
            begin(key, &isFirst, &text)
            write(field, into: &text)
            if case .named(_, let name) = field.value {
                begin(key + "Name", &isFirst, &text)
                Self.write(name, into: &text)
            }
        }
    }

    private func begin(_ key: String, _ isFirst: inout Bool, _ text: inout String) {
        text += isFirst ? "\"" : ",\""
        text += key
        text += "\":"
        isFirst = false
    }

    private mutating func write(_ field: Field, into text: inout String) {
        switch field.value {
        case .number(let number), .named(let number, _):
            text += String(number)
        case .text(let value):
            Self.write(value, into: &text)
        case .bool(let value):
            text += value ? "true" : "false"
        case .flags(let flags):
            write(flags.map { Field($0.letter, .bool($0.isSet)) }, keepingNames: true, into: &text)
        case .group(let fields, _):
            var isFirst = true
            text += "{"
            if let offset = field.offset {
                begin("offset", &isFirst, &text)
                text += String(offset)
            }
            members(fields, &isFirst, &text)
            text += "}"
        case .list(let items):
            text += "["
            for (index, item) in items.enumerated() {
                if index > 0 { text += "," }
                write(item, into: &text)
            }
            text += "]"
        }
    }

    /// Letters of flags differ in their case alone (P and p), so they stay as they are.
    private mutating func write(_ flags: [Field], keepingNames: Bool, into text: inout String) {
        var isFirst = true
        text += "{"
        for flag in flags {
            begin(flag.name, &isFirst, &text)
            write(flag, into: &text)
        }
        text += "}"
    }

    private mutating func key(_ name: String) -> String {
        if let key = keys[name] { return key }
        let key = jsonKey(name)
        keys[name] = key
        return key
    }

    /// A JSON string, ASCII alone.
    static func write(_ value: String, into text: inout String) {
        text += "\""
        for unit in value.utf16 {
            switch unit {
            case 0x22: text += "\\\""
            case 0x5c: text += "\\\\"
            case 0x20...0x7e: text.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            default:
                let digits = String(unit, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        text += "\""
    }
}
