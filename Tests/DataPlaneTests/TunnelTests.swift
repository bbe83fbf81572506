// Two data planes on real kernels:
//
//      namespace A                                     namespace B
//      EIDs 10.1.0.1, 2001:db8:1::1 on lo              EIDs 10.2.0.1, 2001:db8:2::1 on lo
//      lisp0                                           lisp0
//      core 192.0.2.1, 2001:db8:ffff::1  ---- veth ---- core 192.0.2.2, 2001:db8:ffff::2

import ForwardingInterface
import Foundation
import Glibc
import LISPWire
import LinuxNetwork
import PacketView
import Testing

@testable import DataPlane

/// One end of the tunnel.
final class TunnelEnd {
    let namespace: NetworkNamespace
    let plane: DataPlane
    let tun: TUNDevice
    /// What the hosts of this site use to talk.
    let host: ControlSocket

    init(namespace: NetworkNamespace, site: Int, _ change: (inout DataPlaneOptions) -> Void) throws {
        let (plane, tun, host) = try namespace.run {
            // Retried, since an address may take a moment to be usable.
            try Shell.run(
                """
                ip link set lo up; ip link set core up mtu 1500
                ip address add 192.0.2.\(site)/24 dev core; ip address add 2001:db8:ffff::\(site)/64 dev core nodad
                ip address add 10.\(site).0.1/32 dev lo; ip address add 2001:db8:\(site)::1/128 dev lo nodad
                """
            )
            var options = DataPlaneOptions()
            options.workers = 2
            change(&options)
            let plane = try DataPlane(options: options)
            let tun = try TUNDevice.open(name: "lisp0", queues: plane.workerCount)
            let offloads = tun.allowOffloads(plane.wantedTunnelOffloads)
            try plane.addInstance(.default, queues: tun.descriptors, offloads: offloads)
            try plane.start()
            let other = 3 - site
            try Shell.run(
                """
                ip link set lisp0 up mtu 1444
                ip route add 10.\(other).0.0/16 dev lisp0 src 10.\(site).0.1
                ip route add 2001:db8:\(other)::/48 dev lisp0 src 2001:db8:\(site)::1
                """
            )
            return (plane, tun, try ControlSocket(port: 7_000, mark: nil))
        }
        self.namespace = namespace
        self.plane = plane
        self.tun = tun
        self.host = host
        plane.apply([.putOwnPrefix(prefix("10.\(site).0.0/16")), .putOwnPrefix(prefix("2001:db8:\(site)::/48"))])
    }

    func close() {
        plane.stop()
        tun.close()
    }

    /// Entries for the other site by way of this RLOC.
    func install(site: Int, rloc: String) {
        plane.apply([
            locator(1, rloc), locatorSet(1, [(1, 1, 100)]),
            entry("10.\(site).0.0/16", mapping: 1), entry("2001:db8:\(site)::/48", mapping: 2),
        ])
    }
}

extension DataPlane {
    fileprivate var inUse: Set<OffloadState.Kind> { Set(offloads.filter(\.isOn).map(\.kind)) }
}

enum Shell {
    static let canRun = getenv("CI") != nil || Capabilities.effective().isSuperset(of: [.netAdmin, .sysAdmin])
    static let reason: Comment = "needs CAP_NET_ADMIN and CAP_SYS_ADMIN: run as root"

    struct Failure: Error {
        var script: String
        var status: Int32
    }

    /// Runs a script in the calling thread's network namespace; every command must succeed.
    static func run(_ script: String) throws {
        let status = system("set -e\n\(script)")
        guard status == 0 else { throw Failure(script: script, status: status) }
    }
}

@Suite(.enabled(if: Shell.canRun, Shell.reason), .serialized) struct TunnelTests {
    /// Two namespaces joined by a veth pair, a plane in each.
    func withTunnel(
        _ offload: Offload = .auto,
        _ change: (inout DataPlaneOptions) -> Void = { _ in },
        _ body: (_ a: TunnelEnd, _ b: TunnelEnd) throws -> Void
    ) throws {
        func options(_ options: inout DataPlaneOptions) {
            options.switchedOff = offload.switchedOff
            change(&options)
        }
        try NetworkNamespace.runInFresh {
            let first = try NetworkNamespace()
            try Shell.run("ip link add core type veth peer name far")
            try NetworkNamespace.runInFresh {
                let second = try NetworkNamespace()
                // `ip` takes a namespace by path, and a descriptor of this process is one.
                let path = "/proc/\(getpid())/fd/\(second.descriptor)"
                try first.run { try Shell.run("ip link set far netns \(path) name core") }
                let a = try TunnelEnd(namespace: first, site: 1, options)
                defer { a.close() }
                let b = try TunnelEnd(namespace: second, site: 2, options)
                defer { b.close() }
                try body(a, b)
            }
        }
    }

    func received(_ receiver: borrowing ControlSocket.Receiver, count: Int) -> [ReceivedDatagram] {
        var datagrams: [ReceivedDatagram] = []
        for _ in 0..<400 where datagrams.count < count {
            datagrams += receiver.receive()
            if datagrams.count < count { usleep(5_000) }
        }
        return datagrams
    }

    static let families = [("10.1.0.1", "10.2.0.1"), ("2001:db8:1::1", "2001:db8:2::1")]

    @Test(arguments: Offload.allCases) func `all four mixes carry datagrams both ways, unchanged`(offload: Offload)
        throws
    {
        try withTunnel(offload) { a, b in
            let atA = ControlSocket.Receiver(a.host)
            let atB = ControlSocket.Receiver(b.host)
            var count = 0
            for (rlocA, rlocB) in [("192.0.2.1", "192.0.2.2"), ("2001:db8:ffff::1", "2001:db8:ffff::2")] {
                a.install(site: 2, rloc: rlocB)
                b.install(site: 1, rloc: rlocA)
                for (from, to) in Self.families {
                    let payloads = (0..<100).map { [UInt8](repeating: UInt8($0), count: 10 * $0) }
                    for payload in payloads {
                        try a.host.send(payload, to: Endpoint(address(to), 7_000), from: address(from))
                    }
                    let there = received(atB, count: 100)
                    // Two workers carry flows, and this is one flow, so order stays.
                    #expect(there.map(\.payload) == payloads)
                    #expect(there.allSatisfy { $0.source == Endpoint(address(from), 7_000) })
                    #expect(there.allSatisfy { $0.destination == address(to) })
                    try b.host.send([42], to: Endpoint(address(from), 7_000), from: address(to))
                    #expect(received(atA, count: 1).map(\.payload) == [[42]])
                    count += 100
                }
            }
            #expect(a.plane.statistics().encapsulated.packets >= UInt64(count))
            #expect(b.plane.statistics().decapsulated.packets >= UInt64(count))
            let mappings = [MappingID(rawValue: 1), MappingID(rawValue: 2)].map { a.plane.counters(of: $0) }
            #expect(mappings.allSatisfy { $0.encapsulated.packets == 200 && $0.decapsulated.packets == 2 })
        }
    }

    @Test(arguments: Offload.allCases) func `the first packet waits for its mapping and then goes out`(offload: Offload)
        throws
    {
        try withTunnel(offload) { a, b in
            b.install(site: 1, rloc: "192.0.2.1")
            let receiver = ControlSocket.Receiver(b.host)
            try a.host.send([7, 7], to: Endpoint(address("10.2.0.1"), 7_000), from: address("10.1.0.1"))
            var waiting = pollfd(fd: a.plane.missEventDescriptor, events: Int16(POLLIN), revents: 0)
            #expect(poll(&waiting, 1, 2_000) == 1)
            var misses: [ForwardingMiss] = []
            a.plane.drainMisses { misses.append($0) }
            #expect(misses.map(\.destination) == [EID(address("10.2.0.1"))])
            a.install(site: 2, rloc: "192.0.2.2")
            a.plane.release(misses, verdict: .forward)
            #expect(received(receiver, count: 1).map(\.payload) == [[7, 7]])
        }
    }

    @Test(arguments: Offload.allCases) func `pings cross, small and as large as the TUN's MTU allows`(offload: Offload)
        throws
    {
        try withTunnel(offload) { a, b in
            a.install(site: 2, rloc: "192.0.2.2")
            b.install(site: 1, rloc: "2001:db8:ffff::1")
            try a.namespace.run {
                try Shell.run(
                    "ping -q -c 3 -i 0.01 -W 2 10.2.0.1 >/dev/null; ping -q -c 3 -i 0.01 -W 2 2001:db8:2::1 >/dev/null"
                )
                // Neither end forwards here (the EIDs are its own), so a TTL of 1 crosses: the tunnel itself takes none.
                try Shell.run("ping -q -c 1 -t 1 -W 2 10.2.0.1 >/dev/null")
                try Shell.run("ping -q -c 1 -s 1400 -M do -W 2 10.2.0.1 >/dev/null")
            }
        }
    }

    @Test func `a second plane in the namespace is refused by port`() throws {
        try withTunnel { a, _ in
            try a.namespace.run {
                let second = try DataPlane()
                #expect(throws: LinuxError.portInUse(address: "any IPv4 address", port: 4_341)) { try second.start() }
            }
        }
    }

    @Test(arguments: Offload.allCases) func `garbage on port 4341 is counted, and the tunnel goes on`(offload: Offload)
        throws
    {
        try withTunnel(offload) { a, b in
            a.install(site: 2, rloc: "192.0.2.2")
            b.install(site: 1, rloc: "192.0.2.1")
            var random = SplitMix.printed("garbage on 4341")
            try a.namespace.run {
                let core = try ControlSocket(port: 0)
                for index in 0..<10_000 {
                    let noise = (0..<Int.random(in: 0...100, using: &random)).map { _ in
                        UInt8(truncatingIfNeeded: random.next())
                    }
                    let rloc = index % 2 == 0 ? "192.0.2.2" : "2001:db8:ffff::2"
                    try core.send(noise, to: Endpoint(address(rloc), 4_341))
                }
            }
            let receiver = ControlSocket.Receiver(b.host)
            try a.host.send([1], to: Endpoint(address("10.2.0.1"), 7_000), from: address("10.1.0.1"))
            #expect(received(receiver, count: 1).map(\.payload) == [[1]])
            // Another worker, or the other family's socket, may still be busy when that packet is through.
            func seen() -> UInt64 {
                let statistics = b.plane.statistics()
                return statistics.drops.values.reduce(0, +) + statistics.decapsulated.packets
            }
            for _ in 0..<1_000 where seen() < 10_001 { usleep(10_000) }
            #expect(seen() >= 10_001)
        }
    }

    @Test(arguments: Offload.allCases) func `an instance can come and go while traffic flows`(offload: Offload) throws {
        try withTunnel(offload) { a, b in
            a.install(site: 2, rloc: "192.0.2.2")
            b.install(site: 1, rloc: "192.0.2.1")
            let red = InstanceID(uncheckedRawValue: 101)
            for _ in 0..<3 {
                let tun = try a.namespace.run { try TUNDevice.open(name: "lisp101", queues: 2) }
                try a.plane.addInstance(red, queues: tun.descriptors)
                let receiver = ControlSocket.Receiver(b.host)
                try a.host.send([1], to: Endpoint(address("10.2.0.1"), 7_000), from: address("10.1.0.1"))
                #expect(received(receiver, count: 1).count == 1)
                a.plane.removeInstance(red)
                tun.close()
            }
        }
    }

    // MARK: Trains

    /// So many octets over TCP from an EID of A to one of B, and what came of them.
    func transfer(_ count: Int, _ a: TunnelEnd, _ b: TunnelEnd, to destination: String) throws -> Bool {
        let family = address(destination).family == .ipv4 ? AF_INET : AF_INET6
        let name = SocketAddress(Endpoint(address(destination), 7_001))
        func tcp() -> Int32 { socket(family, Int32(SOCK_STREAM.rawValue), 0) }
        let listening = try b.namespace.run { tcp() }
        let sending = try a.namespace.run { tcp() }
        defer { _ = (close(listening), close(sending)) }
        func withName(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
            name.withBytes { bytes in
                bytes.withMemoryRebound(to: sockaddr.self) { pointer in
                    pointer.baseAddress.map { body($0, socklen_t(bytes.count)) } ?? -1
                }
            }
        }
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        for descriptor in [listening, sending] {
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        }
        // The connection of the transfer before may not be quite over.
        var reuses: Int32 = 1
        setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &reuses, socklen_t(MemoryLayout<Int32>.size))
        try #require(withName { bind(listening, $0, $1) } == 0 && listen(listening, 1) == 0)
        try #require(withName { connect(sending, $0, $1) } == 0)
        let receiving = accept(listening, nil, nil)
        try #require(receiving >= 0)
        defer { _ = close(receiving) }
        setsockopt(receiving, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var random = SplitMix.printed("bytes over TCP")
        let octets = (0..<count / 8).flatMap { _ in withUnsafeBytes(of: random.next()) { Array($0) } }
        let writer = try SystemThread(name: "writer") {
            var sent = 0
            while sent < octets.count {
                let result = octets[sent...].withUnsafeBytes { write(sending, $0.baseAddress, $0.count) }
                guard result > 0 else { break }
                sent += result
            }
            shutdown(sending, Int32(SHUT_WR))
        }
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let result = read(receiving, &buffer, buffer.count)
            guard result > 0 else { break }
            received += buffer[..<result]
        }
        writer.join()
        return received == octets
    }

    @Test(arguments: Offload.allCases) func `TCP carries its bytes unchanged, over both families`(offload: Offload)
        throws
    {
        try withTunnel(offload) { a, b in
            for (rlocA, rlocB) in [("192.0.2.1", "192.0.2.2"), ("2001:db8:ffff::1", "2001:db8:ffff::2")] {
                a.install(site: 2, rloc: rlocB)
                b.install(site: 1, rloc: rlocA)
                for (_, to) in Self.families {
                    let isUnchanged = try transfer(4 << 20, a, b, to: to)
                    #expect(isUnchanged)
                }
            }
            let (atA, atB) = (a.plane.statistics(), b.plane.statistics())
            #expect((atA.trainsSent > 0) == (offload == .auto))
            #expect((atB.trainsReceived > 0) == (offload == .auto))
            #expect((atA.siteTrainsTaken > 0) == (offload == .auto))
            #expect((atB.siteTrainsGiven > 0) == (offload == .auto))
            // Trains stay together; where there are none, flows are shared out.
            let expected = Set(OffloadState.Kind.allCases).subtracting(
                offload == .auto ? [.udpSteering] : OffloadState.Kind.trains
            )
            #expect(a.plane.inUse == expected)
            expectCounted(a.plane, b.plane, inTrains: offload == .auto)
            #expect(atA.portsRefusedTrains == 0)
            #expect(atB.drops.filter { $0.value > 0 && $0.key != .multicastDestination } == [:])
        }
    }

    @Test(arguments: OffloadState.Kind.allCases)
    func `any one of the kernel's ways can be switched off, and TCP arrives unchanged`(kind: OffloadState.Kind) throws {
        try withTunnel(.auto) {
            $0.switchedOff = [kind]
        } _: { a, b in
            a.install(site: 2, rloc: "192.0.2.2")
            b.install(site: 1, rloc: "192.0.2.1")
            for (_, to) in Self.families {
                let isUnchanged = try transfer(2 << 20, a, b, to: to)
                #expect(isUnchanged)
            }
            var off: Set<OffloadState.Kind> = [kind]
            switch kind {
            case .udpGRO: break
            case .multiQueue: off.formUnion([.tunSteering, .udpSteering])
            default: off.insert(.udpSteering)
            }
            #expect(a.plane.inUse == Set(OffloadState.Kind.allCases).subtracting(off))
            let state = try #require(a.plane.offloads.first { $0.kind == kind })
            #expect(state.reason == "switched off by data-plane.offload")
            let (atA, atB) = (a.plane.statistics(), b.plane.statistics())
            #expect((atA.siteTrainsTaken > 0) == (kind != .tso))
            // What is not taken as a train leaves as one only by chance.
            if kind != .tso { #expect((atA.trainsSent > 0) == (kind != .udpSegment)) }
            #expect((atB.trainsReceived > 0) == (kind != .udpGRO && kind != .udpSegment) || kind == .tso)
            #expect((atB.siteTrainsGiven > 0) == (kind != .merge) || kind == .tso)
            #expect(a.plane.workerCount == (kind == .multiQueue ? 1 : 2))
        }
    }

    @Test func `workers run on the processors that they are given, and on no other`() throws {
        let processor = try #require((0..<64).last { SystemThread.mayRun(onProcessor: $0) })
        try withTunnel(.auto) {
            $0.processors = [processor]
            $0.workers = 2
        } _: { _, _ in
            // Other tests of this process may have workers, too, so two of each plane are counted.
            let bound = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").filter { thread in
                // A thread of another test may end meanwhile.
                let status = try? String(contentsOfFile: "/proc/self/task/\(thread)/status", encoding: .utf8)
                let lines = status?.split(separator: "\n") ?? []
                return lines.contains { $0.hasPrefix("Name:\tlispd-w") }
                    && lines.contains("Cpus_allowed_list:\t\(processor)")
            }
            #expect(bound.count == 4)
        }
        try NetworkNamespace.runInFresh {
            var options = DataPlaneOptions()
            options.processors = [4_000]
            let plane = try DataPlane(options: options)
            let error = #expect(throws: LinuxError.self) { try plane.start() }
            #expect(error?.description == "run a worker on processor 4000 (data-plane.cpus): Invalid argument")
        }
    }

    /// What one sent the other received, and what came through a TUN was counted, too, once nothing is under way any more.
    private func expectCounted(_ a: DataPlane, _ b: DataPlane, inTrains: Bool) {
        func sum(_ statistics: DataPlaneStatistics, _ call: KeyPath<SystemCallStatistics, SystemCallStatistics.Count>)
            -> (calls: UInt64, packets: UInt64)
        {
            statistics.systemCalls.map { $0[keyPath: call] }.reduce((0, 0)) { ($0.0 + $1.calls, $0.1 + $1.packets) }
        }
        func agrees() -> Bool {
            let (atA, atB) = (a.statistics(), b.statistics())
            return [(atA, atB), (atB, atA)].allSatisfy { sender, receiver in
                let sent = sum(sender, \.send).packets
                return sent == sender.encapsulated.packets && sum(receiver, \.receive).packets == sent
                    && sum(receiver, \.tunnelWrite).packets == receiver.decapsulated.packets
            }
        }
        var attempts = 0
        while !agrees(), attempts < 100 {
            attempts += 1
            usleep(20_000)
        }
        #expect(agrees(), "\(a.statistics().systemCalls) \(b.statistics().systemCalls)")
        let fromSite = sum(a.statistics(), \.tunnelRead)
        #expect(fromSite.packets >= a.statistics().encapsulated.packets)
        #expect((fromSite.packets > fromSite.calls) == inTrains)
    }

    @Test func `without checksums there are no trains, and all arrives`() throws {
        try withTunnel(.auto) {
            $0.udpChecksum = .zero
        } _: { a, b in
            a.install(site: 2, rloc: "2001:db8:ffff::2")
            b.install(site: 1, rloc: "192.0.2.1")
            let isUnchanged = try transfer(1 << 20, a, b, to: "10.2.0.1")
            #expect(isUnchanged)
            #expect(a.plane.statistics().trainsSent == 0)
        }
    }

    /// A raw socket, which sees what a cable would carry.
    struct Cable: ~Copyable {
        let descriptor: Int32

        init(_ namespace: NetworkNamespace) throws {
            descriptor = try namespace.run {
                let descriptor = socket(AF_PACKET, Int32(SOCK_DGRAM.rawValue), Int32(UInt16(3).bigEndian))
                var size: Int32 = 32 << 20
                setsockopt(descriptor, SOL_SOCKET, 33, &size, 4)
                try #require(descriptor >= 0)
                return descriptor
            }
        }

        deinit { _ = close(descriptor) }

        /// UDP packets to port 4341 of an address that ends in 2, so far: the longest, how many, and how many had a wrong outer checksum.
        func read() -> (longest: Int, count: Int, wrong: Int) {
            var result = (longest: 0, count: 0, wrong: 0)
            var buffer = [UInt8](repeating: 0, count: 70_000)
            while true {
                let length = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                guard length > 0 else { return result }
                buffer[..<length].withUnsafeBytes { bytes in
                    let isIPv4 = bytes[0] >> 4 == 4
                    let start = isIPv4 ? 20 : 40
                    guard length >= start + 8, bytes[isIPv4 ? 9 : 6] == 17, bytes[start - 1] == 2,
                        bytes[start + 2] == 0x10,
                        bytes[start + 3] == 0xf5
                    else { return }
                    result.longest = max(result.longest, length)
                    result.count += 1
                    let datagram = UnsafeRawBufferPointer(rebasing: bytes[start...])
                    let pseudo = InternetChecksum.pseudoHeaderSum(
                        UnsafeRawBufferPointer(rebasing: bytes[(isIPv4 ? 12 : 8)..<start]),
                        protocol: 17,
                        length: UInt32(datagram.count)
                    )
                    if InternetChecksum.checksum(datagram, initial: pseudo) != 0 { result.wrong += 1 }
                }
            }
        }
    }

    @Test(arguments: Offload.allCases)
    func `on the wire packets are no larger than the MTU, and their checksums are right`(
        offload: Offload
    ) throws {
        try withTunnel(offload) { a, b in
            // A link that can do nothing for us: the kernel takes trains apart and computes checksums before it.
            try a.namespace.run { try Shell.run("ethtool -K core tx off gso off tso off >/dev/null 2>&1") }
            for (rlocA, rlocB) in [("192.0.2.1", "192.0.2.2"), ("2001:db8:ffff::1", "2001:db8:ffff::2")] {
                a.install(site: 2, rloc: rlocB)
                b.install(site: 1, rloc: rlocA)
                let cable = try Cable(b.namespace)
                let isUnchanged = try transfer(2 << 20, a, b, to: "10.2.0.1")
                #expect(isUnchanged)
                let seen = cable.read()
                #expect((1_480...1_500).contains(seen.longest))
                #expect(seen.count >= (2 << 20) / 1_404)
                #expect(seen.wrong == 0)
            }
        }
    }

    @Test(arguments: Offload.allCases) func `packets that exceed the core's MTU are counted, and no others are lost`(
        offload: Offload
    ) throws {
        try withTunnel(offload) { a, b in
            a.install(site: 2, rloc: "192.0.2.2")
            try a.namespace.run { try Shell.run("ip link set core mtu 1200") }
            let receiver = ControlSocket.Receiver(b.host)
            let sizes = (0..<300).map { $0 % 15 < 5 ? 1_300 : $0 % 15 < 10 ? 1_000 : 100 }
            for size in sizes {
                try a.host.send(
                    [UInt8](repeating: 1, count: size),
                    to: Endpoint(address("10.2.0.1"), 7_000),
                    from: address("10.1.0.1")
                )
            }
            #expect(received(receiver, count: 200).map(\.payload.count) == sizes.filter { $0 < 1_200 })
            #expect(a.plane.dropped(.exceedsPathMTU) == 100)
            #expect(a.plane.counters(of: MappingID(rawValue: 1)).encapsulated.packets == 200)
            #expect(a.plane.statistics().portsRefusedTrains == 0)
        }
    }
}
