// The file of the UNIX socket: made without a moment in which the wrong people could open it, and never taken from a
// daemon that still answers.

import Glibc
import Synchronization

/// Why the management socket cannot be had; one line.
package struct SocketProblem: Error, Equatable, CustomStringConvertible {
    package var path: String
    package var reason: String

    package init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    package var description: String { "management socket \(path): \(reason)" }
}

/// The socket is bound beside its place, given its mode, and moved there: whoever finds it finds it complete.
final class SocketFile: Sendable {
    let path: String
    /// The number of the file that `publish` put there.
    private let published = Mutex<ino_t?>(nil)

    init(path: String) {
        self.path = path
    }

    var bindingPath: String { path + ".new" }

    /// Makes the directory if need be, and checks that nobody listens at `path`.
    func prepare() throws(SocketProblem) {
        makeDirectory()
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw problem(String(cString: strerror(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw problem("there is a file of this name that is no socket")
        }
        if try isAnswered() {
            throw problem("another lispd is running and listens there")
        }
    }

    /// Gives the bound socket its mode and moves it to its place, over a dead daemon's.
    func publish() throws(SocketProblem) {
        var status = stat()
        guard chmod(bindingPath, 0o660) == 0, lstat(bindingPath, &status) == 0, rename(bindingPath, path) == 0 else {
            throw problem(String(cString: strerror(errno)))
        }
        published.withLock { $0 = status.st_ino }
    }

    func remove() {
        unlink(bindingPath)
        // Another daemon may have taken the place meanwhile; then it is another file. Whether somebody answers says less: for a moment,
        // that may be a process just forked.
        var status = stat()
        guard let own = published.withLock({ $0 }), lstat(path, &status) == 0, status.st_ino == own else { return }
        unlink(path)
    }

    private func makeDirectory() {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        // Failure shows when the socket is bound.
        _ = mkdir(String(path[..<slash]), 0o755)
    }

    private func problem(_ reason: String) -> SocketProblem {
        SocketProblem(path: path, reason: reason)
    }

    /// Whether a connection to `path` is accepted.
    private func isAnswered() throws(SocketProblem) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < capacity else { throw problem("the path is longer than \(capacity - 1) octets") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw problem(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        return result == 0
    }
}

/// The first error of several tasks.
final class FirstFailure: Sendable {
    private let state = Mutex<(any Error)?>(nil)

    var value: (any Error)? { state.withLock { $0 } }

    func set(_ error: any Error) {
        state.withLock { $0 = $0 ?? error }
    }
}
