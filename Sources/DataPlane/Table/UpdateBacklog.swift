// Updates that wait because a worker is stuck: the newest for each object, in the order of their coming. Bounded by the number
// of objects, however many updates there are.

import ForwardingInterface
import LISPWire

struct UpdateBacklog {
    private enum Object: Hashable {
        case locator(LocatorID)
        case locatorSet(LocatorSetID)
        case entry(EIDPrefix)
        case ownPrefix(EIDPrefix)

        init(_ update: ForwardingUpdate) {
            switch update {
            case .putLocator(let id, _, _, _, _), .deleteLocator(let id): self = .locator(id)
            case .putLocatorSet(let id, _), .deleteLocatorSet(let id): self = .locatorSet(id)
            case .putEntry(let prefix, _, _), .deleteEntry(let prefix): self = .entry(prefix)
            case .putOwnPrefix(let prefix), .deleteOwnPrefix(let prefix): self = .ownPrefix(prefix)
            }
        }
    }

    private var newest: [Object: (ticket: UInt64, update: ForwardingUpdate)] = [:]
    private var order: [(ticket: UInt64, object: Object)] = []
    private var head = 0
    private var nextTicket: UInt64 = 0

    var isEmpty: Bool { newest.isEmpty }
    var count: Int { newest.count }

    mutating func append(_ update: ForwardingUpdate) {
        let object = Object(update)
        newest[object] = (nextTicket, update)
        order.append((nextTicket, object))
        nextTicket += 1
        // Most of a long order is outdated: keep it within twice what is needed.
        if order.count - head > 64, order.count - head > newest.count * 2 {
            order = order[head...].filter { newest[$0.object]?.ticket == $0.ticket }
            head = 0
        }
    }

    mutating func popFirst() -> ForwardingUpdate? {
        while head < order.count {
            let (ticket, object) = order[head]
            head += 1
            if head == order.count {
                order.removeAll(keepingCapacity: true)
                head = 0
            }
            if let entry = newest[object], entry.ticket == ticket {
                newest[object] = nil
                return entry.update
            }
        }
        return nil
    }
}
