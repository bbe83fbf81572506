// The service on the UNIX socket that lispctl speaks to, and the same over TCP for whoever may only look: HTTP/1.1 with JSON.
//
//     lispctl ----- UNIX socket --+-- Hummingbird --- router, one route a resource --- ManagementProvider (the daemon)
//     Prometheus -- TCP ----------+
//
// Whoever may open the UNIX socket may do everything; the file's mode (0660) and its directory say who that is. Over TCP nothing
// can be changed. Requests are small and few: bodies beyond 64 KiB, more connections than there is room for and idle
// connections are turned away; over TCP old connections and more than a few requests at a time are too.

import Hummingbird
import HummingbirdCore
import Logging
import ManagementAPI
import NIOCore

/// Serves `ManagementProvider` at one place until its task is cancelled.
package struct ManagementServer: Sendable {
    /// Octets of a request body.
    static let bodyLimit = 64 * 1024
    private static let idleTimeout = TimeAmount.seconds(60)
    /// Of a TCP connection; who wants more connects again.
    private static let lifetime = TimeAmount.minutes(5)

    /// Where it listens.
    private enum Place {
        case socket(SocketFile)
        case http(host: String, port: Int)

        /// Open connections; more wait in the kernel's queue.
        var connectionLimit: Int {
            switch self {
            case .socket: 64
            case .http: 32
            }
        }
    }

    private let place: Place
    private let provider: any ManagementProvider
    private let group: any EventLoopGroup
    private let logger: Logger

    /// Everything, on a UNIX socket.
    ///
    /// - Parameters:
    ///   - socketPath: at most 100 octets; its directory is made if only its last component is missing.
    ///   - group: where the connections are served.
    package init(socketPath: String, provider: any ManagementProvider, group: any EventLoopGroup, logger: Logger) {
        self.init(.socket(SocketFile(path: socketPath)), provider, group, logger)
    }

    /// What can be looked at, over TCP.
    ///
    /// - Parameters:
    ///   - address: an IPv4 or IPv6 address of this host.
    ///   - port: 0 for any that is free.
    package init(
        address: String,
        port: UInt16,
        provider: any ManagementProvider,
        group: any EventLoopGroup,
        logger: Logger
    ) {
        self.init(.http(host: address, port: Int(port)), provider, group, logger)
    }

    private init(_ place: Place, _ provider: any ManagementProvider, _ group: any EventLoopGroup, _ logger: Logger) {
        self.place = place
        self.provider = provider
        self.group = group
        self.logger = logger
    }

    /// Serves until the task is cancelled, then removes the socket's file.
    ///
    /// - Parameter onReady: called once connections are accepted, with the port.
    /// - Throws: `SocketProblem` or `PortProblem` if it cannot listen.
    package func run(onReady: @escaping @Sendable (_ port: Int?) async -> Void = { _ in }) async throws {
        if case .socket(let file) = place { try file.prepare() }
        let failure = FirstFailure()
        let shutdown = ServerShutdown()
        let application = application { channel in
            guard shutdown.isListening(channel) else { return }
            do {
                if case .socket(let file) = place { try file.publish() }
                await onReady(channel.localAddress?.port)
            } catch {
                failure.set(error)
                channel.close(promise: nil)
            }
        }
        defer {
            if case .socket(let file) = place { file.remove() }
        }
        do {
            // A task of its own, so that cancelling ours does not reach it before the listener is closed.
            let running = Task { try await application.run() }
            try await withTaskCancellationHandler {
                try await running.value
            } onCancel: {
                shutdown.begin { running.cancel() }
            }
        } catch is CancellationError {
            return
        } catch {
            if let first = failure.value { throw first }
            if Task.isCancelled { return }
            throw problem(error)
        }
        if let first = failure.value { throw first }
    }

    private func application(
        onServerRunning: @escaping @Sendable (any Channel) async -> Void
    ) -> some ApplicationProtocol {
        var logger = logger
        // Hummingbird tells of each start and connection; that is debugging for us.
        logger.logLevel = max(logger.logLevel, .warning)
        let address: BindAddress
        let access: ManagementRouter.Access
        let server: HTTPServerBuilder
        switch place {
        case .socket(let file):
            address = .unixDomainSocket(path: file.bindingPath)
            access = .everything
            server = .http1(configuration: .init(idleTimeout: Self.idleTimeout))
        case .http(let host, let port):
            address = .hostname(host, port: port)
            access = .reading
            server = HTTPServerBuilder { responder in
                GuardedHTTPChannel(
                    http: HTTP1Channel(responder: responder, configuration: .init()),
                    idleTimeout: Self.idleTimeout,
                    lifetime: Self.lifetime
                )
            }
        }
        return Application(
            router: ManagementRouter(provider: provider, access: access).router,
            server: server,
            configuration: ApplicationConfiguration(
                address: address,
                availableConnectionsDelegate: MaximumAvailableConnections(place.connectionLimit)
            ),
            onServerRunning: onServerRunning,
            eventLoopGroupProvider: .shared(group),
            logger: logger
        )
    }

    private func problem(_ error: any Error) -> any Error {
        switch place {
        case .socket(let file): SocketProblem(path: file.path, reason: "cannot listen: \(error)")
        case .http(let host, let port): PortProblem(host: host, port: port, error)
        }
    }
}
