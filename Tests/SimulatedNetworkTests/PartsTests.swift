// The parts of the simulation by themselves: they are what everything else relies on.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire
import Testing

@testable import SimulatedNetwork

@Suite struct `Paths` {
    @Test func `lose, delay and double as often as they are told`() {
        var random = SeededRandom(seed: 1)
        let conditions = LinkConditions(
            delay: .milliseconds(10),
            jitter: .milliseconds(5),
            loss: 300,
            duplication: 100,
            reordering: 200,
            reorderDelay: .milliseconds(100)
        )
        var lost = 0
        var doubled = 0
        var late = 0
        for _ in 0..<10_000 {
            let arrivals = conditions.arrivals(using: &random)
            if arrivals.isEmpty { lost += 1 }
            if arrivals.count == 2 { doubled += 1 }
            for arrival in arrivals {
                #expect(arrival >= .milliseconds(10) && arrival <= .milliseconds(115))
                if arrival > .milliseconds(15) { late += 1 }
            }
        }
        #expect((2800...3200).contains(lost))
        #expect((600...800).contains(doubled))
        #expect((1200...1700).contains(late))
    }

    @Test func `without jitter keep the order`() {
        var queue = EventQueue()
        for subject in 0..<100 { queue.plan(.arrival, subject, at: Instant(nanoseconds: 7)) }
        var order: [Int32] = []
        while let event = queue.next {
            order.append(event.subject)
            queue.take()
        }
        #expect(order == Array(0..<100))
    }

    @Test func `end where the network is divided`() {
        let network = SimulatedNetwork()
        network.keepsRecords = true
        let a = network.add("a", [IPAddress("192.0.2.1")!], RouterSettings())
        let b = network.add("b", [IPAddress("192.0.2.2")!], RouterSettings())
        let message: [UInt8] = [0x90]
        func send() {
            network.carry(
                .datagram(
                    payload: message,
                    source: .control(a.addresses[0]),
                    destination: .control(b.addresses[0]),
                    causes: 0
                ),
                from: a,
                to: b.addresses[0]
            )
            network.run(.seconds(1))
        }
        send()
        #expect(b.heard == [message])
        network.separate([b], as: 1)
        send()
        #expect(b.heard == [message])
        network.heal()
        send()
        #expect(b.heard == [message, message])
    }
}

@Suite struct `Audits` {
    private final class Log: Check {
        let name = "log"
        var times: [[Instant]]

        init(routers: Int) {
            times = Array(repeating: [], count: routers)
        }

        func audit(_ node: SimulatedRouter, in network: SimulatedNetwork) {
            times[node.index].append(network.now)
        }
    }

    @Test func `look at each router once in each interval, and at no two at once`() {
        let network = SimulatedNetwork()
        let log = Log(routers: 100)
        network.watch(log)
        let interval = Duration.seconds(20)
        for number in 0..<50 { network.add("\(number)", [], RouterSettings()) }
        network.audit(every: interval)
        for number in 50..<100 { network.add("\(number)", [], RouterSettings()) }
        network.run(interval * 3 - .nanoseconds(1))
        for times in log.times {
            #expect(times.count == 3)
            #expect(zip(times, times.dropFirst()).allSatisfy { $0.duration(to: $1) == interval })
        }
        let firsts = log.times.compactMap(\.first).sorted()
        // Evenly, it would be 200 ms.
        #expect(zip(firsts, firsts.dropFirst()).allSatisfy { $0.duration(to: $1) > .milliseconds(50) })
    }
}

@Suite struct `The reference plane` {
    private static let eid = EIDPrefix(IPPrefix("10.0.0.0/8")!)
    private static let locator = LocatorID(rawValue: 1)
    private static let set = LocatorSetID(rawValue: 1)
    private static let mapping = MappingID(rawValue: 1)
    private static let build: [ForwardingUpdate] = [
        .putLocator(locator, address: IPAddress("192.0.2.1")!, source: nil, up: true, mtu: 0),
        .putLocatorSet(set, [LocatorSlot(locator: locator, priority: 1, weight: 1)]),
        .putEntry(eid, mapping: mapping, action: .encapsulate(set)),
    ]
    private static let tear: [ForwardingUpdate] = [.deleteEntry(eid), .deleteLocatorSet(set), .deleteLocator(locator)]

    @Test func `takes children before parents, and parents away before children`() {
        let plane = ReferencePlane()
        plane.apply(Self.build)
        let found = plane.longestMatch(EID(IPAddress("10.1.2.3")!))
        #expect(found?.eid == Self.eid)
        #expect(plane.locator(of: Self.set, flow: 9) == IPAddress("192.0.2.1"))
        plane.apply(Self.tear)
        #expect(plane.isEmpty)
        #expect(plane.faults == [])
    }

    @Test(arguments: [[1, 0, 2], [0, 2, 1], [2, 1, 0]])
    func `notes any other order`(order: [Int]) {
        let plane = ReferencePlane()
        plane.apply(order.map { Self.build[$0] })
        #expect(!plane.faults.isEmpty)
        let another = ReferencePlane()
        another.apply(Self.build)
        another.apply(order.map { Self.tear[$0] })
        #expect(!another.faults.isEmpty)
    }

    @Test func `shares packets by priority, then weight`() {
        let plane = ReferencePlane()
        let addresses = (1...3).map { IPAddress("192.0.2.\($0)")! }
        plane.apply(
            addresses.enumerated().map { number, address in
                .putLocator(LocatorID(rawValue: UInt32(number)), address: address, source: nil, up: true, mtu: 0)
            }
        )
        let slots = [
            LocatorSlot(locator: LocatorID(rawValue: 0), priority: 1, weight: 75),
            LocatorSlot(locator: LocatorID(rawValue: 1), priority: 1, weight: 25),
            LocatorSlot(locator: LocatorID(rawValue: 2), priority: 2, weight: 100),
        ]
        plane.apply([.putLocatorSet(Self.set, slots)])
        var counts: [IPAddress: Int] = [:]
        for flow in 0..<1000 { counts[plane.locator(of: Self.set, flow: UInt64(flow))!, default: 0] += 1 }
        #expect(counts == [addresses[0]: 750, addresses[1]: 250])
    }
}

@Suite struct `What sites say` {
    private static func mapping(_ eid: String, _ rloc: String) -> DatabaseMapping {
        DatabaseMapping(
            eid: EIDPrefix(IPPrefix(eid)!),
            ttlMinutes: 1,
            locators: [DatabaseLocator(address: IPAddress(rloc)!, priority: 1, weight: 1, isLocal: true)]
        )
    }

    @Test func `is remembered with its time`() {
        var claims = Claims()
        let start = Instant.zero
        claims.set([Self.mapping("10.1.0.0/16", "192.0.2.1")], of: 0, now: start)
        claims.set([Self.mapping("10.1.0.0/16", "192.0.2.2")], of: 0, now: start + .seconds(10))
        claims.set([], of: 0, now: start + .seconds(20))
        let all = claims.of(EIDPrefix(IPPrefix("10.1.0.0/16")!))
        #expect(all.map(\.mapping.locators[0].address.description) == ["192.0.2.1", "192.0.2.2"])
        #expect(all[0].stood(between: start + .seconds(9), and: start + .seconds(11)))
        #expect(!all[0].stood(between: start + .seconds(11), and: start + .seconds(12)))
        #expect(!all[1].stood(between: start + .seconds(1), and: start + .seconds(9)))
        #expect(claims.current(for: EID(IPAddress("10.1.0.1")!)).isEmpty)
    }

    @Test func `counts for the longest prefix`() {
        var claims = Claims()
        claims.set([Self.mapping("10.1.0.0/16", "192.0.2.1")], of: 0, now: .zero)
        claims.set([Self.mapping("10.1.2.0/24", "192.0.2.2")], of: 1, now: .zero)
        #expect(claims.current(for: EID(IPAddress("10.1.2.1")!)).map(\.router) == [1])
        #expect(claims.current(for: EID(IPAddress("10.1.3.1")!)).map(\.router) == [0])
        #expect(claims.covering(EIDPrefix(IPPrefix("10.1.2.9/32")!)).map(\.router) == [1, 0])
        claims.set([], of: 1, now: .zero + .seconds(1))
        #expect(claims.current(for: EID(IPAddress("10.1.2.1")!)).map(\.router) == [0])
    }
}

@Suite struct `A router's clock` {
    @Test func `says when it will show something, to the nanosecond`() {
        var random = SeededRandom(seed: 1)
        for _ in 0..<1000 {
            let clock = SimulatedClock(using: &random)
            let moment = Instant(nanoseconds: Int64.random(in: 0...100 * 86_400_000_000_000, using: &random))
            let shown = clock.local(moment)
            let first = clock.network(shown)
            #expect(first <= moment && clock.local(first) >= shown)
            #expect(clock.local(Instant(nanoseconds: first.nanoseconds - 1)) < shown)
            #expect(clock.network(.never) == .never)
        }
    }

    @Test func `drifts by a hundredth at most, and its wall clock alone is ever set`() {
        var random = SeededRandom(seed: 2)
        var drifts: [Double] = []
        for _ in 0..<1000 {
            var clock = SimulatedClock(using: &random)
            let shown = clock.local(.zero).duration(to: clock.local(.zero + .seconds(1000)))
            drifts.append(abs(shown / .seconds(1) - 1000))
            clock.setWall(using: &random)
            #expect(clock.local(.zero).duration(to: clock.local(.zero + .seconds(1000))) == shown)
        }
        #expect(drifts.allSatisfy { $0 <= 10 })
        // Of ten machines nine are within 500 parts of a million.
        #expect((50...150).contains(drifts.count { $0 > 0.5 }))
    }

    @Test func `decides when it does what is due`() throws {
        let network = SimulatedNetwork()
        network.hasOwnClocks = true
        let peer = MapServerPeer(
            address: IPAddress("192.0.2.9")!,
            keys: [AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: [1])]
        )
        for number in 0..<50 {
            let rloc = IPAddress.v4(IPv4Address(0xc612_0001 + UInt32(number)))
            let locator = DatabaseLocator(address: rloc, priority: 1, weight: 1, isLocal: true)
            let mapping = DatabaseMapping(
                eid: EIDPrefix(IPPrefix("10.2.0.0/16")!),
                ttlMinutes: 1440,
                locators: [locator]
            )
            let etr = ETRSettings(
                mappings: [mapping],
                mapServers: [peer],
                xtrID: XTRID(rawValue: UInt128(number)),
                siteID: SiteID(rawValue: 1),
                rlocs: [rloc]
            )
            let node = network.add("\(number)", [rloc], RouterSettings(etr: etr))
            let started = node.clock.local(network.now)
            // Nobody answers: after 63 s of its own it tries for the seventh time.
            network.run(network.now.duration(to: node.clock.network(started + .seconds(63))) - .nanoseconds(1))
            #expect(node.router.etr?.statistics[.mapRegistersSent] == 6)
            network.run(.nanoseconds(1))
            #expect(node.router.etr?.statistics[.mapRegistersSent] == 7)
        }
    }
}
