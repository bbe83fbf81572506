// A SET in this session, RFC 2741 §7.2.4 and §7.3.1.
//
//     TestSet      every row and scalar says whether it can be changed. All or none: what was prepared before a refusal is let go
//     CommitSet    each change is made, in order, until one fails
//     UndoSet      what was made is taken back, the last first; the end
//     CleanupSet   the end. Where a commit failed and no UndoSet came, what was made is taken back all the same
//     session lost what was made is taken back, since nobody can say that it was wanted
//
// RFC 2741 has all variables of a session in one TestSet. net-snmp sends one for each region registered, under one transaction,
// and as many of what follows; so a transaction has parts, which go through this one after the other.

struct SetTransaction {
    private struct Part {
        enum State {
            /// Leads to `committed` or `failed`, or is dropped.
            case tested
            /// Dropped by whatever comes.
            case committed
            /// Some changes were made, then one failed. Dropped by whatever comes.
            case failed
        }

        var state: State
        /// With the first of their variables, counted from 1.
        let changes: [(index: UInt16, change: Change)]
        /// How many of them are made.
        var made = 0

        /// Takes back what was made. Goes on where that fails, and tells of the first failure.
        mutating func undo() -> UInt16? {
            var failure: UInt16?
            for (index, change) in changes[..<made].reversed() {
                do throws(SetFailure) { try change.undo() } catch { failure = failure ?? index }
            }
            made = 0
            return failure
        }

        func cleanUp() {
            for (_, change) in changes { change.cleanUp() }
        }
    }

    let id: UInt32
    private var parts: [Part] = []

    init(id: UInt32) { self.id = id }

    /// Whether nothing of it is left to be done.
    var isOver: Bool { parts.isEmpty }

    /// A TestSet went well.
    mutating func add(_ changes: [(index: UInt16, change: Change)]) {
        parts.append(Part(state: .tested, changes: changes))
    }

    /// - Returns: noError, or commitFailed with the variable; `nil` if nothing was tested.
    mutating func commit() -> (ErrorStatus, UInt16)? {
        guard let place = parts.firstIndex(where: { $0.state == .tested }) else { return nil }
        for (index, change) in parts[place].changes {
            do throws(SetFailure) {
                try change.commit()
            } catch {
                parts[place].state = .failed
                return (.commitFailed, index)
            }
            parts[place].made += 1
        }
        parts[place].state = .committed
        return (.noError, 0)
    }

    /// - Returns: noError, or undoFailed with the variable; `nil` if nothing was tested.
    mutating func undo() -> (ErrorStatus, UInt16)? {
        guard !parts.isEmpty else { return nil }
        // A master that undoes what it never committed is right, too: there is nothing to take back.
        var part = parts.remove(at: parts.firstIndex { $0.state != .tested } ?? 0)
        let failure = part.undo()
        part.cleanUp()
        return failure.map { (.undoFailed, $0) } ?? (.noError, 0)
    }

    mutating func cleanUp() {
        guard !parts.isEmpty else { return }
        var part = parts.removeFirst()
        if case .failed = part.state { _ = part.undo() }
        part.cleanUp()
    }

    /// The master has begun another SET without an end to this one.
    mutating func cleanUpAll() {
        while !isOver { cleanUp() }
    }

    /// The session is lost.
    mutating func rollBack() {
        for place in parts.indices.reversed() {
            _ = parts[place].undo()
            parts[place].cleanUp()
        }
        parts = []
    }
}

/// The work on one TestSet: one row or scalar a step.
struct SetTest {
    private struct Group {
        let object: MIBObject
        /// Counted from 0.
        var places: [Int] = []
    }

    private struct Key: Hashable {
        let object: OID
        let group: OID
    }

    private let variables: [VarBind]
    private var groups: [Group] = []
    private var tested = 0
    private var changes: [(index: UInt16, change: Change)] = []
    private var refusal: (ErrorStatus, UInt16)?

    enum Outcome {
        case more
        case passed([(index: UInt16, change: Change)])
        case refused(ErrorStatus, UInt16)
    }

    init(_ variables: [VarBind], _ tree: MIBTree?) {
        self.variables = variables
        var found: [Key: Int] = [:]
        for (place, variable) in variables.enumerated() {
            guard let object = tree?.object(of: variable.name) else {
                refusal = (.notWritable, Self.index(place))
                return
            }
            let key = Key(object: object.oid, group: object.group(of: variable.name))
            let group = found[key] ?? groups.count
            if group == groups.count {
                found[key] = group
                groups.append(Group(object: object))
            }
            groups[group].places.append(place)
        }
    }

    mutating func step() -> Outcome {
        if let refusal { return .refused(refusal.0, refusal.1) }
        guard tested < groups.count else { return .passed(changes) }
        let group = groups[tested]
        tested += 1
        switch group.object.test(group.places.map { variables[$0] }) {
        case .success(let change):
            changes.append((Self.index(group.places[0]), change))
            return .more
        case .failure(let failure):
            abandon()
            return .refused(failure.status, Self.index(group.places[failure.index]))
        }
    }

    /// Lets go of what was prepared.
    mutating func abandon() {
        for (_, change) in changes { change.cleanUp() }
        changes = []
    }

    private static func index(_ place: Int) -> UInt16 { UInt16(clamping: place + 1) }
}
