// What the process uses of the machine, under the names that every Prometheus client has for it.

import LinuxNetwork
import Management

/// Reads /proc: not for the control loop.
func processMetrics(_ usage: ProcessUsage = ProcessUsage()) -> [MetricFamily] {
    func gauge(_ name: String, _ help: String, _ value: UInt64?) -> MetricFamily {
        var family = MetricFamily(.gauge, name, help)
        if let value { family.add(value) }
        return family
    }
    var time = MetricFamily(.counter, "process_cpu_seconds_total", "Processor time in user and system mode.")
    if let seconds = usage.processorSeconds { time.add(seconds) }
    var started = MetricFamily(.gauge, "process_start_time_seconds", "When the process began, in seconds since 1970.")
    if let seconds = usage.started { started.add(seconds) }
    return [
        time, started,
        gauge("process_resident_memory_bytes", "Resident memory.", usage.residentBytes),
        gauge("process_virtual_memory_bytes", "Virtual memory.", usage.virtualBytes),
        gauge("process_open_fds", "Open file descriptors.", usage.openDescriptors),
        gauge("process_max_fds", "The most file descriptors that may be open.", usage.descriptorLimit),
        gauge("process_threads", "Threads.", usage.threads),
    ]
}
