// Everything that lispd owns, opened in an order in which nothing of a running daemon is touched before it is clear that we may
// run, and closed in the reverse.

import DataPlane
import Glibc
import HostRouting
import LISPConfiguration
import LISPControl
import LISPWire
import LinuxNetwork
import Logging
import Management
import ManagementAPI
import NIOCore
import NIOPosix
import Synchronization

/// Why the daemon cannot start, in one line, with its exit status (sysexits.h).
struct StartFailure: Error, CustomStringConvertible {
    let description: String
    let exitCode: Int32
}

final class Daemon {
    private let logger: Logger
    let events: EventHub
    private let group: MultiThreadedEventLoopGroup
    private let loop: ControlLoop
    private var watchers: [DescriptorWatcher] = []
    private let tunnels: [TUNDevice]
    private var management: [Task<Void, Never>] = []
    private var httpGroup: MultiThreadedEventLoopGroup?
    let summary: String

    init(configurationFile: String, stateDirectory: String, logger: Logger) throws {
        self.logger = logger
        events = EventHub(logger: logger) { SystemClock.wallClock / 1_000_000 }
        let configuration = try RouterConfiguration.load(path: configurationFile)
        for warning in configuration.warnings { logger.warning("\(warning)") }
        let tenants = configuration.instances.compactMap(\.namespace)
        let isTunnelRouter = configuration.isTunnelRouter
        do {
            var needed: Capabilities = [.netAdmin]
            if !tenants.isEmpty { needed.insert(.sysAdmin) }
            try Capabilities.require(needed)
        } catch {
            throw StartFailure(description: "\(error)", exitCode: EX_NOPERM)
        }
        let state = try Self.refusing(EX_CANTCREAT) { try StateDirectory(path: stateDirectory) }
        var xtrID: XTRID?
        switch configuration.xtrID {
        // A tunnel router may become an ETR by a reload; others never do.
        case .automatic where isTunnelRouter: xtrID = try Self.refusing(EX_CANTCREAT) { try state.xtrID() }
        case .automatic: break
        case .fixed(let fixed): xtrID = fixed
        }
        // Port 4342 first: whoever holds it is a running daemon, and its rules and routes are not ours to remove.
        let socket = try Self.refusing(EX_UNAVAILABLE) { try ControlSocket(port: LISPPort.control) }
        let host = try HostIntegration(tenants: tenants)
        let leftovers = try host.removeAll()
        if leftovers > 0 { logger.notice("removed \(leftovers) rules and routes of a lispd that was killed") }

        var resolved = try host.resolve(configuration)
        var tunnels: [TUNDevice] = []
        var plane: DataPlane?
        do {
            if isTunnelRouter {
                let new = try Self.refusing(EX_OSERR) { try DataPlane(options: DataPlaneOptions(configuration)) }
                for instance in configuration.instances {
                    let tunnel = try TUNDevice.open(name: HostIntegration.tun(instance.id), queues: new.workerCount)
                    tunnels.append(tunnel)
                    let offloads = tunnel.allowOffloads(new.wantedTunnelOffloads)
                    if let namespace = instance.namespace { try host.moveTUN(tunnel.name, toNamespace: namespace) }
                    try new.addInstance(
                        instance.id,
                        queues: tunnel.descriptors,
                        offloads: offloads
                    )
                }
                try Self.refusing(EX_UNAVAILABLE) { try new.start() }
                plane = new
                resolved = try host.resolve(configuration)
                try host.apply(configuration, resolved, rereading: true)
            }
        } catch {
            _ = try? host.removeAll()
            for tunnel in tunnels { tunnel.close() }
            throw error
        }
        self.tunnels = tunnels
        for warning in host.warnings(configuration, resolved) { logger.warning("\(warning)") }
        for locator in resolved.unresolved {
            logger.warning("locator \(locator.interface) (set \(locator.locatorSet)): \(locator.reason)")
        }

        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let missEvent = plane?.missEventDescriptor
        loop = ControlLoop(
            eventLoop: group.next(),
            configuration: configuration,
            configurationFile: configurationFile,
            resolvedHost: resolved,
            plane: plane,
            socket: socket,
            host: host,
            state: state,
            xtrID: xtrID,
            events: events,
            logger: logger
        )
        summary = Self.summary(configuration, resolved)
        // From here on the loop has the host in its keeping: whatever fails, it takes our rules and routes out again.
        do {
            try startManagement(configuration.management)
            try startWatchers(socket, missEvent: missEvent)
            try Self.on(loop) { $0.start() }
        } catch {
            stop()
            throw error
        }
    }

    /// Turns whatever `body` throws into a start failure with `exitCode`.
    private static func refusing<Value>(_ exitCode: Int32, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch {
            throw StartFailure(description: "\(error)", exitCode: exitCode)
        }
    }

    private static func summary(_ configuration: RouterConfiguration, _ host: ResolvedHost) -> String {
        let roles = configuration.roles.sorted().map(\.rawValue).joined(separator: ", ")
        let rlocs = host.rlocs.map(\.description).joined(separator: ", ")
        return rlocs.isEmpty ? roles : "\(roles); locators \(rlocs)"
    }

    /// Serves lispctl and, if that is wanted, whoever may look over TCP; returns once both can be reached, or throws why not.
    private func startManagement(_ settings: ManagementConfiguration) throws {
        let service = ManagementService(loop: loop, events: events)
        let group = group
        try start(ManagementServer(socketPath: settings.socket, provider: service, group: group, logger: logger))
        guard let http = settings.http else { return }
        // What strangers send is parsed on a thread of its own.
        let strangers = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        httpGroup = strangers
        try start(
            ManagementServer(
                address: http.address.description,
                port: http.port,
                provider: service,
                group: strangers,
                logger: logger
            )
        )
    }

    private func start(_ server: ManagementServer) throws {
        let ready = group.next().makePromise(of: Void.self)
        let isReady = SharedFlag()
        management.append(
            Task { [logger] in
                do {
                    try await server.run { _ in
                        isReady.set()
                        ready.succeed()
                    }
                    ready.fail(CancellationError())
                } catch {
                    // Before that it is why we cannot start.
                    if isReady.isSet { logger.error("\(error)") }
                    ready.fail(error)
                }
            }
        )
        do {
            try ready.futureResult.wait()
        } catch {
            throw StartFailure(description: "\(error)", exitCode: EX_UNAVAILABLE)
        }
    }

    private func startWatchers(_ socket: ControlSocket, missEvent: Int32?) throws {
        let loop = loop
        let receiver = ControlReceiver(socket)
        watchers.append(
            try DescriptorWatcher(
                name: "lispd-control",
                descriptors: socket.descriptors,
                loop: loop.eventLoop,
                read: { () },
                deliver: { loop.assumeIsolated { $0.receive(receiver) } }
            )
        )
        if let missEvent {
            watchers.append(
                try DescriptorWatcher(
                    name: "lispd-miss",
                    descriptors: [missEvent],
                    loop: loop.eventLoop,
                    read: { () },
                    deliver: { loop.assumeIsolated { $0.drainPlane() } }
                )
            )
        }
        let monitor = HostMonitor(try NetlinkMonitor())
        watchers.append(
            try DescriptorWatcher(
                name: "lispd-netlink",
                descriptors: [monitor.descriptor],
                loop: loop.eventLoop,
                read: { monitor.news() },
                deliver: { news in loop.assumeIsolated { $0.hostChanged(news) } }
            )
        )
    }

    private static func on<Value: Sendable>(
        _ loop: ControlLoop,
        _ body: @escaping @Sendable (isolated ControlLoop) throws -> Value
    ) throws -> Value {
        try loop.eventLoop.submit { try loop.assumeIsolated { try body($0) } }.wait()
    }

    /// Reads the configuration file again; a refusal changes nothing. Either is an event.
    func reload() {
        _ = try? Self.on(loop) { try $0.reload() }
    }

    /// Withdraws registrations, then takes everything of ours out of the host.
    func stop() {
        for task in management { task.cancel() }
        // The watchers first: they wait on descriptors that the loop closes.
        for watcher in watchers { watcher.stop() }
        do {
            try Self.on(loop) { $0.stop() }
        } catch {
            logger.error("cannot stop in order: \(error)")
        }
        for tunnel in tunnels { tunnel.close() }
        // The management tasks remove what is theirs as they end.
        let ended = group.next().makePromise(of: Void.self)
        Task { [management] in
            for task in management { await task.value }
            ended.succeed()
        }
        group.next().scheduleTask(in: .seconds(2)) { ended.succeed() }
        try? ended.futureResult.wait()
    }
}

/// Set once, by one task for another.
private final class SharedFlag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { value.load(ordering: .acquiring) }

    func set() { value.store(true, ordering: .releasing) }
}

extension DataPlaneOptions {
    init(_ configuration: RouterConfiguration) {
        self.init()
        switch configuration.dataPlane.workers {
        case .automatic: workers = nil
        case .count(let count): workers = count
        }
        udpChecksum = configuration.dataPlane.udpChecksum == .zero ? .zero : .compute
        processors = configuration.dataPlane.cpus
        switchedOff = Set(configuration.dataPlane.withoutOffloads.map(OffloadState.Kind.init))
    }
}

extension OffloadState.Kind {
    init(_ offload: DataPlaneConfiguration.Offload) {
        switch offload {
        case .tso: self = .tso
        case .uso: self = .uso
        case .merge: self = .merge
        case .udpSegment: self = .udpSegment
        case .udpGRO: self = .udpGRO
        case .multiQueue: self = .multiQueue
        case .tunSteering: self = .tunSteering
        case .udpSteering: self = .udpSteering
        }
    }
}
