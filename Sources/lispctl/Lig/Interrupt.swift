// Ctrl-C as something that can be waited for, so that there is time for a last word.

import Glibc

/// Where the signal handler writes: it can reach nothing but globals. Set once, before the handler is.
nonisolated(unsafe) private var interruptPipe: Int32 = -1

/// From the first SIGINT on `descriptor` is ready to read; a second one ends the process as ever.
struct Interrupt {
    let descriptor: Int32

    init() throws(CommandFailure) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw CommandFailure(.software, "cannot make a pipe: \(String(cString: strerror(errno)))")
        }
        descriptor = ends[0]
        interruptPipe = ends[1]
        signal(SIGINT) { _ in
            var byte: UInt8 = 1
            _ = write(interruptPipe, &byte, 1)
            signal(SIGINT, SIG_DFL)
        }
    }

    /// For tests: what this descriptor has to read is the signal.
    init(descriptor: Int32) {
        self.descriptor = descriptor
    }
}
