// show events and monitor: one line an event.

import Glibc
import ManagementAPI

func text(of report: EventsReport) -> String {
    joined(report.events.map(textLine))
}

/// `2026-11-27T06:21:43.123Z warning locator-down: RLOC ...`; the severity is padded.
func textLine(of event: Event) -> String {
    let severity = event.severity.rawValue.padded(to: 7)
    return "\(utc(milliseconds: event.milliseconds)) \(severity) \(event.kind): \(oneLine(event.line))"
}

/// Milliseconds since 1970 as ISO 8601 has them, in UTC.
func utc(milliseconds: Int64) -> String {
    var seconds = time_t(milliseconds / 1000)
    var date = tm()
    gmtime_r(&seconds, &date)
    func digits(_ number: Int64, _ count: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }
    func two(_ number: Int32) -> String { digits(Int64(number), 2) }
    let day = "\(digits(Int64(date.tm_year) + 1900, 4))-\(two(date.tm_mon + 1))-\(two(date.tm_mday))"
    let time = "\(two(date.tm_hour)):\(two(date.tm_min)):\(two(date.tm_sec))"
    return "\(day)T\(time).\(digits(milliseconds % 1000, 3))Z"
}
