// The plainest of HTTP clients: blocking, on its own thread, over a UNIX socket.

import Foundation
import Glibc
import Synchronization

struct HTTPReply {
    var status: Int
    /// Status line and header.
    var head: String
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

/// The same over TCP.
func exchange(_ request: [UInt8], _ address: String, _ port: Int) async throws -> HTTPReply {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(
                with: Result { try blockingExchange(request, over: try connectedSocket(address, port)) }
            )
        }
    }
}

private func connectedSocket(_ address: String, _ port: Int) throws -> Int32 {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_NUMERICHOST
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(address, String(port), &hints, &found) == 0, let place = found?.pointee else {
        throw POSIXError(.EINVAL)
    }
    defer { freeaddrinfo(found) }
    let descriptor = socket(place.ai_family, place.ai_socktype, 0)
    guard connect(descriptor, place.ai_addr, place.ai_addrlen) == 0 else {
        close(descriptor)
        throw POSIXError(.ECONNREFUSED)
    }
    return descriptor
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
    try blockingExchange(request, over: try connectedSocket(path))
}

/// Closes the socket in the end.
private func blockingExchange(_ request: [UInt8], over descriptor: Int32) throws -> HTTPReply {
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
    return HTTPReply(status: status, head: head, body: text[end.upperBound...])
}

func get(_ target: String, _ path: String) async throws -> HTTPReply {
    try await exchange(Array("GET \(target) HTTP/1.1\r\nHost: lispd\r\nConnection: close\r\n\r\n".utf8), with: path)
}

func post(_ target: String, _ body: String, _ path: String) async throws -> HTTPReply {
    let head =
        "POST \(target) HTTP/1.1\r\nHost: lispd\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
    return try await exchange(Array((head + body).utf8), with: path)
}
