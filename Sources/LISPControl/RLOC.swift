// Which addresses may stand as routing locators in what others send us.

import LISPWire

extension IPAddress {
    /// Whether packets and answers may be sent there on the word of a stranger: an address of one host other than ourselves,
    /// so no multicast or broadcast, which would multiply them, no loopback and no link-local one, which means something else
    /// here than there.
    package var canBeRLOC: Bool {
        switch self {
        case .v4(let address):
            switch address.rawValue >> 24 {
            case 0, 127, 224...255: false
            case 169: address.rawValue >> 16 & 0xff != 254
            default: true
            }
        case .v6(let address):
            address.rawValue > 1 && address.rawValue >> 120 != 0xff && address.rawValue >> 118 != 0x3fa
        }
    }

    fileprivate var isLoopback: Bool {
        switch self {
        case .v4(let address): address.rawValue >> 24 == 127
        case .v6(let address): address.rawValue == 1
        }
    }
}

extension MapRequest {
    /// The family of the EID that is asked for first, which a Map-Request counts under.
    var family: AddressFamily? { records.first?.eidPrefix?.prefix.family }

    /// Where the Map-Reply goes: the first ITR-RLOC of the family that was asked, else of another of `families`; `nil` if
    /// there is none that an answer may be sent to. A loopback address will do for who asks on one.
    package func replyRLOC(families: Set<AddressFamily>, askedAt local: IPAddress) -> IPAddress? {
        Self.replyRLOC(among: itrRLOCs, families: families, askedAt: local)
    }

    static func replyRLOC(
        among rlocs: [LISPAddress],
        families: Set<AddressFamily>,
        askedAt local: IPAddress
    ) -> IPAddress? {
        let family = local.family
        var other: IPAddress?
        for address in rlocs {
            guard let rloc = address.locatorAddress, families.contains(rloc.family),
                rloc.canBeRLOC || rloc.isLoopback && local.isLoopback
            else { continue }
            if rloc.family == family { return rloc }
            other = other ?? rloc
        }
        return other
    }
}
