// What the operator wants of this router: the configuration file as values. Everything here has been checked; what the
// file may say, and how it says it, is documented key by key in configs/.

import LISPWire

/// One configuration file, read and checked.
///
/// Two are equal when they ask for the same router; secrets are compared, never printed.
package struct RouterConfiguration: Hashable, Sendable {
    /// The parts this router plays; never empty.
    package var roles: Set<RouterRole> = []
    package var xtrID: XTRIDChoice = .automatic
    package var siteID = SiteID(rawValue: 0)
    /// The virtual networks; at least one. Without `instances` in the file: instance 0 in the main table.
    package var instances: [InstanceConfiguration] = [InstanceConfiguration(id: .default)]
    package var whenDown: WhenDown = .unreachable
    /// In the order of the file; what stands under `locators` comes first, under the name "default". Names are unique.
    package var locatorSets: [LocatorSetConfiguration] = []
    /// The EID-prefixes this site is authoritative for; unique, each with an existing locator set and instance.
    package var database: [DatabaseEntryConfiguration] = []
    package var mapResolvers: [IPAddress] = []
    /// Where the ETR registers.
    package var mapServers: [MapServerPeerConfiguration] = []
    /// Where this router's ITR or Proxy-ITR sends traffic to non-LISP sites; each address once.
    package var proxyETRs: [RemoteLocatorConfiguration] = []
    /// What is done with the mapping of its source EID that a Map-Request for one of our EIDs may carry.
    package var acceptMapData: AcceptMapData = .off
    package var mapCache = MapCacheConfiguration()
    package var mapRequests = MapRequestsConfiguration()
    package var rlocProbing = RLOCProbingConfiguration()
    /// Asking RLOCs to echo nonces, and echoing those of others (RFC 9300 section 10.1).
    package var echoNonce = false
    /// Telling other sites which RLOCs of ours are up, and heeding what they tell (RFC 9300 section 10).
    package var locatorStatusBits = false
    /// Present exactly with the role `proxy-itr`.
    package var proxyITR: ProxyITRConfiguration?
    /// Present exactly with the role `proxy-etr`.
    package var proxyETR: ProxyETRConfiguration?
    /// Present exactly with the role `map-server`.
    package var mapServer: MapServerConfiguration?
    /// Present exactly with the role `map-resolver`.
    package var mapResolver: MapResolverConfiguration?
    package var limits = MessageLimitsConfiguration()
    package var dataPlane = DataPlaneConfiguration()
    package var management = ManagementConfiguration()
    /// `nil`: off.
    package var snmp: SNMPConfiguration?
    /// What is allowed and yet worth a line in the log and in `show status`; one line each.
    package var warnings: [String] = []

    package init() {}

    /// The set that database entries without `locator-set` use.
    package static let defaultLocatorSetName = "default"

    /// Whether it carries packets.
    package var isTunnelRouter: Bool { !roles.isDisjoint(with: [.itr, .etr, .proxyITR, .proxyETR]) }

    package func locatorSet(named name: String) -> LocatorSetConfiguration? {
        locatorSets.first { $0.name == name }
    }
}

/// A part that a LISP router can play (RFC 9300 section 3, RFC 9301 section 3, RFC 6832).
package enum RouterRole: String, Hashable, Sendable, CaseIterable, Comparable {
    case itr
    case etr
    case proxyITR = "proxy-itr"
    case proxyETR = "proxy-etr"
    case mapResolver = "map-resolver"
    case mapServer = "map-server"

    /// In the order that files and `show status` list them.
    package static func < (a: Self, b: Self) -> Bool {
        (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
}

/// Where the 128 bits that name this xTR come from (RFC 9301 section 5.6).
package enum XTRIDChoice: Hashable, Sendable {
    /// Made once and kept in the state directory.
    case automatic
    case fixed(XTRID)
}

/// A virtual network and where its TUN stands.
package struct InstanceConfiguration: Hashable, Sendable {
    package var id: InstanceID
    /// The network namespace (as `ip netns` names it) that the TUN is moved into; `nil`: the daemon's own.
    package var namespace: String?

    package init(id: InstanceID, namespace: String? = nil) {
        self.id = id
        self.namespace = namespace
    }
}

/// What the site's traffic gets after the daemon has died. An orderly stop takes our rules out: then it is routed natively.
package enum WhenDown: String, Hashable, Sendable, CaseIterable {
    case unreachable
    case native
}

/// A named set of RLOCs.
package struct LocatorSetConfiguration: Hashable, Sendable {
    package var name: String
    /// Never empty.
    package var locators: [LocatorConfiguration]

    package init(name: String, locators: [LocatorConfiguration]) {
        self.name = name
        self.locators = locators
    }
}

/// One RLOC of this site.
package struct LocatorConfiguration: Hashable, Sendable {
    package enum Place: Hashable, Sendable {
        /// This router's, following the addresses of an interface.
        case interface(String)
        /// A fixed address: of this router, or of another ETR of the site.
        case address(IPAddress)
    }

    package var place: Place
    /// Lower is preferred; 255 is never used for unicast.
    package var priority: UInt8
    /// Share among locators of equal priority, relative to their sum.
    package var weight: UInt8

    package init(place: Place, priority: UInt8, weight: UInt8) {
        self.place = place
        self.priority = priority
        self.weight = weight
    }
}

/// An EID-prefix of this site.
package struct DatabaseEntryConfiguration: Hashable, Sendable {
    package var eidPrefix: EIDPrefix
    package var locatorSet: String
    /// How long others may keep the mapping, in minutes; at least 1.
    package var ttlMinutes: UInt32

    package init(eidPrefix: EIDPrefix, locatorSet: String, ttlMinutes: UInt32) {
        self.eidPrefix = eidPrefix
        self.locatorSet = locatorSet
        self.ttlMinutes = ttlMinutes
    }
}

/// A shared key together with the file it came from.
package struct KeyConfiguration: Hashable, Sendable {
    package var key: AuthenticationKey
    /// The path as the file has it; `nil` when the secret itself stands in the configuration file.
    package var file: String?

    package init(key: AuthenticationKey, file: String? = nil) {
        self.key = key
        self.file = file
    }
}

extension KeyConfiguration: CustomStringConvertible, CustomReflectable {
    package var description: String { "key \(key.id), \(key.algorithm.name)" }

    /// Without the secret, so that `dump` cannot show it either.
    package var customMirror: Mirror { Mirror(self, children: ["id": key.id]) }
}

/// A Map-Server that this router's ETR registers with.
package struct MapServerPeerConfiguration: Hashable, Sendable {
    package var address: IPAddress
    /// The first signs; all verify. Never empty, key IDs unique.
    package var keys: [KeyConfiguration]
    package var proxyReply: Bool
    package var merge: Bool
    package var wantMapNotify: Bool

    package init(
        address: IPAddress,
        keys: [KeyConfiguration],
        proxyReply: Bool = false,
        merge: Bool = false,
        wantMapNotify: Bool = true
    ) {
        self.address = address
        self.keys = keys
        self.proxyReply = proxyReply
        self.merge = merge
        self.wantMapNotify = wantMapNotify
    }

    /// `keys` without the paths.
    package var authenticationKeys: [AuthenticationKey] { keys.map(\.key) }
}

/// What is done with piggybacked map data (RFC 9301 sections 5.2 and 5.3).
package enum AcceptMapData: String, Hashable, Sendable, CaseIterable {
    case off
    /// The mapping system is asked before it is used.
    case verify
    /// It is used as it stands, though nothing authenticates it.
    case on
}

package struct MapCacheConfiguration: Hashable, Sendable {
    /// How many learnt entries are kept at most; 1...10,000,000.
    package var limit: Int = 100_000
    /// How many of them may be without locators, at most `limit`. A tenth of that unless the file says otherwise.
    package var negativeLimit: Int = 10_000
    /// Each EID-prefix once.
    package var staticMappings: [StaticMappingConfiguration] = []

    package init() {}
}

/// How many Map-Requests packets without a mapping may cause.
package struct MapRequestsConfiguration: Hashable, Sendable {
    /// So many a second, and so many at once; both 1...1,000,000.
    package struct Limit: Hashable, Sendable {
        package var rate: Int
        package var burst: Int

        package init(rate: Int, burst: Int) {
            self.rate = rate
            self.burst = burst
        }
    }

    package var total = Limit(rate: 5_000, burst: 20_000)
    package var perSource = Limit(rate: 200, burst: 2_000)
    /// Of those that find no mapping with locators.
    package var negativeTotal = Limit(rate: 1_000, burst: 5_000)
    package var negativePerSource = Limit(rate: 50, burst: 500)

    package init() {}
}

/// Asking the RLOCs that this router encapsulates to whether they are alive (RFC 9301 section 7.1).
package struct RLOCProbingConfiguration: Hashable, Sendable {
    package var isEnabled = true
    /// Between the probes of an RLOC that answers; 1...86,400.
    package var intervalSeconds: UInt64 = 60
    /// Unanswered probes after the first until the RLOC is down; 0...100.
    package var retries = 3
    /// Between those; 1...3,600.
    package var retryIntervalSeconds: UInt64 = 1

    package init() {}
}

/// The role `map-server`.
package struct MapServerConfiguration: Hashable, Sendable {
    /// The aggregates that this Map-Server speaks for, in every instance; may be empty.
    package var eidSpace: [IPPrefix]
    /// Never empty; names are unique, and so are their EID-prefixes among all sites.
    package var sites: [SiteConfiguration]

    package init(eidSpace: [IPPrefix], sites: [SiteConfiguration]) {
        self.eidSpace = eidSpace
        self.sites = sites
    }
}

/// A site that may register.
package struct SiteConfiguration: Hashable, Sendable {
    /// How a Map-Register's nonce is judged.
    package enum NonceCheck: String, Hashable, Sendable, CaseIterable {
        case strict
        case auto
        case off
    }

    package var name: String
    package var description: String?
    /// Each is accepted. Never empty, key IDs unique.
    package var keys: [KeyConfiguration]
    package var nonceCheck: NonceCheck
    /// Never empty.
    package var eids: [SiteEIDConfiguration]
    /// `nil`: any.
    package var allowedLocators: Set<IPAddress>?

    package init(
        name: String,
        description: String? = nil,
        keys: [KeyConfiguration],
        nonceCheck: NonceCheck = .auto,
        eids: [SiteEIDConfiguration],
        allowedLocators: Set<IPAddress>? = nil
    ) {
        self.name = name
        self.description = description
        self.keys = keys
        self.nonceCheck = nonceCheck
        self.eids = eids
        self.allowedLocators = allowedLocators
    }

    /// `keys` without the paths.
    package var authenticationKeys: [AuthenticationKey] { keys.map(\.key) }
}

/// An EID-prefix that a site may register.
package struct SiteEIDConfiguration: Hashable, Sendable {
    /// What a requester is told while nobody has registered the prefix.
    package enum UnregisteredAction: String, Hashable, Sendable, CaseIterable {
        case nativelyForward = "natively-forward"
        /// Drop, policy denied.
        case drop
    }

    package static let defaultMaxRegistrations = 100_000

    package var eidPrefix: EIDPrefix
    package var acceptMoreSpecifics: Bool
    /// EID-prefixes that may be registered in it at a time, itself included.
    package var maxRegistrations: Int
    /// The Map-Server answers for this prefix even if the ETR did not ask for it.
    package var proxyReply: Bool
    package var action: UnregisteredAction

    package init(
        eidPrefix: EIDPrefix,
        acceptMoreSpecifics: Bool = false,
        maxRegistrations: Int = Self.defaultMaxRegistrations,
        proxyReply: Bool = false,
        action: UnregisteredAction = .nativelyForward
    ) {
        self.eidPrefix = eidPrefix
        self.acceptMoreSpecifics = acceptMoreSpecifics
        self.maxRegistrations = maxRegistrations
        self.proxyReply = proxyReply
        self.action = action
    }
}

/// The role `map-resolver`.
package struct MapResolverConfiguration: Hashable, Sendable {
    /// Which Map-Server is asked for which EIDs, by longest match; the one in this process, if any, for all others.
    package var mapServers: [MapServerReferenceConfiguration]

    package init(mapServers: [MapServerReferenceConfiguration] = []) {
        self.mapServers = mapServers
    }
}

/// A Map-Server and the EIDs it is asked for.
package struct MapServerReferenceConfiguration: Hashable, Sendable {
    package var address: IPAddress
    /// Never empty, all of one instance; no EID-prefix twice for an address.
    package var eids: [EIDPrefix]

    package init(address: IPAddress, eids: [EIDPrefix]) {
        self.address = address
        self.eids = eids
    }
}

package struct DataPlaneConfiguration: Hashable, Sendable {
    package enum Workers: Hashable, Sendable {
        /// As many as `cpus` has, or else one less than there are cores, at least one.
        case automatic
        /// 1...64
        case count(Int)
    }

    /// A way of the kernel to carry many packets as one, or to share them out among the workers.
    package enum Offload: String, Hashable, Sendable, CaseIterable {
        case tso
        case uso
        case merge
        case udpSegment = "udp-segment"
        case udpGRO = "udp-gro"
        case multiQueue = "multi-queue"
        case tunSteering = "tun-steering"
        case udpSteering = "udp-steering"

        /// What `offload: off` switches off: all that carries many packets as one.
        package static let trains: Set<Offload> = [.tso, .uso, .merge, .udpSegment, .udpGRO]
    }

    package enum UDPChecksum: String, Hashable, Sendable, CaseIterable {
        case compute
        case zero
    }

    /// What Linux can count to, as most distributions build it.
    static let largestCPU = 8_191

    package var workers: Workers = .automatic
    /// The processors that workers run on, in turn; empty: any.
    package var cpus: [Int] = []
    /// Those that are not to be used though the kernel has them.
    package var withoutOffloads: Set<Offload> = []
    package var udpChecksum: UDPChecksum = .compute

    package init() {}
}

package struct ManagementConfiguration: Hashable, Sendable {
    package static let defaultSocket = "/run/lispd/lispd.sock"

    /// Path of the UNIX socket that lispctl speaks to.
    package var socket = ManagementConfiguration.defaultSocket
    /// Where metrics and reports can be read over TCP; `nil`: nowhere. 0.0.0.0 and :: stand for every address of this host.
    package var http: Endpoint?

    package init() {}
}
