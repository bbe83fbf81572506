// What the data plane counts for EID-prefixes at this end, while managed objects show it: each costs a little at every packet.

import ForwardingInterface
import LISPConfiguration
import LISPWire

struct SiteAccounts {
    /// Those of map-cache entries begin with 1.
    private static let firstID: UInt32 = 0x8000_0000

    /// By EID-prefix of the site; besides, what is in none of them, by the whole of each family of each instance.
    private(set) var ids: [EIDPrefix: MappingID] = [:]
    private var nextID = Self.firstID

    /// What has to change in the forwarding state.
    mutating func update(_ configuration: RouterConfiguration) -> [ForwardingUpdate] {
        var wanted: Set<EIDPrefix> = []
        if configuration.snmp != nil, configuration.isTunnelRouter {
            wanted = Set(configuration.database.map(\.eidPrefix))
            for instance in configuration.instances {
                for family in AddressFamily.allCases {
                    wanted.insert(
                        EIDPrefix(instanceID: instance.id, IPPrefix(family: family, leftAligned: 0, length: 0))
                    )
                }
            }
        }
        var updates: [ForwardingUpdate] = []
        for eid in ids.keys where !wanted.contains(eid) {
            ids[eid] = nil
            updates.append(.deleteAccount(eid))
        }
        for eid in wanted where ids[eid] == nil {
            let id = MappingID(rawValue: nextID)
            nextID = nextID == .max ? Self.firstID : nextID + 1
            ids[eid] = id
            updates.append(.putAccount(eid, mapping: id))
        }
        return updates
    }

    /// What went over one family is counted as that of a locator.
    static func part(_ family: AddressFamily) -> LocatorID { LocatorID(rawValue: family == .ipv4 ? 4 : 6) }
}

extension MappingCounters {
    static func += (sum: inout Self, more: Self) {
        sum.encapsulated += more.encapsulated
        sum.decapsulated += more.decapsulated
    }
}
