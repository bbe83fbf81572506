// Settings of the kernel under /proc/sys.

import Glibc
import HostRouting

/// Reads and writes /proc/sys. What is below net/ is that of the calling thread's network namespace.
package enum Sysctl {
    /// The value without its newline.
    package static func read(_ path: SysctlPath) throws(HostError) -> String {
        let descriptor = try open(path, O_RDONLY, "read")
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw HostError("read sysctl \(path.rawValue)", code: errno) }
        return String(decoding: bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    package static func write(_ path: SysctlPath, _ value: String) throws(HostError) {
        let descriptor = try open(path, O_WRONLY, "set")
        defer { close(descriptor) }
        let bytes = Array(value.utf8)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw HostError("set sysctl \(path.rawValue) to \(value)", code: errno)
        }
    }

    private static func open(_ path: SysctlPath, _ flags: Int32, _ verb: String) throws(HostError) -> Int32 {
        let descriptor = Glibc.open("/proc/sys/\(path.rawValue)", flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw HostError("\(verb) sysctl \(path.rawValue)", code: errno) }
        return descriptor
    }
}
