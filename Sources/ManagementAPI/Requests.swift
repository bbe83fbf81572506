// What can be asked, and under which path.

/// The paths of the service, all but the metrics below the version of the schema.
package enum ManagementRoute: String, Sendable, CaseIterable {
    /// GET: `StatusReport`
    case status = "/v1/status"
    /// GET with `family`, `instance`: `ServiceReport`
    case service = "/v1/service"
    /// GET with `family`, `instance`, `eid`, `after`, `limit`: `MapCacheReport`
    case mapCache = "/v1/map-cache"
    /// POST with `ClearMapCacheRequest`: `ClearReport`
    case clearMapCache = "/v1/map-cache/clear"
    /// GET with `family`, `instance`, `eid`: `DatabaseReport`
    case database = "/v1/database"
    /// GET with `family`, `instance`, `name`, `eid`, `after`, `limit`: `SiteReport`
    case sites = "/v1/sites"
    /// POST with `ClearSiteRequest`: `ClearSiteReport`
    case clearSite = "/v1/sites/clear"
    /// GET with `family`, `instance`: `StatisticsReport`
    case statistics = "/v1/statistics"
    /// POST without a body: `ClearStatisticsReport`
    case clearStatistics = "/v1/statistics/clear"
    /// GET: `MapServersReport`
    case mapServers = "/v1/map-servers"
    /// GET: `MapResolversReport`
    case mapResolvers = "/v1/map-resolvers"
    /// GET: `ProxyETRsReport`
    case proxyETRs = "/v1/proxy-etrs"
    /// GET: `SMRReport`
    case smr = "/v1/smr"
    /// GET: `LocatorsReport`
    case locators = "/v1/locators"
    /// GET: `InterfacesReport`
    case interfaces = "/v1/interfaces"
    /// GET with `source`, `destination`, `instance`, `protocol`, `source-port`, `destination-port`: `ExplainReport`
    case explain = "/v1/explain"
    /// GET with `family`, `instance`, `name`, `eid`, `after`, `limit`: `RegistrationDiagnosis`
    case registrationDiagnosis = "/v1/diagnosis/registration"
    /// GET with `after`, `limit`, `wait`: `EventsReport`
    case events = "/v1/events"
    /// GET: text in the exposition format of Prometheus
    case metrics = "/metrics"
    /// GET: `ConfigurationReport`
    case configuration = "/v1/configuration"
    /// POST without a body: `ReloadReport`
    case reload = "/v1/configuration/reload"
}

/// What a GET request asks about: the query part of its URL.
package protocol ManagementQuery: Sendable, Equatable {
    /// By name and value, unescaped; defaults are left out.
    var parameters: [(name: String, value: String)] { get }
    /// Unknown names and values that do not parse are refused.
    init(parameters: some Sequence<(name: String, value: String)>) throws(QueryRefusal)
}

/// Why query parameters were refused, in one line.
package struct QueryRefusal: Error, Equatable {
    package var reason: String

    package init(_ reason: String) {
        self.reason = reason
    }
}

/// Which part of a table is asked for. Fields left out stand for all.
package struct TableQuery: Codable, Sendable, Equatable {
    package var family: EIDFamily?
    package var instanceID: UInt32?
    /// An address: the entry of longest match. A prefix: this very entry and its more-specifics.
    package var eid: String?
    /// The name of a site; of `sites` and `registrationDiagnosis` only.
    package var name: String?
    /// The `next` of the page before; opaque.
    package var after: String?
    /// How many entries at most; 1...`maximumLimit`.
    package var limit: Int

    package init(
        family: EIDFamily? = nil,
        instanceID: UInt32? = nil,
        eid: String? = nil,
        name: String? = nil,
        after: String? = nil,
        limit: Int = TableQuery.defaultLimit
    ) {
        self.family = family
        self.instanceID = instanceID
        self.eid = eid
        self.name = name
        self.after = after
        self.limit = limit
    }

    package static let defaultLimit = 500
    package static let maximumLimit = 5000
}

extension TableQuery: ManagementQuery {
    package var parameters: [(name: String, value: String)] {
        var result: [(name: String, value: String)] = []
        if let family { result.append(("family", family.rawValue)) }
        if let instanceID { result.append(("instance", String(instanceID))) }
        if let eid { result.append(("eid", eid)) }
        if let name { result.append(("name", name)) }
        if let after { result.append(("after", after)) }
        if limit != Self.defaultLimit { result.append(("limit", String(limit))) }
        return result
    }

    package init(parameters: some Sequence<(name: String, value: String)>) throws(QueryRefusal) {
        self.init()
        for (name, value) in parameters {
            switch name {
            case "family":
                guard let family = EIDFamily(rawValue: value) else {
                    throw QueryRefusal("family is ipv4 or ipv6, not \(value)")
                }
                self.family = family
            case "instance":
                guard let id = UInt32(value), id <= 0xff_ffff else {
                    throw QueryRefusal("instance is a number from 0 to 16777215, not \(value)")
                }
                self.instanceID = id
            case "eid": self.eid = value
            case "name": self.name = value
            case "after": self.after = value
            case "limit":
                guard let limit = Int(value), (1...Self.maximumLimit).contains(limit) else {
                    throw QueryRefusal("limit is a number from 1 to \(Self.maximumLimit), not \(value)")
                }
                self.limit = limit
            default: throw QueryRefusal("there is no parameter \(name)")
            }
        }
    }
}

/// Which events are asked for.
package struct EventQuery: Sendable, Equatable {
    /// Those after the one with this number, oldest first; absent: the newest.
    package var after: UInt64?
    /// How many at most; 1...`maximumLimit`.
    package var limit: Int
    /// Seconds to wait for one if there is none after `after`; 0...`maximumWait`.
    package var wait: Int

    package init(after: UInt64? = nil, limit: Int = EventQuery.defaultLimit, wait: Int = 0) {
        self.after = after
        self.limit = limit
        self.wait = wait
    }

    package static let defaultLimit = 100
    package static let maximumLimit = 1000
    package static let maximumWait = 30
}

extension EventQuery: ManagementQuery {
    package var parameters: [(name: String, value: String)] {
        var result: [(name: String, value: String)] = []
        if let after { result.append(("after", String(after))) }
        if limit != Self.defaultLimit { result.append(("limit", String(limit))) }
        if wait != 0 { result.append(("wait", String(wait))) }
        return result
    }

    package init(parameters: some Sequence<(name: String, value: String)>) throws(QueryRefusal) {
        self.init()
        for (name, value) in parameters {
            switch name {
            case "after":
                guard let after = UInt64(value) else {
                    throw QueryRefusal("after is the sequence number of an event, not \(value)")
                }
                self.after = after
            case "limit":
                guard let limit = Int(value), (1...Self.maximumLimit).contains(limit) else {
                    throw QueryRefusal("limit is a number from 1 to \(Self.maximumLimit), not \(value)")
                }
                self.limit = limit
            case "wait":
                guard let wait = Int(value), (0...Self.maximumWait).contains(wait) else {
                    throw QueryRefusal("wait is a number of seconds from 0 to \(Self.maximumWait), not \(value)")
                }
                self.wait = wait
            default: throw QueryRefusal("there is no parameter \(name)")
            }
        }
    }
}

/// Which packet is asked about.
package struct ExplainQuery: Sendable, Equatable {
    /// Addresses of one family.
    package var source: String
    package var destination: String
    /// Absent: the instance whose site the source is in, else the first.
    package var instanceID: UInt32?
    /// The IP protocol; absent: any.
    package var protocolNumber: UInt8?
    package var sourcePort: UInt16?
    package var destinationPort: UInt16?

    package init(
        source: String,
        destination: String,
        instanceID: UInt32? = nil,
        protocolNumber: UInt8? = nil,
        sourcePort: UInt16? = nil,
        destinationPort: UInt16? = nil
    ) {
        self.source = source
        self.destination = destination
        self.instanceID = instanceID
        self.protocolNumber = protocolNumber
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }
}

extension ExplainQuery: ManagementQuery {
    package var parameters: [(name: String, value: String)] {
        var result = [(name: "source", value: source), (name: "destination", value: destination)]
        if let instanceID { result.append(("instance", String(instanceID))) }
        if let protocolNumber { result.append(("protocol", String(protocolNumber))) }
        if let sourcePort { result.append(("source-port", String(sourcePort))) }
        if let destinationPort { result.append(("destination-port", String(destinationPort))) }
        return result
    }

    package init(parameters: some Sequence<(name: String, value: String)>) throws(QueryRefusal) {
        var query = ExplainQuery(source: "", destination: "")
        for (name, value) in parameters {
            switch name {
            case "source": query.source = value
            case "destination": query.destination = value
            case "instance":
                guard let id = UInt32(value), id <= 0xff_ffff else {
                    throw QueryRefusal("instance is a number from 0 to 16777215, not \(value)")
                }
                query.instanceID = id
            case "protocol": query.protocolNumber = try Self.number(name, value)
            case "source-port": query.sourcePort = try Self.number(name, value)
            case "destination-port": query.destinationPort = try Self.number(name, value)
            default: throw QueryRefusal("there is no parameter \(name)")
            }
        }
        guard !query.source.isEmpty, !query.destination.isEmpty else {
            throw QueryRefusal("source and destination are needed: two addresses")
        }
        self = query
    }

    private static func number<Number: FixedWidthInteger>(
        _ name: String,
        _ value: String
    ) throws(QueryRefusal) -> Number {
        guard let number = Number(value) else {
            throw QueryRefusal("\(name) is a number from 0 to \(Number.max), not \(value)")
        }
        return number
    }
}

/// Which map-cache entries go; static ones stay.
package struct ClearMapCacheRequest: Codable, Sendable, Equatable {
    package var family: EIDFamily?
    package var instanceID: UInt32?
    /// An address: the entry of longest match. A prefix: this very entry and its more-specifics.
    package var eid: String?

    package init(family: EIDFamily? = nil, instanceID: UInt32? = nil, eid: String? = nil) {
        self.family = family
        self.instanceID = instanceID
        self.eid = eid
    }
}

package struct ClearReport: Codable, Sendable, Equatable {
    /// How many entries went.
    package var cleared: Int

    package init(cleared: Int) {
        self.cleared = cleared
    }
}

/// Which registrations of a site go.
package struct ClearSiteRequest: Codable, Sendable, Equatable {
    /// Of the site.
    package var name: String
    package var family: EIDFamily?
    package var instanceID: UInt32?
    /// An address: the registered EID-prefix of longest match. A prefix: this very one and its more-specifics.
    package var eid: String?

    package init(name: String, family: EIDFamily? = nil, instanceID: UInt32? = nil, eid: String? = nil) {
        self.name = name
        self.family = family
        self.instanceID = instanceID
        self.eid = eid
    }
}

package struct ClearSiteReport: Codable, Sendable, Equatable {
    package var site: String
    /// How many EID-prefixes nobody has registered any more, and how many ETRs' registrations of them went.
    package var cleared: Int
    package var registrations: Int
    /// Of how many ETRs the nonces are forgotten: none if only a part of the site was cleared.
    package var nonces: Int

    package init(site: String, cleared: Int, registrations: Int, nonces: Int) {
        self.site = site
        self.cleared = cleared
        self.registrations = registrations
        self.nonces = nonces
    }
}

package struct ClearStatisticsReport: Codable, Sendable, Equatable {
    /// When they were last cleared before; absent: never.
    package var before: Moment?

    package init(before: Moment? = nil) {
        self.before = before
    }
}

package struct ReloadReport: Codable, Sendable, Equatable {
    package var file: String
    /// The top-level keys whose values differ from before; empty if nothing changed.
    package var changed: [String]
    /// What is allowed and yet worth a line.
    package var warnings: [String]

    package init(file: String, changed: [String], warnings: [String] = []) {
        self.file = file
        self.changed = changed
        self.warnings = warnings
    }
}

package struct ConfigurationReport: Codable, Sendable, Equatable {
    package var file: String
    package var loaded: Moment
    /// The configuration in effect with every default, as YAML; secrets are hidden.
    package var yaml: String
    /// The same as one JSON text.
    package var json: String

    package init(file: String, loaded: Moment, yaml: String, json: String) {
        self.file = file
        self.loaded = loaded
        self.yaml = yaml
        self.json = json
    }
}
