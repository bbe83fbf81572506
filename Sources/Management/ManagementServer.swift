// The service on the UNIX socket that lispctl speaks to: HTTP/1.1 with JSON.
//
//     lispctl --- UNIX socket --- Hummingbird --- router, one route a resource --- ManagementProvider (the daemon)
//
// Whoever may open the socket may do everything; the file's mode (0660) and its directory say who that is. Requests are
// small and few: bodies beyond 64 KiB, more than 64 connections and idle connections are turned away.

import Hummingbird
import HummingbirdCore
import Logging
import ManagementAPI
import NIOCore

/// Serves `ManagementProvider` on a UNIX socket until its task is cancelled.
package struct ManagementServer: Sendable {
    /// Octets of a request body.
    static let bodyLimit = 64 * 1024
    /// Open connections; more wait in the kernel's queue.
    static let connectionLimit = 64

    private let socketPath: String
    private let provider: any ManagementProvider
    private let group: any EventLoopGroup
    private let logger: Logger

    /// - Parameters:
    ///   - socketPath: at most 100 octets; its directory is made if only its last component is missing.
    ///   - group: where the connections are served.
    package init(socketPath: String, provider: any ManagementProvider, group: any EventLoopGroup, logger: Logger) {
        self.socketPath = socketPath
        self.provider = provider
        self.group = group
        self.logger = logger
    }

    /// Serves until the task is cancelled, then removes the socket's file.
    ///
    /// - Parameter onReady: called once connections are accepted.
    /// - Throws: `SocketProblem` if the socket cannot be had.
    package func run(onReady: @escaping @Sendable () async -> Void = {}) async throws {
        let file = SocketFile(path: socketPath)
        try file.prepare()
        let failure = FirstFailure()
        let shutdown = ServerShutdown()
        var logger = logger
        // Hummingbird tells of each start and connection; that is debugging for us.
        logger.logLevel = max(logger.logLevel, .warning)
        let application = Application(
            router: ManagementRouter(provider: provider).router,
            server: .http1(configuration: .init(idleTimeout: .seconds(60))),
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: file.bindingPath),
                availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionLimit)
            ),
            onServerRunning: { channel in
                guard shutdown.isListening(channel) else { return }
                do {
                    try file.publish()
                    await onReady()
                } catch {
                    failure.set(error)
                    channel.close(promise: nil)
                }
            },
            eventLoopGroupProvider: .shared(group),
            logger: logger
        )
        defer { file.remove() }
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
            throw SocketProblem(path: socketPath, reason: "cannot listen: \(error)")
        }
        if let first = failure.value { throw first }
    }
}
