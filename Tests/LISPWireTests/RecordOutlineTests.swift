// Records in outline are what decoding the message says of them.

import LISPWire
import TestRandomness
import Testing

@Suite struct `The outline of records` {
    @Test func `says what decoding says, or nothing`() throws {
        var random = SeededGenerator("record outlines")
        var told = 0
        for number in 0..<4_000 {
            let kinds: AddressKinds = number % 2 == 0 ? .all : .internet
            let (message, records) =
                if number % 4 < 2 {
                    Self.pair(random.mapReply(kinds))
                } else {
                    Self.pair(random.mapNotify(kinds, isAcknowledgement: false))
                }
            guard let outline = RecordOutline.list(in: message) else { continue }
            told += 1
            #expect(outline.map(\.family) == records.map { $0.eidPrefix?.prefix.family })
            #expect(outline.map(\.isAuthoritative) == records.map(\.isAuthoritative))
            #expect(outline.map { Int($0.locatorCount) } == records.map(\.locators.count))
        }
        #expect(told > 1_000)
    }

    private static func pair(_ reply: MapReply) -> ([UInt8], [EIDRecord]) { (reply.encoded(), reply.records) }
    private static func pair(_ notify: MapNotify) -> ([UInt8], [EIDRecord]) { (notify.encoded(), notify.records) }

    @Test func `tells of plain EIDs and of those in an instance`() {
        let prefixes = [
            EIDPrefix(IPPrefix("10.1.0.0/16")!),
            EIDPrefix(instanceID: InstanceID(uncheckedRawValue: 101), IPPrefix("2001:db8::/32")!),
        ]
        let reply = MapReply(
            nonce: Nonce(rawValue: 1),
            records: prefixes.map { EIDRecord(eidPrefix: $0, ttlMinutes: 1, locators: []) }
        )
        #expect(RecordOutline.list(in: reply.encoded())?.map(\.family) == [.ipv4, .ipv6])
    }

    @Test func `says nothing of a message cut short, or of another`() {
        var random = SeededGenerator("cut outlines")
        for _ in 0..<200 {
            let message = random.mapReply(.internet).encoded()
            for length in 0..<12 { #expect(RecordOutline.list(in: Array(message.prefix(length))) == nil) }
            #expect(RecordOutline.list(in: random.mapRegister(.internet).encoded()) == nil)
        }
    }
}
