// Where numbers that a manager asks after stand in the order of EID-prefixes. Rows have four lengths, in this order:
//
//      8   IPv4                 0 1 | 4 | address | mask length
//     15   IPv4 in an instance  64 3 | 11 | 2 | instance (4) | 0 1 | address | mask length
//     20   IPv6                 0 2 | 16 | address | mask length
//     27   IPv6 in an instance  64 3 | 23 | 2 | instance (4) | 0 2 | address | mask length
//
// So they are ordered by family, then instance, address and mask length, as tables are with `PrefixOrder.byFamily`.

import LISPWire

enum EIDPlace: Hashable {
    /// These numbers are that of an EID-prefix.
    case at(EIDPrefix)
    /// They are none's. This one is the first that could follow.
    case before(EIDPrefix)
    /// They are none's, and whatever follows comes after this one.
    case after(EIDPrefix)
    /// Nothing follows.
    case end

    init(_ part: AddressPart) {
        for form in Form.all {
            if part.length > form.length { continue }
            if part.length < form.length || part.octets.count < form.length {
                self = .before(form.first)
                return
            }
            guard part.octets.count == form.length else { continue }
            if let place = form.place(of: part.octets) {
                self = place
                return
            }
        }
        self = .end
    }
}

/// One of the four.
private struct Form {
    let family: AddressFamily
    let isPlain: Bool

    static let all = [
        Form(family: .ipv4, isPlain: true), Form(family: .ipv4, isPlain: false),
        Form(family: .ipv6, isPlain: true), Form(family: .ipv6, isPlain: false),
    ]

    private var width: Int { Int(family.bitWidth) / 8 }
    private var afi: UInt8 { family == .ipv4 ? 1 : 2 }
    var length: Int { isPlain ? width + 4 : width + 11 }

    private var least: UInt32 { isPlain ? 0 : 1 }
    private var greatest: UInt32 { isPlain ? 0 : InstanceID.maximum }

    var first: EIDPrefix { first(of: least) }

    private func first(of instance: UInt32) -> EIDPrefix {
        EIDPrefix(
            instanceID: InstanceID(uncheckedRawValue: instance),
            IPPrefix(family: family, leftAligned: 0, length: 0)
        )
    }

    private func last(of instance: UInt32) -> EIDPrefix {
        EIDPrefix(
            instanceID: InstanceID(uncheckedRawValue: instance),
            IPPrefix(family: family, leftAligned: .max, length: family.bitWidth)
        )
    }

    /// `nil` if all of this form come before.
    ///
    /// - Precondition: as many octets as this form has.
    func place(of octets: [UInt8]) -> EIDPlace? {
        var rest = octets[...]
        let head: [UInt8] = isPlain ? [0, afi, UInt8(width)] : [0x40, 0x03, UInt8(width + 7), 2]
        switch compare(&rest, with: head) {
        case .before: return .before(first)
        case .after: return nil
        case .same: break
        }
        var instance: UInt32 = 0
        if !isPlain {
            instance = rest.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
            rest = rest.dropFirst(4)
            if instance < least { return .before(first) }
            if instance > greatest { return nil }
            switch compare(&rest, with: [0, afi]) {
            case .before: return .before(first(of: instance))
            case .after: return .after(last(of: instance))
            case .same: break
            }
        }
        let number = rest.dropLast().reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        let address = number << UInt128(128 - Int(family.bitWidth))
        guard let mask = rest.last else { return nil }
        // As many bits as are set need that long a mask at least.
        let shortest = address == 0 ? 0 : UInt8(128 - address.trailingZeroBitCount)
        let length = max(mask, shortest)
        func prefix(_ length: UInt8) -> EIDPrefix {
            EIDPrefix(
                instanceID: InstanceID(uncheckedRawValue: instance),
                IPPrefix(family: family, leftAligned: address, length: length)
            )
        }
        guard length <= family.bitWidth else { return .after(prefix(family.bitWidth)) }
        return length == mask ? .at(prefix(length)) : .before(prefix(length))
    }

    private func compare(_ octets: inout ArraySlice<UInt8>, with expected: [UInt8]) -> Order {
        let found = octets.prefix(expected.count)
        octets = octets.dropFirst(expected.count)
        if found.elementsEqual(expected) { return .same }
        return found.lexicographicallyPrecedes(expected) ? .before : .after
    }
}
