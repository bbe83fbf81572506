// A worker's thread, its sockets and what it waits for.

import Glibc
import LISPWire
import LinuxNetwork
import Synchronization

/// Runs one worker on a thread of its own.
final class WorkerRuntime {
    private let plane: PlaneShared
    private let worker: WorkerShared
    private let sockets: WorkerSockets
    private let waiting: Waiting
    private var thread: SystemThread?

    /// What the thread and the control loop both use; the kernel takes care of concurrency.
    private final class Waiting: Sendable {
        let readiness: ReadinessSet
        let wakeUp: EventDescriptor

        init() throws(LinuxError) {
            readiness = try ReadinessSet()
            wakeUp = try EventDescriptor()
        }
    }

    /// What a ready descriptor is: kind in the upper half, number in the lower.
    private enum Tag {
        static let tunnel: UInt64 = 1 << 32
        static let ipv4: UInt64 = 2 << 32
        static let ipv6: UInt64 = 3 << 32
        static let wakeUp: UInt64 = 4 << 32
        /// Errors of a source port.
        static let errorsIPv4: UInt64 = 5 << 32
        static let errorsIPv6: UInt64 = 6 << 32
    }

    var index: Int { worker.index }

    init(plane: PlaneShared, worker: WorkerShared, sockets: WorkerSockets) throws(LinuxError) {
        self.plane = plane
        self.worker = worker
        self.sockets = sockets
        waiting = try Waiting()
        try waiting.readiness.add(waiting.wakeUp.descriptor, tag: Tag.wakeUp)
        if let socket = sockets.receiving[.ipv4] {
            try waiting.readiness.add(socket.descriptor, tag: Tag.ipv4)
        }
        if let socket = sockets.receiving[.ipv6] {
            try waiting.readiness.add(socket.descriptor, tag: Tag.ipv6)
        }
        for (family, tag) in [(AddressFamily.ipv4, Tag.errorsIPv4), (.ipv6, Tag.errorsIPv6)] {
            for (port, socket) in (sockets.sending[family] ?? []).enumerated() {
                try waiting.readiness.addErrors(socket.descriptor, tag: tag | UInt64(port))
            }
        }
    }

    func sourcePortCount(_ family: AddressFamily) -> Int { sockets.sending[family]?.count ?? 0 }
    func isReceiving(_ family: AddressFamily) -> Bool { sockets.receiving[family] != nil }

    /// Those of port 4341.
    var receivingSockets: [UDPSocket] { Array(sockets.receiving.values) }

    func watchTunnel(_ number: Int) throws(LinuxError) {
        let descriptor = worker.tunnels[number].load(ordering: .relaxed)
        try waiting.readiness.add(descriptor, tag: Tag.tunnel | UInt64(number))
    }

    func unwatchTunnel(_ number: Int) {
        waiting.readiness.remove(worker.tunnels[number].load(ordering: .relaxed))
    }

    func start(onProcessor processor: Int?) throws(LinuxError) {
        let (plane, worker, sockets, waiting) = (plane, worker, sockets, waiting)
        let started = try SystemThread(name: "lispd-w\(worker.index)") {
            var runner = Worker(
                plane: plane,
                shared: worker,
                device: LinuxDevice(sockets: sockets, shared: worker)
            )
            Self.run(&runner, plane, worker, waiting)
        }
        thread = started
        if let processor { try started.run(onProcessor: processor) }
    }

    func wake() { waiting.wakeUp.signal() }

    func join() {
        thread?.join()
        thread = nil
    }

    /// Until `stopRequested`. One batch of each ready descriptor a turn, so that no direction starves another; offline, and so
    /// at a quiet point, between turns.
    private static func run(
        _ runner: inout Worker<LinuxDevice>,
        _ plane: PlaneShared,
        _ worker: WorkerShared,
        _ waiting: Waiting
    ) {
        let tags = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: 64)
        tags.initialize(repeating: 0)
        defer { tags.deallocate() }
        while plane.stopRequested.pointee.load(ordering: .acquiring) == 0 {
            worker.reader.offline()
            let ready = waiting.readiness.wait(tags, timeout: -1)
            worker.reader.online()
            for index in 0..<ready {
                let tag = tags[index]
                switch tag & ~0xffff_ffff {
                case Tag.tunnel:
                    let number = Int(tag & 0xffff_ffff)
                    if runner.stepTunnel(number) == 0 { forgetIfGone(number, worker, waiting) }
                case Tag.ipv4: _ = runner.stepNetwork(.ipv4)
                case Tag.ipv6: _ = runner.stepNetwork(.ipv6)
                case Tag.errorsIPv4: runner.stepErrors(.ipv4, port: Int(tag & 0xffff_ffff))
                case Tag.errorsIPv6: runner.stepErrors(.ipv6, port: Int(tag & 0xffff_ffff))
                default:
                    waiting.wakeUp.clear()
                    while runner.stepHeld() > 0 { worker.reader.quiet() }
                }
                worker.reader.quiet()
            }
        }
        worker.reader.offline()
    }

    /// A TUN that somebody deleted is ready for ever with nothing to read: stop watching it, or the worker would spin.
    private static func forgetIfGone(_ number: Int, _ worker: WorkerShared, _ waiting: Waiting) {
        let descriptor = worker.tunnels[number].load(ordering: .relaxed)
        var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&state, 1, 0) == 1, state.revents & Int16(POLLERR) != 0 else { return }
        waiting.readiness.remove(descriptor)
    }

    // MARK: Sockets

    static func availableFamilies() -> Set<AddressFamily> {
        Set(
            AddressFamily.allCases.filter { family in
                do throws(LinuxError) {
                    _ = try UDPSocket(family: family, mark: nil)
                    return true
                } catch {
                    return false
                }
            }
        )
    }

    /// The sockets of all workers. The group of port 4341 has one of each family for each worker from the start, since the
    /// kernel would move flows when it changed.
    static func openSockets(
        workers: Int,
        families: Set<AddressFamily>,
        _ options: DataPlaneOptions
    ) throws(LinuxError) -> [WorkerSockets] {
        var all = [WorkerSockets](repeating: WorkerSockets(), count: workers)
        for family in families.sorted() {
            // A socket that does not share its port meets any other that has it, be it a group of the same user.
            try UDPSocket(family: family).bind(port: DataPlaneConstants.dataPort)
            for worker in 0..<workers {
                let receiving = try receivingSocket(family, options)
                if !options.uses(.udpGRO) || !receiving.receiveTrains() { all[worker].receivesTrains = false }
                all[worker].receiving[family] = receiving
                let sending = try sendingSockets(family, options)
                if !options.uses(.udpSegment) || options.udpChecksum == .zero || !sending.allSatisfy(\.canSendTrains) {
                    all[worker].sendsTrains = false
                }
                all[worker].sending[family] = sending
                all[worker].fragmenting[family] = try fragmentingSocket(family, options)
            }
        }
        return all
    }

    private static func receivingSocket(
        _ family: AddressFamily,
        _ options: DataPlaneOptions
    ) throws(LinuxError) -> UDPSocket {
        let socket = try UDPSocket(family: family)
        try socket.sharePort()
        try socket.receiveTrafficFields()
        try socket.acceptZeroChecksums()
        socket.setBuffers(receive: options.socketBuffer)
        try socket.bind(port: DataPlaneConstants.dataPort)
        return socket
    }

    /// From any free port. ICMP errors about what it sends are of no interest: the other ports see the same path.
    private static func fragmentingSocket(
        _ family: AddressFamily,
        _ options: DataPlaneOptions
    ) throws(LinuxError) -> UDPSocket {
        let socket = try UDPSocket(family: family)
        try socket.bind(port: 0)
        try socket.receiveNothing()
        try socket.allowFragments()
        socket.setBuffers(send: options.socketBuffer)
        if options.udpChecksum == .zero { try socket.sendZeroChecksums() }
        return socket
    }

    private static func sendingSockets(
        _ family: AddressFamily,
        _ options: DataPlaneOptions
    ) throws(LinuxError) -> [UDPSocket] {
        let range = DataPlaneConstants.sourcePorts
        let wanted = min(max(1, options.sourcePorts), 64)
        var sockets: [UDPSocket] = []
        // From a random port on, so that daemons and restarts do not meet.
        let first = UInt16.random(in: range)
        for offset in 0..<range.count where sockets.count < wanted {
            let position = (Int(first - range.lowerBound) + offset) % range.count
            let port = range.lowerBound + UInt16(position)
            let socket = try UDPSocket(family: family)
            do throws(LinuxError) {
                try socket.bind(port: port)
            } catch .portInUse {
                continue
            }
            try socket.receiveNothing()
            try socket.reportErrors()
            try socket.neverFragment()
            socket.setBuffers(send: options.socketBuffer)
            if options.udpChecksum == .zero { try socket.sendZeroChecksums() }
            sockets.append(socket)
        }
        guard !sockets.isEmpty else { throw .noFreePort(first: range.lowerBound, last: range.upperBound) }
        return sockets
    }
}
