// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Which locator of a set a flow uses (RFC 9300 section 9, RFC 9301 section 5.4): the usable ones of the lowest priority
// share flows by weight; if all their weights are 0, evenly. Priority 255 is never used; the table does not hold it.

import Synchronization

enum LocatorChoice {
    /// The cell of the member for a flow with this hash; the same one as long as set and usability stay. `nil` if none is usable.
    @inline(__always)
    static func choose(_ set: LocatorSetBody, hash: UInt32) -> UnsafeMutablePointer<LocatorCell>? {
        var start = 0
        // Safe: every index stays below `set.count`; 255 weights of a byte fit 32 bits.
        while start < set.count {
            let priority = set.members[start].priority
            var end = start
            var usable: UInt32 = 0
            var total: UInt32 = 0
            while end < set.count, set.members[end].priority == priority {
                if isUsable(set.cell(end)) {
                    usable &+= 1
                    total &+= UInt32(set.members[end].weight)
                }
                end &+= 1
            }
            if usable == 1 || total == 0 && usable > 0 {
                return pick(set, start, end, UInt32(truncatingIfNeeded: (UInt64(hash) &* UInt64(usable)) >> 32), nil)
            }
            if usable > 0 {
                let point = UInt32(truncatingIfNeeded: (UInt64(hash) &* UInt64(total)) >> 32)
                return pick(set, start, end, nil, point)
            }
            start = end
        }
        return nil
    }

    @inline(__always)
    private static func isUsable(_ cell: UnsafeMutablePointer<LocatorCell>) -> Bool {
        cell.pointee.usable.load(ordering: .relaxed) != 0
    }

    /// The usable member number `ordinal`, or the one whose share of the weights holds `point`. If one went down since
    /// they were counted, the last usable one.
    @inline(__always)
    private static func pick(
        _ set: LocatorSetBody,
        _ start: Int,
        _ end: Int,
        _ ordinal: UInt32?,
        _ point: UInt32?
    ) -> UnsafeMutablePointer<LocatorCell>? {
        var last: UnsafeMutablePointer<LocatorCell>?
        var left = ordinal ?? point ?? 0
        var index = start
        while index < end {
            let cell = set.cell(index)
            let weight = set.members[index].weight
            index &+= 1
            guard isUsable(cell) else { continue }
            let share = ordinal != nil ? 1 : UInt32(weight)
            if left < share { return cell }
            left &-= share
            if share > 0 { last = cell }
        }
        return last
    }
}
