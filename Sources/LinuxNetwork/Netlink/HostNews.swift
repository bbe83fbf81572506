// What the kernel's news mean for a router: whether to look at the host again, and which ways may lead elsewhere now.

import HostRouting
import LISPWire

/// What has changed in the host.
package struct HostNews: Hashable, Sendable {
    /// Interfaces or addresses, so that locators and our rules and routes have to be looked at.
    package var concernsHost = false
    /// Packets to these destinations may take other ways than before, or none.
    package var changedPaths: Set<IPPrefix> = []

    package var isEmpty: Bool { !concernsHost && changedPaths.isEmpty }
}

/// Makes news out of what the kernel tells. It tells more than has changed: of a link also when its counters or flags did, of an
/// address each time it is renewed.
package struct HostNewsReader {
    package static let everything: Set<IPPrefix> = [
        IPPrefix(family: .ipv4, leftAligned: 0, length: 0), IPPrefix(family: .ipv6, leftAligned: 0, length: 0),
    ]
    /// Whether packets can leave by a link, as far as it was told.
    private var links: [Int32: Bool] = [:]
    /// Usable addresses, as far as they were told.
    private var addresses: Set<LinkAddress> = []

    private struct LinkAddress: Hashable {
        let link: Int32
        let address: IPAddress

        init(_ address: InterfaceAddress) {
            link = address.interfaceIndex
            self.address = address.address
        }
    }

    package init() {}

    package mutating func read(_ events: [NetlinkEvent]) -> HostNews {
        var news = HostNews()
        for event in events {
            switch event {
            case .link(let link):
                news.concernsHost = true
                let isCarrying = link.isUp && link.hasCarrier
                if links.updateValue(isCarrying, forKey: link.index) != isCarrying {
                    news.changedPaths.formUnion(Self.everything)
                }
            case .linkRemoved(let index, _):
                news.concernsHost = true
                if links.removeValue(forKey: index) != false { news.changedPaths.formUnion(Self.everything) }
            case .address(let address):
                news.concernsHost = true
                guard address.isUsable else { continue }
                if addresses.insert(LinkAddress(address)).inserted { news.changedPaths.formUnion(Self.everything) }
            case .addressRemoved(let address):
                news.concernsHost = true
                addresses.remove(LinkAddress(address))
                news.changedPaths.formUnion(Self.everything)
            case .route(let route), .routeRemoved(let route):
                // Our own lead into our TUNs.
                guard route.routingProtocol != HostNumbers.routingProtocol else { continue }
                news.changedPaths.insert(route.destination)
            case .overrun:
                // What was told before may be so no longer, and news of it must not pass for a repetition.
                links.removeAll()
                addresses.removeAll()
                news.concernsHost = true
                news.changedPaths.formUnion(Self.everything)
            }
        }
        if news.changedPaths.isSuperset(of: Self.everything) { news.changedPaths = Self.everything }
        return news
    }
}
