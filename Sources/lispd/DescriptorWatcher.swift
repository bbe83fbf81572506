// Threads that wait in the kernel for one source of events each and hand them to the control loop, so that a flood from one
// source cannot keep another waiting.

import Glibc
import LinuxNetwork
import NIOCore

/// Waits for descriptors to become readable, reads on its own thread, and delivers on the event loop.
///
/// One delivery is under way at a time: while the loop is busy the source waits, and what the kernel cannot hold it drops.
final class DescriptorWatcher: Sendable {
    private let thread: SystemThread
    private let stopDescriptor: Int32

    /// - Parameters:
    ///   - read: called on the thread when a descriptor is readable; returns what to deliver, or `nil` for nothing.
    ///   - deliver: called on `loop`.
    init<Event: Sendable>(
        name: String,
        descriptors: [Int32],
        loop: any EventLoop,
        read: @escaping @Sendable () -> Event?,
        deliver: @escaping @Sendable (Event) -> Void
    ) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw LinuxError.system(operation: "open a pipe", errno: errno) }
        let stop = ends[0]
        stopDescriptor = ends[1]
        thread = try SystemThread(name: name) {
            var watched = (descriptors + [stop]).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            while true {
                guard poll(&watched, nfds_t(watched.count), -1) > 0 else { continue }
                if watched[watched.count - 1].revents != 0 { break }
                guard let event = read() else { continue }
                // The loop refuses work only when it has been shut down: then there is nobody to deliver to.
                guard (try? loop.submit { deliver(event) }.wait()) != nil else { break }
            }
            close(stop)
        }
    }

    /// Ends the thread and waits for it. Not to be called on the event loop.
    func stop() {
        close(stopDescriptor)
        thread.join()
    }
}
