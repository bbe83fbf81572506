// What the tables of LISP-MIB and of its first draft are made from: the router, asked for one thing at a time. Whoever has the
// values fills in the closures; nothing here keeps any.

import LISPWire

/// The router as its managed objects see it. Every closure is called on the event loop that serves the objects.
///
/// Ages are times since something happened; `nil` says everywhere that the router does not know.
package struct LISPModel {
    /// The sysUpTime at which something happened so long ago; 0 if that was before the agent started.
    package var timeStamp: (Duration) -> UInt32
    /// In order.
    package var services: () -> [ServiceKey]
    package var service: (ServiceKey) -> Service
    package var messages: (ServiceKey) -> MessageCounts
    /// The VRF of each instance that has one, in order of the instances.
    package var vrfs: () -> [(instanceID: UInt32, name: String)]
    package var database: EIDTable<OwnMapping>
    package var databaseLocators: EIDTable<RowList<OwnLocator>>
    package var mapCache: EIDTable<CachedMapping>
    package var mapCacheLocators: EIDTable<RowList<CachedLocator>>
    /// By address, each once.
    package var configuredLocators: () -> RowList<ConfiguredLocator>
    /// Of all sites: configured EID-prefixes, and those registered in them.
    package var registrations: EIDTable<SiteEID>
    package var registeringETRs: EIDTable<RegisteringETRs>
    /// Names of sites, shorter ones first.
    package var siteNames: () -> [[UInt8]]
    /// The same of one site.
    package var siteEIDs: ([UInt8]) -> EIDTable<SiteEID>
    package var siteLocators: ([UInt8]) -> EIDTable<RowList<SiteLocator>>
    package var mapServers: () -> RowList<MapServerState>
    package var mapResolvers: () -> RowList<MapResolverState>
    package var proxyETRs: () -> RowList<ProxyETR>

    package init(
        timeStamp: @escaping (Duration) -> UInt32,
        services: @escaping () -> [ServiceKey],
        service: @escaping (ServiceKey) -> Service,
        messages: @escaping (ServiceKey) -> MessageCounts,
        vrfs: @escaping () -> [(instanceID: UInt32, name: String)],
        database: EIDTable<OwnMapping>,
        databaseLocators: EIDTable<RowList<OwnLocator>>,
        mapCache: EIDTable<CachedMapping>,
        mapCacheLocators: EIDTable<RowList<CachedLocator>>,
        configuredLocators: @escaping () -> RowList<ConfiguredLocator>,
        registrations: EIDTable<SiteEID>,
        registeringETRs: EIDTable<RegisteringETRs>,
        siteNames: @escaping () -> [[UInt8]],
        siteEIDs: @escaping ([UInt8]) -> EIDTable<SiteEID>,
        siteLocators: @escaping ([UInt8]) -> EIDTable<RowList<SiteLocator>>,
        mapServers: @escaping () -> RowList<MapServerState>,
        mapResolvers: @escaping () -> RowList<MapResolverState>,
        proxyETRs: @escaping () -> RowList<ProxyETR>
    ) {
        self.timeStamp = timeStamp
        self.services = services
        self.service = service
        self.messages = messages
        self.vrfs = vrfs
        self.database = database
        self.databaseLocators = databaseLocators
        self.mapCache = mapCache
        self.mapCacheLocators = mapCacheLocators
        self.configuredLocators = configuredLocators
        self.registrations = registrations
        self.registeringETRs = registeringETRs
        self.siteNames = siteNames
        self.siteEIDs = siteEIDs
        self.siteLocators = siteLocators
        self.mapServers = mapServers
        self.mapResolvers = mapResolvers
        self.proxyETRs = proxyETRs
    }
}

/// An ordered table of the router, by EID-prefix. Both questions cost O(log n).
package struct EIDTable<Value> {
    package var at: (EIDPrefix) -> Value?
    /// The first entry beyond `key`, which need not be in the table; `nil` gives the first of all. By family, then instance, address
    /// and length: the order of LispAddressType.
    package var after: (_ key: EIDPrefix?) -> (key: EIDPrefix, value: Value)?

    package init(
        at: @escaping (EIDPrefix) -> Value?,
        after: @escaping (_ key: EIDPrefix?) -> (key: EIDPrefix, value: Value)?
    ) {
        self.at = at
        self.after = after
    }

    /// Of a role that this router does not play.
    package static var empty: Self { Self(at: { _ in nil }, after: { _ in nil }) }
}

/// A few rows, known by their addresses, in any order. A row is made when it is asked for. Of equal addresses the first counts.
package struct RowList<Row> {
    package var addresses: [LISPAddress]
    package var row: (Int) -> Row

    package init(_ addresses: [LISPAddress], row: @escaping (Int) -> Row) {
        self.addresses = addresses
        self.row = row
    }
}

/// Those that register one EID-prefix.
package struct RegisteringETRs {
    package var etrs: RowList<RegisteringETR>
    /// What one of them registers.
    package var locators: (Int) -> RowList<RegisteredLocator>

    package init(_ etrs: RowList<RegisteringETR>, locators: @escaping (Int) -> RowList<RegisteredLocator>) {
        self.etrs = etrs
        self.locators = locators
    }
}
