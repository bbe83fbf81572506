// What a plane sent or told the site, to be found again by what it was made of.

import LISPWire

/// The datagrams of one step. Whatever is found is taken out; at the end nothing may be left.
struct FoundDatagrams {
    private struct Fragments: Hashable {
        var addresses: [UInt8]
        var identification: [UInt8]
    }

    private struct Order: Hashable {
        var flow: [UInt8]
        var mayBeFragmented: Bool
    }

    private let datagrams: [OuterDatagram]
    /// Places of those not found yet, by inner packet and, of fragments, by what belongs together.
    private var whole: [[UInt8]: [Int]] = [:]
    private var pieces: [Fragments: [Int]] = [:]
    private var isTaken: [Bool]
    /// Where datagrams were, and the number of the packet each comes from.
    private var order: [Order: [(place: Int, number: Int)]] = [:]

    init(_ datagrams: [OuterDatagram]) {
        self.datagrams = datagrams
        isTaken = [Bool](repeating: false, count: datagrams.count)
        for (place, datagram) in datagrams.enumerated() {
            whole[datagram.inner, default: []].append(place)
            if let packet = ReferencePacket(datagram.inner), packet.isFragment {
                pieces[Self.fragments(packet), default: []].append(place)
            }
        }
    }

    private static func fragments(_ packet: ReferencePacket) -> Fragments {
        Fragments(addresses: Array(packet.octets[12..<20]), identification: Array(packet.octets[4..<6]))
    }

    /// Takes out what a packet has become, by whichever of these ways.
    ///
    /// - Returns: `nil` if it left by none of them.
    mutating func take(
        _ octets: [UInt8],
        _ number: Int,
        _ ways: [ReferencePlane.Way]
    ) throws -> (way: ReferencePlane.Way, datagrams: [OuterDatagram])? {
        guard let packet = ReferencePacket(octets) else { return nil }
        for way in ways {
            func isThere(_ place: Int) -> Bool { !isTaken[place] && datagrams[place].destination == way.address }
            var places: [Int] = []
            switch way.form {
            case .whole, .fragmentable:
                places = whole[octets]?.first(where: isThere).map { [$0] } ?? []
            case .cut(let limit):
                places = pieces[Self.fragments(packet)]?.filter(isThere) ?? []
                guard !places.isEmpty else { continue }
                var reassembler = Reassembler()
                for place in places { reassembler.take(datagrams[place].inner, limit: limit) }
                let isRight = reassembler.packet() == octets && reassembler.problems.isEmpty
                try ConformanceCheck.require(isRight, "fragments of \(octets.count) octets: \(reassembler.problems)")
            case .tooBig:
                break
            }
            guard !places.isEmpty else { continue }
            for place in places {
                isTaken[place] = true
                let key = Order(flow: packet.flow, mayBeFragmented: datagrams[place].mayBeFragmented)
                order[key, default: []].append((place, number))
            }
            return (way, places.map { datagrams[$0] })
        }
        return nil
    }

    /// - Throws: if something was sent that nobody asked for, or flows have lost their order.
    func checkNothingIsLeft() throws {
        if let place = isTaken.firstIndex(of: false) {
            let datagram = datagrams[place]
            let name = ConformanceCheck.name(datagram.inner)
            throw Difference(description: "\(name) is sent to \(datagram.destination), and should not be, or not so")
        }
        for found in order.values {
            let numbers = found.sorted { $0.place < $1.place }.map(\.number)
            try ConformanceCheck.require(numbers == numbers.sorted(), "a flow leaves in the order \(numbers)")
        }
    }
}

/// An ICMP error that the sender of a packet is to get; of a train, one or more.
struct ExpectedAnswer {
    /// It says one of these.
    var oneOf: [ReferencePlane.SiteAnswer]
    /// What it is about.
    var packet: [UInt8]
    /// Which train that was of.
    var train: Int?

    private func matches(_ error: ReferencePacket) -> Bool { oneOf.contains { matches(error, $0) } }

    private func matches(_ error: ReferencePacket, _ answer: ReferencePlane.SiteAnswer) -> Bool {
        let message = error.transport
        let isIPv4 = error.isIPv4
        guard error.source == answer.from, error.destination == answer.to, error.number == (isIPv4 ? 1 : 58),
            message.count > 8, message[0] == answer.type, message[1] == answer.code,
            message[4..<8].reduce(0, { $0 << 8 | Int($1) }) == answer.mtu
        else { return false }
        let length = UInt8(message.count >> 8), rest = UInt8(message.count & 255)
        let pseudo = isIPv4 ? [] : error.octets[8..<40] + [0, 0, length, rest, 0, 0, 0, 58]
        guard plainChecksum(pseudo + message) == 0, error.count <= (isIPv4 ? 576 : 1_280) else { return false }
        let quote = Array(message.dropFirst(8))
        // A train is quoted as it came.
        if train != nil { return quote.count >= 28 && quote[8] == packet[8] }
        let least = isIPv4 ? min(packet.count, 28) : min(packet.count, 1_280 - 48)
        return quote.count >= least && packet.starts(with: quote)
    }

    static func compare(_ errors: [WrittenPacket], _ answers: [ExpectedAnswer], _ instance: InstanceID) throws {
        var left = answers
        var answered: Set<Int> = []
        for error in errors {
            let packet = error.instance == instance ? ReferencePacket(error.octets) : nil
            let places = left.indices.filter { place in packet.map { left[place].matches($0) } ?? false }
            // Rather of a train that none is about yet.
            guard
                let place = places.first(where: { left[$0].train.map { !answered.contains($0) } ?? true })
                    ?? places.first
            else {
                let name = ConformanceCheck.name(error.octets)
                throw Difference(description: "\(name) is written: \(error.octets.prefix(64))")
            }
            if let train = left[place].train { answered.insert(train) }
            left.remove(at: place)
        }
        if let missing = left.first(where: { $0.train.map { !answered.contains($0) } ?? true }) {
            let name = ConformanceCheck.name(missing.packet)
            throw Difference(description: "\(name) is not answered by any of \(missing.oneOf)")
        }
    }
}
