import LISPTables
import LISPWire
import Testing

@testable import LISPControl

@Suite struct `Messages by instance` {
    private static let seven = InstanceID(uncheckedRawValue: 7)

    private static func record(_ text: String, _ instance: InstanceID = .default) -> EIDRecord {
        EIDRecord(eidPrefix: EIDPrefix(instanceID: instance, IPPrefix(text)!), ttlMinutes: 1, locators: [])
    }

    private static func reply(_ records: [EIDRecord]) -> MapReply {
        MapReply(nonce: Nonce(rawValue: 1), records: records)
    }

    @Test func `a message counts once for each family and instance that it is about`() {
        var tally = ServiceTally([.default, Self.seven])
        let records = [
            Self.record("10.1.0.0/16"), Self.record("10.2.0.0/16"), Self.record("2001:db8::/32"),
            Self.record("10.1.0.0/16", Self.seven),
        ]
        tally.add(.mapReply(Self.reply(records)), .received)
        #expect(tally[EIDTableKey(.default, .ipv4)][.mapReply, .received] == 1)
        #expect(tally[EIDTableKey(.default, .ipv6)][.mapReply, .received] == 1)
        #expect(tally[EIDTableKey(Self.seven, .ipv4)][.mapReply, .received] == 1)
        #expect(tally[EIDTableKey(Self.seven, .ipv6)][.mapReply, .received] == 0)
        #expect(tally[EIDTableKey(.default, .ipv4)][.mapReply, .sent] == 0)
        #expect(tally[EIDTableKey(.default, .ipv4)][.mapRequest, .received] == 0)
    }

    @Test func `what is read in outline counts like what is decoded`() throws {
        var (outline, decoded) = (ServiceTally([.default, Self.seven]), ServiceTally([.default, Self.seven]))
        let reply = Self.reply([Self.record("10.1.0.0/16"), Self.record("2001:db8::/32", Self.seven)])
        outline.addSentReply(try #require(RecordOutline.list(in: reply.encoded())))
        decoded.add(.mapReply(reply), .sent)
        for instance in [InstanceID.default, Self.seven] {
            for family in AddressFamily.allCases {
                let key = EIDTableKey(instance, family)
                #expect(outline[key] == decoded[key])
            }
        }
    }

    @Test func `instances that this router has nothing to do with are not counted`() {
        var tally = ServiceTally([.default])
        tally.add(.mapReply(Self.reply([Self.record("10.1.0.0/16", Self.seven)])), .received)
        #expect(tally[EIDTableKey(Self.seven, .ipv4)] == ServiceMessages())
        tally.count([.default, Self.seven])
        tally.add(.mapReply(Self.reply([Self.record("10.1.0.0/16", Self.seven)])), .received)
        #expect(tally[EIDTableKey(Self.seven, .ipv4)][.mapReply, .received] == 1)
    }
}
