// The plainest of HTTP clients: blocking, on its own thread, over a UNIX socket.

import Foundation
import Glibc
import Synchronization

struct HTTPReply {
    var status: Int
    var body: Data
}

/// Sends `request` and reads until the server closes the connection.
func exchange(_ request: [UInt8], with path: String) async throws -> HTTPReply {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(with: Result { try blockingExchange(request, with: path) })
        }
    }
}

func connectedSocket(_ path: String) throws -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
    }
    guard result == 0 else {
        let code = errno
        close(descriptor)
        throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO)
    }
    return descriptor
}

private func blockingExchange(_ request: [UInt8], with path: String) throws -> HTTPReply {
    let descriptor = try connectedSocket(path)
    defer { close(descriptor) }
    var sent = 0
    while sent < request.count {
        let count = request[sent...].withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard count > 0 else { break }
        sent += count
    }
    // The server must not wait for more of a request that never comes.
    shutdown(descriptor, Int32(SHUT_WR))
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { break }
        bytes += buffer[..<count]
    }
    let text = Data(bytes)
    guard let end = text.range(of: Data("\r\n\r\n".utf8)) else { throw POSIXError(.EPROTO) }
    let head = String(decoding: text[..<end.lowerBound], as: UTF8.self)
    guard let status = Int(head.split(separator: " ")[1]) else { throw POSIXError(.EPROTO) }
    return HTTPReply(status: status, body: text[end.upperBound...])
}

func get(_ target: String, _ path: String) async throws -> HTTPReply {
    try await exchange(Array("GET \(target) HTTP/1.1\r\nHost: lispd\r\nConnection: close\r\n\r\n".utf8), with: path)
}

func post(_ target: String, _ body: String, _ path: String) async throws -> HTTPReply {
    let head =
        "POST \(target) HTTP/1.1\r\nHost: lispd\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
    return try await exchange(Array((head + body).utf8), with: path)
}
