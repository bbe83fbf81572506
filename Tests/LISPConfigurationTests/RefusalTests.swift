// Wrong files and the exact lines that refuse them.

import Foundation
import Glibc
import LISPConfiguration
import LISPWire
import Testing

/// A file that is right, with one line each for what a case replaces.
private let right = """
    roles: [itr, etr, map-server, map-resolver]
    instances: [{id: 0}, {id: 101, namespace: red}]
    locators: [{interface: eth0, priority: 1, weight: 100}]
    database: [{eid: 10.1.0.0/16}]
    map-resolvers: [192.0.2.53]
    map-servers: [{address: 192.0.2.53, keys: [{id: 0, algorithm: hmac-sha-256-128, key: secret}]}]
    map-server: {sites: [{name: a, keys: [{algorithm: hmac-sha-1-96, key: secret}], eids: [{prefix: 10.1.0.0/16}]}]}
    """

/// `right` with the line of `key` replaced (or appended, if there is none).
private func file(with line: String) -> String {
    let key = line.prefix { $0 != ":" } + ":"
    var lines = right.split(separator: "\n").map(String.init)
    if let index = lines.firstIndex(where: { $0.hasPrefix(key) }) {
        lines[index] = line
    } else {
        lines.append(line)
    }
    return lines.joined(separator: "\n")
}

/// The lines with which `yaml` is refused; empty if it is not.
private func refusal(of yaml: String, file: String = "f") -> [String] {
    do {
        _ = try RouterConfiguration(yaml: yaml, file: file)
        return []
    } catch {
        return error.issues.map(\.description)
    }
}

private let wrongLines: [(line: String, message: String)] = [
    ("rols: [itr]", "f:8:1: found unknown key `rols`, expected `roles`"),
    (
        "frobnicate: 1",
        "f:8:1: found unknown key `frobnicate`, expected one of roles, xtr-id, site-id, instances, "
            + "site-interfaces, when-down, locators, locator-sets, database, map-resolvers, map-servers, etr, proxy-etrs, "
            + "map-cache, map-requests, rloc-probing, echo-nonce, locator-status-bits, proxy-itr, proxy-etr, map-server, map-resolver, "
            + "limits, data-plane, management, snmp, flow-monitors, ike-monitor"
    ),
    (
        "roles: itr",
        "f:1:8: found `itr`, expected a list of roles, any of itr, etr, proxy-itr, proxy-etr, map-resolver, map-server"
    ),
    (
        "roles: []",
        "f:1:8: found an empty list, expected a list of roles, any of itr, etr, proxy-itr, proxy-etr, map-resolver, map-server with at least one member"
    ),
    ("roles: [itr, etr, map-server, map-resolver, irt]", "f:1:45: found `irt`, expected `itr`"),
    (
        "roles: [itr, etr, map-server, map-resolver, proxy-itr]",
        "f:1:1: found no `proxy-itr`, expected it with role proxy-itr"
    ),
    (
        "roles: [itr, etr, map-server, map-resolver, proxy-etr]",
        "f:1:1: found no `proxy-etr`, expected it with role proxy-etr"
    ),
    (
        "roles: [itr, etr, map-server, map-resolver, itr]",
        "f:1:45: found role itr a second time, expected each role once"
    ),
    ("xtr-id: 12", "f:8:9: found `12`, expected auto or 32 hexadecimal digits"),
    ("site-id: -1", "f:8:10: found `-1`, expected a number from 0 to 18446744073709551615"),
    ("site-id: \"1\"", "f:8:10: found the text \"1\", expected a number from 0 to 18446744073709551615"),
    ("when-down: nativ", "f:8:12: found `nativ`, expected `native`"),
    ("instances: [{id: 0}, {id: 0}]", "f:2:27: found instance 0 a second time, expected each instance once"),
    ("instances: [{id: 0}, {id: 16777216}]", "f:2:27: found `16777216`, expected a number from 0 to 16777215"),
    (
        "instances: [{id: 0, namespace: red}, {id: 1, namespace: red}]",
        "f:2:57: found namespace `red`, which instance 0 has, expected a namespace for each instance"
    ),
    (
        "instances: [{id: 0}, {id: 1, vrf: red}]",
        "f:2:30: found `vrf`, which is not supported yet, expected it to be left out"
    ),
    (
        "instances: [{id: 0}, {id: 1, namespace: ../x}]",
        "f:2:41: found `../x`, expected the name of a network namespace"
    ),
    (
        "locators: [{interface: eth0, address: 192.0.2.1}]",
        "f:3:39: found `address` beside `interface`, expected one of the two"
    ),
    ("locators: [{priority: 1}]", "f:3:12: found neither `interface` nor `address`, expected one of the two"),
    ("locators: [{interface: eth0, weight: 256}]", "f:3:38: found `256`, expected a number from 0 to 255"),
    ("locators: [{interface: eth0, priority: 1.5}]", "f:3:40: found `1.5`, expected a number from 0 to 255"),
    (
        "locators: [{interface: a-name-too-long-for-it}]",
        "f:3:24: found `a-name-too-long-for-it`, expected an interface name of at most 15 characters"
    ),
    (
        "locators: [{interface: eth0}, {interface: eth0}]",
        "f:3:31: found the same locator a second time, expected each locator once in its set"
    ),
    (
        "locators: [{address: 224.0.0.1}]",
        "f:3:22: found `224.0.0.1`, a multicast address, expected a unicast address that others can reach"
    ),
    (
        "locators: [{address: \"fe80::1\"}]",
        "f:3:22: found `fe80::1`, a link-local address, expected a unicast address that others can reach"
    ),
    ("locators: [{address: 10.1.0.0/16}]", "f:3:22: found `10.1.0.0/16`, expected an IPv4 or IPv6 address"),
    (
        "locator-sets: [{name: default, locators: [{interface: eth1}]}]",
        "f:8:23: found locator set `default` a second time (first: `locators`), expected each name once"
    ),
    (
        "locator-sets: [{name: b, locators: []}]",
        "f:8:36: found an empty list, expected a list of locators with at least one member"
    ),
    (
        "database: [{eid: 10.1.2.3/16}]",
        "f:4:18: found `10.1.2.3/16` with bits set beyond its length, expected 10.1.0.0/16"
    ),
    (
        "database: [{eid: 10.1.0.0/33}]",
        "f:4:18: found `10.1.0.0/33`, expected a prefix length from 0 to 32 for an IPv4 prefix"
    ),
    (
        "database: [{eid: 10.1.0.0}]",
        "f:4:18: found `10.1.0.0`, expected an IPv4 or IPv6 prefix such as 10.1.0.0/16 or 2001:db8:1::/48"
    ),
    (
        "database: [{eid: 224.0.0.0/8}]",
        "f:4:18: found `224.0.0.0/8`, a multicast address, expected a prefix of unicast addresses"
    ),
    (
        "database: [{eid: 10.1.0.0/16}, {eid: 10.1.0.0/16}]",
        "f:4:38: found EID-prefix 10.1.0.0/16 a second time (first: line 4), expected each EID-prefix once"
    ),
    (
        "database: [{eid: 10.1.0.0/16, ttl: 90s}]",
        "f:4:36: found `90s`, expected a duration from 1m to 365d in whole minutes, such as 60s, 3m, 24h or 1d"
    ),
    (
        "database: [{eid: 10.1.0.0/16, ttl: 24}]",
        "f:4:36: found `24`, expected a duration from 1m to 365d in whole minutes, such as 60s, 3m, 24h or 1d"
    ),
    (
        "database: [{eid: 10.1.0.0/16, locator-set: defualt}]",
        "f:4:44: found undefined locator set `defualt`, expected `default`"
    ),
    (
        "database: [{eid: 10.1.0.0/16, instance-id: 7}]",
        "f:4:44: found instance 7, which `instances` does not list, expected one of 0, 101"
    ),
    ("database: [{ied: 10.1.0.0/16}]", "f:4:13: found unknown key `ied`, expected `eid`"),
    (
        "map-resolvers: [192.0.2.53, 192.0.2.53]",
        "f:5:29: found Map-Resolver 192.0.2.53 a second time, expected each address once"
    ),
    ("map-resolvers: [mr.example.net]", "f:5:17: found `mr.example.net`, expected the address of a Map-Resolver"),
    (
        "map-servers: [{address: 192.0.2.53, keys: []}]",
        "f:6:43: found an empty list, expected a list of keys with at least one member"
    ),
    ("map-servers: [{address: 192.0.2.53}]", "f:6:15: found no `keys`, expected it here"),
    (
        "map-servers: [{address: 192.0.2.53, keys: [{algorithm: hmac-sha-1-96}]}]",
        "f:6:44: found neither `key` nor `key-file`, expected one of the two"
    ),
    (
        "map-servers: [{address: 192.0.2.53, keys: [{algorithm: hmac-sha-1-96, key: \"\"}]}]",
        "f:6:76: found nothing, expected the key's text"
    ),
    (
        "map-servers: [{address: 192.0.2.53, keys: [{algorithm: none, key: s}]}]",
        "f:6:56: found text, expected one of hmac-sha-1-96, hmac-sha-256-128, hmac-sha-256-128-hkdf-sha-256"
    ),
    (
        "map-servers: [{address: 192.0.2.53, keys: [{algorithm: hmac-sha-1-96, key: a}, {algorithm: hmac-sha-1-96, key: b}]}]",
        "f:6:80: found key id 0 a second time, expected each id once"
    ),
    (
        "map-servers: [{address: 192.0.2.53, keys: [{algorithm: hmac-sha-1-96, key-file: /nonexistent/k}]}]",
        "f:6:81: found key file /nonexistent/k, which cannot be read (No such file or directory), expected a readable file"
    ),
    (
        "map-servers: [{address: 192.0.2.53, keys: [{algorithm: hmac-sha-1-96, key: a}], proxy-reply: yes}]",
        "f:6:94: found `yes`, expected true or false"
    ),
    ("map-server: {sites: []}", "f:7:21: found an empty list, expected a list of sites with at least one member"),
    ("limits: {map-requests: 0}", "f:8:24: found `0`, expected none or a number from 1 to 10000000"),
    ("limits: {map-requests: unlimited}", "f:8:24: found `unlimited`, expected none or a number from 1 to 10000000"),
    ("limits: {map-request: 5}", "f:8:10: found unknown key `map-request`, expected `map-requests`"),
    ("map-cache: {limit: 0}", "f:8:20: found `0`, expected a number from 1 to 10000000"),
    ("map-cache: {limit: 100, negative-limit: 101}", "f:8:41: found `101`, expected a number from 1 to 100"),
    ("map-cache: {negative-limit: 0}", "f:8:29: found `0`, expected a number from 1 to 100000"),
    ("map-requests: {per-sorce: {rate: 1}}", "f:8:16: found unknown key `per-sorce`, expected `per-source`"),
    ("map-requests: {per-source: 200}", "f:8:28: found `200`, expected a limit such as {rate: 200, burst: 2000}"),
    ("map-requests: {total: {rate: 0}}", "f:8:30: found `0`, expected a number from 1 to 1000000"),
    (
        "map-requests: {negative-total: {rate: 1, burst: many}}",
        "f:8:49: found `many`, expected a number from 1 to 1000000"
    ),
    (
        "map-requests: {negative-per-source: {rate: 1, bursts: 5}}",
        "f:8:47: found unknown key `bursts`, expected `burst`"
    ),
    (
        "map-cache: {static: [{eid: 10.9.0.0/16}]}",
        "f:8:22: found neither `locators` nor `action`, expected one of the two"
    ),
    (
        "map-cache: {static: [{eid: 10.9.0.0/16, action: native}]}",
        "f:8:49: found `native`, expected one of natively-forward, send-map-request, drop, drop-policy-denied, "
            + "drop-auth-failure"
    ),
    (
        "map-cache: {static: [{eid: 10.9.0.0/16, action: drop, locators: [{address: 192.0.2.7}]}]}",
        "f:8:49: found `action` beside `locators`, expected one of the two"
    ),
    (
        "map-cache: {static: [{eid: 10.9.0.0/16, locators: []}]}",
        "f:8:51: found an empty list, expected a list of locators with at least one member"
    ),
    (
        "map-cache: {static: [{eid: 10.9.0.0/16, locators: [{address: 192.0.2.7}, {address: 192.0.2.7}]}]}",
        "f:8:84: found locator 192.0.2.7 a second time, expected each address once"
    ),
    (
        "map-cache: {static: [{eid: 10.9.0.0/16, action: drop}, {eid: 10.9.0.0/16, action: drop}]}",
        "f:8:62: found EID-prefix 10.9.0.0/16 a second time (first: line 8), expected each EID-prefix once"
    ),
    (
        "map-cache: {static: [{eid: 10.9.0.0/16, instance-id: 7, action: drop}]}",
        "f:8:54: found instance 7, which `instances` does not list, expected one of 0, 101"
    ),
    (
        "map-resolver: {map-servers: [{address: 192.0.2.54, eids: [10.0.0.0/8, 10.0.0.0/8]}]}",
        "f:8:71: found 10.0.0.0/8 a second time for Map-Server 192.0.2.54, expected each prefix once for each Map-Server"
    ),
    (
        "map-resolver: {map-servers: [{address: ms, eids: [10.0.0.0/8]}]}",
        "f:8:40: found `ms`, expected the address of a Map-Server"
    ),
    (
        "map-resolver: {map-servers: [{address: 192.0.2.54, eids: []}]}",
        "f:8:58: found an empty list, expected a list of prefixes with at least one member"
    ),
    ("data-plane: {workers: 0}", "f:8:23: found `0`, expected auto or a number from 1 to 64"),
    ("data-plane: {workers: many}", "f:8:23: found `many`, expected auto or a number from 1 to 64"),
    (
        "data-plane: {offload: none}",
        "f:8:23: found `none`, expected auto, off, or a mapping such as {udp-gro: off}"
    ),
    ("data-plane: {offload: {udp-gro: none}}", "f:8:33: found `none`, expected one of auto, off"),
    ("data-plane: {offload: {udp-gso: off}}", "f:8:24: found unknown key `udp-gso`, expected `udp-gro`"),
    ("data-plane: {cpus: 2}", "f:8:20: found `2`, expected a list of processors, such as [0, 2, 4-7]"),
    ("data-plane: {cpus: [1, -2]}", "f:8:24: found `-2`, expected a processor's number or a range such as 4-7"),
    ("data-plane: {cpus: [3-1]}", "f:8:21: found `3-1`, expected a processor's number or a range such as 4-7"),
    ("data-plane: {cpus: [8192]}", "f:8:21: found `8192`, expected a processor's number or a range such as 4-7"),
    ("data-plane: {cpus: [0-3, 2]}", "f:8:26: found processor 2 a second time, expected each processor once"),
    ("data-plane: {udp-checksum: none}", "f:8:28: found `none`, expected one of compute, zero"),
    (
        "data-plane: {source-rloc-check: on}",
        "f:8:14: found `source-rloc-check: on`, which is not supported yet, expected it to be left out"
    ),
    (
        "management: {socket: lispd.sock}",
        "f:8:22: found `lispd.sock`, expected the path of a UNIX socket (absolute, at most 100 octets)"
    ),
    (
        "management: {http: 127.0.0.1}",
        "f:8:20: found `127.0.0.1`, expected an address of this host and a port such as 127.0.0.1:9341 or \"[::1]:9341\""
    ),
    (
        "management: {http: localhost:9341}",
        "f:8:20: found `localhost:9341`, expected an address of this host and a port such as 127.0.0.1:9341 or \"[::1]:9341\""
    ),
    (
        "management: {http: 127.0.0.1:0}",
        "f:8:20: found `127.0.0.1:0`, expected an address of this host and a port such as 127.0.0.1:9341 or \"[::1]:9341\""
    ),
    (
        "management: {http: 127.0.0.1:65536}",
        "f:8:20: found `127.0.0.1:65536`, expected an address of this host and a port such as 127.0.0.1:9341 or \"[::1]:9341\""
    ),
    (
        "management: {http: 127.0.0.1:+80}",
        "f:8:20: found `127.0.0.1:+80`, expected an address of this host and a port such as 127.0.0.1:9341 or \"[::1]:9341\""
    ),
    (
        "management: {http: \"::1:9341\"}",
        "f:8:20: found `::1:9341`, expected an address of this host and a port such as 127.0.0.1:9341 or \"[::1]:9341\""
    ),
    (
        "management: {http: \"[127.0.0.1]:9341\"}",
        "f:8:20: found `[127.0.0.1]:9341`, expected an address of this host and a port such as 127.0.0.1:9341 or \"[::1]:9341\""
    ),
    (
        "management: {http: 224.0.0.1:9341}",
        "f:8:20: found `224.0.0.1:9341`, a multicast address, expected an address of this host and a port such as 127.0.0.1:9341 or \"[::1]:9341\""
    ),
    (
        "management: {http: \"[fe80::1]:9341\"}",
        "f:8:20: found `[fe80::1]:9341`, a link-local address, expected an address of this host and a port such as 127.0.0.1:9341 or \"[::1]:9341\""
    ),
    (
        "proxy-itr: {eid-space: [10.0.0.0/8]}",
        "f:8:1: found `proxy-itr` without role proxy-itr, expected the role among `roles`, or the key left out"
    ),
    (
        "proxy-etr: {accept-sources: [0.0.0.0/0]}",
        "f:8:1: found `proxy-etr` without role proxy-etr, expected the role among `roles`, or the key left out"
    ),
    (
        "proxy-etrs: [{address: 192.0.2.9}, {address: 192.0.2.9}]",
        "f:8:46: found Proxy-ETR 192.0.2.9 a second time, expected each address once"
    ),
    ("proxy-etrs: [{priority: 1}]", "f:8:14: found no `address`, expected it here"),
    (
        "proxy-etrs: [{address: 192.0.2.9, priority: 256}]",
        "f:8:45: found `256`, expected a number from 0 to 255"
    ),
    (
        "rloc-probing: {retries: 101}",
        "f:8:25: found `101`, expected a number from 0 to 100"
    ),
    (
        "rloc-probing: {interval: 0s}",
        "f:8:26: found `0s`, expected a duration from 1s to 1d, such as 60s, 3m, 24h or 1d"
    ),
    (
        "echo-nonce: {enabled: perhaps}",
        "f:8:23: found `perhaps`, expected true or false"
    ),
    (
        "etr: {accept-map-data: verified}",
        "f:8:24: found `verified`, expected one of off, verify, on"
    ),
    (
        "site-interfaces: [eth1]",
        "f:8:1: found `site-interfaces`, which is not supported yet, expected it to be left out"
    ),
    (
        "snmp: {agentx: var/agentx/master}",
        "f:8:16: found `var/agentx/master`, expected the path of a UNIX socket, or tcp:ADDRESS:PORT such as "
            + "tcp:127.0.0.1:705 or \"tcp:[::1]:705\" (absolute, at most 107 octets)"
    ),
    (
        "snmp: {agentx: \"tcp:snmp.example:705\"}",
        "f:8:16: found `tcp:snmp.example:705`, expected the path of a UNIX socket, or tcp:ADDRESS:PORT such as "
            + "tcp:127.0.0.1:705 or \"tcp:[::1]:705\""
    ),
    (
        "snmp: {draft-mib-base: 1.3.6.1.4.1.8072.9999.9999.6830}",
        "f:8:7: found no `agentx`, expected it beside `draft-mib-base`"
    ),
    (
        "snmp: {agentx: /var/agentx/master, draft-mib-base: 1.3.6.1.2.1.220}",
        "f:8:52: found `1.3.6.1.2.1.220`, expected an object identifier of 4 to 32 numbers, neither in nor above "
            + "1.3.6.1.2.1, such as 1.3.6.1.4.1.8072.9999.9999.6830"
    ),
    (
        "flow-monitors: [{name: a}]",
        "f:8:1: found `flow-monitors`, which is not supported yet, expected it to be left out"
    ),
    (
        "ike-monitor: {vici: /run/charon.vici}",
        "f:8:1: found `ike-monitor`, which is not supported yet, expected it to be left out"
    ),
    ("ike-monitor: 7", "f:8:14: found `7`, expected a mapping"),
]

private let harmless = [
    "snmp: {}", "snmp: {agentx: \"tcp:[::1]:705\"}",
    "snmp: {agentx: /var/agentx/master, draft-mib-base: 1.3.6.1.4.1.1}",
    "etr: {accept-map-data: off}", "etr: {accept-map-data: verify}",
    "rloc-probing: {enabled: false, interval: 60s, retries: 3, retry-interval: 1s}",
    "echo-nonce: {enabled: false}", "locator-status-bits: {enabled: false}", "flow-monitors: []", "ike-monitor: {}",
    "proxy-etrs: []", "site-interfaces: []", "map-cache: {limit: 5, static: []}",
    "map-cache: {limit: 5, negative-limit: 5}", "map-requests: {}",
    "map-requests: {total: {rate: 1000000, burst: 1000000}, per-source: {burst: 9}, negative-total: {rate: 7}, "
        + "negative-per-source: {}}",
    "map-resolver: {map-servers: []}", "map-resolver: {map-servers: [{address: 192.0.2.54, eids: [10.0.0.0/8]}]}",
    "data-plane: {source-rloc-check: off, workers: 4, offload: off}",
    "data-plane: {cpus: [0, 2, 4-7], offload: {udp-gro: off, tso: auto}}",
    "xtr-id: 0x0123456789abcdef0123456789ABCDEF", "site-id: 18446744073709551615",
]

@Suite struct RefusalTests {
    @Test(arguments: wrongLines)
    func `says what was found and what was expected`(line: String, message: String) {
        #expect(refusal(of: file(with: line)) == [message])
    }

    @Test(arguments: harmless)
    func `takes what asks for nothing new`(line: String) {
        #expect(refusal(of: file(with: line)) == [])
    }

    @Test func `takes the file that the cases start from`() {
        #expect(refusal(of: right) == [])
    }

    @Test func `reports every fault in the order of the file`() {
        let yaml = """
            roles: [itr]
            database:
              - {eid: 10.1.2.3/16}
              - {eid: 10.1.0.0/16, ttl: soon}
            colour: red
            """
        #expect(
            refusal(of: yaml) == [
                "f:1:1: found no `locators`, expected it with role itr",
                "f:1:1: found no `map-resolvers`, expected it with role itr (or role map-resolver beside it)",
                "f:3:11: found `10.1.2.3/16` with bits set beyond its length, expected 10.1.0.0/16",
                "f:4:29: found `soon`, expected a duration from 1m to 365d in whole minutes, such as 60s, 3m, 24h or 1d",
                "f:5:1: found unknown key `colour`, expected one of roles, xtr-id, site-id, instances, site-interfaces, "
                    + "when-down, locators, locator-sets, database, map-resolvers, map-servers, etr, proxy-etrs, "
                    + "map-cache, map-requests, rloc-probing, echo-nonce, locator-status-bits, proxy-itr, proxy-etr, map-server, "
                    + "map-resolver, limits, data-plane, management, snmp, flow-monitors, ike-monitor",
            ]
        )
    }

    @Test(arguments: [
        (
            "roles: [etr]",
            [
                "no `database`, expected it with role etr", "no `locators`, expected it with role etr",
                "no `map-servers`, expected it with role etr",
            ]
        ),
        ("roles: [map-server]", ["no `map-server`, expected it with role map-server"]),
        ("{}", ["no `roles`, expected it at the top of the file"]),
    ])
    func `a role needs its keys`(yaml: String, missing: [String]) {
        #expect(refusal(of: yaml) == missing.map { "f:1:1: found \($0)" })
    }

    @Test func `a Map-Resolver needs a Map-Server, its own or another`() {
        let message =
            "found role map-resolver without a Map-Server to ask, expected `map-servers` in `map-resolver`, or role map-server beside it"
        #expect(refusal(of: "roles: [map-resolver]") == ["f:1:1: \(message)"])
        #expect(refusal(of: "roles: [map-resolver]\nmap-resolver: {map-servers: []}") == ["f:1:1: \(message)"])
        let elsewhere = "map-resolver: {map-servers: [{address: 192.0.2.54, eids: [10.0.0.0/8]}]}"
        #expect(refusal(of: "roles: [map-resolver]\n\(elsewhere)") == [])
    }

    @Test func `a faulty list of Map-Servers is the only fault spoken of`() {
        let yaml = "roles: [map-resolver]\nmap-resolver: {map-servers: [{address: 192.0.2.54, eids: []}]}"
        #expect(
            refusal(of: yaml) == ["f:2:58: found an empty list, expected a list of prefixes with at least one member"]
        )
    }

    @Test func `a section needs its role`() {
        let yaml = """
            roles: [itr, map-resolver, map-server]
            map-server: {sites: [{name: a, keys: [{algorithm: hmac-sha-1-96, key: k}], eids: [{prefix: 10.1.0.0/16}]}]}
            """.replacing(", map-server]", with: "]")
        #expect(
            refusal(of: yaml).contains(
                "f:2:1: found `map-server` without role map-server, expected the role among `roles`, or the key left out"
            )
        )
    }

    @Test func `sites differ in name and in EID-prefixes`() {
        let yaml = """
            roles: [map-server]
            map-server:
              sites:
                - {name: a, keys: [{algorithm: hmac-sha-1-96, key: k}], eids: [{prefix: 10.1.0.0/16}]}
                - {name: a, keys: [{algorithm: hmac-sha-1-96, key: k}], eids: [{prefix: 10.2.0.0/16}]}
                - {name: b, keys: [{algorithm: hmac-sha-1-96, key: k}], eids: [{prefix: 10.1.0.0/16}]}
                - {name: c, keys: [{algorithm: hmac-sha-1-96, key: k}], eids: [{prefix: 10.1.0.0/16, instance-id: 1}]}
            """
        #expect(
            refusal(of: yaml) == [
                "f:5:14: found site `a` a second time, expected each name once",
                "f:6:77: found EID-prefix 10.1.0.0/16 a second time (first: site `a`), expected each EID-prefix once",
            ]
        )
    }

    @Test func `max-registrations is for what accepts more-specifics`() throws {
        func refusal(_ eid: String) -> [String] {
            LISPConfigurationTests.refusal(
                of: """
                    roles: [map-server]
                    map-server: {sites: [{name: a, keys: [{algorithm: hmac-sha-1-96, key: k}], eids: [{\(eid)}]}]}
                    """
            )
        }
        #expect(refusal("prefix: 10.1.0.0/16, accept-more-specifics: true, max-registrations: 1000000") == [])
        #expect(
            refusal("prefix: 10.1.0.0/16, max-registrations: 5") == [
                "f:2:124: found max-registrations of EID-prefix 10.1.0.0/16, which is registered as a whole or not at all, "
                    + "expected accept-more-specifics: true beside it"
            ]
        )
        #expect(
            refusal("prefix: 10.1.0.0/16, accept-more-specifics: true, max-registrations: 0") == [
                "f:2:153: found `0`, expected a number from 1 to 2000000"
            ]
        )
    }

    @Test func `instances share no addresses in one routing table`() {
        let yaml = file(with: "instances: [{id: 0}, {id: 1}]")
            .replacing("{eid: 10.1.0.0/16}]", with: "{eid: 10.1.0.0/16}, {eid: 10.1.1.0/24, instance-id: 1}]")
        #expect(
            refusal(of: yaml) == [
                "f:4:38: found EID-prefix [1] 10.1.1.0/24, which overlaps 10.1.0.0/16 in the same routing table, "
                    + "expected a `namespace` for one of the two instances"
            ]
        )
        #expect(refusal(of: yaml.replacing("{id: 1}", with: "{id: 1, namespace: red}")) == [])
    }

    @Test(arguments: [
        ("", "f:1:1: found an empty file, expected a mapping with `roles`"),
        (
            "roles: [itr",
            "f:2:1: found a fault in the YAML syntax (did not find expected ',' or ']'), expected well-formed YAML"
        ),
        ("roles: [itr]\nroles: [etr]", "f:1:1: found `roles` more than once, expected each key once"),
        (
            "\troles: 1",
            "f:1:1: found a fault in the YAML syntax (found character that cannot start any token), expected well-formed YAML"
        ),
        ("a: *b", "f:1:4: found a fault in the YAML syntax (found undefined alias), expected well-formed YAML"),
        (
            "roles: [itr]\n---\nroles: [etr]",
            "f:2:1: found a fault in the YAML syntax (but found another document), expected well-formed YAML"
        ),
        ("- itr", "f:1:1: found a list, expected a mapping with `roles` and the keys of these roles"),
    ])
    func `says where the YAML itself is at fault`(yaml: String, message: String) {
        #expect(refusal(of: yaml) == [message])
    }

    /// Taking a key file for the configuration must not print the key.
    @Test func `never quotes what may be a secret`() {
        let secret = "correct-horse-battery-staple"
        let files = [
            secret, "\"\(secret)\"", "roles: [itr]\nmap-servers: [{address: 192.0.2.1, keys: \(secret)}]",
            "map-servers: [{address: 192.0.2.1, keys: [\(secret)]}]",
            "map-servers: [{address: 192.0.2.1, keys: [{id: \(secret), algorithm: \(secret), key: [\(secret)]}]}]",
            "map-servers: [{address: 192.0.2.1, keys: [{id: '\(secret)', key: \(secret), key-file: x}]}]",
            "map-servers: [{address: 192.0.2.1, keys: [{\(secret): 1}]}]",
        ]
        let short = "hunter2"
        let mistyped = [
            "map-servers: [{address: 192.0.2.1, keys: [{id: 0, algorithm: hmac-sha-256-128, key:\(short)}]}]",
            "map-servers: [{address: 192.0.2.1, keys: [{id: 0, algorithm: hmac-sha-256-128, \(short): 1}]}]",
            "map-servers: [{address: 192.0.2.1, key:\(short)}]", "key:\(short): 1",
        ]
        for file in mistyped {
            let lines = refusal(of: file)
            #expect(!lines.isEmpty)
            #expect(!lines.joined().contains(short), "\(lines)")
        }
        for file in files {
            let lines = refusal(of: file)
            #expect(!lines.isEmpty)
            #expect(!lines.joined().contains(secret), "\(lines)")
        }
    }

    @Test func `reads keys from files`() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("lispd-keys-\(UUID())").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Data("from the file\n".utf8).write(to: URL(fileURLWithPath: directory + "/site.key"))
        let line = "map-servers: [{address: 192.0.2.53, keys: [{algorithm: hmac-sha-1-96, key-file: site.key}]}]"
        let path = directory + "/lispd.yaml"
        try Data(file(with: line).utf8).write(to: URL(fileURLWithPath: path))

        chmod(directory + "/site.key", 0o644)
        chmod(path, 0o600)
        let warned = try RouterConfiguration.load(path: path)
        #expect(warned.mapServers[0].authenticationKeys[0].secret == Array("from the file".utf8))
        #expect(
            warned.warnings == [
                "\(path):6:81: key file \(directory)/site.key can be read by everyone on this host: use mode 0600"
            ]
        )
        #expect(warned.yaml.contains("key-file: site.key"))

        chmod(directory + "/site.key", 0o600)
        chmod(path, 0o644)
        #expect(
            try RouterConfiguration.load(path: path).warnings == [
                "\(path):7:71: a key in a file that everyone on this host can read: use mode 0640 or `key-file`"
            ]
        )

        try Data("\n".utf8).write(to: URL(fileURLWithPath: directory + "/site.key"))
        let expected = "\(path):6:81: found key file \(directory)/site.key, which is empty, expected a key in it"
        #expect(refusal(of: file(with: line), file: path) == [expected])
    }

    @Test func `a file that cannot be read is refused by name`() {
        let message =
            "found a file that cannot be read (No such file or directory), expected a readable configuration file"
        #expect(throws: ConfigurationError.self) { try RouterConfiguration.load(path: "/nonexistent.yaml") }
        do {
            _ = try RouterConfiguration.load(path: "/nonexistent.yaml")
        } catch {
            #expect(error.description == "/nonexistent.yaml:1:1: \(message)")
        }
        #expect(throws: ConfigurationError.self) { try RouterConfiguration.load(path: "/tmp") }
    }

    @Test func `warns of a locator inside the site`() throws {
        let yaml = file(with: "locators: [{address: 10.1.0.1}]")
        let warnings = try RouterConfiguration(yaml: yaml, file: "f").warnings
        #expect(
            warnings == ["f:4:1: locator 10.1.0.1 lies inside EID-prefix 10.1.0.0/16: packets to it stay in the site"]
        )
    }

    @Test(arguments: ["echo-nonce", "locator-status-bits"])
    func `warns of what must not cross the public Internet, and of what has no effect`(key: String) throws {
        let warning = "`\(key)` believes what packets say, which must not be done across the public Internet (RFC 9300)"
        let on = try RouterConfiguration(yaml: file(with: "\(key): {enabled: true}"), file: "f")
        #expect(on.warnings == ["f:8:1: \(warning)"])
        #expect(on.yaml.contains("\(key):\n  enabled: true\n"))
        let off = try RouterConfiguration(yaml: file(with: "\(key): {enabled: false}"), file: "f")
        #expect(off.warnings == [])
        #expect(off.yaml.contains("\(key):\n  enabled: false\n"))
        let half = file(with: "\(key): {enabled: true}").replacing("[itr, etr, ", with: "[etr, ")
        #expect(
            try RouterConfiguration(yaml: half, file: "f").warnings.contains(
                "f:8:1: `\(key)` has no effect without roles itr and etr"
            )
        )
    }
}
