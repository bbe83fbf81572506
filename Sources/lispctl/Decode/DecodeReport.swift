// What `lispctl decode` writes: a block of text or a line of JSON for each frame, and a summary. Documented for
// automation in docs/decode-json.md.

import Glibc
import LISPWire

/// Where a report goes, whole lines at a time.
protocol DecodeReport {
    mutating func begin(file: String, linkType: LinkType) -> String
    mutating func frame(_ frame: CapturedFrame, _ dissection: FrameDissection) -> String
    /// - Parameter failure: why the file could not be read to its end.
    mutating func end(_ summary: DecodeSummary, failure: String?) -> String
}

/// What was found in a capture.
struct DecodeSummary {
    /// Frames in the file, up to where reading ended.
    var frames = 0
    /// Frames that have nothing to do with LISP.
    var other = 0
    /// Frames of each kind; `inner` is what an Encapsulated Control Message holds.
    private(set) var kinds: [Kind: Int] = [:]
    /// Data packets, where one frame holds many of them each for itself.
    private(set) var dataPackets = 0
    private(set) var undecoded = 0
    private(set) var verified = 0
    private(set) var failed = 0
    private(set) var unverified = 0
    /// Control messages by UDP checksum, where it is not right.
    private(set) var checksums: [UDPChecksum: Int] = [:]
    /// Fragments of which no packet was made.
    var leftoverFragments = 0

    struct Kind: Hashable, Comparable {
        var outer: MessageKind
        var inner: MessageKind?

        var name: String { outer.name + (inner.map { " > " + $0.name } ?? "") }

        static func < (a: Self, b: Self) -> Bool {
            a.outer != b.outer ? a.outer < b.outer : (a.inner ?? .data) < (b.inner ?? .data)
        }
    }

    mutating func add(_ dissection: FrameDissection) {
        let message = dissection.message
        if message.problem != nil {
            undecoded += 1
        } else {
            kinds[Kind(outer: message.kind, inner: message.inner), default: 0] += 1
        }
        if message.kind == .data { dataPackets += message.packetCount }
        switch message.verdict {
        case .verified: verified += 1
        case .failed: failed += 1
        case .noKeyGiven, .unverifiable: unverified += 1
        case nil: break
        }
        if !dissection.isData, let checksum = dissection.checksum, checksum != .right, checksum != .unknown {
            checksums[checksum, default: 0] += 1
        }
    }
}

extension UDPChecksum {
    /// One word for JSON.
    var word: String {
        switch self {
        case .right: "right"
        case .zero: "zero"
        case .partial: "partial"
        case .wrong: "wrong"
        case .unknown: "unknown"
        }
    }

    var text: String {
        switch self {
        case .right: "right"
        case .zero: "zero, which is to say none"
        case .partial: "not complete yet; the capturing host leaves it to its network card, on the wire it is right"
        case .wrong: "WRONG"
        case .unknown: "not checked, the capture was cut"
        }
    }
}

extension Problem {
    /// The reason and the place, counted from the message and from the frame.
    func text(payloadOffset: Int?) -> String {
        var place = "octet \(offset) of the \(part.rawValue)"
        if part == .message, let payloadOffset { place += ", octet \(payloadOffset + offset) of the frame" }
        return "\(reason) (\(place))"
    }
}

extension CapturedFrame {
    /// `2026-01-31 23:59:59.123456Z`: UTC, nine digits behind the point if the file has them.
    var timeText: String { time(separator: " ", digits: nanoseconds % 1000 == 0 ? 6 : 9) }

    /// RFC 3339, always nine digits.
    var timeStamp: String { time(separator: "T", digits: 9) }

    private func time(separator: String, digits: Int) -> String {
        var seconds = time_t(seconds)
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return "\(seconds)" }
        func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
        let fraction = String(digits == 9 ? nanoseconds : nanoseconds / 1000)
        return "\(Int(parts.tm_year) + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))\(separator)"
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))."
            + String(repeating: "0", count: max(0, digits - fraction.count)) + fraction + "Z"
    }
}
