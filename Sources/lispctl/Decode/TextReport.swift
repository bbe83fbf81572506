// The report for a reader.

import LISPWire

struct TextReport: DecodeReport {
    func begin(file: String, linkType: LinkType) -> String { "" }

    func frame(_ frame: CapturedFrame, _ dissection: FrameDissection) -> String {
        var text = heading(frame, dissection) + "\n"
        let message = dissection.message
        if frame.isCut {
            text += "    Cut by the capture: "
            text += "\(frame.capturedCount) of \(frame.wireLength) octets of this frame are in the file\n"
        }
        if !dissection.vlans.isEmpty {
            text += "    VLAN: \(dissection.vlans.map(String.init).joined(separator: ", "))\n"
        }
        if !dissection.reassembledFrom.isEmpty {
            let frames = dissection.reassembledFrom.map(String.init).joined(separator: ", ")
            text += "    Reassembled: from the fragments in frames \(frames)\n"
        }
        if let checksum = dissection.checksum, Self.isWorthALine(checksum, isData: dissection.isData) {
            text += "    UDP Checksum: \(checksum.text)\n"
        }
        TextRenderer.write(message.fields, into: &text)
        if let problem = message.problem {
            text += "    Problem: \(problem.text(payloadOffset: dissection.payloadOffset))\n"
        }
        return text + "\n"
    }

    /// A checksum of zero is what data packets have as a rule, and one that the network card completes is nothing odd.
    private static func isWorthALine(_ checksum: UDPChecksum, isData: Bool) -> Bool {
        switch checksum {
        case .right, .unknown: false
        case .zero, .partial: !isData
        case .wrong: true
        }
    }

    private func heading(_ frame: CapturedFrame, _ dissection: FrameDissection) -> String {
        let message = dissection.message
        var heading = "Frame \(frame.number)  \(frame.timeText)  "
        if let source = dissection.source, let destination = dissection.destination {
            heading += "\(source) > \(destination)  "
        }
        heading += DecodeSummary.Kind(outer: message.kind, inner: message.inner).name
        if !message.purpose.isEmpty { heading += " (\(message.purpose.joined(separator: ", ")))" }
        if let length = dissection.payloadLength { heading += ", \(counted(length, "octet"))" }
        return heading
    }

    func end(_ summary: DecodeSummary, failure: String?) -> String {
        var lines: [String] = []
        let lisp = summary.frames - summary.other
        lines.append(
            "\(counted(summary.frames, "frame")): \(lisp) of LISP, \(summary.other) of other protocols"
        )
        for (kind, count) in summary.kinds.sorted(by: { $0.key < $1.key }) where kind.outer != .undecoded {
            var line = "  \(String(count).leftPadded(to: 8))  \(kind.name)"
            if kind.outer == .data, summary.dataPackets != count { line += " (\(summary.dataPackets) packets)" }
            lines.append(line)
        }
        if summary.undecoded > 0 { lines.append("  \(String(summary.undecoded).leftPadded(to: 8))  not decoded") }
        if summary.leftoverFragments > 0 {
            lines.append(
                "  \(String(summary.leftoverFragments).leftPadded(to: 8))  IP fragments, not reassembled: others are missing"
            )
        }
        if summary.verified + summary.failed + summary.unverified > 0 {
            lines.append(
                "Authentication: \(summary.verified) verified, \(summary.failed) FAILED, \(summary.unverified) unverified"
            )
        }
        if !summary.checksums.isEmpty {
            let words = [UDPChecksum.wrong, .zero, .partial].compactMap { checksum in
                summary.checksums[checksum].map { "\($0) \(checksum.word)" }
            }
            lines.append("UDP checksums of control messages: \(words.joined(separator: ", "))")
        }
        if failure != nil { lines.append("The capture file breaks off here.") }
        return joined(lines)
    }
}
