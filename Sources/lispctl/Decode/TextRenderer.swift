// The tree of fields as indented text, for a terminal. Every line ends with a newline.

enum TextRenderer {
    private static let step = "    "

    static func write(_ fields: [Field], depth: Int = 1, into text: inout String) {
        for field in fields {
            if !field.isToldAbove {
                write(field, name: field.name, depth: depth, into: &text)
            } else if case .group(let members, _) = field.value {
                write(members, depth: depth, into: &text)
            }
        }
    }

    private static func write(_ field: Field, name: String, depth: Int, into text: inout String) {
        switch field.value {
        case .number(let number):
            line(name, String(number), field, depth, &text)
        case .named(let number, let meaning):
            line(name, "\(number) (\(meaning))", field, depth, &text)
        case .text(let value):
            line(name, value, field, depth, &text)
        case .bool(let value):
            line(name, value ? "yes" : "no", field, depth, &text)
        case .flags(let flags):
            line(name, words(flags), field, depth, &text)
        case .group(let fields, let gist):
            line(name, gist, field, depth, &text)
            write(fields, depth: depth + 1, into: &text)
        case .list(let items):
            if items.isEmpty { line(name, "none", field, depth, &text) }
            for (index, item) in items.enumerated() {
                write(item, name: "\(item.name) \(index + 1) of \(items.count)", depth: depth, into: &text)
            }
        }
    }

    private static func line(_ name: String, _ value: String, _ field: Field, _ depth: Int, _ text: inout String) {
        for _ in 0..<depth { text += step }
        text += name
        if !value.isEmpty {
            text += ": "
            text += value
        }
        if let unit = field.unit { text += " " + unit }
        if let note = field.note {
            text += value.isEmpty ? ": " : ", "
            text += note
        }
        text += "\n"
    }

    /// `P (RLOC probe), s (SMR-invoked)`: those that are set.
    static func words(_ flags: [FlagBit]) -> String {
        let set = flags.filter(\.isSet)
        return set.isEmpty ? "none set" : set.map { "\($0.letter) (\($0.name))" }.joined(separator: ", ")
    }
}

extension [FlagBit] {
    /// The letters of those that are set: `L R`.
    var letters: String { filter(\.isSet).map(\.letter).joined(separator: " ") }
}
