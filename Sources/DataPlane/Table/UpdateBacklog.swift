// Updates that wait because a worker is stuck: the newest for each object, children before parents. Bounded by the number of
// objects, however many updates there are.

import ForwardingInterface
import LISPWire

struct UpdateBacklog {
    private enum Object: Hashable {
        case locator(LocatorID)
        case locatorSet(LocatorSetID)
        case entry(EIDPrefix)
        case ownPrefix(EIDPrefix)
        case acceptedSource(EIDPrefix)
        case headerHints
        case echo(LocatorID)
        case errorSource(InstanceID, AddressFamily)
        case statusBits(EIDPrefix)
        case account(EIDPrefix)

        init(_ update: ForwardingUpdate) {
            switch update {
            case .putLocator(let id, _, _, _, _), .deleteLocator(let id): self = .locator(id)
            case .putLocatorSet(let id, _), .deleteLocatorSet(let id): self = .locatorSet(id)
            case .putEntry(let prefix, _, _), .deleteEntry(let prefix): self = .entry(prefix)
            case .putOwnPrefix(let prefix), .deleteOwnPrefix(let prefix): self = .ownPrefix(prefix)
            case .putAcceptedSource(let prefix), .deleteAcceptedSource(let prefix): self = .acceptedSource(prefix)
            case .setHeaderHints: self = .headerHints
            case .requestEcho(let id, _): self = .echo(id)
            case .setErrorSource(let instance, let family, _): self = .errorSource(instance, family)
            case .putStatusBits(let prefix, _): self = .statusBits(prefix)
            case .putAccount(let prefix, _), .deleteAccount(let prefix): self = .account(prefix)
            }
        }
    }

    /// Children before parents, deletions the other way round: the newest state of each object, put down in this order, never
    /// names one that is not there.
    private static func rank(_ update: ForwardingUpdate) -> Int {
        switch update {
        case .putLocator, .setHeaderHints: 0
        case .putLocatorSet, .requestEcho: 1
        case .putEntry, .putOwnPrefix, .putAcceptedSource, .putAccount, .setErrorSource: 2
        case .deleteEntry, .deleteOwnPrefix, .deleteAcceptedSource, .deleteAccount, .putStatusBits: 3
        case .deleteLocatorSet: 4
        case .deleteLocator: 5
        }
    }

    /// Objects of one rank, in the order of their coming; some of them outdated.
    private struct Queue {
        var order: [(ticket: UInt64, object: Object)] = []
        var head = 0
    }

    private var newest: [Object: (ticket: UInt64, update: ForwardingUpdate)] = [:]
    private var queues = [Queue](repeating: Queue(), count: 6)
    private var nextTicket: UInt64 = 0

    var isEmpty: Bool { newest.isEmpty }
    var count: Int { newest.count }

    mutating func append(_ update: ForwardingUpdate) {
        let object = Object(update)
        let rank = Self.rank(update)
        newest[object] = (nextTicket, update)
        queues[rank].order.append((nextTicket, object))
        nextTicket += 1
        // Most of a long order is outdated: keep it within twice what is needed.
        let waiting = queues[rank].order.count - queues[rank].head
        if waiting > 64, waiting > newest.count * 2 {
            let head = queues[rank].head
            queues[rank].order = queues[rank].order[head...].filter { newest[$0.object]?.ticket == $0.ticket }
            queues[rank].head = 0
        }
    }

    mutating func popFirst() -> ForwardingUpdate? {
        for rank in queues.indices {
            while queues[rank].head < queues[rank].order.count {
                let (ticket, object) = queues[rank].order[queues[rank].head]
                queues[rank].head += 1
                if queues[rank].head == queues[rank].order.count { queues[rank] = Queue() }
                if let entry = newest[object], entry.ticket == ticket {
                    newest[object] = nil
                    return entry.update
                }
            }
        }
        return nil
    }
}
