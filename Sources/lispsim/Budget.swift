// What a run may take of one core and of memory, and what it has taken.

import Glibc

/// What this process has taken so far.
struct Usage {
    /// Of processor time, user and system.
    let seconds: Double
    /// The most that was resident at a time (VmHWM).
    let mebibytes: UInt64

    static var now: Usage {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { fail("getrusage: errno \(errno)") }
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        // In kibibytes.
        let resident = UInt64(clamping: usage.ru_maxrss) / 1024
        return Usage(seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime), mebibytes: resident)
    }
}

/// `nil`: no bound. Processor time, not time on the wall: what else runs on the machine is not the simulation's.
struct Budget {
    var seconds: Double?
    var mebibytes: UInt64?

    /// What was exceeded, in words.
    func excess(_ before: Usage, _ after: Usage) -> String? {
        let taken = after.seconds - before.seconds
        if let seconds, taken > seconds { return "OVER BUDGET: \(taken) s of CPU, \(seconds) s are allowed" }
        if let mebibytes, after.mebibytes > mebibytes {
            return "OVER BUDGET: \(after.mebibytes) MiB, \(mebibytes) MiB are allowed"
        }
        return nil
    }
}
