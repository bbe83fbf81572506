// Hot path while traffic is counted for EID-prefixes at this end: no allocation but for the block at a prefix's first packet, no
// existential, no lock, no log line, no `throws`. Nothing of it runs, but for a comparison a packet, while nobody counts.

import ForwardingInterface
import LISPWire
import Synchronization

/// What the packets of one source are counted for, for as long as packets come from there in a row.
struct LastAccount {
    var instance: UnsafeMutablePointer<InstanceObject>?
    /// `nil`: nothing was looked up yet.
    var family: AddressFamily?
    var source = TrieKey(high: 0, low: 0)
    var account: UnsafeMutablePointer<MappingObject>?
}

/// Packets in a row for one destination that are still to be counted.
struct AccountRun {
    var instance: UnsafeMutablePointer<InstanceObject>?
    /// `nil`: nothing was looked up yet.
    var family: AddressFamily?
    var destination = TrieKey(high: 0, low: 0)
    var account: UnsafeMutablePointer<MappingObject>?
    /// 4 or 6.
    var outerFamily: UInt32 = 0
    var packets: UInt64 = 0
    var octets: UInt64 = 0
}

extension Worker where Device: ~Copyable {
    /// Of a packet that leaves the site; `nil` if nobody counts.
    @inline(never)
    mutating func account(of inner: InnerPacket, _ instance: InstanceReader) -> UnsafeMutablePointer<MappingObject>? {
        guard countsAccounts else { return nil }
        if lastAccount.family != inner.family || lastAccount.source != inner.source
            || lastAccount.instance != instance.object
        {
            lastAccount = LastAccount(
                instance: instance.object,
                family: inner.family,
                source: inner.source,
                account: instance.account(inner.family, inner.source)
            )
        }
        return lastAccount.account
    }

    @inline(__always)
    var countsAccounts: Bool { hints.pointee.load(ordering: .relaxed) & HintsWord.accounts != 0 }

    /// - Parameter family: of the outer headers.
    @inline(never)
    func countSent(_ run: Run, _ account: UnsafeMutablePointer<MappingObject>, over family: AddressFamily) {
        guard let block = CounterBlocks.block(of: account) else { return }
        block.pointee.encapsulated.add(packets: run.packets, octets: run.octets)
        if let part = CounterBlocks.block(of: UInt32(family.number), in: block) {
            part.pointee.encapsulated.add(packets: run.packets, octets: run.octets)
        }
    }

    /// A packet for an address at this end.
    ///
    /// - Parameter family: of the outer headers; one batch has no others.
    mutating func countReceived(_ inner: InnerPacket, _ instance: InstanceReader, over family: UInt8) {
        if accountRun.family != inner.family || accountRun.destination != inner.destination
            || accountRun.instance != instance.object
        {
            flushAccount()
            accountRun = AccountRun(
                instance: instance.object,
                family: inner.family,
                destination: inner.destination,
                account: instance.account(inner.family, inner.destination),
                outerFamily: UInt32(family)
            )
        }
        accountRun.packets &+= 1
        accountRun.octets &+= UInt64(truncatingIfNeeded: inner.length)
    }

    /// To be called at the end of a batch: until the next, accounts may go.
    @inline(never)
    mutating func flushAccount() {
        let run = accountRun
        accountRun = AccountRun()
        guard run.packets > 0, let account = run.account, let block = CounterBlocks.block(of: account) else { return }
        block.pointee.decapsulated.add(packets: run.packets, octets: run.octets)
        if let part = CounterBlocks.block(of: run.outerFamily, in: block) {
            part.pointee.decapsulated.add(packets: run.packets, octets: run.octets)
        }
    }
}
