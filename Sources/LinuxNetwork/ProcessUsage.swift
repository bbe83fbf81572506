// What this process uses of the machine, as /proc tells.

import Glibc

/// A look at one moment. What cannot be read is `nil`.
package struct ProcessUsage: Sendable, Hashable {
    /// In user and system mode together.
    package var processorSeconds: Double?
    package var residentBytes: UInt64?
    package var virtualBytes: UInt64?
    package var threads: UInt64?
    package var openDescriptors: UInt64?
    package var descriptorLimit: UInt64?
    /// Seconds since 1970.
    package var started: Double?

    package init() {
        let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        // proc(5): the name in parentheses may hold anything; behind it the fields are numbers, the state being the third.
        let fields =
            Self.text("/proc/self/stat")
            .flatMap { text in text.lastIndex(of: ")").map { text[text.index(after: $0)...] } }?
            .split(separator: " ") ?? []
        func field(_ number: Int) -> Double? { fields.count > number - 3 ? Double(fields[number - 3]) : nil }
        if let user = field(14), let system = field(15) { processorSeconds = (user + system) / ticks }
        threads = field(20).map { UInt64(max(0, $0)) }
        if let ticksAfterBoot = field(22), let boot = Self.bootTime() { started = boot + ticksAfterBoot / ticks }
        virtualBytes = field(23).map { UInt64(max(0, $0)) }
        residentBytes = field(24).map { UInt64(max(0, $0)) * UInt64(max(1, sysconf(Int32(_SC_PAGESIZE)))) }
        openDescriptors = Self.descriptors()
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 {
            descriptorLimit = UInt64(limit.rlim_cur)
        }
    }

    private static func bootTime() -> Double? {
        let line = text("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
        return line.flatMap { Double($0.dropFirst(6)) }
    }

    /// Those that reading them needs do not count.
    private static func descriptors() -> UInt64? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count: UInt64 = 0
        while readdir(directory) != nil { count += 1 }
        // Those to the directory itself and its parent, and the one that reads.
        return count >= 3 ? count - 3 : nil
    }

    static func text(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            text += buffer[..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }
}
