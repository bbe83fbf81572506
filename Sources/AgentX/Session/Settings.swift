/// What a subagent tells the master of itself, how patient it is, and how much it takes on.
public struct AgentXSettings: Sendable {
    /// What identifies the subagent; may be null. (o.id)
    public var id = OID()
    /// What the master calls it. (o.descr)
    public var description: String
    public var byteOrder = ByteOrder.host
    /// Seconds that the master may wait for an answer before it calls the subagent dead; 0 for what it likes. (o.timeout)
    public var timeout: UInt8 = 5

    /// How long the master may take to answer before it counts as dead. Longer than a busy one takes.
    public var responseTimeout = Duration.seconds(30)
    /// After so long a silence the master is asked whether it is there.
    public var pingInterval = Duration.seconds(15)
    /// Before the first attempt to connect again; doubled with each that fails.
    public var firstRetry = Duration.seconds(1)
    public var longestRetry = Duration.seconds(30)
    /// A session that lasted so long was a good one: after it, attempts begin with `firstRetry` again.
    public var stableAfter = Duration.seconds(10)
    /// When a region that the master refused is registered again.
    public var registrationRetry = Duration.seconds(30)

    /// Octets of a request that is taken; longer ones are refused. It is decoded in one go, so more of them would hold up the loop.
    public var requestLimit = 128 * 1024
    /// Octets of an answer; what needs more is refused with tooBig.
    public var answerLimit = 1024 * 1024
    /// A GetBulk gets no more repetitions once its answer has so many octets.
    public var bulkLimit = 48 * 1024
    /// Notifications that wait for the master to take them.
    public var notificationLimit = 1000
    /// Octets of these, about.
    public var notificationOctets = 1024 * 1024
    /// Notifications that are sent before the first of them is acknowledged.
    public var notificationsAtOnce = 16

    public init(description: String) {
        self.description = description
    }
}
