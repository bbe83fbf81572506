// What a dissector makes of bytes: a tree of named fields, which the renderers write as text or as JSON.
//
// Names are those of the RFC's drawings ("Record TTL", "EID mask-len"). JSON keys are made of them by `jsonKey`. Values
// that come off the wire as text must have passed `printable`: no renderer looks again.

/// One field of a message, a header or a record.
struct Field {
    var name: String
    var value: FieldValue
    /// What a number counts, where its name does not say so; the text has it behind the number.
    var unit: String?
    /// What the text says behind the value; not in JSON, which has the values themselves.
    var note: String?
    /// Where it begins: octets from the start of the UDP payload. `nil` where that is known of the whole only.
    var offset: Int?
    /// Text only: the line of the group that this field stands in has told it already, of a group all but the members that are
    /// not marked so themselves.
    var isToldAbove = false

    init(_ name: String, _ value: FieldValue, unit: String? = nil, note: String? = nil, offset: Int? = nil) {
        self.name = name
        self.value = value
        self.unit = unit
        self.note = note
        self.offset = offset
    }
}

indirect enum FieldValue {
    case number(UInt64)
    /// A number with its name in a registry. JSON has the name beside it, under the key with `Name` behind.
    case named(UInt64, String)
    case text(String)
    case bool(Bool)
    case flags([FlagBit])
    /// Fields that belong together. `line` tells the gist of them in the text.
    case group([Field], line: String = "")
    /// Fields of one kind, each with a name and value of its own.
    case list([Field])
}

/// One bit, with the letter of the RFC's drawing and a name.
struct FlagBit {
    var letter: String
    var name: String
    var isSet: Bool

    init(_ letter: String, _ name: String, _ isSet: Bool) {
        self.letter = letter
        self.name = name
        self.isSet = isSet
    }
}

extension Field {
    /// A field that the line of its group tells, so that the text has it once.
    static func told(_ name: String, _ value: FieldValue) -> Field {
        var field = Field(name, value)
        field.isToldAbove = true
        return field
    }

    /// Octets in hexadecimal, as many as there are.
    static func octets(_ name: String, _ bytes: some Collection<UInt8>, note: String? = nil) -> Field {
        Field(name, .text(hexadecimal(bytes)), note: note)
    }
}

/// Two hexadecimal digits an octet.
func hexadecimal(_ bytes: some Collection<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}

/// Octets off the wire as text that drives no terminal: printable ASCII stands for itself, a backslash is doubled, all
/// else is `\x` and two digits. Nothing is lost.
func printable(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    for byte in bytes {
        switch byte {
        case UInt8(ascii: "\\"): text += "\\\\"
        case 0x20...0x7e: text.unicodeScalars.append(Unicode.Scalar(byte))
        default: text += "\\x" + hexadecimal(CollectionOfOne(byte))
        }
    }
    return text
}

/// `count` of a thing, in words: `1 octet`, `2 octets`.
func counted(_ count: Int, _ thing: String) -> String {
    "\(count) \(thing)\(count == 1 ? "" : "s")"
}

/// The key in JSON of a field with this name, in camelCase as in every other report: `EID mask-len` is `eidMaskLen`,
/// `Record TTL` is `recordTTL`.
func jsonKey(_ name: String) -> String {
    var key = ""
    for word in name.split(whereSeparator: { !$0.isLetter && !$0.isNumber }) {
        if key.isEmpty {
            key += word.lowercased()
        } else {
            key += word.prefix(1).uppercased() + word.dropFirst()
        }
    }
    return key
}
