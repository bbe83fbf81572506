// Unsolicited Map-Notifies: repeated until acknowledged or given up (RFC 9301 section 5.7).

import LISPTables
import LISPWire

/// At most one is under way for each registration; a newer one takes the place of the older. In all there are at most `limit`;
/// beyond that there is none for others.
struct MapNotifier: Sendable {
    /// Three repeats at 3 s, then three with doubled intervals; then as long again for the last answer.
    static let intervals: [Duration] = [3, 3, 3, 6, 12, 24, 24].map { .seconds($0) }

    static let limit = 10_000

    private struct Pending {
        let registration: SiteRegistry.Key
        let key: AuthenticationKey
        let datagram: ControlDatagram
        var repeats = 0
    }

    private var pending: [Nonce: Pending] = [:]
    private var nonces: [SiteRegistry.Key: Nonce] = [:]
    private var deadlines = DeadlineQueue<Nonce>()
    private let limit: Int

    init(limit: Int = Self.limit) {
        self.limit = limit
    }

    var count: Int { pending.count }

    /// The Map-Notify that tells an ETR of `record`; `nil` at the limit.
    ///
    /// - Parameter nonce: random.
    mutating func notify(
        _ registration: ETRRegistration,
        for prefix: EIDPrefix,
        of record: EIDRecord,
        nonce: Nonce,
        now: Instant
    ) -> ControlDatagram? {
        let key = SiteRegistry.Key(prefix: prefix, etr: registration.etr)
        cancel(key)
        guard pending.count < limit else { return nil }
        var payload = MapNotify(
            nonce: nonce,
            authentication: Authentication(placeholderFor: registration.key),
            records: [record],
            xtrID: registration.xtrID,
            siteID: registration.siteID
        ).encoded()
        registration.key.sign(&payload)
        let datagram = ControlDatagram(
            payload: payload,
            destination: .control(registration.source.address),
            source: registration.local
        )
        pending[nonce] = Pending(registration: key, key: registration.key, datagram: datagram)
        nonces[key] = nonce
        deadlines.set(nonce, at: now + Self.intervals[0])
        return datagram
    }

    /// Nothing more is to be told to this ETR about this EID-prefix.
    mutating func cancel(_ registration: SiteRegistry.Key) {
        guard let nonce = nonces.removeValue(forKey: registration) else { return }
        pending[nonce] = nil
        deadlines.remove(nonce)
    }

    enum Acknowledgement {
        case accepted
        case unasked
        case refused
    }

    /// A Map-Notify-Ack arrived; `message` is its UDP payload.
    mutating func acknowledged(_ nonce: Nonce, message: [UInt8]) -> Acknowledgement {
        guard let waiting = pending[nonce] else { return .unasked }
        guard waiting.key.verifies(message) == .ok else { return .refused }
        cancel(waiting.registration)
        return .accepted
    }

    mutating func deadline() -> Instant? { deadlines.next }

    enum Due {
        case repeated(ControlDatagram)
        case givenUp(SiteRegistry.Key)
    }

    /// At most `limit` of those that are due.
    mutating func timeout(now: Instant, limit: Int) -> [Due] {
        var due: [Due] = []
        while due.count < limit, let nonce = deadlines.popDue(now), let waiting = pending[nonce] {
            let repeats = waiting.repeats + 1
            if repeats < Self.intervals.count {
                pending[nonce]?.repeats = repeats
                deadlines.set(nonce, at: now + Self.intervals[repeats])
                due.append(.repeated(waiting.datagram))
            } else {
                cancel(waiting.registration)
                due.append(.givenUp(waiting.registration))
            }
        }
        return due
    }
}
