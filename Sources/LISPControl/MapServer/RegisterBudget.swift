// What strangers can make a Map-Server compute: docs/decisions/map-register-limits.md.
//
// A Map-Register that verifies costs nothing here. One that does not is charged, by the MACs that it made us compute, to its source
// and to a total. Where the total has nothing left, or the source and half of the total, Map-Registers are dropped before they are
// decoded, unless they are known:
// - by the xTR-ID, which nobody guesses, or by a nonce that follows the ETR's last one: such an ETR has a budget of its own;
// - by address and port from which an authentic one came lately: these have one of their own, too;
// - by the address alone: it has no other budget than the source, but is not counted among strangers.
// All who are known share a total of their own, so that strangers cannot use it up.

import LISPTables
import LISPWire

/// The network of one who sends: an IPv4 address, or 64 bits of IPv6, of which one host has as many addresses as it likes.
package struct NetworkOfOne: Hashable, Sendable {
    private let bits: UInt64
    private let isIPv6: Bool

    init(_ address: IPAddress) {
        switch address {
        case .v4(let address):
            bits = UInt64(address.rawValue)
            isIPv6 = false
        case .v6(let address):
            bits = UInt64(truncatingIfNeeded: address.rawValue >> 64)
            isIPv6 = true
        }
    }
}

/// What can be read of a Map-Register without decoding its records.
struct MapRegisterHead: Hashable, Sendable {
    let etr: ETRIdentity
    let message: NonceHistory.Message

    /// `nil` for what is too short to be one.
    init?(_ payload: [UInt8], from source: IPAddress) {
        guard payload.count >= 16 else { return nil }
        func number(_ range: Range<Int>) -> UInt64 { payload[range].reduce(0) { $0 << 8 | UInt64($1) } }
        let authentication = min(Int(number(14..<16)), payload.count - 16, 8)
        message = NonceHistory.Message(nonce: number(4..<12), mac: number(16..<16 + authentication))
        // I-bit: xTR-ID and Site-ID stand at the end.
        if payload[0] & 0x02 != 0, payload.count >= 40 {
            let start = payload.count - 24
            let id = UInt128(number(start..<start + 8)) << 64 | UInt128(number(start + 8..<start + 16))
            etr = .named(XTRID(rawValue: id), SiteID(rawValue: number(start + 16..<start + 24)))
        } else {
            etr = .source(source)
        }
    }
}

package struct RegisterBudget: Sendable {
    /// Who pays if the message turns out not to be authentic.
    package enum Payer: Sendable {
        case stranger(NetworkOfOne)
        case acquaintance(NetworkOfOne)
        case endpoint(Endpoint)
        case etr(ETRIdentity)
        case successor(ETRIdentity)
    }

    enum Verdict: Sendable {
        case admitted(Payer)
        case tooManyFromSource
        case tooManyInAll
    }

    /// How long an address is known after its last authentic Map-Register: as long as some registrations and more.
    private static let memory = Duration.seconds(600)
    /// Octets of a message that count as one MAC.
    private static let octetsPerMAC = 512

    private enum Known: Hashable {
        case endpoint(Endpoint)
        case etr(ETRIdentity)
        case successor(ETRIdentity)
    }

    private var sources: BudgetTable
    private var acquaintances: BudgetTable
    private var strangers: Budget
    private var known: Budget
    private var met = RecentlyMet(memory: memory, limit: 1 << 18)
    private var sites: BudgetTable

    init(_ limits: MessageLimits) {
        let each = MessageLimits.rate(limits.failedMapRegistersPerSource)
        let total = MessageLimits.rate(limits.failedMapRegisters)
        sources = BudgetTable(each)
        acquaintances = BudgetTable(each)
        strangers = Budget(total)
        known = Budget(total)
        sites = BudgetTable(MessageLimits.rate(limits.mapRegistersPerSite))
    }

    mutating func limit(_ limits: MessageLimits) {
        let each = MessageLimits.rate(limits.failedMapRegistersPerSource)
        let total = MessageLimits.rate(limits.failedMapRegisters)
        sources.rate = each
        acquaintances.rate = each
        strangers.rate = total
        known.rate = total
        sites.rate = MessageLimits.rate(limits.mapRegistersPerSite)
    }

    /// Whether to look at a Map-Register at all.
    func verdict(
        on payload: [UInt8],
        from source: Endpoint,
        nonces: NonceGuard,
        now: Instant
    ) -> Verdict {
        let network = NetworkOfOne(source.address)
        let hasSource = sources.allows(network, now: now)
        // As long as nobody makes trouble, who it is does not matter.
        if hasSource ? strangers.allows(now: now) : strangers.isPlentiful(now: now) {
            return .admitted(.stranger(network))
        }
        let refusal = hasSource ? Verdict.tooManyInAll : .tooManyFromSource
        guard known.allows(now: now), let head = MapRegisterHead(payload, from: source.address) else { return refusal }
        switch nonces.acquaintance(of: head.etr, head.message) {
        case .successor where acquaintances.allows(Known.successor(head.etr), now: now):
            return .admitted(.successor(head.etr))
        case .known, .successor:
            // Without an xTR-ID whoever spoofs its address is as good.
            if case .named = head.etr, acquaintances.allows(Known.etr(head.etr), now: now) {
                return .admitted(.etr(head.etr))
            }
        case .stranger:
            break
        }
        if met.contains(source, now: now), acquaintances.allows(Known.endpoint(source), now: now) {
            return .admitted(.endpoint(source))
        }
        return hasSource && met.contains(network, now: now) ? .admitted(.acquaintance(network)) : refusal
    }

    /// The message was not authentic, or was an old one again.
    ///
    /// - Parameters:
    ///   - macs: how many MACs it made us compute.
    ///   - octets: over how many octets each.
    mutating func failed(_ payer: Payer, macs: Int, octets: Int, now: Instant) {
        let cost = max(1, macs * (1 + octets / Self.octetsPerMAC))
        switch payer {
        case .stranger(let network):
            sources.charge(network, cost, now: now)
            strangers.charge(cost, now: now)
            return
        case .acquaintance(let network): sources.charge(network, cost, now: now)
        case .endpoint(let endpoint): acquaintances.charge(Known.endpoint(endpoint), cost, now: now)
        case .etr(let etr): acquaintances.charge(Known.etr(etr), cost, now: now)
        case .successor(let etr): acquaintances.charge(Known.successor(etr), cost, now: now)
        }
        known.charge(cost, now: now)
    }

    /// An authentic message that is no repetition came from there.
    mutating func verified(_ source: Endpoint, now: Instant) {
        met.meet(source, now: now)
        met.meet(NetworkOfOne(source.address), now: now)
    }

    /// Whether a site, by its index, may have another authentic Map-Register.
    func allows(site: Int, now: Instant) -> Bool { sites.allows(site, now: now) }

    mutating func accepted(site: Int, now: Instant) { sites.charge(site, now: now) }
}
