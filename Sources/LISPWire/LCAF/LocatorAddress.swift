// Which IP address a locator stands for: the one place that decides it.

extension LISPAddress {
    /// The address to send to if this stands as a locator or an ITR-RLOC.
    ///
    /// It may be plain, or the first IP address of an AFI list, which is how routers write an RLOC with more about it, or have
    /// one thing said about it that does not change how it is reached. `nil` for all else: a path, a key, a nonce ask for
    /// more than sending there, so such a locator is not used (RFC 8060 section 4.10.5, RFC 9306 section 3).
    package var locatorAddress: IPAddress? {
        guard case .lcaf(let canonical) = self else { return ipAddress }
        return switch canonical.content {
        case .afiList(let list): list.addresses.lazy.compactMap(\.plain).first
        case .instanceID: ipAddress
        case .asNumber(let number): number.address.plain
        case .geoCoordinates(let place): place.address.plain
        case .geoLocation(let place): place.address.plain
        case .json(let model): model.address?.plain
        case .encapsulationFormat(let format) where format.formats.contains(.lisp): format.address.plain
        case .null, .applicationData, .opaqueKey, .natTraversal, .nonceLocator, .multicastInfo,
            .explicitLocatorPath, .securityKey, .sourceDestinationKey, .replicationList, .keyValue,
            .encapsulationFormat, .unknown, .malformed:
            nil
        }
    }

    /// Not in an instance: what is said about a locator stands outside of it.
    private var plain: IPAddress? {
        if case .ip(let address) = self { address } else { nil }
    }

    /// Every IP address that somebody could find in this, however deep; `nil` if part of it cannot be read.
    package var allIPAddresses: [IPAddress]? {
        switch self {
        case .none, .mac, .distinguishedName: return []
        case .ip(let address): return [address]
        case .instance(_, _, let address): return address.allIPAddresses
        case .lcaf(let canonical):
            guard let parts = canonical.content.addresses else { return nil }
            var all: [IPAddress] = []
            for part in parts {
                guard let found = part.allIPAddresses else { return nil }
                all += found
            }
            return all
        }
    }
}

extension CanonicalAddress.Content {
    /// The addresses directly in this; `nil` if not all could be read.
    package var addresses: [LISPAddress]? {
        switch self {
        case .null, .opaqueKey: []
        case .afiList(let list): list.fault == nil ? list.addresses : nil
        case .instanceID(let instance): [instance.address]
        case .asNumber(let number): [number.address]
        case .applicationData(let data): [data.address]
        case .geoCoordinates(let place): [place.address]
        case .geoLocation(let place): [place.address]
        case .natTraversal(let nat): [nat.globalETRRLOC, nat.mapServerRLOC, nat.privateETRRLOC] + nat.rtrRLOCs
        case .nonceLocator(let locator): [locator.address]
        case .multicastInfo(let info): [info.source, info.group]
        case .explicitLocatorPath(let path): path.hops.map(\.address)
        case .securityKey(let key): [key.locator]
        case .sourceDestinationKey(let key): [key.source, key.destination]
        case .replicationList(let list): list.entries.map(\.address)
        case .json(let model): model.address.map { [$0] } ?? []
        case .keyValue(let pair): [pair.key, pair.value]
        case .encapsulationFormat(let format): [format.address]
        case .unknown, .malformed: nil
        }
    }
}
