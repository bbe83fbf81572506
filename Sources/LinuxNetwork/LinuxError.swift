// Why the system refused something, in words an operator can act on.

import CLinux
import Glibc

/// A failed system call. Thrown by every wrapper in this module except those of netlink.
package enum LinuxError: Error, Hashable, Sendable {
    /// `operation` says what was attempted and on what ("bind 0.0.0.0 port 4341"); `errno` is what the kernel answered.
    case system(operation: String, errno: Int32)
    /// Another process, or another instance of this daemon, holds the UDP port.
    case portInUse(address: String, port: UInt16)
    /// An interface name is 1 to 15 bytes, without `/` and white space.
    case badInterfaceName(String)
    /// None of the ports of the range could be bound.
    case noFreePort(first: UInt16, last: UInt16)
}

extension LinuxError {
    /// The error of the call that has just failed on this thread.
    static func last(_ operation: String) -> LinuxError {
        .system(operation: operation, errno: Glibc.errno)
    }

    /// The reason without what was attempted.
    package var cause: String {
        switch self {
        case .system(_, let errno): Self.text(of: errno)
        case .portInUse, .badInterfaceName, .noFreePort: description
        }
    }

    /// The kernel's answer, where there was one.
    package var code: Int32? {
        switch self {
        case .system(_, let errno): errno
        case .portInUse: EADDRINUSE
        case .badInterfaceName, .noFreePort: nil
        }
    }
}

extension LinuxError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .system(let operation, let errno):
            "\(operation): \(Self.text(of: errno))"
        case .portInUse(let address, let port):
            "UDP port \(port) on \(address) is in use by another process; is lispd already running here?"
        case .badInterfaceName(let name):
            "\"\(name)\" is no interface name: 1 to 15 bytes without white space or \"/\""
        case .noFreePort(let first, let last):
            "no free UDP port from \(first) to \(last)"
        }
    }

    private static func text(of errno: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let base = buffer.baseAddress else { return "error \(errno)" }
            base.initialize(repeating: 0, count: buffer.count)
            return clinux_error_text(errno, base, buffer.count) == 0 ? String(cString: base) : "error \(errno)"
        }
    }
}
