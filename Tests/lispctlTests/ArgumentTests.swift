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
        ["monitor", "--count", "1001"],
    ])
    func `refuses arguments out of range`(arguments: [String]) {
        #expect(throws: (any Error).self) { try Lispctl.parseAsRoot(arguments) }
    }

    @Test(arguments: [
        ["show", "site", "site1", "--detail"], ["show", "map-cache", "10.0.0.0/8", "--json", "--socket", "/tmp/s"],
        ["clear", "map-cache", "ipv6", "--instance-id", "0"], ["config", "check", "f"], ["config", "reload"],
        ["config", "show"], ["lig", "self6", "--to", "192.0.2.53", "--source", "10.1.0.1", "--count", "1"],
        ["completions", "fish"], ["show", "statistics", "ipv6"], ["show", "events", "--count", "1000", "--json"],
        ["monitor", "--count", "0", "--json"],
    ])
    func `parses every command`(arguments: [String]) throws {
        _ = try Lispctl.parseAsRoot(arguments)
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
    }
}
