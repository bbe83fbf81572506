// Hot path while somebody listens. Runs once per packet then, so: no allocation, no existential, no lock, no log line.
//
// What a worker tells those who listen. Never inlined, so that a packet costs one branch while nobody does.

import LISPWire

extension Worker where Device: ~Copyable {
    /// Once a batch.
    @inline(__always)
    mutating func lookForListeners() {
        isTapped = shared.tap.isOpen
        isWatched = isTapped || countsAccounts
        if isTapped { tapTime = device.now() }
    }

    /// A packet of message `index` is about to be delivered.
    @inline(never)
    mutating func watchDecapsulated(
        _ index: Int,
        _ inner: InnerPacket,
        _ packet: UnsafeRawPointer,
        _ instance: InstanceReader
    ) {
        if isTapped { tapDecapsulated(index, inner, packet, instance: instance.object.pointee.id) }
        if countsAccounts { countReceived(inner, instance, over: batch.entries[index].sourceFamily) }
    }

    /// Entry `index` is about to be sent to `locator`.
    @inline(never)
    func tapEncapsulated(
        _ index: Int,
        _ inner: InnerPacket,
        _ instance: InstanceReader,
        _ locator: UnsafeMutablePointer<LocatorBody>
    ) {
        var record = TapRecord()
        record.isEncapsulated = true
        record.instanceID = instance.object.pointee.id
        record.isIPv4 = locator.pointee.family.isIPv4
        record.remote = locator.pointee.address
        record.hasLocal = locator.pointee.hasSource
        let source = locator.pointee.source
        record.local = TrieKey(high: UInt64(bigEndian: source.0), low: UInt64(bigEndian: source.1))
        let packet = UnsafeRawBufferPointer(start: batch.packet(index), count: inner.length)
        let train = batch.entries[index].segments
        guard train.kind == .udp, var cutter = cutter(of: index) else {
            record.segmentSize = UInt32(train.size)
            record.packets = UInt32(truncatingIfNeeded: batch.entries[index].packets)
            return tap(record, length: inner.length, packet)
        }
        record.packets = 1
        let room = whole.packet(0)
        while let payload = cutter.next(to: room) {
            let headers = UnsafeRawBufferPointer(start: room, count: cutter.headerLength)
            tap(record, length: headers.count &+ payload.count, headers, payload)
        }
    }

    /// A packet of message `index` is about to be delivered.
    @inline(never)
    func tapDecapsulated(_ index: Int, _ inner: InnerPacket, _ packet: UnsafeRawPointer, instance: UInt32) {
        let entry = batch.entries + index
        var record = TapRecord()
        record.instanceID = instance
        record.isIPv4 = entry.pointee.sourceFamily == AddressFamily.ipv4.number
        record.remote = entry.pointee.source
        record.local = entry.pointee.local
        record.hasLocal = entry.pointee.hasLocal
        record.packets = 1
        tap(record, length: inner.length, UnsafeRawBufferPointer(start: packet, count: inner.length))
    }

    private func tap(
        _ record: TapRecord,
        length: Int,
        _ headers: UnsafeRawBufferPointer,
        _ payload: UnsafeRawBufferPointer? = nil
    ) {
        var record = record
        record.time = tapTime
        record.length = UInt32(truncatingIfNeeded: length)
        if !shared.tap.push(record, headers, payload) { count(.tapLost) }
    }
}
