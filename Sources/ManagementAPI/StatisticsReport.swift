// Counters of the control plane and of the data plane.

/// `lispctl show statistics`
package struct StatisticsReport: Codable, Sendable, Equatable {
    /// One for each family that was asked for.
    package var control: [ControlStatistics]
    /// Messages that were dropped before any EID was known, by reason.
    package var controlDrops: [ReasonCount]
    package var formatErrors: FormatErrors
    /// Absent on a router that carries no packets.
    package var dataPlane: DataPlaneStatistics?
    /// Counters are from this moment on; absent: from the start of the daemon.
    package var lastCleared: Moment?

    package init(
        control: [ControlStatistics],
        controlDrops: [ReasonCount] = [],
        formatErrors: FormatErrors = FormatErrors(),
        dataPlane: DataPlaneStatistics? = nil,
        lastCleared: Moment? = nil
    ) {
        self.lastCleared = lastCleared
        self.control = control
        self.controlDrops = controlDrops
        self.formatErrors = formatErrors
        self.dataPlane = dataPlane
    }
}

/// Control messages that do not decode; they stand among the `controlDrops`, too.
package struct FormatErrors: Codable, Sendable, Equatable {
    package var mapRequests: UInt64
    package var mapReplies: UInt64
    package var otherMessages: UInt64
    /// Of the headers inside Encapsulated Control Messages.
    package var checksums: UInt64
    package var unsupportedTypes: UInt64

    package init(
        mapRequests: UInt64 = 0,
        mapReplies: UInt64 = 0,
        otherMessages: UInt64 = 0,
        checksums: UInt64 = 0,
        unsupportedTypes: UInt64 = 0
    ) {
        self.mapRequests = mapRequests
        self.mapReplies = mapReplies
        self.otherMessages = otherMessages
        self.checksums = checksums
        self.unsupportedTypes = unsupportedTypes
    }
}

/// How many there were of late, as of the last full five seconds.
package struct RecentCount: Codable, Sendable, Equatable {
    package var fiveSeconds: UInt64
    package var oneMinute: UInt64
    package var fiveMinutes: UInt64

    package init(fiveSeconds: UInt64 = 0, oneMinute: UInt64 = 0, fiveMinutes: UInt64 = 0) {
        self.fiveSeconds = fiveSeconds
        self.oneMinute = oneMinute
        self.fiveMinutes = fiveMinutes
    }
}

/// Control messages about EIDs of one family.
package struct ControlStatistics: Codable, Sendable, Equatable {
    package var family: EIDFamily
    package var mapRequests: InOut
    /// Of those that came in.
    package var recentMapRequests: RecentCount
    package var encapsulatedMapRequests: InOut
    package var probeMapRequests: InOut
    package var solicitMapRequests: InOut
    /// Ours that nobody answered.
    package var mapRequestsExpired: UInt64
    package var mapResolverForwarded: UInt64
    package var mapServerForwarded: UInt64
    package var mapReplyRecords: InOut
    package var authoritativeRecords: InOut
    package var nonAuthoritativeRecords: InOut
    package var negativeRecords: InOut
    package var probeRecords: InOut
    /// Records answered for an ETR.
    package var proxyReplyRecords: UInt64
    package var mapRegisterRecords: InOut
    /// Of those that came in.
    package var recentMapRegisterRecords: RecentCount
    package var registerUnknownEID: UInt64
    package var registerAuthenticationFailures: UInt64
    package var registerDisallowedLocators: UInt64
    package var registerOtherFailures: UInt64
    package var mapNotifyRecords: InOut
    package var mapNotifyAcknowledgements: InOut
    package var mapNotifyAuthenticationFailures: UInt64
    package var mapCacheCreated: UInt64
    package var mapCacheDeleted: UInt64
    /// Entries that gave way to others at the limit; among those deleted.
    package var mapCacheEvicted: UInt64
    /// Packets that wait or waited for a mapping.
    package var dataSignals: UInt64
    /// Packets without a mapping that were dropped at once.
    package var dataSignalsDropped: UInt64
    /// Map-Replies left unsent by the rate limit.
    package var repliesLimited: UInt64

    package init(
        family: EIDFamily,
        mapRequests: InOut = InOut(),
        recentMapRequests: RecentCount = RecentCount(),
        encapsulatedMapRequests: InOut = InOut(),
        probeMapRequests: InOut = InOut(),
        solicitMapRequests: InOut = InOut(),
        mapRequestsExpired: UInt64 = 0,
        mapResolverForwarded: UInt64 = 0,
        mapServerForwarded: UInt64 = 0,
        mapReplyRecords: InOut = InOut(),
        authoritativeRecords: InOut = InOut(),
        nonAuthoritativeRecords: InOut = InOut(),
        negativeRecords: InOut = InOut(),
        probeRecords: InOut = InOut(),
        proxyReplyRecords: UInt64 = 0,
        mapRegisterRecords: InOut = InOut(),
        recentMapRegisterRecords: RecentCount = RecentCount(),
        registerUnknownEID: UInt64 = 0,
        registerAuthenticationFailures: UInt64 = 0,
        registerDisallowedLocators: UInt64 = 0,
        registerOtherFailures: UInt64 = 0,
        mapNotifyRecords: InOut = InOut(),
        mapNotifyAcknowledgements: InOut = InOut(),
        mapNotifyAuthenticationFailures: UInt64 = 0,
        mapCacheCreated: UInt64 = 0,
        mapCacheDeleted: UInt64 = 0,
        mapCacheEvicted: UInt64 = 0,
        dataSignals: UInt64 = 0,
        dataSignalsDropped: UInt64 = 0,
        repliesLimited: UInt64 = 0
    ) {
        self.family = family
        self.mapRequests = mapRequests
        self.recentMapRequests = recentMapRequests
        self.encapsulatedMapRequests = encapsulatedMapRequests
        self.probeMapRequests = probeMapRequests
        self.solicitMapRequests = solicitMapRequests
        self.mapRequestsExpired = mapRequestsExpired
        self.mapResolverForwarded = mapResolverForwarded
        self.mapServerForwarded = mapServerForwarded
        self.mapReplyRecords = mapReplyRecords
        self.authoritativeRecords = authoritativeRecords
        self.nonAuthoritativeRecords = nonAuthoritativeRecords
        self.negativeRecords = negativeRecords
        self.probeRecords = probeRecords
        self.proxyReplyRecords = proxyReplyRecords
        self.mapRegisterRecords = mapRegisterRecords
        self.recentMapRegisterRecords = recentMapRegisterRecords
        self.registerUnknownEID = registerUnknownEID
        self.registerAuthenticationFailures = registerAuthenticationFailures
        self.registerDisallowedLocators = registerDisallowedLocators
        self.registerOtherFailures = registerOtherFailures
        self.mapNotifyRecords = mapNotifyRecords
        self.mapNotifyAcknowledgements = mapNotifyAcknowledgements
        self.mapNotifyAuthenticationFailures = mapNotifyAuthenticationFailures
        self.mapCacheCreated = mapCacheCreated
        self.mapCacheDeleted = mapCacheDeleted
        self.mapCacheEvicted = mapCacheEvicted
        self.dataSignals = dataSignals
        self.dataSignalsDropped = dataSignalsDropped
        self.repliesLimited = repliesLimited
    }
}

package struct DataPlaneStatistics: Codable, Sendable, Equatable {
    /// Of the instances that were asked for; what follows is of all.
    package var instances: [InstanceTraffic]
    /// Packets dropped, by reason.
    package var drops: [ReasonCount]
    /// Packets handed to the control plane for want of a mapping.
    package var misses: UInt64
    /// Those that waited for their mapping and were sent when it came.
    package var heldReleased: UInt64
    /// Those that waited in vain.
    package var heldDropped: UInt64
    /// Packets forwarded without LISP by way of the TUN.
    package var nativelyForwarded: UInt64
    /// Of more than one datagram, in one system call (UDP_SEGMENT, UDP_GRO).
    package var trainsSent: UInt64
    package var trainsReceived: UInt64
    /// Packets of one flow that came from the TUN, or went there, as one (TSO, USO).
    package var siteTrainsTaken: UInt64
    package var siteTrainsGiven: UInt64
    /// Source ports that send single datagrams since the kernel or a device refused a train.
    package var portsWithoutTrains: UInt64
    package var systemCalls: [SystemCallCounts]
    /// Absent where none is in use and none ever was.
    package var headerHints: HeaderHintCounts?
    /// What is known of the ways to RLOCs.
    package var paths: PathStatistics
    /// ICMP errors to hosts about their packets.
    package var siteErrors: SiteErrorStatistics
    /// IPv4 packets that were cut to fit a path MTU.
    package var fragmented: UInt64
    /// IPv6 packets of at most 1280 octets whose outer datagrams may be fragmented, since they do not fit.
    package var sentFragmentable: UInt64

    package init(
        instances: [InstanceTraffic] = [],
        drops: [ReasonCount] = [],
        misses: UInt64 = 0,
        heldReleased: UInt64 = 0,
        heldDropped: UInt64 = 0,
        nativelyForwarded: UInt64 = 0,
        trainsSent: UInt64 = 0,
        trainsReceived: UInt64 = 0,
        siteTrainsTaken: UInt64 = 0,
        siteTrainsGiven: UInt64 = 0,
        portsWithoutTrains: UInt64 = 0,
        systemCalls: [SystemCallCounts] = [],
        headerHints: HeaderHintCounts? = nil,
        paths: PathStatistics = PathStatistics(),
        siteErrors: SiteErrorStatistics = SiteErrorStatistics(),
        fragmented: UInt64 = 0,
        sentFragmentable: UInt64 = 0
    ) {
        self.instances = instances
        self.drops = drops
        self.misses = misses
        self.heldReleased = heldReleased
        self.heldDropped = heldDropped
        self.nativelyForwarded = nativelyForwarded
        self.trainsSent = trainsSent
        self.trainsReceived = trainsReceived
        self.siteTrainsTaken = siteTrainsTaken
        self.siteTrainsGiven = siteTrainsGiven
        self.portsWithoutTrains = portsWithoutTrains
        self.systemCalls = systemCalls
        self.headerHints = headerHints
        self.paths = paths
        self.siteErrors = siteErrors
        self.fragmented = fragmented
        self.sentFragmentable = sentFragmentable
    }
}

/// How many packets go through one worker's system calls.
package struct SystemCallCounts: Codable, Sendable, Equatable {
    package struct Count: Codable, Sendable, Equatable {
        /// Also those that brought nothing or were refused.
        package var calls: UInt64
        /// The parts of a train count one by one.
        package var packets: UInt64

        package init(calls: UInt64 = 0, packets: UInt64 = 0) {
            self.calls = calls
            self.packets = packets
        }
    }

    package var worker: Int
    /// Datagrams from the network and to it (recvmmsg, sendmmsg).
    package var receive: Count
    package var send: Count
    /// Packets from the TUNs and to them.
    package var tunnelRead: Count
    package var tunnelWrite: Count

    package init(
        worker: Int,
        receive: Count = Count(),
        send: Count = Count(),
        tunnelRead: Count = Count(),
        tunnelWrite: Count = Count()
    ) {
        self.worker = worker
        self.receive = receive
        self.send = send
        self.tunnelRead = tunnelRead
        self.tunnelWrite = tunnelWrite
    }
}

/// Errors about encapsulated packets, by ICMP and from this host itself, and what became of them.
package struct PathStatistics: Codable, Sendable, Equatable {
    /// About what this router can have sent, and others.
    package var errorsBelieved: UInt64
    package var errorsRefused: UInt64
    /// Reports to the control plane; left out since it had just been told, or since its queue was full.
    package var reports: UInt64
    package var reportsRepeated: UInt64
    package var reportsLost: UInt64

    package init(
        errorsBelieved: UInt64 = 0,
        errorsRefused: UInt64 = 0,
        reports: UInt64 = 0,
        reportsRepeated: UInt64 = 0,
        reportsLost: UInt64 = 0
    ) {
        self.errorsBelieved = errorsBelieved
        self.errorsRefused = errorsRefused
        self.reports = reports
        self.reportsRepeated = reportsRepeated
        self.reportsLost = reportsLost
    }
}

package struct SiteErrorStatistics: Codable, Sendable, Equatable {
    package var sent: UInt64
    /// Left out by the rate limit.
    package var limited: UInt64
    /// Left out since none may be sent about such a packet: an error, a later fragment.
    package var forbidden: UInt64
    /// Left out for want of an address to send from.
    package var withoutSource: UInt64

    package init(sent: UInt64 = 0, limited: UInt64 = 0, forbidden: UInt64 = 0, withoutSource: UInt64 = 0) {
        self.sent = sent
        self.limited = limited
        self.forbidden = forbidden
        self.withoutSource = withoutSource
    }
}

/// What packets said in the LISP header beside their payload (RFC 9300 section 10).
package struct HeaderHintCounts: Codable, Sendable, Equatable {
    /// Packets sent that asked for an echo, and nonces that came back.
    package var echoesRequested: UInt64
    package var echoesMatched: UInt64
    /// Packets received that asked us, and packets sent that echoed.
    package var echoRequestsReceived: UInt64
    package var echoesSent: UInt64
    /// Packets with Locator-Status-Bits, and how often those received were others than before, in all sites.
    package var statusBitsSent: UInt64
    package var statusBitsReceived: UInt64
    package var statusBitsChanged: UInt64
    /// Hints that were not heeded, by reason.
    package var ignored: [ReasonCount]

    package init(
        echoesRequested: UInt64 = 0,
        echoesMatched: UInt64 = 0,
        echoRequestsReceived: UInt64 = 0,
        echoesSent: UInt64 = 0,
        statusBitsSent: UInt64 = 0,
        statusBitsReceived: UInt64 = 0,
        statusBitsChanged: UInt64 = 0,
        ignored: [ReasonCount] = []
    ) {
        self.echoesRequested = echoesRequested
        self.echoesMatched = echoesMatched
        self.echoRequestsReceived = echoRequestsReceived
        self.echoesSent = echoesSent
        self.statusBitsSent = statusBitsSent
        self.statusBitsReceived = statusBitsReceived
        self.statusBitsChanged = statusBitsChanged
        self.ignored = ignored
    }
}

package struct InstanceTraffic: Codable, Sendable, Equatable {
    package var instanceID: UInt32
    package var encapsulated: Traffic
    package var decapsulated: Traffic

    package init(
        instanceID: UInt32,
        encapsulated: Traffic = Traffic(),
        decapsulated: Traffic = Traffic()
    ) {
        self.instanceID = instanceID
        self.encapsulated = encapsulated
        self.decapsulated = decapsulated
    }
}
