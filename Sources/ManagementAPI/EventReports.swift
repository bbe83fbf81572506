// What happened, one member an event.

/// `lispctl show events`; `lispctl monitor` asks for it again and again.
package struct EventsReport: Codable, Sendable, Equatable {
    /// Oldest first.
    package var events: [Event]
    /// The sequence number of the newest event that there is; 0 if there is none.
    package var latest: UInt64
    /// How many of the events in between, or after the one that was asked from, are kept no longer.
    package var missed: UInt64

    package init(events: [Event], latest: UInt64, missed: UInt64 = 0) {
        self.events = events
        self.latest = latest
        self.missed = missed
    }
}

/// One thing that happened to the router, with what it is about where that is one.
package struct Event: Codable, Sendable, Equatable {
    package enum Severity: String, Codable, Sendable, CaseIterable {
        case info
        case notice
        case warning
        case error
    }

    /// Counts from 1 with the daemon.
    package var sequence: UInt64
    /// Of the wall clock, since 1970-01-01 UTC.
    package var milliseconds: Int64
    /// An `EventKind`, as text: later versions have more.
    package var kind: String
    package var severity: Severity
    /// One line for the operator.
    package var text: String
    package var instanceID: UInt32?
    package var eidPrefix: String?
    /// An RLOC of ours or of others.
    package var locator: String?
    /// The Map-Server, Map-Resolver, ETR or sender that it is about: its address.
    package var peer: String?
    package var site: String?
    /// How many of the same kind before it were left out, since they came too fast.
    package var leftOut: UInt64?

    /// Without number and time: who keeps it gives it those.
    package init(
        _ kind: EventKind,
        _ severity: Severity,
        _ text: String,
        instanceID: UInt32? = nil,
        eidPrefix: String? = nil,
        locator: String? = nil,
        peer: String? = nil,
        site: String? = nil
    ) {
        self.sequence = 0
        self.milliseconds = 0
        self.kind = kind.rawValue
        self.severity = severity
        self.text = text
        self.instanceID = instanceID
        self.eidPrefix = eidPrefix
        self.locator = locator
        self.peer = peer
        self.site = site
    }

    /// The text, and how many like it were left out.
    package var line: String { leftOut.map { "\(text) (\($0) more such events were left out before it)" } ?? text }
}
