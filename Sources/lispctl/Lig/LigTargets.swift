// What lig is to ask about: the words that were typed, as EIDs.

import LISPWire
import ManagementAPI

/// One EID to ask about.
struct LigTarget {
    var eid: EID
    /// What was typed, if that was a name.
    var name: String?
    /// Asked by `self` or `self6`.
    var isSelf = false
    /// Our own mapping of the EID, if lispd runs here and has one.
    var own: DatabaseEntry?
}

struct LigTargets {
    let all: [LigTarget]

    init(_ selection: Selection, _ instanceID: UInt32, _ site: OwnSite?) throws(CommandFailure) {
        guard let word = selection.target else {
            throw CommandFailure(.usage, "give an EID, a host name, self or self6")
        }
        let instance = InstanceID(uncheckedRawValue: instanceID)
        if word == "self" || word == "self6" {
            let family: EIDFamily = word == "self6" ? .ipv6 : selection.family ?? .ipv4
            guard word == "self" || selection.family != .ipv4 else {
                throw CommandFailure(.usage, "self6 asks for an IPv6 EID-prefix: leave out ipv4")
            }
            guard let site else {
                throw CommandFailure(
                    .unavailable,
                    "\(word) needs a lispd here that is an ETR, which knows the EID-prefix to ask for"
                )
            }
            guard let own = site.first(family), let prefix = IPPrefix(own.eidPrefix) else {
                throw CommandFailure(.nothingFound, "this router has no \(family.name) EID-prefix to ask about")
            }
            all = [LigTarget(eid: EID(instanceID: instance, prefix.address), name: word, isSelf: true, own: own)]
            return
        }
        var name: String?
        let addresses: [IPAddress]
        if let address = IPAddress(word) ?? IPPrefix(word)?.address {
            guard selection.family == nil || selection.family == EIDFamily(ofAddress: word) else {
                throw CommandFailure(
                    .usage,
                    "\(word) is no \(selection.family?.rawValue ?? "") address: leave out one of the two"
                )
            }
            addresses = [address]
        } else {
            // Says what is wrong with 10.2.0.0/8; nothing with a slash is a name.
            if word.contains("/") { _ = try parseEID(word) }
            name = word
            addresses = try HostName(word, nil).addresses(selection.family)
        }
        all = addresses.map { address in
            let eid = EID(instanceID: instance, address)
            return LigTarget(eid: eid, name: name, own: site?.mapping(of: eid))
        }
    }
}

/// What lispd says of the site that this router is of.
struct OwnSite {
    private let entries: [DatabaseEntry]
    /// Whether a Map-Server is asked to merge our locators with those of other ETRs.
    let merges: Bool

    /// `nil` if there is no lispd, or it is no ETR.
    init?(_ client: ManagementClient, _ instanceID: UInt32) async {
        let query = TableQuery(instanceID: instanceID)
        guard let database = try? await client.get(.database, query, as: DatabaseReport.self).data else { return nil }
        entries = database.entries
        let servers = try? await client.get(.mapServers, as: MapServersReport.self).data.mapServers
        merges = servers?.contains(where: \.merge) ?? false
    }

    init(_ entries: [DatabaseEntry], merges: Bool = false) {
        self.entries = entries
        self.merges = merges
    }

    func first(_ family: EIDFamily) -> DatabaseEntry? { entries.first { EIDFamily(ofAddress: $0.eidPrefix) == family } }

    /// The longest of our EID-prefixes that holds an EID.
    func mapping(of eid: EID) -> DatabaseEntry? {
        entries.compactMap { entry in IPPrefix(entry.eidPrefix).map { (prefix: $0, entry: entry) } }
            .filter { $0.prefix.contains(eid.address) }
            .max { $0.prefix.length < $1.prefix.length }?.entry
    }

    /// The EID that this router asks as: an address of this host in an own EID-prefix of the family, else the first of that.
    func address(for eid: EID) -> IPAddress? {
        let family: EIDFamily = eid.address.family == .ipv4 ? .ipv4 : .ipv6
        let own = entries.filter { EIDFamily(ofAddress: $0.eidPrefix) == family }
        return own.lazy.compactMap { $0.sourceAddress.flatMap { IPAddress($0) } }.first
            ?? own.lazy.compactMap { IPPrefix($0.eidPrefix)?.address }.first
    }
}
