// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Trains of segments that the TUN hands over as one packet: one lookup, one locator and one LISP header for all, then cut. Each
// segment leaves as a datagram of its own, its headers from `segments`, its payload from where the TUN put it; as a rule all of a
// train in one system call.

import LISPWire
import PacketView

extension Worker where Device: ~Copyable {
    /// Notes what a train of the batch is cut into; whether it can be.
    @inline(__always)
    func isTrain(_ entry: UnsafeMutablePointer<BatchEntry>, _ packet: UnsafeRawBufferPointer) -> Bool {
        guard let cutter = SegmentCutter(packet, entry.pointee.segments) else { return false }
        entry.pointee.packets = cutter.count
        // The device counted it as one.
        shared.add(cutter.count &- 1, to: .packetsRead)
        entry.pointee.largest = cutter.largest
        return true
    }

    @inline(__always)
    func cutter(of index: Int) -> SegmentCutter? {
        let entry = batch.entries + index
        let packet = UnsafeRawBufferPointer(start: batch.packet(index), count: entry.pointee.length)
        return SegmentCutter(packet, entry.pointee.segments)
    }

    /// The next segment as a packet in one piece; valid until the next.
    func nextWhole(_ cutter: inout SegmentCutter) -> UnsafeRawBufferPointer? {
        let room = whole.packet(0)
        guard let payload = cutter.next(to: room), let base = payload.baseAddress else { return nil }
        // Safe: a slot has room for the largest packet, and a segment is no larger than its train.
        (room + cutter.headerLength).copyMemory(from: base, byteCount: payload.count)
        return UnsafeRawBufferPointer(start: room, count: cutter.headerLength &+ payload.count)
    }

    /// Queues the segments of an entry that is ready to be sent. What is queued already by another source port leaves: as a rule, a
    /// batch is one flow's, whose trains leave together.
    ///
    /// - Parameter port: the list of the source port.
    @inline(__always)
    mutating func queueSegments(of index: Int, _ port: Int) {
        guard var cutter = cutter(of: index) else { return drop(.unfinishedOffload, index) }
        count(.siteTrainsTaken)
        if port != segmentPort { sendSegments() }
        // What came before it by the same port leaves before it.
        if ports[port].first >= 0 { finishSending() }
        segmentPort = port
        let original = batch.entries + index
        let header = (batch.packet(index) - DataPlaneConstants.lispHeaderSize).loadUnaligned(as: UInt64.self)
        while true {
            if segmentCount == segments.capacity {
                sendSegments()
                segmentPort = port
            }
            let room = segments.packet(segmentCount)
            guard let payload = cutter.next(to: room) else { return }
            // Safe: the headroom of a slot is larger than the LISP header.
            (room - DataPlaneConstants.lispHeaderSize).storeBytes(of: header, as: UInt64.self)
            let entry = segments.entries + segmentCount
            entry.pointee = original.pointee
            entry.pointee.length = cutter.headerLength &+ payload.count
            entry.pointee.slotLength = cutter.headerLength
            entry.pointee.rest = payload.baseAddress
            entry.pointee.next = -1
            if segmentCount > 0 { segments.entries[segmentCount &- 1].next = segmentCount }
            segmentCount &+= 1
        }
    }

    /// Sends the segments that are queued.
    mutating func sendSegments() {
        let port = segmentPort
        segmentPort = -1
        guard segmentCount > 0 else { return }
        segmentCount = 0
        var run = Run()
        send(port, .segments, first: 0, &run)
        flushSent(&run)
    }
}
