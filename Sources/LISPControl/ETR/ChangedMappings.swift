// Mappings that have changed, until ITRs are told. The Map-Servers come first, since that is whom the ITRs will ask.

import LISPTables
import LISPWire

/// Waits for the Map-Servers, but not for long.
///
/// Does no I/O and reads no clock. The owner says which mappings a Map-Server has still to acknowledge, and calls `timeout` at
/// `deadline`.
struct ChangedMappings: Sendable {
    /// How long the Map-Notify is waited for. A Map-Register that left so long ago comes before the question of an ITR that is
    /// told now.
    static let patience = Duration.milliseconds(250)

    private var changed: Set<EIDPrefix> = []
    /// Told before the Map-Servers acknowledged: told once more when they have.
    private var early: Set<EIDPrefix> = []
    private(set) var deadline: Instant?

    /// Nobody waits for a Map-Notify.
    var isEmpty: Bool { changed.isEmpty && early.isEmpty }

    mutating func changed(_ eids: some Sequence<EIDPrefix>, now: Instant) {
        changed.formUnion(eids)
        early.subtract(changed)
        guard !changed.isEmpty else { return }
        deadline = deadline ?? now + Self.patience
    }

    /// A Map-Server acknowledged a registration.
    ///
    /// - Parameter open: EID-prefixes that a Map-Server has yet to acknowledge, or to forget.
    /// - Returns: whose ITRs are to be told.
    mutating func acknowledged(open: Set<EIDPrefix>) -> [EIDPrefix] {
        var told: Set<EIDPrefix> = []
        if changed.isDisjoint(with: open) {
            told = changed
            changed = []
            deadline = nil
        }
        let late = early.subtracting(open)
        early.subtract(late)
        return told.union(late).sorted()
    }

    func isDue(_ now: Instant) -> Bool { deadline.map { now >= $0 } ?? false }

    /// The time is up. As `acknowledged`, for all of them.
    mutating func timeout(open: Set<EIDPrefix>) -> [EIDPrefix] {
        defer {
            changed = []
            deadline = nil
        }
        early.formUnion(changed.intersection(open))
        return changed.sorted()
    }
}
