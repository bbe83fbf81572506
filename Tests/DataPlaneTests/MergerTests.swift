// What the merger makes of packets, and its law: merged packets, cut again as the kernel cuts them, are the packets that came.

import Glibc
import Testing

@testable import DataPlane

/// What was written to a TUN.
private struct WrittenFrame {
    /// Virtio header and packet.
    var octets: [UInt8]
    var vectors: Int
    var packets: Int
    var innerOctets: Int
    var queue: Int
    var tag: UInt64

    var header: [UInt8] { Array(octets.prefix(10)) }
    var packet: [UInt8] { Array(octets.dropFirst(10)) }
}

private struct FrameLog: FrameSink {
    var frames: [WrittenFrame] = []
    /// Frames whose length is not that of their vectors.
    var liars = 0

    mutating func write(_ frame: MergedFrame) {
        var octets: [UInt8] = []
        for vector in UnsafeBufferPointer(start: frame.vectors, count: frame.count) {
            octets += UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len)
        }
        if octets.count != frame.length || frame.vectors[0].iov_len != 10 { liars += 1 }
        frames.append(
            WrittenFrame(
                octets: octets,
                vectors: frame.count,
                packets: frame.packets,
                innerOctets: frame.octets,
                queue: frame.queue,
                tag: frame.tag
            )
        )
    }
}

/// A packet for the merger.
private struct Added {
    var octets: [UInt8]
    var queue = 0
}

// MARK: A naive packet

/// The complement of the sum of all 16-bit words.
private func naiveChecksum(_ octets: [UInt8]) -> UInt16 {
    var sum = 0
    for (index, octet) in octets.enumerated() { sum += index % 2 == 0 ? Int(octet) << 8 : Int(octet) }
    while sum > 0xffff { sum = sum % 0x1_0000 + sum / 0x1_0000 }
    return UInt16(0xffff - sum)
}

private func pair(_ value: Int) -> [UInt8] { [UInt8(value / 256 % 256), UInt8(value % 256)] }
private func quad(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
private func number(_ octets: [UInt8], _ offset: Int) -> Int { Int(octets[offset]) * 256 + Int(octets[offset + 1]) }

private func put(_ value: Int, _ octets: inout [UInt8], _ offset: Int) {
    octets.replaceSubrange(offset..<offset + 2, with: pair(value))
}

/// Of an IPv4 or IPv6 packet with its transport header at `start`.
private func pseudoHeader(_ packet: [UInt8], _ start: Int, _ number: UInt8) -> [UInt8] {
    Array(packet[(start == 40 ? 8 : 12)..<start]) + [0, number] + quad(UInt32(packet.count - start))
}

/// All that a test may want to change of a packet.
private struct Draft {
    var isIPv6 = false
    var isTCP = true
    var source: UInt8 = 1
    var destination: UInt8 = 2
    var ports: (Int, Int) = (4_000, 80)
    var tos: UInt8 = 0
    var ttl: UInt8 = 63
    /// DF and what else shares its field.
    var fragment = 0x4000
    var identification = 100
    var label: UInt8 = 7
    var ipOptions: [UInt8] = []
    /// Whether a header of destination options comes first.
    var isExtended = false
    var sequence: UInt32 = 1_000
    var acknowledgment: UInt32 = 5
    var flags: UInt8 = 0x10
    var reserved: UInt8 = 0
    var window = 500
    var urgent = 0
    var options: [UInt8] = []
    var payload = [UInt8](repeating: 1, count: 100)
    /// 0, or what is added to each checksum.
    var error = 0
    var headerError = 0
    var hasChecksum = true

    mutating func advance() {
        sequence &+= UInt32(payload.count)
        identification = (identification + 1) % 65_536
    }

    var octets: [UInt8] {
        let protocolNumber: UInt8 = isTCP ? 6 : 17
        var transport = pair(ports.0) + pair(ports.1)
        if isTCP {
            transport += quad(sequence) + quad(acknowledgment)
            transport += [UInt8(5 + options.count / 4) * 16 + reserved, flags]
            transport += pair(window) + [0, 0] + pair(urgent) + options
        } else {
            transport += pair(8 + payload.count) + [0, 0]
        }
        transport += payload
        var header: [UInt8]
        if isIPv6 {
            let inner: [UInt8] = isExtended ? [protocolNumber, 0, 1, 4, 0, 0, 0, 0] : []
            header = [0x60 + tos / 16, tos % 16 * 16, 0, label] + pair(inner.count + transport.count)
            header += [isExtended ? 60 : protocolNumber, ttl]
            header += [0x20, 1] + [UInt8](repeating: 0, count: 13) + [source]
            header += [0x20, 1] + [UInt8](repeating: 0, count: 13) + [destination]
            let sum = pseudoHeader(header + transport, 40, protocolNumber)
            finish(&transport, sum)
            return header + inner + transport
        }
        header = [0x45 + UInt8(ipOptions.count / 4), tos] + pair(20 + ipOptions.count + transport.count)
        header += pair(identification) + pair(fragment) + [ttl, protocolNumber, 0, 0]
        header += [10, 1, 0, source, 10, 2, 0, destination]
        finish(&transport, pseudoHeader(header + transport, 20, protocolNumber))
        header += ipOptions
        put((Int(naiveChecksum(header)) + headerError) % 65_536, &header, 10)
        return header + transport
    }

    private func finish(_ transport: inout [UInt8], _ pseudo: [UInt8]) {
        var checksum = (Int(naiveChecksum(pseudo + transport)) + error) % 65_536
        if !isTCP, checksum == 0 { checksum = 0xffff }
        put(hasChecksum ? checksum : 0, &transport, isTCP ? 16 : 6)
    }
}

// MARK: A naive kernel

private struct Flaw: Error, CustomStringConvertible {
    var description: String
}

private func demand(_ condition: Bool, _ text: String) throws {
    if !condition { throw Flaw(description: text) }
}

/// The packets that Linux makes of a frame, on its way to a device without offloads.
func packetsOfFrame(_ frame: [UInt8]) throws -> [[UInt8]] {
    let packet = Array(frame.dropFirst(10))
    if frame.prefix(10).allSatisfy({ $0 == 0 }) { return [packet] }
    let words = frame.withUnsafeBytes { bytes in
        [2, 4, 6, 8].map { Int(bytes.loadUnaligned(fromByteOffset: $0, as: UInt16.self)) }
    }
    let (headerLength, size, start, field) = (words[0], words[1], words[2], words[3])
    let isIPv6 = packet[0] >> 4 == 6
    let protocolNumber = isIPv6 ? packet[6] : packet[9]
    let isTCP = protocolNumber == 6
    try demand(frame[0] == 1, "flags \(frame[0])")
    try demand(frame[1] & 0x7f == (isTCP ? isIPv6 ? 4 : 1 : 5), "type \(frame[1])")
    try demand(isTCP || protocolNumber == 17, "protocol")
    try demand(start == (isIPv6 ? 40 : 20), "checksum start \(start)")
    try demand(field == (isTCP ? 16 : 6), "checksum offset \(field)")
    try demand(headerLength == start + (isTCP ? Int(packet[start + 12] >> 4) * 4 : 8), "header length")
    try demand(packet.count <= 65_535, "too long")
    let payload = packet.count - headerLength
    try demand(size > 0 && payload > size && payload <= 64 * size, "\(payload) octets in segments of \(size)")
    if isIPv6 {
        try demand(number(packet, 4) == packet.count - 40, "payload length")
    } else {
        try demand(number(packet, 2) == packet.count, "total length")
        try demand(naiveChecksum(Array(packet.prefix(20))) == 0, "header checksum")
    }
    if isTCP {
        try demand((frame[1] & 0x80 != 0) == (packet[start + 13] & 0x80 != 0), "CWR without ECN, or the reverse")
    } else {
        try demand(number(packet, start + 4) == packet.count - start, "UDP length")
    }
    try demand(
        number(packet, start + field) == 0xffff - Int(naiveChecksum(pseudoHeader(packet, start, protocolNumber))),
        "sum of the pseudo header"
    )
    var pieces: [[UInt8]] = []
    for offset in stride(from: 0, to: payload, by: size) {
        let isLast = offset + size >= payload
        let end = min(offset + size, payload)
        var piece = Array(packet.prefix(headerLength)) + packet[headerLength + offset..<headerLength + end]
        if isTCP {
            let sequence = piece[start + 4..<start + 8].reduce(0) { $0 << 8 | UInt32($1) }
            piece.replaceSubrange(start + 4..<start + 8, with: quad(sequence &+ UInt32(offset)))
            if !isLast { piece[start + 13] &= ~0x09 }
            if offset > 0 { piece[start + 13] &= ~0x80 }
        } else {
            put(piece.count - start, &piece, start + 4)
        }
        put(0, &piece, start + field)
        var checksum = naiveChecksum(pseudoHeader(piece, start, protocolNumber) + piece[start...])
        if !isTCP, checksum == 0 { checksum = 0xffff }
        put(Int(checksum), &piece, start + field)
        if isIPv6 {
            put(piece.count - 40, &piece, 4)
        } else {
            put(piece.count, &piece, 2)
            put((number(piece, 4) + pieces.count) % 65_536, &piece, 4)
            put(0, &piece, 10)
            put(Int(naiveChecksum(Array(piece.prefix(20)))), &piece, 10)
        }
        pieces.append(piece)
    }
    return pieces
}

/// Whose order must be kept.
private struct Identity: Hashable {
    var pair: [UInt8]
    /// `nil` if it can be any of the pair.
    var flow: [UInt8]?

    init(_ octets: [UInt8], queue: Int) {
        let version = (octets.first ?? 0) >> 4
        pair = [UInt8(queue), version]
        if version == 4, octets.count >= 20 {
            pair += octets[12..<20]
            if octets[0] == 0x45, number(octets, 2) == octets.count, number(octets, 6) & 0x3fff == 0,
                octets.count >= 28, octets[9] == 6 || octets[9] == 17
            {
                flow = [octets[9]] + octets[20..<24]
            }
        } else if version == 6, octets.count >= 40 {
            pair += octets[8..<40]
            if number(octets, 4) == octets.count - 40, octets.count >= 48, octets[6] == 6 || octets[6] == 17 {
                flow = [octets[6]] + octets[40..<44]
            }
        }
    }
}

/// What of the law is broken: each flow in order, and those packets in order with all of their pair that have no flow.
private func flaw(_ added: [Added], _ frames: [WrittenFrame]) -> String? {
    var came: [[UInt8]: [(flow: [UInt8]?, octets: [UInt8])]] = [:]
    var went: [[UInt8]: [(flow: [UInt8]?, octets: [UInt8])]] = [:]
    for packet in added {
        let identity = Identity(packet.octets, queue: packet.queue)
        came[identity.pair, default: []].append((identity.flow, packet.octets))
    }
    for frame in frames {
        do {
            let pieces = try packetsOfFrame(frame.octets)
            try demand(pieces.count == frame.packets, "\(pieces.count) packets counted as \(frame.packets)")
            try demand(frame.vectors == frame.packets + 1, "\(frame.vectors) vectors")
            try demand(pieces.reduce(0) { $0 + $1.count } == frame.innerOctets, "octets")
            try demand(pieces[0] == added[Int(frame.tag)].octets, "another tag than that of the first packet")
            try demand(added[Int(frame.tag)].queue == frame.queue, "queue")
            for piece in pieces {
                let identity = Identity(piece, queue: frame.queue)
                went[identity.pair, default: []].append((identity.flow, piece))
            }
        } catch {
            return "\(error): \(frame.octets)"
        }
    }
    if came.keys != went.keys { return "other addresses" }
    for (pair, packets) in came {
        for flow in Set(packets.map(\.flow)) {
            let before = packets.filter { $0.flow == flow || $0.flow == nil }.map(\.octets)
            let after = (went[pair] ?? []).filter { $0.flow == flow || $0.flow == nil }.map(\.octets)
            if before != after { return "pair \(pair), flow \(flow ?? []): \(before.count), \(after.count) packets" }
        }
    }
    return nil
}

// MARK: Tests

@Suite struct MergerTests {
    /// Adds packets that stand in one buffer, some octets between them, and checks the law.
    private func merge(
        _ added: [Added],
        flows: Int = 16,
        tcp: Bool = true,
        udp: Bool = true,
        gap: Int = 8
    ) -> [WrittenFrame] {
        var merger = Merger(flows: flows, mergesTCP: tcp, mergesUDP: udp)
        var log = FrameLog()
        var buffer = [UInt8](repeating: 0xa5, count: added.reduce(gap) { $0 + $1.octets.count + gap })
        buffer.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            var offset = gap
            for (index, packet) in added.enumerated() {
                (base + offset).copyMemory(from: packet.octets, byteCount: packet.octets.count)
                merger.add(
                    base + offset,
                    length: packet.octets.count,
                    queue: packet.queue,
                    tag: UInt64(index),
                    &log
                )
                offset += packet.octets.count + gap
            }
            merger.flush(&log)
        }
        var offset = 0
        var isAroundUntouched = true
        for packet in added {
            if buffer[offset..<offset + gap].contains(where: { $0 != 0xa5 }) { isAroundUntouched = false }
            offset += gap + packet.octets.count
        }
        #expect(isAroundUntouched)
        #expect(log.liars == 0)
        let flaw = flaw(added, log.frames)
        #expect(flaw == nil)
        return log.frames
    }

    private func merge(_ drafts: [Draft]) -> [WrittenFrame] { merge(drafts.map { Added(octets: $0.octets) }) }

    /// Neighbours of one flow.
    private func train(_ first: Draft = Draft(), sizes: [Int]) -> [Draft] {
        var draft = first
        return sizes.enumerated().map { index, size in
            draft.payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index) }
            defer { draft.advance() }
            return draft
        }
    }

    private func train(_ first: Draft = Draft(), count: Int) -> [Draft] {
        train(first, sizes: [Int](repeating: 100, count: count))
    }

    private static let kinds = [
        Draft(isTCP: true), Draft(isTCP: false), Draft(isIPv6: true, isTCP: true), Draft(isIPv6: true, isTCP: false),
        Draft(isTCP: true, options: [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
    ]

    @Test(arguments: kinds.indices) func `equal neighbours make one frame, of at most 64`(kind: Int) {
        for count in [2, 3, 64] {
            let frames = merge(train(Self.kinds[kind], count: count))
            #expect(frames.map(\.packets) == [count])
            #expect(frames.first?.vectors == count + 1)
        }
        #expect(merge(train(Self.kinds[kind], count: 65)).map(\.packets) == [64, 1])
        #expect(merge(train(Self.kinds[kind], count: 200)).map(\.packets) == [64, 64, 64, 8])
    }

    @Test func `the virtio header says how to cut`() {
        func header(_ draft: Draft) -> [UInt8] { merge(train(draft, sizes: [700, 700, 9])).first?.header ?? [] }
        func words(_ values: UInt16...) -> [UInt8] {
            values.flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
        }
        #expect(header(Self.kinds[0]) == [1, 1] + words(40, 700, 20, 16))
        #expect(header(Self.kinds[1]) == [1, 5] + words(28, 700, 20, 6))
        #expect(header(Self.kinds[2]) == [1, 4] + words(60, 700, 40, 16))
        #expect(header(Self.kinds[3]) == [1, 5] + words(48, 700, 40, 6))
        #expect(header(Self.kinds[4]) == [1, 1] + words(52, 700, 20, 16))
        #expect(header(Draft(flags: 0x90)) == [0, 0] + words(0, 0, 0, 0))
        var cwr = train(count: 3)
        cwr[0].flags = 0x90
        #expect(merge(cwr).first?.header == [1, 0x81] + words(40, 100, 20, 16))
    }

    @Test(arguments: kinds.indices) func `a shorter packet ends a frame, and a longer one begins another`(kind: Int) {
        let sizes = [500, 500, 300, 300, 300, 400, 200, 100, 1, 1, 1, 2]
        #expect(merge(train(Self.kinds[kind], sizes: sizes)).map(\.packets) == [3, 2, 2, 2, 2, 1])
    }

    @Test(arguments: kinds.indices) func `a frame is no longer than a packet can be`(kind: Int) {
        let draft = Self.kinds[kind]
        let room = 65_535 - draft.octets.count + draft.payload.count
        let half = room / 2
        #expect(merge(train(draft, sizes: [room - half, half])).map(\.packets) == [2])
        #expect(merge(train(draft, sizes: [half + 1, half + 1])).map(\.packets) == [1, 1])
        #expect(merge(train(draft, sizes: [room])).map(\.packets) == [1])
        #expect(merge(train(draft, sizes: [Int](repeating: 1_448, count: 60))).map(\.packets) == [45, 15])
    }

    @Test func `interleaved flows make a frame each, the oldest first`() {
        let flows = [
            Draft(), Draft(ports: (4_001, 80)), Draft(isTCP: false), Draft(destination: 3), Draft(isIPv6: true),
            Draft(isIPv6: true, source: 9), Draft(isIPv6: true, isTCP: false),
        ]
        for count in 2...flows.count {
            let trains = flows.prefix(count).map { train($0, count: 9) }
            let frames = merge((0..<9).flatMap { index in trains.map { $0[index] } })
            #expect(frames.map(\.packets) == [Int](repeating: 9, count: count))
            #expect(frames.map(\.tag) == (0..<UInt64(count)).map { $0 })
        }
    }

    @Test func `queues are kept apart`() {
        let added = train(count: 9).enumerated().map { Added(octets: $1.octets, queue: $0 < 5 ? 0 : 1) }
        #expect(merge(added).map(\.packets) == [5, 4])
        let mixed = train(count: 8).flatMap { [Added(octets: $0.octets), Added(octets: $0.octets, queue: 2)] }
        #expect(merge(mixed).map(\.packets) == [8, 8])
    }

    /// Changes to the third of five packets.
    private static let changes: [(String, [Int], @Sendable (inout Draft) -> Void)] = [
        ("SYN", [2, 1, 2], { $0.flags |= 0x02 }),
        ("RST", [2, 1, 2], { $0.flags |= 0x04 }),
        ("URG", [2, 1, 2], { $0.flags |= 0x20 }),
        ("no ACK", [2, 1, 2], { $0.flags &= ~0x10 }),
        ("urgent pointer", [2, 1, 2], { $0.urgent = 1 }),
        ("reserved bits", [2, 1, 2], { $0.reserved = 1 }),
        ("ECE", [2, 1, 2], { $0.flags |= 0x40 }),
        ("acknowledgment", [2, 1, 2], { $0.acknowledgment += 1 }),
        ("window", [2, 1, 2], { $0.window += 1 }),
        ("sequence", [2, 1, 2], { $0.sequence += 1 }),
        ("sequence, backwards", [2, 1, 2], { $0.sequence -= 100 }),
        ("option", [2, 1, 2], { $0.options[11] += 1 }),
        ("fewer options", [2, 1, 2], { $0.options.removeLast(4) }),
        ("checksum", [2, 1, 2], { $0.error = 1 }),
        ("CWR", [2, 3], { $0.flags |= 0x80 }),
        ("CWR and PSH", [2, 1, 2], { $0.flags |= 0x88 }),
        ("PSH", [3, 2], { $0.flags |= 0x08 }),
        ("FIN", [3, 2], { $0.flags |= 0x01 }),
        ("TOS", [2, 1, 2], { $0.tos = 4 }),
        ("congestion mark", [2, 1, 2], { $0.tos = 3 }),
        ("TTL", [2, 1, 2], { $0.ttl -= 1 }),
    ]

    @Test(arguments: changes.indices, [false, true]) func `what differs does not merge`(change: Int, isIPv6: Bool) {
        let options: [UInt8] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]
        var drafts = train(Draft(isIPv6: isIPv6, options: options), count: 5)
        let (name, expected, body) = Self.changes[change]
        body(&drafts[2])
        let frames = merge(drafts)
        #expect(frames.map(\.packets) == expected, "\(name)")
        // What goes alone has a header of zeros.
        #expect(frames.allSatisfy { $0.packets > 1 || $0.header == [UInt8](repeating: 0, count: 10) })
    }

    @Test(arguments: [false, true]) func `what differs between datagrams does not merge`(isIPv6: Bool) {
        let changes: [(inout Draft) -> Void] = [
            { $0.tos = 4 }, { $0.ttl += 1 }, { $0.error = 1 }, { $0.hasChecksum = false },
        ]
        for change in changes {
            var drafts = train(Draft(isIPv6: isIPv6, isTCP: false), count: 5)
            change(&drafts[2])
            #expect(merge(drafts).map(\.packets) == [2, 1, 2])
        }
    }

    @Test func `other headers of IP do not merge, whatever the transport`() {
        let old: [(inout Draft) -> Void] = [
            { $0.fragment = 0 }, { $0.fragment = 0xc000 }, { $0.fragment = 0x2000 }, { $0.fragment = 5 },
            { $0.identification += 1 }, { $0.identification -= 1 }, { $0.ipOptions = [1, 1, 1, 0] },
            { $0.headerError = 1 },
        ]
        let new: [(inout Draft) -> Void] = [{ $0.label = 8 }, { $0.isExtended = true }]
        for isTCP in [false, true] {
            for (isIPv6, changes) in [(false, old), (true, new)] {
                for change in changes {
                    var drafts = train(Draft(isIPv6: isIPv6, isTCP: isTCP), count: 5)
                    change(&drafts[2])
                    #expect(merge(drafts).map(\.packets) == [2, 1, 2])
                }
            }
        }
    }

    @Test(arguments: kinds.indices) func `a wrong checksum keeps its packet alone, wherever it is`(kind: Int) {
        for place in 0..<5 {
            var drafts = train(Self.kinds[kind], count: 5)
            drafts[place].error = 256
            #expect(merge(drafts).map(\.packets) == [place, 1, 4 - place].filter { $0 > 0 })
            drafts = train(Self.kinds[kind], count: 5)
            drafts[place].payload[99] ^= 1
            var added = drafts.map { Added(octets: $0.octets) }
            added[place].octets[added[place].octets.count - 1] ^= 1
            #expect(merge(added).map(\.packets) == [place, 1, 4 - place].filter { $0 > 0 })
        }
    }

    @Test func `a checksum of ones is right, but nobody would compute it`() {
        var drafts = train(count: 3)
        // Makes the sum of the second packet what is complemented to 0.
        drafts[1].payload.replaceSubrange(0..<2, with: [0, 0])
        drafts[1].payload.replaceSubrange(0..<2, with: pair(number(drafts[1].octets, 36)))
        var added = drafts.map { Added(octets: $0.octets) }
        #expect(number(added[1].octets, 36) == 0)
        #expect(merge(added).map(\.packets) == [3])
        put(0xffff, &added[1].octets, 36)
        #expect(merge(added).map(\.packets) == [1, 1, 1])

        // The same in the header of IPv4.
        var draft = Draft(identification: 0)
        draft.identification = number(draft.octets, 10)
        #expect(number(draft.octets, 10) == 0)
        draft.identification -= 1
        added = train(draft, count: 3).map { Added(octets: $0.octets) }
        #expect(merge(added).map(\.packets) == [3])
        put(0xffff, &added[1].octets, 10)
        #expect(merge(added).map(\.packets) == [1, 1, 1])
    }

    @Test func `a datagram with a checksum of ones merges, one without does not`() {
        for isIPv6 in [false, true] {
            var drafts = train(Draft(isIPv6: isIPv6, isTCP: false), count: 3)
            let field = isIPv6 ? 46 : 26
            drafts[1].payload.replaceSubrange(0..<2, with: [0, 0])
            drafts[1].payload.replaceSubrange(0..<2, with: pair(number(drafts[1].octets, field)))
            #expect(number(drafts[1].octets, field) == 0xffff)
            #expect(merge(drafts).map(\.packets) == [3])
            let without = train(Draft(isIPv6: isIPv6, isTCP: false, hasChecksum: false), count: 3)
            #expect(merge(without).map(\.packets) == [1, 1, 1])
        }
    }

    @Test func `FIN and PSH end a frame, and are its own`() {
        for flag in [0x01, 0x08, 0x09] as [UInt8] {
            for place in 0..<4 {
                var drafts = train(count: 4)
                drafts[place].flags |= flag
                let frames = merge(drafts)
                #expect(frames.map(\.packets) == [place + 1, 3 - place].filter { $0 > 0 })
                #expect(frames.first?.packet[33] == 0x10 | flag)
            }
        }
    }

    @Test func `CWR begins a frame, and ECE is the same all through it`() {
        var drafts = train(Draft(flags: 0x50), count: 6)
        drafts[2].flags = 0xd0
        drafts[3].flags = 0xd0
        let frames = merge(drafts)
        #expect(frames.map(\.packets) == [2, 1, 3])
        #expect(frames.map { $0.octets[1] } == [1, 0, 0x81])
        drafts[4].flags = 0x10
        #expect(merge(drafts).map(\.packets) == [2, 1, 1, 1, 1])
    }

    @Test func `acknowledgments without payload go alone, after their flow, and leave others be`() {
        var drafts = train(Draft(), sizes: [100, 100, 0, 0, 100, 100])
        #expect(merge(drafts).map(\.packets) == [2, 1, 1, 2])
        let other = train(Draft(ports: (4_001, 80)), count: 2)
        drafts.insert(other[0], at: 1)
        drafts.insert(other[1], at: 5)
        #expect(merge(drafts).map(\.tag) == [0, 3, 4, 1, 6])
        #expect(merge(train(Draft(isTCP: false), sizes: [100, 100, 0, 100])).map(\.packets) == [2, 1, 1])
    }

    @Test func `IDs count up, with DF too, and past the last`() {
        for isTCP in [false, true] {
            for fragment in [0, 0x4000] {
                let draft = Draft(isTCP: isTCP, fragment: fragment, identification: 65_533)
                #expect(merge(train(draft, count: 6)).map(\.packets) == [6])
                for step in [0, 2, 65_535] {
                    var drafts = train(draft, count: 6)
                    for index in drafts.indices { drafts[index].identification = (65_533 + index * step) % 65_536 }
                    #expect(merge(drafts).map(\.packets) == [1, 1, 1, 1, 1, 1])
                }
            }
        }
    }

    @Test func `sequence numbers adjoin past the last`() {
        #expect(merge(train(Draft(sequence: 0xffff_ff00), count: 6)).map(\.packets) == [6])
    }

    @Test func `what is set off does not merge`() {
        for isIPv6 in [false, true] {
            let tcp = train(Draft(isIPv6: isIPv6), count: 4).map { Added(octets: $0.octets) }
            let udp = train(Draft(isIPv6: isIPv6, isTCP: false), count: 4).map { Added(octets: $0.octets) }
            #expect(merge(tcp + udp, tcp: false).map(\.packets) == [1, 1, 1, 1, 4])
            #expect(merge(tcp + udp, udp: false).map(\.packets) == [1, 1, 1, 1, 4])
            #expect(merge(tcp + udp, tcp: false, udp: false).allSatisfy { $0.packets == 1 })
        }
    }

    @Test func `what may be of any flow leaves after all of its pair, and before no other`() {
        for isIPv6 in [false, true] {
            let one = train(Draft(isIPv6: isIPv6), count: 3)
            let two = train(Draft(isIPv6: isIPv6, ports: (1, 1)), count: 3)
            let far = train(Draft(isIPv6: isIPv6, destination: 77), count: 3)
            var late = Draft(isIPv6: isIPv6)
            late.isExtended = isIPv6
            late.fragment = 0x2000
            // The pair leaves first, its oldest flow before the other; then the fragment; then the rest.
            let frames = merge([far[0], two[0], one[0], far[1], two[1], one[1], late, far[2], two[2], one[2]])
            #expect(frames.map(\.tag) == [1, 2, 6, 0, 8, 9])
            #expect(frames.map(\.packets) == [2, 2, 1, 3, 1, 1])
        }
    }

    @Test func `more flows than places lose nothing, the oldest makes room`() {
        let trains = (0..<20).map { train(Draft(ports: ($0, 80)), count: 2) }
        let frames = merge(trains.map { $0[0] } + trains.map { $0[1] })
        #expect(frames.map(\.packets).reduce(0, +) == 40)
        #expect(frames.prefix(4).map(\.tag) == [0, 1, 2, 3])
        #expect(merge(trains.prefix(16).map { $0[0] } + trains.prefix(16).map { $0[1] }).allSatisfy { $0.packets == 2 })
        let added = trains.flatMap { $0 }.map { Added(octets: $0.octets) }
        #expect(merge(added, flows: 1).allSatisfy { $0.packets == 2 })
    }

    @Test func `a merger goes on after a flush`() {
        var merger = Merger(flows: 2)
        var log = FrameLog()
        merger.flush(&log)
        #expect(log.frames.isEmpty)
        for _ in 0..<3 {
            for draft in train(count: 3) {
                var octets = draft.octets
                octets.withUnsafeMutableBytes { bytes in
                    guard let base = bytes.baseAddress else { return }
                    merger.add(base, length: bytes.count, queue: 0, tag: 0, &log)
                    merger.flush(&log)
                }
            }
        }
        #expect(log.frames.map(\.packets) == [Int](repeating: 1, count: 9))
    }

    // MARK: The law

    /// Flows that go on, with whatever may happen to them.
    private struct Traffic {
        var flows: [(draft: Draft, size: Int, queue: Int, step: Int)]
        var current = 0

        init(_ count: Int, largest: Int, _ random: inout SplitMix) {
            flows = (0..<count).map { _ in
                var draft = Draft()
                draft.isIPv6 = Bool.random(using: &random)
                draft.isTCP = Int.random(in: 0..<3, using: &random) > 0
                // Few addresses and ports, so that pairs have several flows; some meet.
                draft.source = UInt8.random(in: 1...2, using: &random)
                draft.destination = UInt8.random(in: 1...2, using: &random)
                draft.ports = (Int.random(in: 1...3, using: &random), Int.random(in: 1...3, using: &random))
                draft.sequence = [0, 0xffff_fe00, 0x7fff_ff00].randomElement(using: &random) ?? 0
                draft.identification = [0, 65_530, 1_000].randomElement(using: &random) ?? 0
                draft.fragment = Bool.random(using: &random) ? 0x4000 : 0
                draft.options = Bool.random(using: &random) ? [] : [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]
                draft.flags = Int.random(in: 0..<5, using: &random) == 0 ? 0x50 : 0x10
                draft.hasChecksum = draft.isTCP || Int.random(in: 0..<8, using: &random) > 0
                // At times IDs stay, or jump.
                let step = [1, 1, 1, 1, 0, 2].randomElement(using: &random) ?? 1
                return (
                    draft, Int.random(in: 1...largest, using: &random), Int.random(in: 0..<2, using: &random), step
                )
            }
        }

        mutating func next(_ random: inout SplitMix) -> Added {
            if Int.random(in: 0..<4, using: &random) == 0 { current = Int.random(in: flows.indices, using: &random) }
            var (draft, size, queue, step) = flows[current]
            let isOdd = Int.random(in: 0..<8, using: &random) == 0
            draft.payload = (0..<(isOdd ? Int.random(in: 0...size + 9, using: &random) : size)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            flows[current].draft.payload = draft.payload
            flows[current].draft.sequence &+= UInt32(draft.payload.count)
            flows[current].draft.identification = (draft.identification + step) % 65_536
            let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &random)
            switch Int.random(in: 0..<100, using: &random) {
            case 0: draft.flags ^= bit
            case 1: draft.flags |= 0x08
            case 2: draft.flags |= 0x01
            case 3: draft.flags |= 0x80
            case 4: flows[current].draft.flags ^= 0x40
            case 5: flows[current].draft.acknowledgment += 1
            case 6: flows[current].draft.window += 1
            case 7: if !draft.options.isEmpty { flows[current].draft.options[7] &+= 1 }
            case 8: draft.options = [1, 1, 1, 1]
            case 9: draft.tos ^= bit
            case 10: draft.ttl ^= bit
            case 11: draft.fragment = [0x2000, 7, 0x2007, 0x8000].randomElement(using: &random) ?? 7
            case 12: draft.fragment ^= 0x4000
            case 13: draft.ipOptions = [1, 1, 1, 0]
            case 14: draft.isExtended = true
            case 15: draft.error = Int.random(in: 1..<65_535, using: &random)
            case 16: draft.headerError = Int.random(in: 1..<65_535, using: &random)
            case 17: draft.label ^= bit
            case 18: draft.urgent = 1
            case 19: draft.reserved = 1
            case 20: draft.hasChecksum.toggle()
            case 21: draft.identification = (draft.identification + 1) % 65_536
            case 22: draft.sequence &+= 1
            case 23: draft.payload = []
            case 24: return Added(octets: draft.octets + [0, 0], queue: queue)
            case 25:
                var octets = draft.octets
                octets[Int.random(in: octets.indices, using: &random)] ^= bit
                return Added(octets: octets, queue: queue)
            case 26:
                let octets = draft.octets
                return Added(octets: Array(octets.prefix(Int.random(in: 1...60, using: &random))), queue: queue)
            default: break
            }
            return Added(octets: draft.octets, queue: queue)
        }
    }

    @Test func `whatever comes, merged and cut again it is the same, in the same order`() {
        var random = SplitMix.printed("merger")
        var packets = 0
        var frames = 0
        var types: [UInt8: Int] = [:]
        for round in 0..<150 {
            let largest = round % 50 == 0 ? 9_000 : round % 10 == 0 ? 1_448 : 60
            var traffic = Traffic(Int.random(in: 1...25, using: &random), largest: largest, &random)
            var added: [Added] = []
            for _ in 0..<Int.random(in: 1...(largest > 60 ? 60 : 250), using: &random) {
                added.append(traffic.next(&random))
            }
            // Some overtake others.
            for index in added.indices.dropFirst() where Int.random(in: 0..<25, using: &random) == 0 {
                added.swapAt(index, index - 1)
            }
            let written = merge(
                added,
                flows: [16, 16, 1, 2, 5].randomElement(using: &random) ?? 16,
                tcp: Int.random(in: 0..<10, using: &random) > 0,
                udp: Int.random(in: 0..<10, using: &random) > 0,
                gap: Int.random(in: 0...9, using: &random)
            )
            packets += added.count
            frames += written.count
            for frame in written { types[frame.octets[1], default: 0] += 1 }
        }
        // All kinds occurred, and merging was worth it.
        for type in [0, 1, 4, 5, 0x81, 0x84] as [UInt8] { #expect(types[type, default: 0] > 10, "type \(type)") }
        #expect(frames * 10 < packets * 8)
    }
}
