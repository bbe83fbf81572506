// Named threads with a join, for the loops that block in the kernel.

import CLinux
import Glibc

/// A running thread.
package struct SystemThread: Sendable {
    private let handle: pthread_t

    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts `body` on a thread of its own.
    ///
    /// - Parameter name: what `top -H` and a debugger show; cut to 15 bytes.
    package init(name: String, _ body: @escaping @Sendable () -> Void) throws(LinuxError) {
        let start = Unmanaged.passRetained(
            Start(name: String(decoding: name.utf8.prefix(15), as: UTF8.self), body: body)
        )
        var handle = pthread_t()
        let result = pthread_create(
            &handle,
            nil,
            { argument in
                guard let argument else { return nil }
                // Safe: balances `passRetained` of the creating thread.
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                _ = clinux_set_thread_name(start.name)
                start.body()
                return nil
            },
            start.toOpaque()
        )
        guard result == 0 else {
            start.release()
            throw .system(operation: "start thread \(name)", errno: result)
        }
        self.handle = handle
    }

    /// Waits until the body has returned. Call once.
    package func join() {
        pthread_join(handle, nil)
    }

    /// Has it run on one processor alone, counted from 0.
    ///
    /// - Throws: `EINVAL` when this process may not use that processor, or there is none of this number.
    package func run(onProcessor number: Int) throws(LinuxError) {
        let result = Self.mayRun(onProcessor: number) ? clinux_run_on(handle, Int32(number)) : EINVAL
        guard result == 0 else { throw .system(operation: "run a thread on processor \(number)", errno: result) }
    }

    package static func mayRun(onProcessor number: Int) -> Bool {
        Int32(exactly: number).map { clinux_may_run_on($0) != 0 } ?? false
    }

    /// The number of processors that this process may use.
    package static var processorCount: Int {
        max(1, Int(clinux_processor_count()))
    }

    /// The numbers of the processors that this process began with.
    package static let processors: [Int32] = (0..<1_024).filter { clinux_may_run_on($0) != 0 }

    /// Lets a thread run on these processors alone.
    ///
    /// - Parameter thread: its number, of this process; 0: the calling one.
    /// - Returns: whether the system allowed it.
    @discardableResult
    package static func bind(_ thread: pid_t = 0, to processors: [Int32]) -> Bool {
        clinux_bind_thread(thread, processors, Int32(processors.count)) == 0
    }
}
