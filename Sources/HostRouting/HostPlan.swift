// From what is wanted to the rules and routes that bring it about.
//
// For an xTR whose EID-prefix is 10.1.0.0/16, in the order in which the kernel asks:
//
//    rule 10000 fwmark 0x4c495350 goto 10099           lispd's own sockets
//    rule 10010 to   10.1.0.0/16 lookup main suppress_prefixlength 0
//    rule 10011 to   10.1.0.0/16 unreachable           an unrouted own EID must not leak by the default route
//    rule 10020 iif  lisp0 goto 10099                  from the TUN never into it again, or packets would go round
//    rule 10030 from 10.1.0.0/16 lookup 10001
//    rule 10031 iif  lo from 0.0.0.0/32 lookup 10002   the router's own unbound traffic and its ICMP errors
//    rule 10099 nop
//    table 10001: default dev lisp0; unreachable default metric 1000000 (when-down); throw NEGATIVE;
//                 POSITIVE-below-a-NEGATIVE dev lisp0
//    table 10002: KNOWN-REMOTE-EID dev lisp0 src OWN-EID
//    sysctl lisp0: rp_filter 2, accept_local 1; link lisp0: addrgenmode none, up;
//                 address 192.0.0.8 scope host (without any address, rp_filter 2 would be as strict as 1)
//
// In IPv6 a rule cannot say "has no source yet": any `from` but ::/0 matches only what has one. So there it is said the
// other way round: what has a source passes by, the rest is looked up.
//
//    rule 10031 iif  lo from ::/1 goto 10099
//    rule 10031 iif  lo from 8000::/1 goto 10099
//    rule 10032 iif  lo lookup 10002
//
// A tenant's namespace gets the same for its instance, with two differences. The whole of it is EID space, so table 10002
// is a default route there, and 10021 lets everything that the tenant has a route for (its default route excepted) go that
// way first. It gets no default route in its main table: one to the TUN would send natively forwarded packets, which lispd
// writes back to the TUN with their TTL raised, into the TUN again without end. A default route that the tenant has itself
// carries those.
//
//    rule 10021 lookup main suppress_prefixlength 0
//
// A Proxy-ITR for 10.0.0.0/8 attracts whatever comes by, and the router's own traffic, so that it needs no table 10002. What is
// negative in there is refused: natively it would come back to us until its TTL ends.
//
//    rule 10040 lookup 10003
//    table 10003: EID-SPACE dev lisp0 src OWN; unreachable EID-SPACE metric 1000000 (when-down); unreachable NEGATIVE;
//                 POSITIVE-below-a-NEGATIVE dev lisp0
//
// A Proxy-ETR needs the TUN's settings only.

import LISPWire

/// Something that an operator should see in the status.
package enum HostNote: Hashable, Sendable {
    /// This host has no address inside the instance's own EID-prefixes of the family: its own traffic and its ICMP errors to
    /// remote EIDs leave natively, with a locator as source, and are probably lost.
    case noOwnAddress(InstanceID, AddressFamily)
    /// This many negative prefixes are beyond the limit; their packets take the detour over the TUN.
    case negativePrefixesBeyondLimit(InstanceID, count: Int)
    /// This many known EID-prefixes are beyond the limit; the router's own unbound traffic to them goes natively.
    case knownPrefixesBeyondLimit(InstanceID, count: Int)
}

extension HostNote: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noOwnAddress(let instance, let family):
            "instance \(instance): this host has no \(family) address inside its own EID-prefixes, "
                + "so its own traffic and ICMP errors to remote EIDs are not encapsulated"
        case .negativePrefixesBeyondLimit(let instance, let count):
            "instance \(instance): \(count) negative prefixes beyond the limit of \(HostNumbers.negativeRouteLimit) "
                + "are forwarded natively by way of the TUN"
        case .knownPrefixesBeyondLimit(let instance, let count):
            "instance \(instance): \(count) known EID-prefixes beyond the limit of \(HostNumbers.knownRouteLimit) "
                + "are not used for the router's own traffic"
        }
    }
}

/// The desired state of the host.
package struct HostPlan: Hashable, Sendable {
    package private(set) var state: HostState = [:]
    package private(set) var notes: [HostNote] = []

    /// What `intent` needs. Rules of a family stand only where the space has EID-prefixes of that family to serve.
    package init(_ intent: HostIntent) {
        var taken: [HostSpace: Set<HostRoute.Key>] = [:]
        for instance in intent.instances.sorted(by: { $0.instanceID < $1.instanceID }) {
            var space = state[instance.space] ?? SpaceState()
            addLink(of: instance, roles: intent.roles, to: &space)
            for family in AddressFamily.allCases {
                let own = instance.ownPrefixes.filter { $0.family == family }
                let attracted =
                    intent.roles.contains(.proxyITR) ? instance.attractedSpace.filter { $0.family == family } : []
                let isITR = intent.roles.contains(.itr) && !own.isEmpty
                addDelivery(of: instance, own: own, to: &space)
                if isITR || !attracted.isEmpty { addPassage(of: instance, family, to: &space) }
                if isITR { addAttraction(of: instance, family, own: own, whenDown: intent.whenDown, to: &space) }
                if !attracted.isEmpty {
                    addProxyITR(of: instance, attracted, whenDown: intent.whenDown, to: &space)
                } else if isITR {
                    addOwnTraffic(of: instance, family, taken: &taken[instance.space, default: []], to: &space)
                }
                if isITR || !attracted.isEmpty { noteNegativesBeyondLimit(of: instance, family) }
            }
            state[instance.space] = space
        }
    }

    /// The families of which the instance's TUN carries packets.
    private func families(of instance: InstanceIntent) -> Set<AddressFamily> {
        Set((instance.ownPrefixes + instance.attractedSpace + instance.acceptedSources).map(\.family))
    }

    /// Every operation that builds the state from nothing, in order.
    package var installation: [HostOperation] { difference(from: [:], to: state) }

    private func addLink(of instance: InstanceIntent, roles: HostRoles, to space: inout SpaceState) {
        guard !roles.isEmpty else { return }
        let families = families(of: instance)
        space.links[instance.tun] = LinkSettings(mtu: instance.mtu, hasDummyAddress: families.contains(.ipv4))
        // Strict filtering would drop what is written back; and packets of this host itself come back that way too, which
        // IPv4 takes for spoofed unless told otherwise.
        space.sysctls[.interface(.ipv4, instance.tun, "rp_filter")] = "2"
        space.sysctls[.interface(.ipv4, instance.tun, "accept_local")] = "1"
        if families.contains(.ipv6) {
            space.sysctls[.interface(.ipv6, instance.tun, "disable_ipv6")] = "0"
        }
    }

    /// What is for the site stays in the site.
    private func addDelivery(of instance: InstanceIntent, own: [IPPrefix], to space: inout SpaceState) {
        for prefix in own {
            space.rules.insert(
                PolicyRule(
                    prefix.family,
                    priority: HostNumbers.Priority.toOwn,
                    to: prefix,
                    suppressPrefixLength: 0,
                    .lookup(table: HostNumbers.Table.main)
                )
            )
            space.rules.insert(
                PolicyRule(prefix.family, priority: HostNumbers.Priority.toOwnUnrouted, to: prefix, .unreachable)
            )
        }
    }

    /// What must never go into the TUN passes by what attracts traffic into it.
    private func addPassage(of instance: InstanceIntent, _ family: AddressFamily, to space: inout SpaceState) {
        let end = PolicyRule.Action.goTo(priority: HostNumbers.Priority.end)
        space.rules.insert(PolicyRule(family, priority: HostNumbers.Priority.end, .nop))
        space.rules.insert(
            PolicyRule(family, priority: HostNumbers.Priority.fromTUN, inputInterface: instance.tun, end)
        )
        switch instance.space {
        case .main:
            space.rules.insert(
                PolicyRule(family, priority: HostNumbers.Priority.ownSockets, mark: HostNumbers.socketMark, end)
            )
        case .tenant:
            space.rules.insert(
                PolicyRule(
                    family,
                    priority: HostNumbers.Priority.tenantRoutes,
                    suppressPrefixLength: 0,
                    .lookup(table: HostNumbers.Table.main)
                )
            )
        }
    }

    /// What the site sends goes into the TUN, but for what is no LISP site.
    private func addAttraction(
        of instance: InstanceIntent,
        _ family: AddressFamily,
        own: [IPPrefix],
        whenDown: WhenDown,
        to space: inout SpaceState
    ) {
        let table = HostNumbers.Table.site(instance.instanceID.rawValue)
        for prefix in own {
            space.rules.insert(
                PolicyRule(family, priority: HostNumbers.Priority.fromOwn, from: prefix, .lookup(table: table))
            )
        }
        let everything = IPPrefix(family: family, leftAligned: 0, length: 0)
        let way = Way(table: table, tun: .interface(instance.tun), whenDown: whenDown)
        add(
            way,
            to: [everything],
            except: negatives(of: instance, family),
            .next,
            positives(of: instance, family),
            &space
        )
    }

    /// What anybody sends to the attracted EID space goes into the TUN, and nowhere else.
    private func addProxyITR(
        of instance: InstanceIntent,
        _ attracted: [IPPrefix],
        whenDown: WhenDown,
        to space: inout SpaceState
    ) {
        let family = attracted[0].family
        let table = HostNumbers.Table.proxyITR
        space.rules.insert(PolicyRule(family, priority: HostNumbers.Priority.proxyITR, .lookup(table: table)))
        let source = (instance.ownAddresses + instance.attractedSources).first { $0.family == family }
        let negatives = negatives(of: instance, family)
        // Of a negative prefix that is larger than the attracted space only that part is refused.
        let refused = Set(
            negatives.flatMap { negative in
                attracted.compactMap { $0.covers(negative) ? negative : negative.covers($0) ? $0 : nil }
            }
        )
        let way = Way(table: table, tun: .interface(instance.tun, source: source), whenDown: whenDown)
        let positives = positives(of: instance, family).filter { prefix in attracted.contains { $0.covers(prefix) } }
        add(way, to: attracted, except: refused, .unreachable, positives, &space)
    }

    /// How one table leads into the TUN.
    private struct Way {
        let table: UInt32
        let tun: HostRoute.Target
        let whenDown: WhenDown
    }

    /// The TUN for `prefixes`; `otherwise` for the negative ones; and the TUN again for what is positive below those.
    private func add(
        _ way: Way,
        to prefixes: [IPPrefix],
        except negative: Set<IPPrefix>,
        _ otherwise: HostRoute.Target,
        _ positive: Set<IPPrefix>,
        _ space: inout SpaceState
    ) {
        for prefix in prefixes where !negative.contains(prefix) || positive.contains(prefix) {
            space.routes.insert(HostRoute(table: way.table, prefix, way.tun))
        }
        if way.whenDown == .unreachable {
            let metric = HostNumbers.Metric.whenDown
            for prefix in prefixes {
                space.routes.insert(HostRoute(table: way.table, prefix, metric: metric, .unreachable))
            }
        }
        // In order, a prefix directly follows those that cover it: a stack of them finds each one's cover at once.
        var covers: [IPPrefix] = []
        for prefix in negative.union(positive).sorted() {
            while let last = covers.last, !last.covers(prefix) { covers.removeLast() }
            if negative.contains(prefix), !positive.contains(prefix) {
                covers.append(prefix)
                space.routes.insert(HostRoute(table: way.table, prefix, otherwise))
            } else if !covers.isEmpty {
                space.routes.insert(HostRoute(table: way.table, prefix, way.tun))
            }
        }
    }

    private func positives(of instance: InstanceIntent, _ family: AddressFamily) -> Set<IPPrefix> {
        Set(instance.knownRemoteEIDs.filter { $0.family == family })
    }

    /// The negative prefixes that get a route.
    private func negatives(of instance: InstanceIntent, _ family: AddressFamily) -> Set<IPPrefix> {
        let all = Set(instance.negativePrefixes.filter { $0.family == family && $0.length > 0 })
        return Set(all.subtracting(positives(of: instance, family)).sorted().prefix(HostNumbers.negativeRouteLimit))
    }

    private mutating func noteNegativesBeyondLimit(of instance: InstanceIntent, _ family: AddressFamily) {
        let all = Set(instance.negativePrefixes.filter { $0.family == family && $0.length > 0 })
        let beyond =
            max(0, all.subtracting(positives(of: instance, family)).count - HostNumbers.negativeRouteLimit)
            + instance.unlistedNegativePrefixes[family, default: 0]
        if beyond > 0 { notes.append(.negativePrefixesBeyondLimit(instance.instanceID, count: beyond)) }
    }

    /// What the router itself sends to remote EIDs gets an own EID as its source.
    private mutating func addOwnTraffic(
        of instance: InstanceIntent,
        _ family: AddressFamily,
        taken: inout Set<HostRoute.Key>,
        to space: inout SpaceState
    ) {
        guard let source = instance.ownAddresses.first(where: { $0.family == family }) else {
            notes.append(.noOwnAddress(instance.instanceID, family))
            return
        }
        let table = HostNumbers.Table.ownTraffic
        switch family {
        case .ipv4:
            let unbound = IPPrefix(family: .ipv4, leftAligned: 0, length: 32)
            space.rules.insert(
                PolicyRule(
                    .ipv4,
                    priority: HostNumbers.Priority.ownTraffic,
                    from: unbound,
                    inputInterface: "lo",
                    .lookup(table: table)
                )
            )
        case .ipv6:
            for half in [
                IPPrefix(family: .ipv6, leftAligned: 0, length: 1),
                .init(family: .ipv6, leftAligned: 1 << 127, length: 1),
            ] {
                space.rules.insert(
                    PolicyRule(
                        .ipv6,
                        priority: HostNumbers.Priority.ownTraffic,
                        from: half,
                        inputInterface: "lo",
                        .goTo(priority: HostNumbers.Priority.end)
                    )
                )
            }
            space.rules.insert(
                PolicyRule(
                    .ipv6,
                    priority: HostNumbers.Priority.ownTrafficIPv6,
                    inputInterface: "lo",
                    .lookup(table: table)
                )
            )
        }

        // Instances of one space share the table: where two want the same prefix, the lower instance ID has it.
        func insert(_ prefix: IPPrefix) {
            let route = HostRoute(table: table, prefix, .interface(instance.tun, source: source))
            if taken.insert(route.key).inserted { space.routes.insert(route) }
        }
        switch instance.space {
        case .tenant:
            insert(IPPrefix(family: family, leftAligned: 0, length: 0))
        case .main:
            let known = Set(instance.knownRemoteEIDs.filter { $0.family == family && $0.length > 0 }).sorted()
            let kept = known.prefix(HostNumbers.knownRouteLimit)
            let beyond = known.count - kept.count + instance.unlistedRemoteEIDs[family, default: 0]
            if beyond > 0 { notes.append(.knownPrefixesBeyondLimit(instance.instanceID, count: beyond)) }
            for prefix in kept {
                insert(prefix)
            }
        }
    }
}
