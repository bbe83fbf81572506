// Between the router's values and the reports that lispctl shows: times, traffic, selections.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire
import Management
import ManagementAPI

/// The two clocks of one report.
struct ReportTime {
    let now: Instant
    /// Seconds since 1970.
    let wallClock: Int64

    init(now: Instant = SystemClock.now, wallClock: Int64 = SystemClock.wallClock / 1_000_000_000) {
        self.now = now
        self.wallClock = wallClock
    }

    func moment(_ instant: Instant) -> Moment {
        Moment(now: wallClock, secondsAgo: max(0, instant.duration(to: now).nanoseconds / 1_000_000_000))
    }

    /// `12 s ago`
    func ago(_ instant: Instant) -> String { "\(Self.words(moment(instant).secondsAgo)) ago" }

    /// `12 s`, `5 min`, `3 h` or `4 days`: as precise as a person wants it.
    static func words(_ seconds: Int64) -> String {
        switch max(0, seconds) {
        case 0..<120: "\(max(0, seconds)) s"
        case 120..<7200: "\(seconds / 60) min"
        case 7200..<172_800: "\(seconds / 3600) h"
        default: "\(seconds / 86_400) days"
        }
    }

    /// Whole seconds until `instant`, rounded up; 0 if it has passed.
    func seconds(until instant: Instant) -> Int64 {
        max(0, (now.duration(to: instant).nanoseconds + 999_999_999) / 1_000_000_000)
    }
}

extension Traffic {
    init(_ counters: TrafficCounters) {
        self.init(packets: counters.packets, octets: counters.octets)
    }
}

extension EIDFamily {
    init(_ family: AddressFamily) {
        self = family == .ipv4 ? .ipv4 : .ipv6
    }

    var addressFamily: AddressFamily { self == .ipv4 ? .ipv4 : .ipv6 }
}

extension PeerAddress {
    init(_ endpoint: Endpoint) {
        self.init(address: endpoint.address.description, port: endpoint.port)
    }
}

/// Which EID-prefixes a query selects.
struct EIDSelection {
    /// What `eid` of the query says.
    enum Target {
        case all
        /// The entry of longest match.
        case address(IPAddress)
        /// The entry itself and its more-specifics.
        case prefix(IPPrefix)
    }

    let family: AddressFamily?
    let instanceID: InstanceID?
    let target: Target

    init(family: EIDFamily?, instanceID: UInt32?, eid: String?) throws(ManagementError) {
        self.family = family?.addressFamily
        self.instanceID = instanceID.map(InstanceID.init(uncheckedRawValue:))
        if let eid {
            if let address = IPAddress(eid) {
                target = .address(address)
            } else if let prefix = IPPrefix(eid) {
                target = .prefix(prefix)
            } else {
                throw ManagementError(.badRequest, "\(eid) is no EID: an address, or a prefix without host bits")
            }
        } else {
            target = .all
        }
    }

    init(_ query: TableQuery) throws(ManagementError) {
        try self.init(family: query.family, instanceID: query.instanceID, eid: query.eid)
    }

    func selects(_ table: EIDTableKey) -> Bool {
        let targetFamily: AddressFamily? =
            switch target {
            case .all: nil
            case .address(let address): address.family
            case .prefix(let prefix): prefix.family
            }
        return (family ?? table.family) == table.family && (instanceID ?? table.instanceID) == table.instanceID
            && (targetFamily ?? table.family) == table.family
    }

    /// What is selected of a table that is.
    func scope(_ table: EIDTableKey) -> EIDPrefix {
        let whole = IPPrefix(family: table.family, leftAligned: 0, length: 0)
        guard case .prefix(let prefix) = target else { return EIDPrefix(instanceID: table.instanceID, whole) }
        return EIDPrefix(instanceID: table.instanceID, prefix)
    }

    /// By instance, family and prefix; not by longest match, which is the table's matter.
    func selects(_ eid: EIDPrefix) -> Bool {
        guard selects(EIDTableKey(eid)) else { return false }
        return switch target {
        case .all: true
        case .address(let address): eid.prefix.contains(address)
        case .prefix(let prefix): prefix.covers(eid.prefix)
        }
    }
}

/// Where the next page of a table goes on: after this key.
struct PageKey {
    let eid: EIDPrefix

    init(_ eid: EIDPrefix) {
        self.eid = eid
    }

    /// Parses what `text` makes.
    init?(_ text: String) {
        let parts = text.split(separator: "@", maxSplits: 1)
        guard parts.count == 2, let number = UInt32(parts[0]), let instance = InstanceID(rawValue: number),
            let prefix = IPPrefix(parts[1])
        else { return nil }
        eid = EIDPrefix(instanceID: instance, prefix)
    }

    var text: String { "\(eid.instanceID)@\(eid.prefix)" }

    static func parse(_ text: String?) throws(ManagementError) -> EIDPrefix? {
        guard let text else { return nil }
        guard let key = PageKey(text) else { throw ManagementError(.badRequest, "after is no page of this table") }
        return key.eid
    }
}
