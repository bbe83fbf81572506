// Requests to the daemon: HTTP/1.1 over its UNIX socket, one connection each.

import FoundationEssentials
import Glibc
import ManagementAPI
import NIOCore
import NIOHTTP1
import NIOPosix

struct ManagementClient {
    let socketPath: String
    /// How long the daemon may take for one answer.
    var timeout: TimeAmount = .seconds(15)
    /// The longest answer that is read, in octets.
    static let answerLimit = 64 * 1024 * 1024

    /// Asks for a report.
    func get<Report: Codable & Sendable>(
        _ route: ManagementRoute,
        _ query: some ManagementQuery = TableQuery(),
        as type: Report.Type = Report.self
    ) async throws -> Answer<Report> {
        try await send(.GET, route.rawValue + queryPart(query), body: nil)
    }

    /// Asks for something to be done.
    func post<Report: Codable & Sendable>(
        _ route: ManagementRoute,
        body: some Encodable = [String: String](),
        as type: Report.Type = Report.self
    ) async throws -> Answer<Report> {
        try await send(.POST, route.rawValue, body: try JSONEncoder().encode(body))
    }

    private func queryPart(_ query: some ManagementQuery) -> String {
        let parameters = query.parameters.map { "\($0.name)=\(percentEncoded($0.value))" }
        return parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&")
    }

    /// All octets but unreserved ones (RFC 3986 section 2.3) as `%XX`.
    private func percentEncoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { result, byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
    }

    private func send<Report: Codable & Sendable>(
        _ method: HTTPMethod,
        _ target: String,
        body: Data?
    ) async throws -> Answer<Report> {
        let reply = try await exchange(method, target, body: body)
        let data = Data(reply.body.readableBytesView)
        guard reply.status.code < 300 else { throw failure(reply.status, data) }
        do {
            let answer = try JSONDecoder().decode(Answer<Report>.self, from: data)
            guard answer.schema == ManagementSchema.current else { throw versionMismatch(answer.schema) }
            return answer
        } catch is DecodingError {
            throw versionMismatch(try? JSONDecoder().decode(Versioned.self, from: data).schema)
        }
    }

    private struct Versioned: Decodable {
        var schema: String
    }

    private func versionMismatch(_ schema: String?) -> CommandFailure {
        let theirs = schema.map { " (\($0), not \(ManagementSchema.current))" } ?? ""
        return CommandFailure(.software, "lispd answers in a form of another version\(theirs): install both of one")
    }

    private func failure(_ status: HTTPResponseStatus, _ data: Data) -> CommandFailure {
        guard let failure = try? JSONDecoder().decode(Failure.self, from: data) else {
            return CommandFailure(.software, "lispd answers HTTP status \(status.code)")
        }
        return CommandFailure(ExitStatus(httpStatus: status.code), failure.error, details: failure.details)
    }

    private struct Reply: Sendable {
        var status: HTTPResponseStatus
        var body: ByteBuffer
    }

    private func exchange(_ method: HTTPMethod, _ target: String, body: Data?) async throws -> Reply {
        let connection = try await connect()
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: target)
        head.headers.add(name: "Host", value: "lispd")
        if let body {
            head.headers.add(name: "Content-Type", value: "application/json")
            head.headers.add(name: "Content-Length", value: String(body.count))
        }
        // The channel's end, whoever brings it about, ends the reading below; by the clock, not by who was first, it is told whether
        // that was the deadline. So the clock is read before.
        let started = NIODeadline.now()
        let deadline = connection.channel.eventLoop.scheduleTask(in: timeout) {
            connection.channel.close(promise: nil)
        }
        defer { deadline.cancel() }
        // In one piece: whoever has read the head may answer and close, and what was written then would fail.
        var request: [HTTPPart<HTTPRequestHead, IOData>] = [.head(head), .end(nil)]
        if let body { request.insert(.body(.byteBuffer(ByteBuffer(bytes: body))), at: 1) }
        let parts = request
        let reply: Reply?
        do {
            reply = try await connection.executeThenClose { inbound, outbound in
                try await outbound.write(contentsOf: parts)
                return try await Self.read(inbound)
            }
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw noAnswer(late: NIODeadline.now() - started >= timeout, error)
        }
        guard let reply else { throw noAnswer(late: NIODeadline.now() - started >= timeout, nil) }
        return reply
    }

    /// Why there is no answer, or not all of one.
    private func noAnswer(late: Bool, _ error: (any Error)?) -> CommandFailure {
        if late {
            let seconds = timeout.nanoseconds / 1_000_000_000
            return CommandFailure(
                .unavailable,
                "lispd at \(socketPath) gave no answer within \(seconds) s: see its log"
            )
        }
        switch error as? HTTPParserError {
        case nil, .invalidEOFState:
            return CommandFailure(
                .unavailable,
                "lispd at \(socketPath) closed the connection before its answer was whole: if it is starting or ending, "
                    + "try again, else see its log"
            )
        default:
            return CommandFailure(
                .unavailable,
                "what listens on \(socketPath) does not answer as lispd does: name lispd's socket with --socket"
            )
        }
    }

    /// The whole response; `nil` if the connection ended before it.
    private static func read(_ inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>) async throws -> Reply? {
        var reply: Reply?
        for try await part in inbound {
            switch part {
            case .head(let head):
                reply = Reply(status: head.status, body: ByteBuffer())
            case .body(var buffer):
                reply?.body.writeBuffer(&buffer)
                if let length = reply?.body.readableBytes, length > answerLimit {
                    throw CommandFailure(.software, "lispd's answer is longer than \(answerLimit) octets")
                }
            case .end:
                return reply
            }
        }
        return nil
    }

    private typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPPart<HTTPRequestHead, IOData>>

    private func connect() async throws -> Connection {
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: socketPath) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try Connection(wrappingChannelSynchronously: channel)
                    }
                }
        } catch let error as IOError {
            throw unreachable(error.errnoCode)
        } catch SocketAddressError.unixDomainSocketPathTooLong {
            throw CommandFailure(.usage, "\(socketPath) is longer than the path of a socket can be")
        } catch {
            throw CommandFailure(.unavailable, "cannot reach lispd on \(socketPath): \(error)")
        }
    }

    private func unreachable(_ code: Int32) -> CommandFailure {
        switch code {
        case EACCES, EPERM:
            CommandFailure(
                .noPermission,
                "may not open \(socketPath): run as root or as a member of the socket's group"
            )
        case ECONNREFUSED where !isSocket:
            CommandFailure(.unavailable, "\(socketPath) is no socket: name lispd's with --socket")
        case ENOENT, ECONNREFUSED:
            CommandFailure(
                .unavailable,
                "lispd is not running (nothing listens on \(socketPath)): start it with `systemctl start lispd`, "
                    + "or name its socket with --socket"
            )
        default:
            CommandFailure(.unavailable, "cannot reach lispd on \(socketPath): \(String(cString: strerror(code)))")
        }
    }

    private var isSocket: Bool {
        var status = stat()
        return stat(socketPath, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }
}
