// Values of the router as both modules write them.

import AgentX
import ForwardingInterface
import LISPWire

extension VariableValue {
    /// TimeTicks, at most 497 days.
    static func ticks(_ duration: Duration) -> VariableValue {
        let (seconds, attoseconds) = duration.components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 100)
        let hundredths = overflow ? (seconds < 0 ? 0 : Int64.max) : whole &+ attoseconds / 10_000_000_000_000_000
        return .timeTicks(UInt32(clamping: hundredths))
    }

    static func unsigned(_ number: some BinaryInteger) -> VariableValue { .gauge32(UInt32(clamping: number)) }

    static func number(_ number: UInt8) -> VariableValue { .integer(Int32(number)) }

    /// Of a LispAddressType.
    static func octetCount(_ address: IPAddress) -> VariableValue {
        .integer(Int32(LispAddressType.octets(address).count))
    }

    static func address(_ address: IPAddress) -> VariableValue { .octetString(LispAddressType.octets(address)) }

    /// As many octets of `text` as there is room for; no character is cut.
    static func text(_ text: String, limit: Int) -> VariableValue {
        var octets: [UInt8] = []
        for scalar in text.unicodeScalars {
            let more = Array(String(scalar).utf8)
            guard octets.count + more.count <= limit else { break }
            octets += more
        }
        return .octetString(octets)
    }
}

extension Preference {
    /// LISP-MIB takes weights for percentages: what is above counts as 100.
    var weightUpTo100: VariableValue { .integer(Int32(min(weight, 100))) }
    var multicastWeightUpTo100: VariableValue { .integer(Int32(min(multicastWeight, 100))) }
}

/// The four counters at the end of most tables, in their order there.
@ColumnBuilder<Row>
func trafficColumns<Row>(
    from number: UInt32,
    _ prefix: String,
    _ traffic: @escaping (Row) -> MappingCounters?
) -> [Column<Row>] {
    Column(number, prefix + "DecapOctets") { traffic($0).map { .counter64($0.decapsulated.octets) } }
    Column(number + 1, prefix + "DecapPackets") { traffic($0).map { .counter64($0.decapsulated.packets) } }
    Column(number + 2, prefix + "EncapOctets") { traffic($0).map { .counter64($0.encapsulated.octets) } }
    Column(number + 3, prefix + "EncapPackets") { traffic($0).map { .counter64($0.encapsulated.packets) } }
}

/// A column of rows that may be places between rows, which have no values.
func inner<Row>(_ number: UInt32, _ name: String, _ value: @escaping (Row) -> VariableValue?) -> Column<Row?> {
    Column(number, name) { $0.flatMap(value) }
}
