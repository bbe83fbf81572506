// Hot path, but only while Locator-Status-Bits are in use: no allocation, no existential, no lock, no log line, no `throws`.
//
// What workers keep of Locator-Status-Bits (RFC 9300 section 5.3): the own ones of a run of packets, what each site said last, and a
// queue to the control loop, which hears of changes only.

import ForwardingInterface
import LISPWire
import Synchronization

/// The header bits of the packets of one source, for as long as packets come from there in a row.
struct OwnStatus {
    var instance: UnsafeMutablePointer<InstanceObject>?
    /// `nil`: nothing was looked up yet.
    var family: AddressFamily?
    var source = TrieKey(high: 0, low: 0)
    /// With the L bit; 0 where nothing is to be said.
    var bits: UInt64 = 0
}

/// What the control loop was told of a site last, and when.
///
///     told (1) | millisecond (31) | bits (32)
enum StatusBitsWord {
    /// Two routers of a site that contradict each other, or somebody who plays with the bits, change them with every packet: so many
    /// milliseconds lie between the changes that are told. The last one is never lost, since packets repeat it.
    static let interval: UInt64 = 100
    private static let told: UInt64 = 1 << 63
    private static let clock: UInt64 = (1 << 31) - 1

    @inline(__always)
    static func word(_ bits: UInt32, now: UInt64) -> UInt64 { told | (now & clock) &<< 32 | UInt64(bits) }

    /// Whether these bits are what was told.
    @inline(__always)
    static func tells(_ word: UInt64, _ bits: UInt32) -> Bool {
        word & told != 0 && UInt32(truncatingIfNeeded: word) == bits
    }

    /// Whether something else may be told.
    @inline(__always)
    static func mayTell(_ word: UInt64, now: UInt64) -> Bool {
        // Safe: the clock of 31 bits goes round, and so does the difference.
        word & told == 0 || (now &- (word &>> 32)) & clock >= interval
    }
}

/// The queue of one worker. One producer, one consumer, like the ring that it is.
struct StatusReports {
    /// Reports that may wait.
    static let capacity = 1_024

    private let ring = PacketRing(bytes: 0, packets: capacity)

    func deallocate() { ring.deallocate() }

    /// Producer. `false` when it does not fit.
    func push(instance: UInt32, family: AddressFamily, source: TrieKey, bits: UInt32, width: Int) -> Bool {
        withUnsafeBytes(of: source) {
            ring.push(
                $0,
                tag: UInt32(truncatingIfNeeded: width) << 8 | UInt32(family.rawValue),
                word: UInt64(instance) << 32 | UInt64(bits)
            )
        }
    }

    /// Consumer: hands over the oldest. `false` when there is none.
    func pop(_ body: (LocatorStatusReport) -> Void) -> Bool {
        ring.pop { octets, tag, word in
            let key = octets.loadUnaligned(as: TrieKey.self)
            guard let family = AddressFamily(rawValue: UInt8(truncatingIfNeeded: tag)) else { return }
            let instance = InstanceID(uncheckedRawValue: UInt32(truncatingIfNeeded: word >> 32))
            body(
                LocatorStatusReport(
                    source: EID(instanceID: instance, IPAddress(family: family, leftAligned: key.value)),
                    bits: UInt32(truncatingIfNeeded: word),
                    width: Int(tag >> 8)
                )
            )
        }
    }
}
