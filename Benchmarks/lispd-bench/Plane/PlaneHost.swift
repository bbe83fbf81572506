// A data plane with one worker in a network namespace of its own, with a TUN before it and its locators behind it, all on the
// namespace's loopback interface: packets cross the kernel as they do in a router, and no network is needed.
//
//     sender --> lisp0 (TUN) --> worker --> port 4341 of the locators --> receiver

import DataPlane
import ForwardingInterface
import Glibc
import HostRouting
import LISPWire
import LinuxNetwork

/// What one measurement came to.
struct PlaneSample {
    /// Packets a second that arrived.
    var rate = 0.0
    /// Of the worker's processor time, for each of them.
    var workerNanoseconds = 0.0
    /// From the first packet to the last.
    var sent = 0
    var lost = 0
    var misdelivered = 0
    /// A second.
    var changes = 0.0
}

final class PlaneHost {
    private static let source = IPv4Address(0x0a00_0001)
    private static let mainTable: UInt32 = 254

    private let population: PlanePopulation
    private let tunnel: TUNDevice
    private let plane: DataPlane
    private let sender: PlaneSender
    private let receiver: PlaneReceiver
    private let worker: pid_t

    /// In a fresh namespace. Needs root.
    static func inNamespace(entries: Int) throws -> PlaneHost {
        try NetworkNamespace.runInFresh { try PlaneHost(entries: entries) }
    }

    private init(entries: Int) throws {
        var random = SystemRandomNumberGenerator()
        population = PlanePopulation(count: entries, random: &random)
        let netlink = try NetlinkSocket()
        try netlink.setLink("lo", up: true)
        tunnel = try TUNDevice.open(name: "lisp0", queues: 1)
        let offloads = tunnel.allowOffloads()
        try netlink.setLink(tunnel.name, makesLinkLocalAddress: false)
        try netlink.setLink(tunnel.name, up: true)
        let source = IPAddress.v4(Self.source)
        try netlink.addHostAddress(source, to: tunnel.name, scope: .global)
        for number in 0..<PlanePopulation.locatorCount {
            try netlink.addHostAddress(.v4(PlanePopulation.locator(number)), to: "lo", scope: .global)
        }
        let everything = IPPrefix(family: .ipv4, leftAligned: 0, length: 0)
        let route = HostRoute(table: Self.mainTable, everything, .interface(tunnel.name, source: source))
        try netlink.put(route)

        var options = DataPlaneOptions()
        options.workers = 1
        options.families = [.ipv4]
        plane = try DataPlane(options: options)
        try plane.addInstance(.default, queues: tunnel.descriptors, offloads: offloads)
        plane.apply([.putOwnPrefix(EIDPrefix(IPPrefix(host: source)))])
        plane.apply(population.updates())
        let others = Set(Self.threads())
        try plane.start()
        worker = try Self.newThread(besides: others)
        PlaneProcessors.forWorker(worker)
        receiver = try PlaneReceiver()
        sender = try PlaneSender(population, random: &random)
    }

    deinit {
        plane.stop()
        tunnel.close()
    }

    var statistics: DataPlaneStatistics { plane.statistics() }

    // MARK: Measuring

    /// Sends for a while, and some time before and behind it.
    ///
    /// - Parameters:
    ///   - rate: packets a second; `nil`: as many as can be sent.
    ///   - changes: of the forwarding table, a second.
    func measure(seconds: Double, rate: Double?, changes: Double) throws -> PlaneSample {
        var sample = PlaneSample()
        let before = (sent: sender.sent, received: receiver.received, wrong: receiver.misdelivered)
        var changing = PlanePopulation.Changes(of: population)
        try receiver.whileReceiving {
            try sender.whileSending(rate: rate) {
                _ = control(seconds: 0.3, changes, &changing)
                let begin = (received: receiver.received, time: try workerTime())
                let (elapsed, changed) = control(seconds: seconds, changes, &changing)
                let arrived = receiver.received - begin.received
                sample.rate = Double(arrived) / elapsed
                sample.workerNanoseconds = Double(try workerTime() - begin.time) / Double(max(1, arrived))
                sample.changes = Double(changed) / elapsed
            }
            // What waits in queues still comes.
            usleep(200_000)
        }
        plane.apply(changing.undo())
        sample.sent = sender.sent - before.sent
        sample.lost = sample.sent - (receiver.received - before.received)
        sample.misdelivered = receiver.misdelivered - before.wrong
        return sample
    }

    /// What the control loop does meanwhile.
    ///
    /// - Returns: how long it took, and how many changes were made.
    private func control(
        seconds: Double,
        _ rate: Double,
        _ changing: inout PlanePopulation.Changes
    ) -> (seconds: Double, changes: Int) {
        let clock = ContinuousClock()
        let begin = clock.now
        var done = 0
        while true {
            let elapsed = (clock.now - begin).inSeconds
            if elapsed >= seconds { return (elapsed, done) }
            let due = Int(elapsed * rate)
            if due > done {
                plane.apply((done..<due).map { _ in changing.next() })
                done = due
            } else {
                plane.maintain()
            }
            usleep(1_000)
        }
    }

    // MARK: The worker's thread

    private static func threads() -> [pid_t] {
        guard let directory = opendir("/proc/self/task") else { return [] }
        defer { closedir(directory) }
        var found: [pid_t] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let number = pid_t(name) { found.append(number) }
        }
        return found
    }

    private static func newThread(besides others: Set<pid_t>) throws -> pid_t {
        let new = threads().filter { !others.contains($0) }
        guard new.count == 1, let thread = new.first else {
            throw Unexpected("\(new.count) new threads, not one worker")
        }
        return thread
    }

    /// Nanoseconds on a processor, in the program and in the kernel.
    private func workerTime() throws -> UInt64 {
        // How Linux names the clock of a thread's processor time: its number inverted, and what kind of clock.
        let clock = clockid_t(truncatingIfNeeded: ~Int(worker) << 3 | 6)
        var time = timespec()
        guard clock_gettime(clock, &time) == 0 else { throw Unexpected("no processor time of thread \(worker)") }
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
