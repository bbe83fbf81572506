// Reports with one of everything, for the texts that are made of them.

import ManagementAPI

enum Fixture {
    static func moment(_ secondsAgo: Int64) -> Moment {
        Moment(now: 1_767_225_600, secondsAgo: secondsAgo)
    }

    static let xtrID = "0123456789abcdef0123456789abcdef"

    static let mapCache = MapCacheReport(
        tables: [
            EIDTable(instanceID: 0, family: .ipv4, entryCount: 3),
            EIDTable(instanceID: 101, family: .ipv6, namespace: "red", entryCount: 1),
        ],
        entries: [
            MapCacheEntry(
                instanceID: 0,
                eidPrefix: "10.2.0.0/16",
                created: moment(242),
                lastModified: moment(242),
                expiresIn: 86157,
                source: "map-reply",
                state: .complete,
                isAuthoritative: true,
                answeredBy: "192.0.2.2",
                locators: [
                    MapCacheLocator(
                        address: "192.0.2.2",
                        state: .up,
                        since: moment(242),
                        priority: 1,
                        weight: 100,
                        encapsulated: Traffic(packets: 12, octets: 3456),
                        stateChanges: 1,
                        probing: LocatorProbing(
                            probesSent: 14,
                            probesAnswered: 13,
                            lastAnswered: moment(7),
                            roundTrip: .init(last: 1.25, smallest: 0.5, largest: 30.75, smoothed: 2.0)
                        ),
                        echoes: LocatorEchoes(
                            state: .asking,
                            requested: 9,
                            matched: 5,
                            mismatched: 1,
                            echoed: 4,
                            lastEchoed: moment(11),
                            failures: 2
                        ),
                        mtu: 1300
                    ),
                    MapCacheLocator(
                        address: "2001:db8:ffff::2",
                        state: .down,
                        since: moment(90000),
                        priority: 255,
                        weight: 0
                    ),
                ],
                statusBits: StatusBits(bits: 1, changed: moment(90)),
                encapsulated: Traffic(packets: 12, octets: 3456),
                lastUsed: moment(3)
            ),
            MapCacheEntry(
                instanceID: 0,
                eidPrefix: "10.3.0.0/16",
                created: moment(5),
                lastModified: moment(5),
                expiresIn: 55,
                source: "map-reply",
                state: .refreshing,
                locators: [
                    MapCacheLocator(
                        address: "192.0.2.1",
                        state: .unreachable,
                        since: moment(5),
                        priority: 1,
                        weight: 1,
                        isSelf: true
                    )
                ]
            ),
            MapCacheEntry(
                instanceID: 0,
                eidPrefix: "192.0.0.0/9",
                created: moment(604_800),
                lastModified: moment(604_800),
                source: "map-reply",
                state: .complete,
                action: "natively-forward"
            ),
            MapCacheEntry(
                instanceID: 101,
                eidPrefix: "2001:db8:2::/48",
                created: moment(1),
                lastModified: moment(1),
                expiresIn: 86399,
                source: "map-reply",
                state: .complete,
                locators: [
                    MapCacheLocator(address: "2001:db8:ffff::2", state: .up, since: moment(1), priority: 10, weight: 50)
                ]
            ),
        ]
    )

    static let database = DatabaseReport(
        tables: [
            EIDTable(instanceID: 0, family: .ipv4, entryCount: 2),
            EIDTable(instanceID: 101, family: .ipv6, namespace: "red", entryCount: 1),
        ],
        entries: [
            DatabaseEntry(
                instanceID: 0,
                eidPrefix: "10.1.0.0/16",
                locatorSet: "default",
                ttl: 86400,
                sourceAddress: "10.1.0.1",
                locators: [
                    DatabaseLocator(
                        address: "192.0.2.1",
                        priority: 1,
                        weight: 100,
                        interface: "eth0",
                        isSelf: true,
                        isReachable: true
                    ),
                    DatabaseLocator(
                        address: "198.51.100.7",
                        priority: 2,
                        weight: 100,
                        isSelf: false,
                        isReachable: false
                    ),
                ]
            ),
            DatabaseEntry(instanceID: 0, eidPrefix: "10.7.0.0/16", locatorSet: "default", ttl: 86400, hasRoute: false),
            DatabaseEntry(
                instanceID: 101,
                eidPrefix: "2001:db8:1::/48",
                locatorSet: "tenant",
                ttl: 3600,
                locators: [
                    DatabaseLocator(
                        address: "2001:db8:ffff::1",
                        priority: 1,
                        weight: 100,
                        interface: "eth0",
                        isSelf: true,
                        isReachable: true
                    )
                ]
            ),
        ]
    )

    static let sites = SiteReport(
        sites: [
            Site(
                name: "site1",
                description: "Main campus",
                eids: [
                    SiteEID(
                        instanceID: 0,
                        eidPrefix: "10.1.0.0/16",
                        acceptMoreSpecifics: true,
                        isRegistered: true,
                        firstRegistered: moment(2742),
                        lastRegistered: moment(6),
                        lastRegisteredBy: PeerAddress(address: "192.0.2.1", port: 4342),
                        ttl: 86400,
                        authenticationFailures: 2,
                        registrations: [
                            registration("192.0.2.1", "hmac-sha-1-96"),
                            registration("2001:db8:ffff::1", "hmac-sha-1-96"),
                        ],
                        mergedLocators: [
                            MergedLocator(
                                locator: RegisteredLocator(
                                    address: "192.0.2.1",
                                    isLocal: true,
                                    isReachable: true,
                                    priority: 1,
                                    weight: 100
                                ),
                                registeredBy: PeerAddress(address: "192.0.2.1", port: 4342)
                            )
                        ]
                    ),
                    SiteEID(
                        instanceID: 0,
                        eidPrefix: "10.1.4.0/24",
                        moreSpecificOf: "10.1.0.0/16",
                        isRegistered: true,
                        firstRegistered: moment(10),
                        lastRegistered: moment(6),
                        lastRegisteredBy: PeerAddress(address: "2001:db8:ffff::1", port: 34273),
                        ttl: 3600
                    ),
                    SiteEID(instanceID: 101, eidPrefix: "2001:db8:1::/48", isRegistered: false),
                ],
                refusals: [
                    ReasonCount(
                        reason: "authentication-failure",
                        count: 2,
                        last: moment(12),
                        lastSource: "192.0.2.66:4342"
                    )
                ]
            ),
            Site(
                name: "site2",
                nonceCheck: "strict",
                allowedLocators: ["192.0.2.2"],
                eids: [SiteEID(instanceID: 0, eidPrefix: "10.2.0.0/16", isRegistered: false, proxyReply: true)]
            ),
        ],
        unknownSite: [ReasonCount(reason: "unknown-eid", count: 1)]
    )

    private static func registration(_ etr: String, _ algorithm: String) -> Registration {
        Registration(
            etr: PeerAddress(address: etr, port: 4342),
            lastRegistered: moment(6),
            xtrID: xtrID,
            siteID: 0,
            ttl: 86400,
            proxyReply: false,
            wantMapNotify: true,
            algorithm: algorithm,
            nonce: "4536735ee5d90458",
            locators: [
                RegisteredLocator(address: "192.0.2.1", isLocal: true, isReachable: true, priority: 1, weight: 100),
                RegisteredLocator(
                    address: "2001:db8:ffff::1",
                    isLocal: true,
                    isReachable: false,
                    priority: 2,
                    weight: 50
                ),
            ]
        )
    }

    static let services = ServiceReport(
        services: [
            ServiceStatus(
                instanceID: 0,
                family: .ipv4,
                itr: true,
                etr: true,
                mapServer: false,
                mapResolver: false,
                proxyETRs: ["192.0.2.9", "2001:db8::9"],
                mapResolvers: ["192.0.2.53", "2001:db8::53"],
                mapServers: [
                    ServiceMapServer(address: "192.0.2.53", acknowledged: moment(35)),
                    ServiceMapServer(address: "192.0.2.54"),
                ],
                xtrID: xtrID,
                mapCacheEntries: 3,
                mapCacheLimit: 100_000,
                databaseEntries: 2
            )
        ]
    )

    static let statistics = StatisticsReport(
        control: [
            ControlStatistics(
                family: .ipv4,
                mapRequests: InOut(incoming: 1, outgoing: 24),
                recentMapRequests: RecentCount(fiveSeconds: 1, oneMinute: 1, fiveMinutes: 1),
                encapsulatedMapRequests: InOut(incoming: 0, outgoing: 23),
                mapRequestsExpired: 3,
                mapReplyRecords: InOut(incoming: 24, outgoing: 1),
                negativeRecords: InOut(incoming: 22),
                mapRegisterRecords: InOut(outgoing: 6),
                recentMapRegisterRecords: RecentCount(oneMinute: 2, fiveMinutes: 9),
                registerAuthenticationFailures: 4,
                mapNotifyRecords: InOut(incoming: 8),
                mapNotifyAuthenticationFailures: 5,
                mapCacheCreated: 10,
                mapCacheDeleted: 8,
                dataSignals: 2
            )
        ],
        controlDrops: [ReasonCount(reason: "truncated", count: 7)],
        formatErrors: FormatErrors(mapRequests: 4, mapReplies: 3, otherMessages: 2, checksums: 5, unsupportedTypes: 6),
        dataPlane: DataPlaneStatistics(
            instances: [InstanceTraffic(instanceID: 0, encapsulated: Traffic(packets: 5, octets: 420))],
            drops: [ReasonCount(reason: "no-locator", count: 1), ReasonCount(reason: "ttl-expired", count: 0)],
            misses: 2,
            heldReleased: 2,
            nativelyForwarded: 3,
            trainsSent: 9,
            trainsReceived: 8,
            siteTrainsTaken: 11,
            siteTrainsGiven: 10,
            portsWithoutTrains: 2,
            systemCalls: [
                SystemCallCounts(
                    worker: 0,
                    receive: .init(calls: 3, packets: 100),
                    send: .init(calls: 5, packets: 5),
                    tunnelRead: .init(calls: 7, packets: 6)
                ),
                SystemCallCounts(worker: 1, receive: .init(calls: 1, packets: 4), send: .init(calls: 1)),
            ],
            headerHints: HeaderHintCounts(
                echoesRequested: 31,
                echoesMatched: 30,
                echoRequestsReceived: 21,
                echoesSent: 20,
                statusBitsSent: 51,
                statusBitsReceived: 50,
                statusBitsChanged: 4,
                ignored: [ReasonCount(reason: "nonce: another was asked for", count: 3)]
            ),
            paths: PathStatistics(
                errorsBelieved: 21,
                errorsRefused: 22,
                reports: 23,
                reportsRepeated: 24,
                reportsLost: 25
            ),
            siteErrors: SiteErrorStatistics(sent: 31, limited: 32, forbidden: 33, withoutSource: 34),
            fragmented: 41,
            sentFragmentable: 42
        )
    )

    static let status = StatusReport(
        version: "0.1.0",
        processID: 42,
        started: moment(90061),
        roles: [
            RoleStatus(role: "itr", health: .up),
            RoleStatus(role: "etr", health: .degraded, reason: "192.0.2.54 does not answer"),
        ],
        xtrID: xtrID,
        configurationFile: "/etc/lispd/lispd.yaml",
        configurationLoaded: moment(90061),
        instances: [InstanceStatus(instanceID: 0, interface: "lisp0")],
        workers: [WorkerStatus(index: 0, encapsulated: Traffic(packets: 5, octets: 420))],
        sockets: [
            SocketStatus(purpose: "control", family: .ipv4, port: 4342, receiveBuffer: 7_340_032, sendBuffer: 212_992)
        ],
        offloads: [
            OffloadStatus(name: "tso", isOn: true),
            OffloadStatus(name: "uso", isOn: false, reason: "the kernel does not know it (Linux 6.2 and later do)"),
        ],
        mapCacheEntries: 3,
        mapCacheLimit: 100_000,
        databaseEntries: 2,
        warnings: ["rp_filter is strict on eth0"]
    )

    static let mapServers = MapServersReport(mapServers: [
        MapServerStatus(
            address: "192.0.2.53",
            state: .registered,
            keyID: 0,
            algorithm: "hmac-sha-256-128",
            eidPrefixes: ["10.1.0.0/16"],
            lastSent: moment(12),
            lastAcknowledged: moment(12),
            registersSent: 9,
            acknowledgements: 9
        )
    ])

    static let mapResolvers = MapResolversReport(mapResolvers: [
        MapResolverStatus(
            address: "192.0.2.53",
            state: .up,
            sent: 4,
            answered: 3,
            lastSent: moment(7),
            lastAnswered: moment(7),
            roundTripMicroseconds: 1042
        )
    ])

    static let locators = LocatorsReport(
        local: [
            LocalLocator(
                interface: "eth0",
                address: "192.0.2.1",
                state: .up,
                locatorSets: ["default"],
                priority: 1,
                weight: 100
            )
        ],
        remote: [
            RemoteLocator(address: "192.0.2.2", state: .up, since: moment(242), mappings: 1, source: "192.0.2.1"),
            RemoteLocator(
                address: "2001:db8::9",
                state: .down,
                since: moment(5),
                mappings: 3,
                mtu: 1300,
                stateChanges: 1,
                probing: probing
            ),
        ]
    )

    static let probing = LocatorProbing(
        probesSent: 14,
        probesAnswered: 13,
        lastAnswered: moment(7),
        roundTrip: .init(last: 1.25, smallest: 0.5, largest: 30.75, smoothed: 2.0)
    )

    static let proxyETRs = ProxyETRsReport(
        proxyETRs: [
            ProxyETRStatus(
                address: "192.0.2.9",
                priority: 1,
                weight: 100,
                state: .up,
                isUsed: true,
                since: moment(242),
                encapsulated: Traffic(packets: 3, octets: 300),
                probing: probing
            ),
            ProxyETRStatus(address: "2001:db8::9", priority: 255, weight: 0, state: .unusable, isUsed: false),
        ]
    )

    static let smr = SMRReport(
        smrPeers: [
            SMRPeerStatus(
                address: "198.51.100.6",
                sent: 2,
                repeated: 1,
                lastSent: moment(83),
                lastSentEID: "10.1.0.0/16",
                invoked: 1,
                lastInvoked: moment(82)
            ),
            SMRPeerStatus(
                address: "2001:db8::9",
                received: 3,
                lastReceived: moment(5),
                lastReceivedEID: "2001:db8:2::/48"
            ),
        ],
        forgotten: 4
    )

    static let explained = ExplainReport(
        source: "10.1.0.10",
        destination: "10.2.0.10",
        instanceID: 0,
        protocolNumber: 17,
        sourcePort: 40000,
        outcome: .encapsulated,
        summary: "encapsulated to 198.51.100.22",
        host: ExplainedHost(
            interface: "lisp0",
            steps: ["10030: from 10.1.0.0/16 lookup 10001", "default dev lisp0 table 10001"],
            text: "goes into lisp0: its source is in 10.1.0.0/16, an EID-prefix of this site"
        ),
        mapping: MapCacheEntry(
            instanceID: 0,
            eidPrefix: "10.2.0.0/16",
            created: moment(242),
            lastModified: moment(242),
            expiresIn: 86157,
            source: "map-reply",
            state: .complete,
            answeredBy: "198.51.100.6"
        ),
        locators: [
            ExplainedLocator(
                address: "198.51.100.6",
                priority: 1,
                weight: 100,
                state: .down,
                isUsed: false,
                why: "does not answer RLOC-probes, last answered 12 s ago"
            ),
            ExplainedLocator(
                address: "198.51.100.22",
                priority: 2,
                weight: 100,
                state: .up,
                isUsed: true,
                isChosen: true,
                why: "the only one of the best priority that can be used",
                mtu: 1300
            ),
        ],
        largestPacket: 1264,
        wayBack: "10.1.0.0/16 is registered with 198.51.100.10"
    )

    static let interfaces = InterfacesReport(
        tunnels: [TunnelInterface(name: "lisp0", instanceID: 0, isUp: true, mtu: 1444, queues: 1)],
        rlocInterfaces: [RLOCInterface(name: "eth0", isUp: true, mtu: 1500, addresses: ["192.0.2.1"])]
    )
}
