// One rule of the kernel's policy routing (`ip rule`), as far as we install any.

import LISPWire

/// A policy routing rule. Always carries our routing protocol.
package struct PolicyRule: Hashable, Sendable {
    /// What happens to a packet that matches.
    package enum Action: Hashable, Sendable {
        /// Look it up in the table; without an answer there, the next rule is asked.
        case lookup(table: UInt32)
        /// Go on at the first rule of this priority, which must be a higher number.
        case goTo(priority: UInt32)
        case unreachable
        case nop
    }

    package var family: AddressFamily
    package var priority: UInt32
    /// The packet's mark, compared with all 32 bits.
    package var mark: UInt32?
    /// The source. In IPv4, 0.0.0.0/32 is a packet whose sender has not chosen an address. In IPv6, any prefix longer than
    /// /0 matches only packets that have a source already.
    package var from: IPPrefix?
    package var to: IPPrefix?
    /// The interface it came in by; `lo` for what this host sends itself. Need not exist.
    package var inputInterface: String?
    /// With `.lookup`: an answer whose prefix is this long or shorter does not count.
    package var suppressPrefixLength: UInt32?
    package var action: Action

    /// `from` and `to` are of the rule's family.
    package init(
        _ family: AddressFamily,
        priority: UInt32,
        mark: UInt32? = nil,
        from: IPPrefix? = nil,
        to: IPPrefix? = nil,
        inputInterface: String? = nil,
        suppressPrefixLength: UInt32? = nil,
        _ action: Action
    ) {
        precondition(from.map { $0.family == family } ?? true, "a rule's source is of its family")
        precondition(to.map { $0.family == family } ?? true, "a rule's destination is of its family")
        self.family = family
        self.priority = priority
        self.mark = mark
        self.from = from
        self.to = to
        self.inputInterface = inputInterface
        self.suppressPrefixLength = suppressPrefixLength
        self.action = action
    }
}

extension PolicyRule: Comparable {
    /// By family, then priority, then text: a fixed order of installation.
    package static func < (a: Self, b: Self) -> Bool {
        if a.family != b.family { return a.family < b.family }
        if a.priority != b.priority { return a.priority < b.priority }
        return a.description < b.description
    }
}

extension PolicyRule: CustomStringConvertible {
    /// As `ip rule` shows it: `10010: from all to 10.1.0.0/16 lookup main suppress_prefixlength 0`.
    package var description: String {
        var text = "\(priority): from \(from.map(\.description) ?? "all")"
        if let to { text += " to \(to)" }
        if let mark { text += " fwmark 0x\(String(mark, radix: 16))" }
        if let inputInterface { text += " iif \(inputInterface)" }
        switch action {
        case .lookup(HostNumbers.Table.main): text += " lookup main"
        case .lookup(let table): text += " lookup \(table)"
        case .goTo(let priority): text += " goto \(priority)"
        case .unreachable: text += " unreachable"
        case .nop: text += " nop"
        }
        if let suppressPrefixLength { text += " suppress_prefixlength \(suppressPrefixLength)" }
        return text
    }
}
