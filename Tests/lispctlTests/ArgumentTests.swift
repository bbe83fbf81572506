// What is typed: families, EIDs, and the exit status of what cannot be right.

import ArgumentParser
import ManagementAPI
import Testing

@testable import lispctl

@Suite struct ArgumentTests {
    @Test func `a family and an EID come in either order`() throws {
        for words in [["ipv4", "10.2.0.1"], ["10.2.0.1", "ipv4"]] {
            let selection = try Selection(words)
            #expect(selection.family == .ipv4)
            #expect(try selection.eid() == "10.2.0.1")
        }
        #expect(try Selection([]).eid() == nil)
        #expect(try Selection(["2001:DB8:0:0::/32"]).eid() == "2001:db8::/32")
    }

    @Test(arguments: [
        (["10.2.0.0/8"], "lispctl: 10.2.0.0/8 has bits set beyond its length: did you mean 10.0.0.0/8?"),
        (["10.2.0.1", "10.2.0.2"], "lispctl: unexpected argument `10.2.0.2`: give [ipv4|ipv6] and one EID at most"),
        (["ipv6", "10.2.0.1"], "lispctl: 10.2.0.1 is no ipv6 EID: leave out one of the two"),
        (
            ["here"],
            "lispctl: `here` is no EID: give an address such as 10.2.0.1 or a prefix such as 10.2.0.0/16 or 2001:db8:2::/48"
        ),
    ])
    func `says in one line what is wrong with an EID`(words: [String], message: String) {
        do throws(CommandFailure) {
            _ = try Selection(words).eid()
            Issue.record("accepted")
        } catch {
            #expect(error.status == .usage)
            #expect(error.lines == [message])
        }
    }

    @Test(arguments: [
        ["show", "map-cache", "ipv4", "--instance-id", "16777216"], ["lig", "10.2.0.1", "--count", "6"], ["lig"],
        ["show", "service", "ipv5"], ["completions", "tcsh"], ["show", "events", "--count", "0"],
        ["monitor", "--count", "1001"], ["explain", "10.1.0.1"],
        ["explain", "10.1.0.1", "10.2.0.1", "--protocol", "udp", "--source-port", "65536"],
    ])
    func `refuses arguments out of range`(arguments: [String]) {
        #expect(throws: (any Error).self) { try Lispctl.parseAsRoot(arguments) }
    }

    @Test(arguments: [
        ["show", "site", "site1", "--detail"], ["show", "map-cache", "10.0.0.0/8", "--json", "--socket", "/tmp/s"],
        ["clear", "map-cache", "ipv6", "--instance-id", "0"], ["config", "check", "f"], ["config", "reload"],
        ["config", "show"], ["lig", "self6", "--to", "192.0.2.53", "--source", "10.1.0.1", "--count", "1"],
        ["clear", "site", "site1", "ipv6", "10.1.0.0/16", "--instance-id", "7", "--json"], ["clear", "statistics"],
        ["lig", "a.example", "--to", "192.0.2.53", "--to", "mr.example", "--instance-id", "7", "--json"],
        ["diagnose", "registration"], ["diagnose", "registration", "ipv4", "site1", "--instance-id", "7", "--json"],
        ["completions", "fish"], ["show", "statistics", "ipv6"], ["show", "events", "--count", "1000", "--json"],
        ["monitor", "--count", "0", "--json"], ["show", "proxy-etrs"], ["show", "smr"],
        ["explain", "10.1.0.1", "10.2.0.1", "--json"],
    ])
    func `parses every command`(arguments: [String]) throws {
        _ = try Lispctl.parseAsRoot(arguments)
    }

    @Test func `names the site to clear`() throws {
        func request(_ words: String...) throws -> ClearSiteRequest {
            try #require(try Lispctl.parseAsRoot(["clear", "site"] + words) as? ClearSite).request()
        }
        #expect(try request("site1") == ClearSiteRequest(name: "site1"))
        // The first word is the name, whatever it looks like.
        #expect(
            try request("ipv6", "ipv4", "10.2.0.1", "--instance-id", "9")
                == ClearSiteRequest(name: "ipv6", family: .ipv4, instanceID: 9, eid: "10.2.0.1")
        )
        #expect(throws: CommandFailure.self) { try request("site1", "10.2.0.0/8") }
        #expect(throws: (any Error).self) { try Lispctl.parseAsRoot(["clear", "site"]) }
    }

    @Test(arguments: [
        (["10.1.0.1", "10.2.0.1"], ExplainQuery(source: "10.1.0.1", destination: "10.2.0.1")),
        (
            ["2001:DB8::1", "2001:db8::2", "--protocol", "icmp", "--instance-id", "7"],
            ExplainQuery(source: "2001:db8::1", destination: "2001:db8::2", instanceID: 7, protocolNumber: 58)
        ),
        (
            ["10.1.0.1", "10.2.0.1", "--protocol", "udp", "--source-port", "5", "--destination-port", "53"],
            ExplainQuery(
                source: "10.1.0.1",
                destination: "10.2.0.1",
                protocolNumber: 17,
                sourcePort: 5,
                destinationPort: 53
            )
        ),
        (
            ["10.1.0.1", "10.2.0.1", "--protocol", "47"],
            ExplainQuery(source: "10.1.0.1", destination: "10.2.0.1", protocolNumber: 47)
        ),
    ])
    func `asks to explain a packet`(arguments: [String], query: ExplainQuery) throws {
        let command = try #require(try Lispctl.parseAsRoot(["explain"] + arguments) as? Explain)
        #expect(try command.query() == query)
    }

    @Test(arguments: [
        (["10.1.0.1", "site-b"], "`site-b` is no address: give one such as 10.2.0.1 or 2001:db8:2::1"),
        (["10.1.0.1", "2001:db8::1"], "10.1.0.1 and 2001:db8::1 are not of one family: no packet has both"),
        (
            ["10.1.0.1", "10.2.0.1", "--protocol", "tpc"],
            "--protocol tpc: give icmp, sctp, tcp, udp or a number from 0 to 255"
        ),
        (
            ["10.1.0.1", "10.2.0.1", "--source-port", "80"],
            "ports are those of TCP, UDP or SCTP: give --protocol tcp, udp or sctp, too"
        ),
        (
            ["10.1.0.1", "10.2.0.1", "--protocol", "icmp", "--destination-port", "80"],
            "ports are those of TCP, UDP or SCTP: give --protocol tcp, udp or sctp, too"
        ),
    ])
    func `refuses to explain what is no packet`(arguments: [String], message: String) throws {
        let command = try #require(try Lispctl.parseAsRoot(["explain"] + arguments) as? Explain)
        do throws(CommandFailure) {
            _ = try command.query()
            Issue.record("accepted")
        } catch {
            #expect(error.status == .usage)
            #expect(error.lines == ["lispctl: \(message)"])
        }
    }

    @Test func `a daemon that is not there is exit status 69`() async {
        do {
            _ = try await ManagementClient(socketPath: "/nonexistent/lispd.sock").get(.status, as: StatusReport.self)
            Issue.record("answered")
        } catch let failure as CommandFailure {
            #expect(failure.status == .unavailable)
            #expect(failure.lines.count == 1)
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test func `a role that is not played is exit status 1, faults of a configuration are 78`() {
        #expect(ExitStatus(httpStatus: 409).rawValue == 1)
        #expect(ExitStatus(httpStatus: 404).rawValue == 1)
        #expect(ExitStatus(httpStatus: 422).rawValue == 78)
        #expect(ExitStatus(httpStatus: 503).rawValue == 69)
        #expect(ExitStatus(httpStatus: 500).rawValue == 70)
    }

    @Test func `the shells get their scripts`() {
        #expect(Lispctl.completionScript(for: .bash).contains("map-cache"))
        #expect(Lispctl.completionScript(for: .zsh).contains("map-cache"))
        #expect(Lispctl.completionScript(for: .fish).contains("map-cache"))
        for command in ["monitor", "explain", "events", "proxy-etrs", "diagnose", "registration", "statistics"] {
            #expect(Lispctl.completionScript(for: .bash).contains(command))
        }
    }
}
