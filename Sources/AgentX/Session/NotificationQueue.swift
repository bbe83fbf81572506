// Notifications until the master has acknowledged them. One that was sent and not acknowledged when the session ended is sent
// again in the next; a receiver may see it twice, which is better than never.

struct NotificationQueue {
    struct Item {
        let context: [UInt8]?
        let variables: [VarBind]
        let size: Int
    }

    private let limit: Int
    private let octetLimit: Int
    /// The first `sent` are on their way; the rest wait.
    private var items: [Item] = []
    private(set) var sent = 0
    private var octets = 0

    init(limit: Int, octetLimit: Int) {
        self.limit = limit
        self.octetLimit = octetLimit
    }

    var count: Int { items.count }

    /// - Returns: whether there was room.
    mutating func add(_ variables: [VarBind], context: [UInt8]?) -> Bool {
        let size = variables.reduce(context?.count ?? 0) { $0 + $1.size }
        guard items.count < limit, octets + size <= octetLimit else { return false }
        items.append(Item(context: context, variables: variables, size: size))
        octets += size
        return true
    }

    /// The next to be sent.
    mutating func send() -> Item? {
        guard sent < items.count else { return nil }
        sent += 1
        return items[sent - 1]
    }

    /// The master has answered the oldest that was sent. It answers in order.
    mutating func settled() {
        guard sent > 0 else { return }
        octets -= items.removeFirst().size
        sent -= 1
    }

    /// The session is over: those sent wait again.
    mutating func recall() { sent = 0 }
}

extension VarBind {
    /// Octets in a message, about.
    fileprivate var size: Int {
        let value =
            switch value {
            case .octetString(let octets), .opaque(let octets): octets.count
            case .objectIdentifier(let oid): 4 * oid.count
            default: 0
            }
        return 24 + 4 * name.count + value
    }
}
