// The report for programs: one JSON object a line, so that neither side needs the whole capture in memory.

import LISPWire

struct JSONReport: DecodeReport {
    /// Changes its number when a field changes its meaning or goes.
    static let schema = "lispctl-decode/1"

    private var renderer = JSONRenderer()

    mutating func begin(file: String, linkType: LinkType) -> String {
        line([
            Field("Schema", .text(Self.schema)), Field("Kind", .text("capture")), Field("File", .text(file)),
            Field("Link Type", .named(UInt64(linkType.rawValue), linkType.name)),
        ])
    }

    mutating func frame(_ frame: CapturedFrame, _ dissection: FrameDissection) -> String {
        let message = dissection.message
        var fields: [Field] = [
            Field("Kind", .text("frame")), Field("Frame", .number(UInt64(frame.number))),
            Field("Time", .text(frame.timeStamp)), Field("Length", .number(UInt64(frame.wireLength))),
            Field("Captured Length", .number(UInt64(frame.capturedCount))),
        ]
        if !dissection.vlans.isEmpty {
            fields.append(Field("VLANs", .list(dissection.vlans.map { Field("VLAN", .number(UInt64($0))) })))
        }
        for (name, endpoint) in [("Source", dissection.source), ("Destination", dissection.destination)] {
            guard let endpoint else { continue }
            let address = Field("Address", .text(endpoint.address.description))
            fields.append(Field(name, .group([address, Field("Port", .number(UInt64(endpoint.port)))])))
        }
        if let outer = dissection.outer {
            fields.append(Field("TTL", .number(UInt64(outer.ttl))))
            fields.append(Field("DSCP", .number(UInt64(outer.trafficClass >> 2))))
            fields.append(Field("ECN", .named(UInt64(outer.trafficClass & 3), ecnName(outer.trafficClass))))
        }
        if let checksum = dissection.checksum { fields.append(Field("UDP Checksum", .text(checksum.word))) }
        if !dissection.reassembledFrom.isEmpty {
            let frames = dissection.reassembledFrom.map { Field("Frame", .number(UInt64($0))) }
            fields.append(Field("Reassembled From", .list(frames)))
        }
        fields.append(Field("Message Kind", .text(message.kind.rawValue)))
        if let inner = message.inner { fields.append(Field("Inner Message Kind", .text(inner.rawValue))) }
        if message.kind == .data { fields.append(Field("Packets", .number(UInt64(message.packetCount)))) }
        if !message.fields.isEmpty {
            fields.append(Field("Message", .group(message.fields), offset: 0))
        }
        if let problem = message.problem { fields.append(Self.field(problem)) }
        return line(fields)
    }

    private static func field(_ problem: Problem) -> Field {
        Field(
            "Problem",
            .group([
                Field("Reason", .text(problem.reason)), Field("Offset", .number(UInt64(problem.offset))),
                Field("Of", .text(problem.part.rawValue)),
            ])
        )
    }

    mutating func end(_ summary: DecodeSummary, failure: String?) -> String {
        let kinds = summary.kinds.sorted { $0.key < $1.key }.filter { $0.key.outer != .undecoded }
        var fields: [Field] = [
            Field("Kind", .text("summary")), Field("Frames", .number(UInt64(summary.frames))),
            Field("Other Frames", .number(UInt64(summary.other))),
            Field(
                "Messages",
                .list(
                    kinds.map { kind, count in
                        var members = [Field("Message Kind", .text(kind.outer.rawValue))]
                        if let inner = kind.inner { members.append(Field("Inner Message Kind", .text(inner.rawValue))) }
                        return Field("Message", .group(members + [Field("Count", .number(UInt64(count)))]))
                    }
                )
            ),
            Field("Data Packets", .number(UInt64(summary.dataPackets))),
            Field("Undecoded", .number(UInt64(summary.undecoded))),
            Field("Leftover Fragments", .number(UInt64(summary.leftoverFragments))),
            Field("Verified", .number(UInt64(summary.verified))), Field("Failed", .number(UInt64(summary.failed))),
            Field("Unverified", .number(UInt64(summary.unverified))),
        ]
        if let failure { fields.append(Field("Failure", .text(failure))) }
        return line(fields)
    }

    private mutating func line(_ fields: [Field]) -> String {
        var text = ""
        renderer.write(fields, into: &text)
        return text + "\n"
    }
}
