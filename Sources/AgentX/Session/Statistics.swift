/// What an operator may want to know of a subagent. Counters start with the process.
public struct AgentXStatistics: Hashable, Sendable, Codable {
    public enum State: String, Hashable, Sendable, Codable {
        case stopped
        /// Nobody listens, or an attempt failed; the next one is due later.
        case waiting
        case connecting
        /// Connected, and not yet accepted by the master.
        case opening
        case open
    }

    public var state = State.stopped
    /// The master's name of this session.
    public var sessionID: UInt32?
    public var sessionsOpened: UInt64 = 0
    public var sessionsLost: UInt64 = 0
    public var connectionsFailed: UInt64 = 0
    /// Regions the master has accepted, of those that are wanted.
    public var regionsRegistered = 0
    public var regionsWanted = 0

    // Requests of the master.
    public var gets: UInt64 = 0
    public var getNexts: UInt64 = 0
    public var getBulks: UInt64 = 0
    public var testSets: UInt64 = 0
    public var commitSets: UInt64 = 0
    public var undoSets: UInt64 = 0
    public var cleanupSets: UInt64 = 0
    /// Variables in answers.
    public var variables: UInt64 = 0
    /// Answers with an error.
    public var refusals: UInt64 = 0
    /// What could not be parsed.
    public var malformed: UInt64 = 0
    /// Rows that a source gave in a wrong order; each ended the walk of a column.
    public var disorder: UInt64 = 0

    public var pings: UInt64 = 0
    /// Taken by the master.
    public var notificationsSent: UInt64 = 0
    /// Waiting for the master, or for its acknowledgement.
    public var notificationsWaiting = 0
    /// There was no room for them.
    public var notificationsLost: UInt64 = 0
    /// The master would not have them.
    public var notificationsRefused: UInt64 = 0

    /// What went wrong last, in words; errors by the name the master gave.
    public var lastError: String?

    public init() {}
}

/// What happens to a subagent that is worth an operator's attention.
public enum AgentXEvent: Hashable, Sendable {
    /// The master has accepted it.
    case opened
    /// There was a session, and it is over.
    case lost(String)
    /// There is no way to the master. Told once, until there is one or the reason is another.
    case unreachable(String)
    case registrationRefused(Registration, ErrorStatus)
    case capabilitiesRefused(OID, ErrorStatus)
    case indexRefused(OID, ErrorStatus)
    /// The queue is full. Told once until it has room again.
    case notificationsLost
    case notificationRefused(ErrorStatus)

    public var isError: Bool { self != .opened }
}

extension AgentXEvent: CustomStringConvertible {
    public var description: String {
        switch self {
        case .opened: "AgentX session open"
        case .lost(let reason): "AgentX session lost: \(reason)"
        case .unreachable(let reason): "AgentX master not reached: \(reason)"
        case .registrationRefused(let region, let error):
            "AgentX master refuses to register \(region.subtree): \(error)"
        case .capabilitiesRefused(let id, let error): "AgentX master refuses the capabilities \(id): \(error)"
        case .indexRefused(let name, let error): "AgentX master refuses an index of \(name): \(error)"
        case .notificationsLost: "SNMP notifications are lost: too many wait for the AgentX master"
        case .notificationRefused(let error): "AgentX master refuses a notification: \(error)"
        }
    }
}
