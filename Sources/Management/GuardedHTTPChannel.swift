// What stands before the HTTP parser where strangers may connect. The parser keeps a line until it is whole, however long it
// gets, and a peer that does not take its answer, or sends an octet now and then, would hold its place for ever.

import Glibc
import HummingbirdCore
import Logging
import NIOCore

/// Why a TCP port cannot be listened at; one line.
package struct PortProblem: Error, Equatable, CustomStringConvertible {
    package var place: String
    package var reason: String

    init(host: String, port: Int, _ error: any Error) {
        place = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        reason =
            switch (error as? IOError)?.errnoCode {
            case EADDRINUSE: "the port is taken: another program listens there"
            case EADDRNOTAVAIL: "this host does not have the address"
            case EACCES: "not permitted: a port below 1024 needs CAP_NET_BIND_SERVICE"
            case EAFNOSUPPORT: "this host does not have the address family"
            case let code?: String(cString: strerror(code))
            case nil: "\(error)"
            }
    }

    package var description: String { "management.http \(place): \(reason)" }
}

/// HTTP/1.1 with limits.
struct GuardedHTTPChannel: ServerChildChannel {
    let http: HTTP1Channel
    /// How long nothing may be read or written.
    let idleTimeout: TimeAmount
    /// How long a connection may be open, whatever it does.
    let lifetime: TimeAmount

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        do {
            try channel.pipeline.syncOperations.addHandlers([
                IdleStateHandler(allTimeout: idleTimeout), ConnectionGuard(lifetime: lifetime),
            ])
        } catch {
            return channel.eventLoop.makeFailedFuture(error)
        }
        return http.setup(channel: channel, logger: logger)
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        await http.handle(value: value, logger: logger)
    }
}

/// Closes a connection that sends a line longer than any that we understand, that stands still, or that is too old.
final class ConnectionGuard: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Octets of a request line or a header field.
    static let lineLimit = 8 * 1024
    private static let refusal = "HTTP/1.1 414 URI Too Long\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    /// Octets since the last line end.
    private var length = 0
    private var isRefused = false
    private let lifetime: TimeAmount
    private var end: Scheduled<Void>?

    init(lifetime: TimeAmount) {
        self.lifetime = lifetime
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        end = context.eventLoop.scheduleTask(in: lifetime) { channel.close(promise: nil) }
    }

    /// Comes with the end of the channel too.
    func handlerRemoved(context: ChannelHandlerContext) {
        end?.cancel()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isRefused else { return }
        for byte in unwrapInboundIn(data).readableBytesView {
            length = byte == UInt8(ascii: "\n") ? 0 : length + 1
            guard length <= Self.lineLimit else { return refuse(context) }
        }
        context.fireChannelRead(data)
    }

    private func refuse(_ context: ChannelHandlerContext) {
        isRefused = true
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: Self.refusal)), promise: nil)
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
