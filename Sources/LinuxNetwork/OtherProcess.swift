// What another process of this machine uses, and what waits in its UDP sockets: for those who measure it.

import Glibc

/// A process that is looked at from outside.
package struct OtherProcess: Sendable {
    package let pid: Int32

    package init(pid: Int32) {
        self.pid = pid
    }

    /// Processor time since the process began, of all its threads, those that have ended included.
    package struct ProcessorTime: Sendable, Hashable {
        /// By the thread clocks, to the nanosecond.
        package var nanoseconds: UInt64 = 0
        /// The same in user and in system mode, in the kernel's ticks of 1/`ticksPerSecond`: good for their proportion only.
        package var userTicks: UInt64 = 0
        package var systemTicks: UInt64 = 0

        package init() {}
    }

    package static var ticksPerSecond: Int { max(1, sysconf(Int32(_SC_CLK_TCK))) }

    /// `nil` if there is no such process.
    package var processorTime: ProcessorTime? {
        var clock = clockid_t()
        var time = timespec()
        guard clock_getcpuclockid(pid, &clock) == 0, clock_gettime(clock, &time) == 0,
            let fields = fields(), fields.count > 12, let user = UInt64(fields[11]), let system = UInt64(fields[12])
        else { return nil }
        var used = ProcessorTime()
        used.nanoseconds = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        used.userTicks = user
        used.systemTicks = system
        return used
    }

    /// Octets of memory that it has in use; `nil` if there is no such process.
    package var residentOctets: Int? {
        guard let fields = fields(), fields.count > 21, let pages = Int(fields[21]) else { return nil }
        return pages * max(1, sysconf(Int32(_SC_PAGESIZE)))
    }

    /// proc(5): the name in parentheses may hold anything; behind it the fields are numbers but the first, field 3.
    private func fields() -> [Substring]? {
        guard let text = ProcessUsage.text("/proc/\(pid)/stat"), let name = text.lastIndex(of: ")") else { return nil }
        return text[text.index(after: name)...].split(separator: " ")
    }

    /// What the kernel says of the IPv4 UDP sockets on one port of the process's network namespace.
    package struct UDPQueue: Sendable, Hashable {
        /// Octets, by the kernel's own bookkeeping, that wait to be read.
        package var waiting = 0
        /// Datagrams dropped since the sockets were made, for want of room most of all.
        package var drops: UInt64 = 0

        package init() {}
    }

    /// `nil` if there is no such process, or no socket on the port.
    package func udpQueue(port: UInt16) -> UDPQueue? {
        ProcessUsage.text("/proc/\(pid)/net/udp").flatMap { UDPQueue($0, port: port) }
    }
}

extension OtherProcess.UDPQueue {
    /// Reads /proc/net/udp. `nil` if it shows no socket on the port.
    init?(_ text: String, port: UInt16) {
        var found = false
        for line in text.split(separator: "\n").dropFirst() {
            let fields = line.split(separator: " ")
            // sl local_address rem_address st tx_queue:rx_queue ... drops; numbers but the last are hexadecimal.
            guard fields.count >= 13, let local = fields[1].split(separator: ":").last,
                UInt16(local, radix: 16) == port,
                let queue = fields[4].split(separator: ":").last, let octets = Int(queue, radix: 16),
                let dropped = UInt64(fields[fields.count - 1])
            else { continue }
            waiting += octets
            drops += dropped
            found = true
        }
        if !found { return nil }
    }
}

/// Processor time of the calling thread, in nanoseconds.
package func threadProcessorTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
