// Files that nobody wrote: a right one with random damage. Whatever comes of it, nothing traps, and what is accepted
// can be written out and read again.

import LISPConfiguration
import LISPWire
import Testing

private let original = """
    roles: [itr, etr, map-server, map-resolver]
    xtr-id: 0123456789abcdef0123456789abcdef
    instances: [{id: 0}, {id: 101, namespace: red}]
    when-down: native
    locators:
      - {interface: eth0, priority: 1, weight: 100}
      - {address: 198.51.100.7, priority: 2, weight: 100}
    locator-sets: [{name: backup, locators: [{interface: eth1}]}]
    database:
      - {eid: 10.1.0.0/16, instance-id: 0, locator-set: default, ttl: 24h}
      - {eid: "2001:db8:1::/48", locator-set: backup}
    map-resolvers: [192.0.2.53]
    map-servers: [{address: 192.0.2.53, keys: [{id: 0, algorithm: hmac-sha-256-128, key: "s"}], merge: true}]
    map-server:
      eid-space: [10.0.0.0/8]
      sites:
        - name: site1
          keys: [{id: 0, algorithm: hmac-sha-256-128, key: s}]
          nonce-check: auto
          eids: [{prefix: 10.1.0.0/16, accept-more-specifics: true, max-registrations: 7, action: drop}]
          allowed-locators: [192.0.2.1]
    map-resolver: {map-servers: [{address: 192.0.2.54, eids: [10.0.0.0/8, "2001:db8::/32"], instance-id: 101}]}
    map-cache: {limit: 1000, negative-limit: 50}
    map-requests: {per-source: {rate: 100, burst: 1000}, negative-total: {rate: 7, burst: 9}}
    data-plane: {workers: auto, offload: auto, udp-checksum: compute}
    """

@Suite struct MutationTests {
    @Test func `no damage traps, and what is accepted reads back`() throws {
        let seed = UInt64.random(in: .min ... .max)
        print("seed of the damaged files: \(seed)")
        var random = SplitMix(state: seed)
        #expect(throws: Never.self) { try RouterConfiguration(yaml: original, file: "f") }
        for _ in 0..<2000 {
            let yaml = damaged(&random)
            guard let configuration = try? RouterConfiguration(yaml: yaml, file: "f") else { continue }
            let again = try RouterConfiguration(yaml: configuration.yaml, file: "f")
            #expect(again.document == configuration.document, "\(yaml)")
        }
    }

    private func damaged(_ random: inout SplitMix) -> String {
        var scalars = Array(original.unicodeScalars)
        let marks = Array(":{}[],-#&*!|>'\"%@`\n\t 0123456789/.~?\u{0}\u{7f}\u{e9}\u{2028}\u{1f600}".unicodeScalars)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let place = Int.random(in: 0..<scalars.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: scalars.remove(at: place)
            case 1: scalars.insert(marks.randomElement(using: &random) ?? ":", at: place)
            case 2: scalars[place] = marks.randomElement(using: &random) ?? ":"
            case 3:
                let end = min(scalars.count, place + Int.random(in: 1...40, using: &random))
                scalars.removeSubrange(place..<end)
            default:
                let end = min(scalars.count, place + Int.random(in: 1...40, using: &random))
                scalars.insert(contentsOf: scalars[place..<end], at: Int.random(in: 0..<scalars.count, using: &random))
            }
            if scalars.isEmpty { return "" }
        }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }
}

/// A generator whose whole run follows from its seed.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
