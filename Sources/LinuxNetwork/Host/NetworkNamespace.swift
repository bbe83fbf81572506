// Doing something inside another network namespace. A thread of its own enters it and ends afterwards, so the caller's
// thread never changes its namespace. Sockets opened there stay there, whichever thread uses them.

import CNetlink
import Glibc
import HostRouting

/// A network namespace, held open: it stays alive even when its name is deleted.
package final class NetworkNamespace: Sendable {
    /// An open descriptor of the namespace.
    package let descriptor: Int32
    /// What it was opened by.
    package let name: String

    /// - Parameter name: as `ip netns` knows it (/run/netns/NAME), or an absolute path.
    package init(_ name: String) throws(HostError) {
        let path = name.hasPrefix("/") ? name : "/run/netns/\(name)"
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw HostError("open network namespace \(name) (\(path))", code: errno) }
        self.name = name
    }

    /// The namespace of the calling thread.
    package init() throws(HostError) {
        name = "of this thread"
        descriptor = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw HostError("open this thread's network namespace", code: errno) }
    }

    deinit { close(descriptor) }

    /// Runs `body` on a new thread inside the namespace and waits for it. Needs CAP_SYS_ADMIN.
    package func run<Value>(_ body: () throws -> Value) throws -> Value {
        let descriptor = descriptor
        let name = name
        return try onNewThread {
            guard lispd_enter_network_namespace(descriptor) == 0 else {
                throw HostError("enter network namespace \(name)", code: errno)
            }
            return try body()
        }
    }

    /// Runs `body` on a new thread inside a fresh, empty namespace and waits for it. The namespace goes with the last
    /// thread, socket or descriptor inside it. Needs CAP_SYS_ADMIN.
    package static func runInFresh<Value>(_ body: () throws -> Value) throws -> Value {
        try onNewThread {
            guard lispd_new_network_namespace() == 0 else {
                throw HostError("make a network namespace", code: errno)
            }
            return try body()
        }
    }
}

/// Runs `body` inside a namespace on a thread of its own and waits for it: the way to open a descriptor there. Errors of
/// `body` come through.
///
/// - Parameter name: as `ip netns` knows it, or an absolute path.
package func withNetworkNamespace<Value>(_ name: String, _ body: () throws -> Value) throws -> Value {
    try NetworkNamespace(name).run(body)
}

/// Runs `body` on a new thread and waits for it.
private func onNewThread<Value>(_ body: () throws -> Value) throws -> Value {
    var result: Result<Value, any Error>?
    try withoutActuallyEscaping({ result = Result(catching: body) }) { work in
        var work: () -> Void = work
        let status = withUnsafeMutablePointer(to: &work) { pointer in
            var thread = pthread_t()
            let status = pthread_create(
                &thread,
                nil,
                { argument in
                    // Safe: the creator waits for this thread before the closure goes.
                    argument?.assumingMemoryBound(to: (() -> Void).self).pointee()
                    return nil
                },
                UnsafeMutableRawPointer(pointer)
            )
            if status == 0 { pthread_join(thread, nil) }
            return status
        }
        if status != 0 { throw HostError("start a thread", code: status) }
    }
    guard let result else { preconditionFailure("a thread that was joined has run its body") }
    return try result.get()
}
