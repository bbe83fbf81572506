// What the Map-Server writes down of nonces, and what comes back of it.

import LISPTables
import LISPWire
import Testing

@testable import LISPControl

@Suite struct `The journal of nonces` {
    private static let sites = ["alpha", "beta", "gämma"]
    private static func etr(_ number: UInt64) -> ETRIdentity {
        switch number % 3 {
        case 0: .named(XTRID(rawValue: UInt128(number) << 64 | 7), SiteID(rawValue: number))
        case 1: .source(.v4(IPv4Address(UInt32(number))))
        default: .source(.v6(IPv6Address(UInt128(number) << 100 | 1)))
        }
    }

    /// Accepts messages of many ETRs that count, repeat themselves or roll dice, with a reset now and then; returns the parts of
    /// the journal.
    private static func run(_ nonces: inout NonceGuard, seed: UInt64, steps: Int) -> [[UInt8]] {
        var random = SplitMix(seed: seed)
        var parts: [[UInt8]] = [[]]
        nonces.startJournal()
        for step in 0..<steps {
            let number = random.next() % 60
            let nonce: UInt64 =
                switch number % 5 {
                case 0: 77
                case 1, 2: random.next()
                default: UInt64(step) * 10
                }
            let message = NonceHistory.Message(nonce: nonce, mac: random.next() % 4)
            let site = sites[Int(random.next() % 3)]
            let keyID = UInt8(random.next() % 2)
            let check: NonceCheck = number % 2 == 0 ? .auto : .strict
            if nonces.verdict(on: message, site: site, etr: etr(number), keyID: keyID, check: check) == .new {
                nonces.accept(message, site: site, etr: etr(number), keyID: keyID)
            }
            if random.next() % 500 == 0 { nonces.forget { $0 != site || $1 != keyID } }
            if random.next() % 7 == 0 { parts[parts.count - 1] += nonces.takeJournal() }
            if random.next() % 300 == 0 {
                parts[parts.count - 1] += nonces.takeJournal()
                nonces.startJournal()
                parts.append([])
            }
        }
        parts[parts.count - 1] += nonces.takeJournal()
        return parts
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `gives back what was written, in parts and after everything was written anew`(seed: UInt64) {
        var nonces = NonceGuard(limit: 16)
        let parts = Self.run(&nonces, seed: seed, steps: 3_000)
        #expect(nonces.count > 30)
        var reader = NonceJournalReader(NonceGuard(limit: 16))
        for part in parts { #expect(reader.read(part).isWhole) }
        #expect(reader.nonces.saved == nonces.saved)

        var anew = NonceJournalReader(NonceGuard(limit: 16))
        // What it says of before is void.
        _ = anew.read(parts[0])
        #expect(anew.read(nonces.journalOfAll()).isWhole)
        #expect(anew.nonces.saved == nonces.saved)
        #expect(NonceGuard(nonces.saved, limit: 16).saved == nonces.saved)
    }

    @Test func `cut anywhere gives what precedes the cut, never more and never less than the frames before`() {
        var nonces = NonceGuard()
        nonces.startJournal()
        var journal: [UInt8] = []
        var states: [(end: Int, saved: [NonceHistory])] = [(0, [])]
        for nonce: UInt64 in 1...20 {
            nonces.accept(.init(nonce: nonce, mac: nonce), site: "alpha", etr: Self.etr(nonce % 4), keyID: 0)
            journal += nonces.takeJournal()
            states.append((journal.count, nonces.saved))
        }
        for length in 0...journal.count {
            var reader = NonceJournalReader()
            let outcome = reader.read(Array(journal.prefix(length)))
            let whole = states.last { $0.end <= length }
            #expect(reader.nonces.saved == whole?.saved)
            #expect(outcome.damagedFrames == 0 && outcome.cutOff == length - (whole?.end ?? 0))
        }
    }

    @Test func `with any octet damaged costs what stood there, and what is left stays in its order`() {
        var random = SplitMix(seed: 5)
        var nonces = NonceGuard()
        nonces.startJournal()
        var journal: [UInt8] = []
        for nonce: UInt64 in 1...60 {
            nonces.accept(.init(nonce: nonce, mac: nonce), site: "alpha", etr: Self.etr(nonce % 3), keyID: 0)
            journal += nonces.takeJournal()
        }
        for place in journal.indices {
            var damaged = journal
            damaged[place] ^= UInt8(truncatingIfNeeded: random.next() | 1)
            var reader = NonceJournalReader()
            let outcome = reader.read(damaged)
            #expect(!outcome.isWhole)
            // What remains are true messages, each ETR's in their order.
            for history in reader.nonces.saved {
                let found = history.messages.map(\.nonce)
                #expect(found == found.sorted() && found.allSatisfy { (1...60).contains($0) })
            }
        }
    }

    @Test func `takes garbage for what it is`() {
        var random = SplitMix(seed: 9)
        for _ in 0..<2_000 {
            var reader = NonceJournalReader()
            let garbage = (0..<Int(random.next() % 200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let outcome = reader.read(garbage)
            #expect(garbage.isEmpty || !outcome.isWhole)
            #expect(reader.nonces.count == 0)
        }
    }

    @Test func `takes no room while nobody wants it, and 22 octets and a frame's head for each message otherwise`() {
        var nonces = NonceGuard()
        let etr = Self.etr(3)
        for nonce: UInt64 in 1...1_000 { nonces.accept(.init(nonce: nonce, mac: 1), site: "a", etr: etr, keyID: 0) }
        #expect(!nonces.hasJournal)
        nonces.startJournal()
        nonces.accept(.init(nonce: 1_001, mac: 1), site: "a", etr: etr, keyID: 0)
        // Its state is one message, since it counts.
        #expect(nonces.takeJournal().count < 80)
        for nonce: UInt64 in 1_002...2_001 { nonces.accept(.init(nonce: nonce, mac: 1), site: "a", etr: etr, keyID: 0) }
        #expect(nonces.takeJournal().count < 1_000 * 22 + 100)
    }
}
