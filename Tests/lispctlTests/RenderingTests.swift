// The texts, whole: what operators and their programs read.

import ManagementAPI
import Testing

@testable import lispctl

@Suite struct RenderingTests {
    @Test(arguments: [
        (0, "00:00:00"), (-5, "00:00:00"), (83, "00:01:23"), (86399, "23:59:59"), (86400, "1d00h"), (93600, "1d02h"),
        (604_799, "6d23h"), (604_800, "1w0d"), (864_000, "1w3d"), (31_535_999, "52w0d"), (31_536_000, "1y0w"),
        (Int64.max, "292471208677y"),
    ])
    func `durations look as on IOS`(seconds: Int64, text: String) {
        #expect(duration(seconds).hasPrefix(text))
        #expect(duration(seconds).hasPrefix("292471208677y") || duration(seconds) == text)
    }

    @Test func `what never was and never ends is never`() {
        #expect(ago(nil) == "never")
        #expect(remaining(nil) == "never")
        #expect(grouped(Fixture.xtrID) == "0x01234567-0x89ABCDEF-0x01234567-0x89ABCDEF")
        #expect(grouped("0000000000000045") == "0x00000000-0x00000045")
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (951_782_400_007, "2000-02-29T00:00:00.007Z"),
        (1_767_225_599_999, "2025-12-31T23:59:59.999Z"), (1_767_225_600_120, "2026-01-01T00:00:00.120Z"),
    ])
    func `moments of events are in UTC, to the millisecond`(milliseconds: Int64, text: String) {
        #expect(utc(milliseconds: milliseconds) == text)
    }

    @Test func `events`() {
        var down = Event(.locatorDown, .warning, "RLOC 192.0.2.2\nis down", locator: "192.0.2.2")
        down.milliseconds = 1_767_225_600_120
        var refused = Event(.messageRefused, .info, "refused", peer: "192.0.2.9")
        refused.leftOut = 3
        #expect(
            text(of: EventsReport(events: [down, refused], latest: 2)) == """
                2026-01-01T00:00:00.120Z warning locator-down: RLOC 192.0.2.2 is down
                1970-01-01T00:00:00.000Z info    message-refused: refused (3 more such events were left out before it)

                """
        )
        #expect(text(of: EventsReport(events: [], latest: 0)).isEmpty)
    }

    @Test func `locators, with what probing found`() {
        #expect(
            text(of: Fixture.locators) == """
                Local RLOC  Interface  State  Pri/Wgt  Locator sets
                192.0.2.1   eth0       up     1/100    default

                Remote RLOC  State  Since     Mappings  Sent                 Source     MTU   Probes  RTT
                192.0.2.2    up     00:04:02  1         0 packets, 0 octets  192.0.2.1  -     -       -
                2001:db8::9  down   00:00:05  3         0 packets, 0 octets  -          1300  14/13   2.0 ms

                """
        )
    }

    @Test func `Proxy-ETRs`() {
        #expect(
            text(of: Fixture.proxyETRs) == """
                Proxy-ETR    State     Since     Pri/Wgt  Used  Sent                   Probes  RTT
                192.0.2.9    up        00:04:02  1/100    yes   3 packets, 300 octets  14/13   2.0 ms
                2001:db8::9  unusable  -         255/0    no    0 packets, 0 octets    -       -

                """
        )
        #expect(text(of: ProxyETRsReport(proxyETRs: [])).hasPrefix("No Proxy-ETR is configured"))
    }

    @Test func `what goes to a Proxy-ETR is said as IOS says it`() {
        let services = text(of: Fixture.services).split(separator: "\n")
        #expect(services.contains("  ITR use proxy ETR RLOC(Encap IID):        192.0.2.9, 2001:db8::9"))
        let entry = MapCacheEntry(
            instanceID: 0,
            eidPrefix: "192.0.0.0/9",
            created: Fixture.moment(1),
            lastModified: Fixture.moment(1),
            source: "map-reply",
            state: .complete,
            action: "natively-forward",
            forwarding: .proxyETR
        )
        let report = MapCacheReport(
            tables: [EIDTable(instanceID: 0, family: .ipv4, entryCount: 1)],
            entries: [entry]
        )
        for isDetailed in [false, true] {
            let lines = MapCacheText(isDetailed: isDetailed).text(of: report).split(separator: "\n")
            #expect(
                lines.suffix(2) == [
                    "  Negative cache entry, action: natively-forward", "  Encapsulating to proxy ETR",
                ]
            )
        }
    }

    @Test func `Solicit-Map-Requests`() {
        #expect(
            text(of: Fixture.smr) == """
                RLOC          Sent  Repeated  Last sent             Asked  Last asked  Received  Last received
                198.51.100.6  2     1         00:01:23 10.1.0.0/16  1      00:01:22    0         never
                2001:db8::9   0     0         never                 0      never       3         00:00:05 2001:db8:2::/48
                4 others were forgotten

                """
        )
        #expect(text(of: SMRReport(smrPeers: [], forgotten: 0)).hasPrefix("No Solicit-Map-Request"))
    }

    @Test func `numbers of long reasons stand below each other, apart from the words`() {
        let long = "Map-Reply refused: not exactly one record covers the EID that was asked for"
        let report = StatisticsReport(
            control: [],
            controlDrops: [
                ReasonCount(reason: "short", count: 7), ReasonCount(reason: long, count: 12),
                ReasonCount(reason: "never", count: 0),
            ]
        )
        let lines = text(of: report).split(separator: "\n").suffix(3)
        let padding = String(repeating: " ", count: long.count - 3)
        #expect(lines == ["Control messages dropped", "  short\(padding)7", "  \(long)  12"])
    }

    @Test func `an explanation, step by step`() {
        #expect(
            text(of: Fixture.explained) == """
                10.1.0.10 to 10.2.0.10, UDP port 40000 to any, instance 0

                Result: encapsulated to 198.51.100.22

                Host: the packet goes into lisp0: its source is in 10.1.0.0/16, an EID-prefix of this site
                  10030: from 10.1.0.0/16 lookup 10001
                  default dev lisp0 table 10001

                Mapping: 10.2.0.0/16, uptime 00:04:02, expires 23:55:57, via map-reply from 198.51.100.6
                   Locator        State  Pri/Wgt  MTU   Used  Why
                   198.51.100.6   down     1/100  -     no    does not answer RLOC-probes, last answered 12 s ago
                *  198.51.100.22  up       2/100  1300  yes   the only one of the best priority that can be used

                Size: packets of up to 1264 octets go as they are

                Way back: 10.1.0.0/16 is registered with 198.51.100.10

                """
        )
        var asked = Fixture.explained
        asked.protocolNumber = nil
        asked.sourcePort = nil
        asked.mapping = nil
        asked.locators = []
        asked.largestPacket = nil
        asked.question = "the first packet makes the router ask"
        asked.notes = ["the data plane does not follow"]
        let shown = text(of: asked)
        #expect(shown.hasPrefix("10.1.0.10 to 10.2.0.10, instance 0\n"))
        #expect(shown.contains("\n*** the data plane does not follow ***\n"))
        #expect(shown.contains("\nMapping: none\n  the first packet makes the router ask\n"))
        #expect(!shown.contains("Size:"))
    }

    @Test func `map-cache in detail shows what probing found`() {
        let text = MapCacheText(isDetailed: true).text(of: Fixture.mapCache)
        #expect(text.contains("    RLOC-probes sent/answered:         14/13, last answered: 00:00:07\n"))
        #expect(
            text.contains("    Round-trip time, milliseconds:     last 1.25, smoothed 2.0, min/max 0.5/30.75\n")
        )
        #expect(text.split(separator: "\n").count { $0.contains("RLOC-probes") } == 1)
        #expect(text.contains("    Path MTU:                          1300\n"))
        #expect(text.split(separator: "\n").count { $0.contains("Path MTU") } == 1)
    }

    @Test func `map-cache in detail shows what echo-noncing found`() {
        let text = MapCacheText(isDetailed: true).text(of: Fixture.mapCache)
        #expect(
            text.contains(
                """
                    Echo-nonce:                        asking, last echoed: 00:00:11, requests without an echo: 2
                    Nonces asked/echoed/other:         9/5/1, echoed for the site: 4

                """
            )
        )
        #expect(text.split(separator: "\n").count { $0.contains("Echo-nonce") } == 1)
    }

    @Test func `map-cache in detail shows what a site says of its locators`() {
        let text = MapCacheText(isDetailed: true).text(of: Fixture.mapCache)
        #expect(text.contains("\n  Locator-status-bits: 0x1, last changed: 00:01:30\n"))
        #expect(text.split(separator: "\n").count { $0.contains("Locator-status-bits") } == 1)
    }

    @Test func `map-cache`() {
        #expect(
            MapCacheText(isDetailed: false).text(of: Fixture.mapCache) == """
                Output for router lisp 0 instance-id 0
                LISP IPv4 Mapping Cache for LISP 0 EID-table default (IID 0), 3 entries

                10.2.0.0/16, uptime: 00:04:02, expires: 23:55:57, via map-reply, complete
                  Locator           Uptime    State  Pri/Wgt  Encap-IID
                  192.0.2.2         00:04:02  up       1/100  -
                  2001:db8:ffff::2  1d01h     down   255/0    -
                10.3.0.0/16, uptime: 00:00:05, expires: 00:00:55, via map-reply, self, refreshing
                  Locator    Uptime    State     Pri/Wgt  Encap-IID
                  192.0.2.1  00:00:05  no-route    1/1    -
                192.0.0.0/9, uptime: 1w0d, expires: never, via map-reply, complete
                  Negative cache entry, action: natively-forward

                Output for router lisp 0 instance-id 101
                LISP IPv6 Mapping Cache for LISP 0 EID-table vrf red (IID 101), 1 entries

                2001:db8:2::/48, uptime: 00:00:01, expires: 23:59:59, via map-reply, complete
                  Locator           Uptime    State  Pri/Wgt  Encap-IID
                  2001:db8:ffff::2  00:00:01  up      10/50   -

                """
        )
    }

    @Test func `database`() {
        #expect(
            text(of: Fixture.database) == """
                LISP ETR IPv4 Mapping Database for LISP 0 EID-table default (IID 0), LSBs: 0x1
                Entries total 2, no-route 1, inactive 1

                10.1.0.0/16, locator-set default
                  Locator       Pri/Wgt  Source    State
                  192.0.2.1       1/100  cfg-intf  site-self, reachable
                  198.51.100.7    2/100  cfg-addr  site-other, unreachable

                10.7.0.0/16, locator-set default *** NO ROUTE TO EID PREFIX ***

                LISP ETR IPv6 Mapping Database for LISP 0 EID-table vrf red (IID 101), LSBs: 0x1
                Entries total 1, no-route 0, inactive 0

                2001:db8:1::/48, locator-set tenant
                  Locator           Pri/Wgt  Source    State
                  2001:db8:ffff::1    1/100  cfg-intf  site-self, reachable

                """
        )
    }

    @Test func `sites`() {
        #expect(
            SiteText(isDetailed: false).text(of: Fixture.sites) == """
                LISP Site Registration Information
                * = Some locators are down or unreachable
                # = Some registrations are sourced by reliable transport

                Site Name      Last      Up     Who Last             Inst     EID Prefix
                               Register         Registered           ID
                site1          00:00:06  yes*   192.0.2.1:4342       0        10.1.0.0/16
                               00:00:06  yes    2001:db8:ffff::1.34273
                                                                     0        10.1.4.0/24
                               never     no     --                   101      2001:db8:1::/48
                site2          never     no     --                   0        10.2.0.0/16

                Refused registrations
                  site site1: authentication-failure 2, last 00:00:12 ago from 192.0.2.66:4342
                  EIDs of no site: unknown-eid 1

                """
        )
    }

    @Test func `a site in detail`() {
        let detail = SiteText(isDetailed: true).text(of: Fixture.sites)
        for line in [
            "Site name: site1",
            "  EID-prefix: 10.1.0.0/16 instance-id 0",
            "    First registered:     00:45:42",
            "    Origin:               Dynamic, more specific of 10.1.0.0/16",
            "      Authentication failures:   2",
            "    ETR 192.0.2.1:4342, last registered 00:00:06, no proxy-reply, map-notify",
            "    ETR 2001:db8:ffff::1.4342",
            "                     TTL 1d00h, no merge, hash-function sha1, nonce 0x4536735E-0xE5D90458",
            "                     xTR-ID 0x01234567-0x89ABCDEF-0x01234567-0x89ABCDEF",
            "      192.0.2.1         yes    up       1/100  IPv4 none",
            "      192.0.2.1  yes    up       1/100  IPv4 none  192.0.2.1:4342   [-]",
        ] {
            #expect(detail.split(separator: "\n").contains { $0 == line }, "\(line)")
        }
    }

    /// Those who read this by program know no other registrations, and would take these lines for the ETR's before.
    @Test(arguments: [
        ("hmac-sha-256-128", true, false), ("hmac-sha-1-96", false, false), ("hmac-sha-1-96", true, true),
    ])
    func `a registration that IOS parsers do not know`(algorithm: String, wantMapNotify: Bool, securityCapable: Bool) {
        let registration = Registration(
            etr: PeerAddress(address: "192.0.2.1", port: 4342),
            lastRegistered: Fixture.moment(6),
            xtrID: Fixture.xtrID,
            siteID: 7,
            ttl: 86400,
            wantMapNotify: wantMapNotify,
            securityCapable: securityCapable,
            keyID: 3,
            algorithm: algorithm,
            nonce: "4536735ee5d90458",
            locators: [
                RegisteredLocator(address: "192.0.2.1", isLocal: true, isReachable: true, priority: 1, weight: 100)
            ]
        )
        let eid = SiteEID(
            instanceID: 0,
            eidPrefix: "10.1.0.0/16",
            isRegistered: true,
            registrations: [registration]
        )
        let lines = SiteText(isDetailed: true).text(of: SiteReport(sites: [Site(name: "a", eids: [eid])]))
            .split(separator: "\n").map { $0.drop { $0 == " " } }
        let hash = algorithm == "hmac-sha-1-96" ? "sha1" : "sha2"
        for line in [
            "Registering ETR 192.0.2.1:4342, last registered 00:00:06, no proxy-reply, "
                + (wantMapNotify ? "map-notify" : "no map-notify"),
            "TTL 1d00h, no merge, hash-function \(hash), key 3, \(algorithm), nonce 0x4536735E-0xE5D90458",
            "state complete, \(securityCapable ? "" : "no ")security-capability, "
                + "xTR-ID 0x01234567-0x89ABCDEF-0x01234567-0x89ABCDEF",
            "site-ID 7",
            "192.0.2.1  yes    up       1/100  IPv4 none  192.0.2.1:4342   [-]",
        ] {
            #expect(lines.contains { $0 == line }, "\(line)")
        }
        #expect(!lines.contains { $0.hasPrefix("ETR") || $0.hasPrefix("nonce") || $0.hasPrefix("xTR-ID") })
    }

    @Test func `no text has spaces at line ends or an unfinished last line`() {
        let texts = [
            text(of: Fixture.status), text(of: Fixture.services),
            MapCacheText(isDetailed: true).text(of: Fixture.mapCache),
            text(of: Fixture.database), SiteText(isDetailed: true).text(of: Fixture.sites),
            SiteText(isDetailed: false).text(of: Fixture.sites),
            text(of: Fixture.statistics), text(of: Fixture.mapServers), text(of: Fixture.mapResolvers),
            text(of: Fixture.locators), text(of: Fixture.interfaces), text(of: Fixture.proxyETRs),
            text(of: Fixture.smr),
            text(of: Fixture.explained),
        ]
        for text in texts {
            #expect(text.hasSuffix("\n"))
            #expect(!text.split(separator: "\n").contains { $0.hasSuffix(" ") })
        }
    }

    @Test func `what was cleared, and since when it is counted`() {
        #expect(
            text(of: ClearSiteReport(site: "s", cleared: 1, registrations: 2, nonces: 1))
                == "site s: 1 EID-prefix cleared, 2 registrations; nonces of 1 ETR forgotten\n"
        )
        #expect(
            text(of: ClearSiteReport(site: "s", cleared: 0, registrations: 0, nonces: 0))
                == "site s: 0 EID-prefixes cleared, 0 registrations\n"
        )
        #expect(text(of: ClearStatisticsReport()) == "statistics cleared\n")
        var report = Fixture.statistics
        report.lastCleared = Moment(now: 1000, secondsAgo: 83)
        let lines = text(of: report).split(separator: "\n").filter { $0.contains("last cleared: ") }
        #expect(lines.count == report.control.count + 2)
        #expect(lines.allSatisfy { $0.hasSuffix(" - last cleared: 00:01:23") })
    }

    @Test func `statistics`() {
        let lines = text(of: Fixture.statistics).split(separator: "\n").map(String.init)
        for line in [
            "    Map-Requests in (5 sec/1 min/5 min):            1/1/1",
            "    Map-Registers in (5 sec/1 min/5 min):           0/2/9",
            "  Map-Request format errors:                        4",
            "  Map-Reply format errors:                          3",
            "  Invalid LISP checksum drops:                      5",
            "  Unsupported LISP packet type drops:               6",
            "  Unknown packet drops:                             2",
            "  packets forwarded natively                        3",
            "  trains of datagrams received/sent                 8/9",
            "  source ports without trains                       2",
            "  datagrams received                                104 in 4 system calls (26.0 each)",
            "  datagrams sent                                    5 in 6 system calls (0.8 each)",
            "  packets from the site                             6 in 7 system calls (0.9 each)",
            "  packets to the site                               0 in 0 system calls",
            "  echo-nonce requests sent/echoed                   31/30",
            "  echo-nonce requests received/echoes sent          21/20",
            "  packets with locator-status-bits received/sent    50/51",
            "    changes of those received                       4",
            "Hints of LISP headers ignored", "  nonce: another was asked for                      3",
            "  IPv4 packets fragmented to fit                    41",
            "  IPv6 packets sent fragmentable                    42",
            "  errors about paths believed/refused               21/22",
            "    told to the control plane                       23",
            "    told a moment before/lost                       24/25",
            "  ICMP errors sent to hosts                         31",
            "    not sent: limit/forbidden/no source             32/33/34",
        ] {
            #expect(lines.contains(line), "\(line)")
        }
        #expect(!text(of: StatisticsReport(control: [])).contains("Data plane"))
    }

    @Test func `what is not known is left out, and is no 0`() {
        let entry = MapCacheEntry(
            instanceID: 0,
            eidPrefix: "10.2.0.0/16",
            created: Fixture.moment(9),
            lastModified: Fixture.moment(4),
            source: "map-reply",
            state: .complete,
            encapsulated: Traffic(packets: 1, octets: 84)
        )
        let table = EIDTable(instanceID: 0, family: .ipv4, entryCount: 1)
        let detail = MapCacheText(isDetailed: true).text(of: MapCacheReport(tables: [table], entries: [entry]))
        #expect(!detail.contains("last used") && !detail.contains("Idle"))
        #expect(detail.contains("last modified: 00:00:04"))

        let socket = SocketStatus(purpose: "source", family: .ipv4, count: 16)
        let status = StatusReport(
            version: "1",
            processID: 1,
            started: Fixture.moment(1),
            roles: [],
            configurationFile: "f",
            configurationLoaded: Fixture.moment(1),
            sockets: [socket]
        )
        let lines = text(of: status).split(separator: "\n")
        #expect(lines.last == "source  IPv4    -     16     -               -")
        #expect(!lines.contains { $0.hasPrefix("Map-cache") || $0.hasPrefix("xTR-ID") })

        let locators = LocatorsReport(
            local: [LocalLocator(address: "192.0.2.7", locatorSets: ["a"], priority: 1, weight: 1, isSelf: false)],
            remote: [RemoteLocator(address: "192.0.2.2", state: .up, mappings: 1)]
        )
        #expect(text(of: locators).contains("192.0.2.7   -          not ours  1/1"))
        #expect(text(of: locators).contains("192.0.2.2    up     -      1"))

        let site = Site(name: "a", eids: [SiteEID(instanceID: 0, eidPrefix: "10.1.0.0/16", isRegistered: false)])
        #expect(SiteText(isDetailed: true).text(of: SiteReport(sites: [site])).contains("TTL:                  N/A"))
    }

    @Test(arguments: [1, 2, 3]) func `a text made page by page is that of the whole`(size: Int) {
        for isDetailed in [false, true] {
            var cache = MapCacheText(isDetailed: isDetailed)
            var lines: [String] = []
            for start in stride(from: 0, to: Fixture.mapCache.entries.count, by: size) {
                let entries = Fixture.mapCache.entries.dropFirst(start).prefix(size)
                let page = MapCacheReport(tables: Fixture.mapCache.tables, entries: Array(entries), next: "more")
                lines += cache.lines(of: page)
            }
            lines += cache.end()
            #expect(joined(lines) == MapCacheText(isDetailed: isDetailed).text(of: Fixture.mapCache))

            var sites = SiteText(isDetailed: isDetailed)
            lines = []
            for (site, eid) in Fixture.sites.sites.flatMap({ site in site.eids.map { (site, $0) } }) {
                var part = site
                part.eids = [eid]
                lines += sites.lines(
                    of: SiteReport(sites: [part], unknownSite: Fixture.sites.unknownSite, next: "more")
                )
            }
            lines += sites.end()
            #expect(joined(lines) == SiteText(isDetailed: isDetailed).text(of: Fixture.sites))
        }
    }

    @Test func `tables without entries are shown, wherever they stand`() {
        let report = MapCacheReport(
            tables: [0, 1, 2].map { EIDTable(instanceID: $0, family: .ipv4, entryCount: $0 == 1 ? 1 : 0) },
            entries: [
                MapCacheEntry(
                    instanceID: 1,
                    eidPrefix: "10.2.0.0/16",
                    created: Fixture.moment(1),
                    lastModified: Fixture.moment(1),
                    source: "map-reply",
                    state: .complete
                )
            ]
        )
        let lines = MapCacheText(isDetailed: false).text(of: report).split(separator: "\n")
        #expect(lines.map { $0.prefix(4) } == ["Outp", "LISP", "Outp", "LISP", "10.2", "Outp", "LISP"])
    }

    @Test func `a long name widens its column`() {
        let eid = SiteEID(instanceID: 0, eidPrefix: "10.1.0.0/16", isRegistered: false)
        let names = ["a-site-of-a-long-name", "b"]
        let text = SiteText(isDetailed: false).text(
            of: SiteReport(sites: names.map { Site(name: $0, eids: [eid, eid]) })
        )
        let rows = text.split(separator: "\n").dropFirst(3).map(String.init)
        #expect(rows[0].hasPrefix("Site Name             Last      Up "))
        #expect(rows[2] == "a-site-of-a-long-name never     no     --                   0        10.1.0.0/16")
        #expect(rows[3] == "                      never     no     --                   0        10.1.0.0/16")
        #expect(rows[4] == "b                     never     no     --                   0        10.1.0.0/16")
    }

    @Test func `long lists are broken into lines`() {
        let prefixes = (0..<20).map { "10.\($0).0.0/16" }
        let lines = listed("EID-prefixes", prefixes)
        #expect(lines.count > 1 && lines.allSatisfy { $0.count <= 100 })
        #expect(lines[0].hasPrefix("  EID-prefixes: 10.0.0.0/16, 10.1.0.0/16, "))
        #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("                10.") })
        let words = lines.joined(separator: " ").split { $0 == " " || $0 == "," }.dropFirst()
        #expect(words.elementsEqual(prefixes) { $0 == $1 })
        #expect(listed("a", ["b"]) == ["  a: b"])
        #expect(listed("a", [String(repeating: "b", count: 200), "c"]).count == 2)
    }

    @Test func `a description of several lines stays one`() {
        let site = Site(name: "a", description: "one\nState: two\r\n", eids: [])
        let text = SiteText(isDetailed: true).text(of: SiteReport(sites: [site]))
        #expect(text.contains("\nDescription: one State: two\nAllowed"))
    }

    @Test func `empty reports are readable`() {
        #expect(MapCacheText(isDetailed: false).text(of: MapCacheReport(tables: [], entries: [])) == "")
        #expect(text(of: DatabaseReport(tables: [], entries: [])) == "")
        #expect(text(of: MapServersReport(mapServers: [])).hasPrefix("Map-Server"))
        #expect(SiteText(isDetailed: true).text(of: SiteReport(sites: [])) == "LISP Site Registration Information\n")
    }
}
