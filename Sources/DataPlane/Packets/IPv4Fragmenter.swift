// Cutting an inner IPv4 packet that may be cut (RFC 791 sections 2.3 and 3.2; RFC 9300 section 7.1). Off the hot path, but nothing
// allocates, locks or throws.

import PacketView

/// Hands out the fragments of one packet in order, each a packet of its own. As few as fit, and of equal size, but for the last
/// (RFC 9300 section 7.1). A packet that is itself a fragment is cut further.
struct IPv4Fragmenter {
    private let packet: UnsafeRawPointer
    private let headerLength: Int
    /// Of all fragments but the first, which has all options.
    private let laterHeaderLength: Int
    private let dataLength: Int
    /// Octets of data in each fragment but the last: a multiple of 8.
    private let step: Int
    /// Octets of data in the fragments so far.
    private var done = 0

    /// `nil` if the packet cannot be cut: its header is broken, it says not to, or `limit` leaves no room for data.
    ///
    /// - Parameters:
    ///   - packet: has to stay while fragments are made.
    ///   - limit: octets of the largest fragment.
    init?(_ packet: UnsafeRawBufferPointer, limit: Int) {
        guard let view = IPv4View(packet), let base = packet.baseAddress, !view.dontFragment, view.hasValidChecksum,
            let options = Self.copiedOptions(base, view.headerLength)
        else { return nil }
        let room = (limit &- view.headerLength) & ~7
        dataLength = view.totalLength &- view.headerLength
        guard room > 0, dataLength > 0 else { return nil }
        self.packet = base
        headerLength = view.headerLength
        laterHeaderLength = IPv4View.minimumHeaderLength &+ options
        let pieces = (dataLength &+ room &- 1) / room
        // Safe: not more than `room`, which is a multiple of 8, too.
        step = ((dataLength &+ pieces &- 1) / pieces &+ 7) & ~7
    }

    /// Octets, with padding, of the options that every fragment has; `nil` if the options make no sense.
    private static func copiedOptions(_ header: UnsafeRawPointer, _ headerLength: Int) -> Int? {
        var length = 0
        let isWhole = forEachCopiedOption(header, headerLength) { _, octets in length &+= octets }
        return isWhole ? (length &+ 3) & ~3 : nil
    }

    /// Calls `body` with place and length of each option whose copied flag is set.
    ///
    /// - Returns: whether the options make sense.
    private static func forEachCopiedOption(
        _ header: UnsafeRawPointer,
        _ headerLength: Int,
        _ body: (UnsafeRawPointer, Int) -> Void
    ) -> Bool {
        var offset = IPv4View.minimumHeaderLength
        while offset < headerLength {
            let type = header.load(fromByteOffset: offset, as: UInt8.self)
            // End of the list; no operation.
            if type == 0 { return true }
            if type == 1 {
                offset &+= 1
                continue
            }
            guard offset &+ 1 < headerLength else { return false }
            let length = Int(header.load(fromByteOffset: offset &+ 1, as: UInt8.self))
            guard length >= 2, offset &+ length <= headerLength else { return false }
            if type & 0x80 != 0 { body(header + offset, length) }
            offset &+= length
        }
        return true
    }

    /// Writes the next fragment.
    ///
    /// - Parameter room: has `limit` octets.
    /// - Returns: its length; `nil` when there is none left.
    mutating func next(to room: UnsafeMutableRawPointer) -> Int? {
        guard done < dataLength else { return nil }
        let isFirst = done == 0
        let header = isFirst ? headerLength : laterHeaderLength
        let data = min(step, dataLength &- done)
        room.copyMemory(from: packet, byteCount: isFirst ? headerLength : IPv4View.minimumHeaderLength)
        if !isFirst { copyOptions(to: room) }
        (room + header).copyMemory(from: packet + (headerLength &+ done), byteCount: data)
        let original = UInt16(bigEndian: packet.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
        // Safe: a packet of 65,535 octets has an offset of at most 8,191 units; one that was itself a fragment beyond the end of the
        // largest packet wraps as it came.
        let offset = original &+ UInt16(truncatingIfNeeded: done / 8)
        done &+= data
        let more: UInt16 = done < dataLength ? 0x2000 : 0
        func store(_ value: UInt16, _ offset: Int) {
            room.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
        }
        room.storeBytes(of: 0x40 | UInt8(truncatingIfNeeded: header / 4), as: UInt8.self)
        store(UInt16(truncatingIfNeeded: header &+ data), 2)
        store(original & 0xe000 | offset & 0x1fff | more, 6)
        store(0, 10)
        store(InternetChecksum.checksum(UnsafeRawBufferPointer(start: room, count: header)), 10)
        return header &+ data
    }

    private func copyOptions(to room: UnsafeMutableRawPointer) {
        var offset = IPv4View.minimumHeaderLength
        _ = Self.forEachCopiedOption(packet, headerLength) { option, length in
            (room + offset).copyMemory(from: option, byteCount: length)
            offset &+= length
        }
        while offset < laterHeaderLength {
            room.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
            offset &+= 1
        }
    }
}
