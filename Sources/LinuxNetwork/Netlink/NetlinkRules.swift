// Policy routing rules: `ip rule`.

import CNetlink
import Glibc
import HostRouting
import LISPWire

/// A rule as the kernel lists it.
package struct ListedRule: Sendable {
    package var family: AddressFamily
    package var priority: UInt32
    /// Which program installed it: 216 is ours.
    package var routingProtocol: UInt8
    /// The table that a lookup goes to, 0 if the rule does something else.
    package var table: UInt32
    /// The rule as we write them; `nil` if it says anything that no rule of ours says.
    package var rule: PolicyRule?
    /// The message behind its header: sent back, it deletes exactly this rule.
    var payload: [UInt8]

    init?(_ message: ReceivedMessage) {
        guard let header = message.body(as: fib_rule_hdr.self), let family = AddressFamily(netlinkValue: header.family)
        else { return nil }
        let attributes = message.attributes(after: fib_rule_hdr.self)
        self.family = family
        priority = attributes.integer(FRA_PRIORITY) ?? 0
        routingProtocol = attributes.integer(FRA_PROTOCOL) ?? 0
        table = attributes.integer(FRA_TABLE) ?? UInt32(header.table)
        payload = Array(message.payload)
        rule = Self.rule(family, priority, table: table, header, attributes)
    }

    private static func rule(
        _ family: AddressFamily,
        _ priority: UInt32,
        table: UInt32,
        _ header: fib_rule_hdr,
        _ attributes: NetlinkAttributes
    ) -> PolicyRule? {
        func prefix(_ type: some BinaryInteger, length: UInt8) -> IPPrefix?? {
            if length == 0 { return .some(nil) }
            return attributes.address(type, family).flatMap { IPPrefix($0, length: length) }.map { .some($0) }
        }
        let action: PolicyRule.Action
        switch Int(header.action) {
        case FR_ACT_TO_TBL: action = .lookup(table: table)
        case FR_ACT_GOTO: action = .goTo(priority: attributes.integer(FRA_GOTO) ?? 0)
        case FR_ACT_UNREACHABLE: action = .unreachable
        case FR_ACT_NOP: action = .nop
        default: return nil
        }
        let mark: UInt32? = attributes.integer(FRA_FWMARK)
        let mask: UInt32? = attributes.integer(FRA_FWMASK)
        let foreign = [FRA_OIFNAME, FRA_UID_RANGE, FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_TUN_ID]
        guard header.tos == 0, header.flags & UInt32(FIB_RULE_INVERT) == 0,
            mark == nil || mask == nil || mask == .max,
            !foreign.contains(where: { attributes[$0] != nil }),
            attributes.integer(FRA_IP_PROTO, as: UInt8.self) ?? 0 == 0,
            attributes.integer(FRA_L3MDEV, as: UInt8.self) ?? 0 == 0,
            let from = prefix(FRA_SRC, length: header.src_len), let to = prefix(FRA_DST, length: header.dst_len)
        else { return nil }
        // The kernel lists -1 where nothing is suppressed.
        let suppressed = attributes.integer(FRA_SUPPRESS_PREFIXLEN, as: UInt32.self).flatMap { $0 == .max ? nil : $0 }
        return PolicyRule(
            family,
            priority: priority,
            mark: mark,
            from: from,
            to: to,
            inputInterface: attributes.string(FRA_IIFNAME),
            suppressPrefixLength: suppressed,
            action
        )
    }
}

extension NetlinkSocket {
    /// The rules of both families, in the kernel's order, or those that `routingProtocol` marks.
    package func rules(routingProtocol: UInt8? = nil) throws(HostError) -> [ListedRule] {
        var rules: [ListedRule] = []
        for family in AddressFamily.allCases {
            var header = fib_rule_hdr()
            header.family = family.netlinkValue
            do {
                rules += try dump("list the \(family) rules", type: RTM_GETRULE, body: header) { ListedRule($0) }
            } catch  where error.code == EAFNOSUPPORT || error.code == EOPNOTSUPP {
                // A kernel without IPv6 has no IPv6 rules.
                continue
            }
        }
        return rules.filter { routingProtocol == nil || $0.routingProtocol == routingProtocol }
    }

    /// Adds a rule behind those of the same priority. One that is there already is left as it is.
    package func add(
        _ rule: PolicyRule,
        routingProtocol: UInt8 = HostNumbers.routingProtocol
    ) throws(HostError) {
        do {
            let flags = NLM_F_CREATE | NLM_F_EXCL
            let message = Self.message(RTM_NEWRULE, flags: flags, rule, routingProtocol: routingProtocol)
            try request("add \(rule.family) rule \(rule)", message)
        } catch  where error.code == EEXIST {
            return
        }
    }

    /// Deletes a rule. One that is not there is no error.
    package func delete(
        _ rule: PolicyRule,
        routingProtocol: UInt8 = HostNumbers.routingProtocol
    ) throws(HostError) {
        do {
            let message = Self.message(RTM_DELRULE, flags: 0, rule, routingProtocol: routingProtocol)
            try request("delete \(rule.family) rule \(rule)", message)
        } catch  where error.code == ENOENT {
            return
        }
    }

    /// Deletes exactly the listed rule, whatever it says. One that is gone is no error.
    package func delete(_ listed: ListedRule) throws(HostError) {
        do {
            let message = NetlinkMessage(type: RTM_DELRULE, payload: listed.payload)
            try request("delete \(listed.family) rule \(listed.priority)", message)
        } catch  where error.code == ENOENT {
            return
        }
    }

    private static func message(
        _ type: Int,
        flags: Int32,
        _ rule: PolicyRule,
        routingProtocol: UInt8
    ) -> NetlinkMessage {
        let message = NetlinkMessage(type: type, flags: flags)
        var header = fib_rule_hdr()
        header.family = rule.family.netlinkValue
        header.src_len = rule.from?.length ?? 0
        header.dst_len = rule.to?.length ?? 0
        switch rule.action {
        case .lookup: header.action = UInt8(FR_ACT_TO_TBL)
        case .goTo: header.action = UInt8(FR_ACT_GOTO)
        case .unreachable: header.action = UInt8(FR_ACT_UNREACHABLE)
        case .nop: header.action = UInt8(FR_ACT_NOP)
        }
        message.body(header)
        message.attribute(FRA_PRIORITY, rule.priority)
        message.attribute(FRA_PROTOCOL, routingProtocol)
        if let from = rule.from, from.length > 0 { message.attribute(FRA_SRC, from.address) }
        if let to = rule.to, to.length > 0 { message.attribute(FRA_DST, to.address) }
        if let mark = rule.mark {
            message.attribute(FRA_FWMARK, mark)
            message.attribute(FRA_FWMASK, UInt32.max)
        }
        if let inputInterface = rule.inputInterface { message.attribute(FRA_IIFNAME, inputInterface) }
        if let length = rule.suppressPrefixLength { message.attribute(FRA_SUPPRESS_PREFIXLEN, length) }
        switch rule.action {
        case .lookup(let table): message.attribute(FRA_TABLE, table)
        case .goTo(let priority): message.attribute(FRA_GOTO, priority)
        case .unreachable, .nop: break
        }
        return message
    }
}
