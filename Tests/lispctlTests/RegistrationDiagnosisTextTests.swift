// diagnose registration as an operator reads it.

import ArgumentParser
import ManagementAPI
import Testing

@testable import lispctl

@Suite struct RegistrationDiagnosisTextTests {
    private static let moment = Moment(now: 1000, secondsAgo: 12)
    private static let etr = PeerAddress(address: "198.51.100.2", port: 4342)

    private static let report = RegistrationDiagnosis(
        ownEIDs: [
            OwnEIDDiagnosis(
                instanceID: 7,
                eidPrefix: "10.1.0.0/16",
                isRegistered: false,
                summary: "NOT registered: the Map-Server does not answer",
                mapServers: [
                    MapServerDiagnosis(
                        address: "192.0.2.53",
                        state: .unanswered,
                        summary: "no answer at all",
                        advice: ["try `ping 192.0.2.53`"]
                    )
                ]
            )
        ],
        sites: SitesDiagnosis(
            eids: [
                SiteEIDDiagnosis(
                    site: "site1",
                    instanceID: 0,
                    eidPrefix: "10.2.0.0/16",
                    isRegistered: true,
                    summary: "registered by 2 ETRs",
                    etrs: [
                        RegisteringETR(etr: etr, lastRegistered: moment, expiresIn: 168),
                        RegisteringETR(etr: etr, lastRegistered: moment, expiresIn: 168),
                    ],
                    registeredParts: 1,
                    refusals: [
                        RefusalDiagnosis(
                            reason: "wrong key",
                            count: 3,
                            last: moment,
                            lastSource: etr,
                            lastEIDPrefix: "10.2.1.0/24",
                            advice: ["compare"]
                        ),
                        RefusalDiagnosis(reason: "too old", count: 1),
                    ]
                )
            ],
            ofNoSite: [
                EIDOfNoSite(
                    instanceID: 9,
                    eidPrefix: "10.9.0.0/16",
                    count: 1,
                    last: moment,
                    lastSource: etr,
                    summary: "10.9.0.0/16 is of no site",
                    advice: ["add it"]
                )
            ]
        )
    )

    @Test func `the verdict, then the reasons, then what to do`() {
        #expect(
            RegistrationDiagnosisText().text(of: Self.report) == """
                This router's own EID-prefixes (ETR)

                [7] 10.1.0.0/16: NOT registered: the Map-Server does not answer
                  192.0.2.53: no answer at all
                    -> try `ping 192.0.2.53`

                EID-prefixes of sites (Map-Server)

                10.2.0.0/16 (site site1): registered by 2 ETRs
                  registered by 198.51.100.2:4342 00:00:12 ago, expires in 00:02:48
                  registered by 198.51.100.2:4342 00:00:12 ago, expires in 00:02:48
                  refused: wrong key, 3 times, last 00:00:12 ago from 198.51.100.2:4342 for 10.2.1.0/24
                    -> compare
                  refused: too old, once

                EID-prefixes of no site

                [9] 10.9.0.0/16 is of no site
                  refused once, last 00:00:12 ago from 198.51.100.2:4342
                    -> add it

                """
        )
    }

    @Test func `pages are put together, and headings come once`() {
        var whole = Self.report
        whole.append(Self.report)
        #expect(whole.ownEIDs?.count == 2 && whole.sites?.eids.count == 2 && whole.sites?.ofNoSite.count == 2)
        var text = RegistrationDiagnosisText()
        var rest = Self.report
        rest.ownEIDs = []
        let lines = text.lines(of: Self.report) + text.lines(of: rest) + text.end()
        for heading in [
            "This router's own EID-prefixes (ETR)", "EID-prefixes of sites (Map-Server)", "EID-prefixes of no site",
        ] {
            #expect(lines.filter { $0 == heading }.count == 1, "\(heading)")
        }
        var own = RegistrationDiagnosis(ownEIDs: Self.report.ownEIDs, sites: nil)
        own.append(Self.report)
        #expect(own.sites?.eids.count == 1)
    }

    @Test func `exit status follows what was asked about`() {
        var state = DiagnosisState()
        state.note(Self.report)
        #expect(!state.isRegistered)
        var good = Self.report
        good.ownEIDs = nil
        state.note(good)
        #expect(state.isRegistered)
        state.note(RegistrationDiagnosis(ownEIDs: [], sites: SitesDiagnosis(eids: [])))
        #expect(!state.isRegistered)
    }

    @Test func `asks about an EID, a site or all`() throws {
        func query(_ words: String...) throws -> TableQuery {
            let command = try Lispctl.parseAsRoot(["diagnose", "registration"] + words)
            return try #require(command as? DiagnoseRegistration).query()
        }
        #expect(try query() == TableQuery())
        #expect(
            try query("ipv6", "site1", "--instance-id", "7") == TableQuery(family: .ipv6, instanceID: 7, name: "site1")
        )
        #expect(try query("10.1.0.0/16") == TableQuery(eid: "10.1.0.0/16"))
        #expect(throws: CommandFailure.self) { try query("10.1.0.0/8") }
    }
}
