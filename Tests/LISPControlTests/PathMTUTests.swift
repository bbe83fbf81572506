import LISPTables
import LISPWire
import Testing

@testable import LISPControl

struct PathMTUTests {
    let ipv4 = IPAddress("192.0.2.1")!
    let ipv6 = IPAddress("2001:db8::1")!

    @Test func `a packet that is too big makes the path MTU known, for ten minutes`() {
        var paths = PathMTU()
        #expect(paths[ipv4] == nil)
        #expect(paths.deadline() == nil)
        #expect(paths.packetTooBig(ipv4, mtu: 1400, now: .zero) == 1400)
        #expect(paths[ipv4] == 1400)
        #expect(paths.deadline() == .zero + .seconds(600))
        #expect(paths.timeout(now: .zero + .seconds(599)) == [])
        #expect(paths.timeout(now: .zero + .seconds(600)) == [ipv4])
        #expect(paths[ipv4] == nil)
        #expect(paths.deadline() == nil)
        // A larger one may follow then.
        #expect(paths.packetTooBig(ipv4, mtu: 1450, now: .zero + .seconds(700)) == 1450)
    }

    @Test func `only a smaller one counts, and begins the ten minutes anew`() {
        var paths = PathMTU()
        _ = paths.packetTooBig(ipv4, mtu: 1400, now: .zero)
        #expect(paths.packetTooBig(ipv4, mtu: 1400, now: .zero + .seconds(1)) == nil)
        #expect(paths.packetTooBig(ipv4, mtu: 9000, now: .zero + .seconds(2)) == nil)
        #expect(paths.deadline() == .zero + .seconds(600))
        #expect(paths.packetTooBig(ipv4, mtu: 1300, now: .zero + .seconds(3)) == 1300)
        #expect(paths.deadline() == .zero + .seconds(603))
    }

    @Test(arguments: [0, 68, 575, 576] as [UInt16]) func `IPv4 is taken for no narrower than 576`(mtu: UInt16) {
        var paths = PathMTU()
        #expect(paths.packetTooBig(ipv4, mtu: mtu, now: .zero) == 576)
        #expect(paths.packetTooBig(ipv4, mtu: 68, now: .zero) == nil)
    }

    @Test func `IPv6 knows no less than 1280, so less counts for nothing`() {
        var paths = PathMTU()
        #expect(paths.packetTooBig(ipv6, mtu: 1279, now: .zero) == nil)
        #expect(paths[ipv6] == nil)
        #expect(paths.packetTooBig(ipv6, mtu: 1280, now: .zero) == 1280)
    }

    @Test func `an RLOC that is used no longer leaves nothing behind`() {
        var paths = PathMTU()
        _ = paths.packetTooBig(ipv4, mtu: 1400, now: .zero)
        paths.remove(ipv4)
        #expect(paths[ipv4] == nil)
        #expect(paths.deadline() == nil)
        #expect(paths.timeout(now: .zero + .seconds(1000)) == [])
    }

    @Test func `many are forgotten in slices`() {
        var paths = PathMTU()
        for number in 0..<1_200 as Range<UInt32> {
            _ = paths.packetTooBig(.v4(IPv4Address(0xc633_0000 + number)), mtu: 1400, now: .zero)
        }
        let later = Instant.zero + .seconds(600)
        #expect(paths.timeout(now: later).count == 500)
        #expect(paths.deadline() == later)
        #expect(paths.timeout(now: later).count == 500)
        #expect(paths.timeout(now: later).count == 200)
        #expect(paths.deadline() == nil)
    }
}
