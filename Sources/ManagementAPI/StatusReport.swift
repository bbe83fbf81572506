// The daemon itself, and which LISP services it provides.

/// `lispctl show status`
package struct StatusReport: Codable, Sendable, Equatable {
    package var version: String
    package var processID: Int32
    package var started: Moment
    /// `itr`, `etr`, `map-resolver`, `map-server`, with their health.
    package var roles: [RoleStatus]
    /// 32 hexadecimal digits.
    package var xtrID: String?
    /// Absent with `xtrID`: on a router that is no ETR.
    package var siteID: UInt64?
    package var configurationFile: String
    package var configurationLoaded: Moment
    /// Why the last reload was refused, if it was.
    package var reloadFailure: String?
    package var instances: [InstanceStatus]
    package var workers: [WorkerStatus]
    package var sockets: [SocketStatus]
    /// Of a router that carries packets.
    package var offloads: [OffloadStatus]
    /// Of an ITR.
    package var mapCacheEntries: Int?
    package var mapCacheLimit: Int?
    /// Of an ETR.
    package var databaseEntries: Int?
    /// Of a Map-Server.
    package var registeredPrefixes: Int?
    /// Where `snmp` is on.
    package var snmp: SNMPStatus?
    /// What the operator should know, one line each.
    package var warnings: [String]

    package init(
        version: String,
        processID: Int32,
        started: Moment,
        roles: [RoleStatus],
        xtrID: String? = nil,
        siteID: UInt64? = nil,
        configurationFile: String,
        configurationLoaded: Moment,
        reloadFailure: String? = nil,
        instances: [InstanceStatus] = [],
        workers: [WorkerStatus] = [],
        sockets: [SocketStatus] = [],
        offloads: [OffloadStatus] = [],
        mapCacheEntries: Int? = nil,
        mapCacheLimit: Int? = nil,
        databaseEntries: Int? = nil,
        registeredPrefixes: Int? = nil,
        snmp: SNMPStatus? = nil,
        warnings: [String] = []
    ) {
        self.version = version
        self.processID = processID
        self.started = started
        self.roles = roles
        self.xtrID = xtrID
        self.siteID = siteID
        self.configurationFile = configurationFile
        self.configurationLoaded = configurationLoaded
        self.reloadFailure = reloadFailure
        self.instances = instances
        self.workers = workers
        self.sockets = sockets
        self.offloads = offloads
        self.mapCacheEntries = mapCacheEntries
        self.mapCacheLimit = mapCacheLimit
        self.databaseEntries = databaseEntries
        self.registeredPrefixes = registeredPrefixes
        self.snmp = snmp
        self.warnings = warnings
    }
}

/// The agent that shows this router to network management.
package struct SNMPStatus: Codable, Sendable, Equatable {
    package enum State: String, Codable, Sendable, CaseIterable {
        /// The master has accepted it.
        case open
        /// Connected, and not accepted yet.
        case opening
        /// The next attempt to connect is under way, or due later.
        case connecting
    }

    /// The AgentX master: a path or `tcp:ADDRESS:PORT`.
    package var master: String
    package var state: State
    /// Why it was not reached, or the last session ended.
    package var lastError: String?
    /// Regions that the master has taken, of those that are wanted.
    package var regionsRegistered: Int
    package var regionsWanted: Int
    package var sessionsOpened: UInt64
    /// Requests of the master, and variables in the answers.
    package var requests: UInt64
    package var variables: UInt64
    /// How often rows were left out, each time that a manager came by.
    package var rowsLeftOut: [ReasonCount]

    package init(
        master: String,
        state: State,
        lastError: String? = nil,
        regionsRegistered: Int,
        regionsWanted: Int,
        sessionsOpened: UInt64,
        requests: UInt64,
        variables: UInt64,
        rowsLeftOut: [ReasonCount] = []
    ) {
        self.master = master
        self.state = state
        self.lastError = lastError
        self.regionsRegistered = regionsRegistered
        self.regionsWanted = regionsWanted
        self.sessionsOpened = sessionsOpened
        self.requests = requests
        self.variables = variables
        self.rowsLeftOut = rowsLeftOut
    }
}

package struct RoleStatus: Codable, Sendable, Equatable {
    package enum Health: String, Codable, Sendable, CaseIterable {
        case up
        /// Works in part.
        case degraded
        case down
    }

    package var role: String
    package var health: Health
    /// Why it is not up, or a word about how it is.
    package var reason: String?

    package init(role: String, health: Health, reason: String? = nil) {
        self.role = role
        self.health = health
        self.reason = reason
    }
}

package struct InstanceStatus: Codable, Sendable, Equatable {
    package var instanceID: UInt32
    /// The TUN's name.
    package var interface: String?
    package var namespace: String?

    package init(instanceID: UInt32, interface: String? = nil, namespace: String? = nil) {
        self.instanceID = instanceID
        self.interface = interface
        self.namespace = namespace
    }
}

/// One of the kernel's ways to carry many packets as one.
package struct OffloadStatus: Codable, Sendable, Equatable {
    /// `tso`, `uso`, `merge`, `udp-segment`, `udp-gro`
    package var name: String
    package var isOn: Bool
    /// Why it is not, or not everywhere.
    package var reason: String?

    package init(name: String, isOn: Bool, reason: String? = nil) {
        self.name = name
        self.isOn = isOn
        self.reason = reason
    }
}

package struct WorkerStatus: Codable, Sendable, Equatable {
    package var index: Int
    /// Packets taken from the TUNs and sent.
    package var encapsulated: Traffic
    /// Packets received and written to the TUNs.
    package var decapsulated: Traffic

    package init(index: Int, encapsulated: Traffic = Traffic(), decapsulated: Traffic = Traffic()) {
        self.index = index
        self.encapsulated = encapsulated
        self.decapsulated = decapsulated
    }
}

package struct SocketStatus: Codable, Sendable, Equatable {
    /// `control`, `data`, `source`
    package var purpose: String
    package var family: EIDFamily
    /// The local port; absent for the pool of source ports, which has many.
    package var port: UInt16?
    /// How many sockets of this kind there are.
    package var count: Int
    /// Octets of each, as the kernel granted them; absent where nothing is received, or sent.
    package var receiveBuffer: Int?
    package var sendBuffer: Int?

    package init(
        purpose: String,
        family: EIDFamily,
        port: UInt16? = nil,
        count: Int = 1,
        receiveBuffer: Int? = nil,
        sendBuffer: Int? = nil
    ) {
        self.purpose = purpose
        self.family = family
        self.port = port
        self.count = count
        self.receiveBuffer = receiveBuffer
        self.sendBuffer = sendBuffer
    }
}

/// `lispctl show service`: one member for each instance and family.
package struct ServiceReport: Codable, Sendable, Equatable {
    package var services: [ServiceStatus]

    package init(services: [ServiceStatus]) {
        self.services = services
    }
}

package struct ServiceStatus: Codable, Sendable, Equatable {
    package var instanceID: UInt32
    package var family: EIDFamily
    package var itr: Bool
    package var etr: Bool
    package var proxyITR: Bool
    package var proxyETR: Bool
    package var mapServer: Bool
    package var mapResolver: Bool
    /// Where an ITR sends what is for no LISP site.
    package var proxyETRs: [String]
    package var mapResolvers: [String]
    package var mapServers: [ServiceMapServer]
    /// 32 hexadecimal digits.
    package var xtrID: String?
    package var siteID: UInt64?
    /// `off`, `verify` or `on`
    package var acceptMapData: String
    /// The shortest that this ETR puts into its records, in seconds; absent without an EID-prefix.
    package var ttl: Int64?
    package var mapCacheEntries: Int
    package var mapCacheLimit: Int
    package var databaseEntries: Int
    package var rlocProbing: Bool
    package var locatorStatusBits: Bool
    /// Whether Solicit-Map-Requests are acted on.
    package var solicitMapRequests: Bool

    package init(
        instanceID: UInt32,
        family: EIDFamily,
        itr: Bool,
        etr: Bool,
        proxyITR: Bool = false,
        proxyETR: Bool = false,
        mapServer: Bool,
        mapResolver: Bool,
        proxyETRs: [String] = [],
        mapResolvers: [String] = [],
        mapServers: [ServiceMapServer] = [],
        xtrID: String? = nil,
        siteID: UInt64? = nil,
        acceptMapData: String = "off",
        ttl: Int64? = nil,
        mapCacheEntries: Int = 0,
        mapCacheLimit: Int = 0,
        databaseEntries: Int = 0,
        rlocProbing: Bool = false,
        locatorStatusBits: Bool = false,
        solicitMapRequests: Bool = false
    ) {
        self.instanceID = instanceID
        self.family = family
        self.itr = itr
        self.etr = etr
        self.proxyITR = proxyITR
        self.proxyETR = proxyETR
        self.mapServer = mapServer
        self.mapResolver = mapResolver
        self.proxyETRs = proxyETRs
        self.mapResolvers = mapResolvers
        self.mapServers = mapServers
        self.xtrID = xtrID
        self.siteID = siteID
        self.acceptMapData = acceptMapData
        self.ttl = ttl
        self.mapCacheEntries = mapCacheEntries
        self.mapCacheLimit = mapCacheLimit
        self.databaseEntries = databaseEntries
        self.rlocProbing = rlocProbing
        self.locatorStatusBits = locatorStatusBits
        self.solicitMapRequests = solicitMapRequests
    }
}

package struct ServiceMapServer: Codable, Sendable, Equatable {
    package var address: String
    /// When it last acknowledged a registration.
    package var acknowledged: Moment?

    package init(address: String, acknowledged: Moment? = nil) {
        self.address = address
        self.acknowledged = acknowledged
    }
}
