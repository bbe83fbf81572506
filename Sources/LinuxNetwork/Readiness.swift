// Waiting: which descriptors have something to read (epoll), and waking another thread (eventfd).

import CLinux
import Glibc

/// An epoll set of descriptors watched for input.
package struct ReadinessSet: ~Copyable, Sendable {
    private let descriptor: Int32

    package init() throws(LinuxError) {
        descriptor = clinux_epoll_create()
        guard descriptor >= 0 else { throw .last("create an epoll set") }
    }

    deinit { _ = Glibc.close(descriptor) }

    /// Watches `watched` for input; `wait` reports it as `tag`. Any thread may call this.
    package func add(_ watched: Int32, tag: UInt64) throws(LinuxError) {
        guard clinux_epoll_add_input(descriptor, watched, tag) == 0 else {
            throw .last("watch descriptor \(watched)")
        }
    }

    /// Watches `watched` for errors only, also those of its error queue; `wait` reports it as `tag`.
    package func addErrors(_ watched: Int32, tag: UInt64) throws(LinuxError) {
        guard clinux_epoll_add_errors(descriptor, watched, tag) == 0 else {
            throw .last("watch descriptor \(watched)")
        }
    }

    /// Stops watching. A descriptor that is not in the set is no error.
    package func remove(_ watched: Int32) {
        _ = clinux_epoll_remove(descriptor, watched)
    }

    /// Fills `tags` with those of ready descriptors, at most 64 at a time.
    ///
    /// - Parameter timeout: milliseconds; 0 polls, -1 waits for ever.
    /// - Returns: how many are ready; 0 after the time is over or a signal came.
    package func wait(_ tags: UnsafeMutableBufferPointer<UInt64>, timeout: Int32) -> Int {
        // Safe: the kernel writes at most `tags.count` values.
        let ready = clinux_epoll_wait(descriptor, tags.baseAddress, Int32(min(tags.count, 64)), timeout)
        return ready < 0 ? 0 : Int(ready)
    }
}

/// A counter that one thread raises to wake another, which watches `descriptor` for input.
package struct EventDescriptor: ~Copyable, Sendable {
    /// Readable after `signal` until `clear`.
    package let descriptor: Int32

    package init() throws(LinuxError) {
        descriptor = clinux_eventfd()
        guard descriptor >= 0 else { throw .last("create an eventfd") }
    }

    deinit { _ = Glibc.close(descriptor) }

    package func signal() {
        var one: UInt64 = 1
        _ = Glibc.write(descriptor, &one, 8)
    }

    package func clear() {
        var value: UInt64 = 0
        _ = Glibc.read(descriptor, &value, 8)
    }
}
