// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Many datagrams in one system call. Everything a call needs is allocated beforehand and reused; what changes per
// datagram is stored in place. Buffers belong to the caller.

import CLinux
import Glibc
import LISPWire

/// Room of one socket address in a batch.
private let nameStride = 32
/// Room of the control messages of one received datagram: TOS, TTL, packet info of either family and segment size, with slack.
private let receiveControlStride = 128
/// Room of the control messages of one sent message: segment size (24), TOS (24), TTL (24), packet info (at most 40).
private let sendControlStride = 112
/// The segment size comes first, so that a message without it begins behind it.
private let segmentControlLength = 24
/// TOS and TTL alone.
private let plainControlLength = 48
/// How often a call is made while its error may be about an earlier datagram. A socket keeps one such error, so more
/// than two calls are needed only when ICMP errors come in between.
private let errorAttempts = 8

/// Receives up to `capacity` datagrams at a time from sockets of either family.
package struct ReceiveBatch: ~Copyable {
    package let capacity: Int
    // Safe: allocated by `init` with `capacity` elements each, freed by `deinit`, indexed below `capacity` only.
    private let messages: UnsafeMutablePointer<clinux_mmsghdr>
    private let vectors: UnsafeMutablePointer<iovec>
    private let names: UnsafeMutableRawPointer
    private let controls: UnsafeMutableRawPointer

    /// What came with a datagram besides its payload.
    package struct TrafficFields {
        /// TOS or traffic class, 0 if the kernel did not tell.
        package var tos: UInt8 = 0
        /// TTL or hop limit, 255 if the kernel did not tell.
        package var ttl: UInt8 = 255
        /// The local address that it was sent to, left-aligned, where the socket asks for packet info.
        package var destination: (high: UInt64, low: UInt64)?
        /// Octets of each datagram of a train but the last, which may be shorter; 0 for a single datagram.
        package var segmentSize: Int = 0
    }

    package init(capacity: Int) {
        precondition(capacity > 0, "a batch holds at least one datagram")
        self.capacity = capacity
        messages = .allocate(capacity: capacity)
        vectors = .allocate(capacity: capacity)
        names = .allocate(byteCount: nameStride * capacity, alignment: 16)
        controls = .allocate(byteCount: receiveControlStride * capacity, alignment: 16)
        vectors.initialize(repeating: iovec(), count: capacity)
        names.initializeMemory(as: UInt8.self, repeating: 0, count: nameStride * capacity)
        controls.initializeMemory(as: UInt8.self, repeating: 0, count: receiveControlStride * capacity)
        messages.initialize(repeating: clinux_mmsghdr(), count: capacity)
        for index in 0..<capacity {
            messages[index].msg_hdr.msg_iov = vectors + index
            messages[index].msg_hdr.msg_iovlen = 1
            messages[index].msg_hdr.msg_name = names + index * nameStride
            messages[index].msg_hdr.msg_control = controls + index * receiveControlStride
        }
    }

    deinit {
        messages.deallocate()
        vectors.deallocate()
        names.deallocate()
        controls.deallocate()
    }

    /// Where datagram `index` goes. Stays until changed; what does not fit is cut off and reported by `isTruncated`.
    package func setBuffer(_ index: Int, _ buffer: UnsafeMutableRawBufferPointer) {
        precondition(index < capacity, "an index within the batch")
        vectors[index] = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
    }

    /// Takes what is there, without waiting.
    ///
    /// - Parameter limit: at most so many, and never more than `capacity`.
    /// - Returns: the number of datagrams; 0 when there are none, or on an error that the next call may not have.
    package func receive(from descriptor: Int32, limit: Int = .max) -> Int {
        receive(from: descriptor, limit: limit, flags: Int32(MSG_DONTWAIT))
    }

    /// Takes reports about datagrams that were sent on a socket with `reportErrors`, without waiting: `pathError` reads them.
    ///
    /// - Returns: the number of reports.
    package func receiveErrors(from descriptor: Int32) -> Int {
        let count = receive(from: descriptor, limit: capacity, flags: Int32(MSG_DONTWAIT) | clinux_msg_errqueue)
        if count == 0 {
            // A report that found no room in the queue left its mark on the socket all the same.
            var error: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            _ = getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length)
        }
        return count
    }

    private func receive(from descriptor: Int32, limit: Int, flags: Int32) -> Int {
        let limit = min(limit, capacity)
        for index in 0..<limit {
            // Safe: `index` is below `limit`, and so below `capacity`.
            messages[index].msg_hdr.msg_namelen = socklen_t(SocketAddress.maximumLength)
            messages[index].msg_hdr.msg_controllen = receiveControlStride
        }
        var count = clinux_recvmmsg(descriptor, messages, UInt32(limit), flags)
        guard count < 0 else { return Int(count) }
        // The error queue is read whatever error waits. Else it comes first, once, though there may be datagrams.
        var attempts = 1
        while count < 0, flags & clinux_msg_errqueue == 0, attempts < errorAttempts,
            PathError.mayBeOfEarlierDatagram(errno)
        {
            count = clinux_recvmmsg(descriptor, messages, UInt32(limit), flags)
            attempts &+= 1
        }
        return max(0, Int(count))
    }

    /// Octets of payload in datagram `index` of the last call, or in all datagrams of the train that it is.
    package func length(_ index: Int) -> Int {
        Int(messages[index].msg_len)
    }

    /// Whether the buffer was too small.
    package func isTruncated(_ index: Int) -> Bool {
        messages[index].msg_hdr.msg_flags & clinux_msg_trunc != 0
    }

    /// The sender's socket address as the kernel wrote it.
    package func source(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: names + index * nameStride,
            count: min(Int(messages[index].msg_hdr.msg_namelen), nameStride)
        )
    }

    /// TOS and TTL of the outer header, and the segment size of a train, where the socket asks for them.
    package func trafficFields(_ index: Int) -> TrafficFields {
        var fields = TrafficFields()
        forEachControl(index) { level, type, data, length in
            if level == Int32(IPPROTO_IP) {
                // IP_TOS is one octet, IP_TTL an int.
                if type == IP_TOS, length >= 1 {
                    fields.tos = data.load(as: UInt8.self)
                } else if type == IP_TTL, length >= 4 {
                    fields.ttl = UInt8(truncatingIfNeeded: data.loadUnaligned(as: Int32.self))
                } else if type == clinux_ip_pktinfo, length >= 12 {
                    // struct in_pktinfo: interface, routing destination, then the destination of the header.
                    let address = UInt32(bigEndian: data.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
                    fields.destination = (UInt64(address) << 32, 0)
                }
            } else if level == Int32(IPPROTO_IPV6), length >= 4 {
                if type == clinux_ipv6_tclass {
                    fields.tos = UInt8(truncatingIfNeeded: data.loadUnaligned(as: Int32.self))
                } else if type == clinux_ipv6_hoplimit {
                    fields.ttl = UInt8(truncatingIfNeeded: data.loadUnaligned(as: Int32.self))
                } else if type == clinux_ipv6_pktinfo, length >= 16 {
                    fields.destination = (
                        UInt64(bigEndian: data.loadUnaligned(as: UInt64.self)),
                        UInt64(bigEndian: data.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                    )
                }
            } else if level == clinux_sol_udp, type == clinux_udp_gro, length >= 4 {
                fields.segmentSize = max(0, Int(data.loadUnaligned(as: Int32.self)))
            }
        }
        return fields
    }

    /// The local address that the datagram was sent to, where the socket asks for packet info.
    package func destination(_ index: Int) -> IPAddress? {
        var address: IPAddress?
        forEachControl(index) { level, type, data, length in
            if level == Int32(IPPROTO_IP), type == clinux_ip_pktinfo, length >= 12 {
                // struct in_pktinfo: interface, routing destination, then the destination of the header.
                address = .v4(IPv4Address(UInt32(bigEndian: data.loadUnaligned(fromByteOffset: 8, as: UInt32.self))))
            } else if level == Int32(IPPROTO_IPV6), type == clinux_ipv6_pktinfo, length >= 16 {
                address = .v6(IPv6Address(UInt128(bigEndian: data.loadUnaligned(as: UInt128.self))))
            }
        }
        return address
    }

    /// Report `index` of the last `receiveErrors`; `nil` if the kernel says too little. Valid until the next call.
    package func pathError(_ index: Int) -> PathError? {
        guard let destination = SocketAddress.endpoint(source(index)) else { return nil }
        var report: PathError?
        forEachControl(index) { level, type, data, length in
            let isReport =
                level == Int32(IPPROTO_IP) && type == clinux_ip_recverr
                || level == Int32(IPPROTO_IPV6) && type == clinux_ipv6_recverr
            guard isReport, length >= PathError.Finding.size else { return }
            report = PathError(
                destination: destination,
                finding: PathError.Finding(UnsafeRawBufferPointer(start: data, count: length)),
                quote: UnsafeRawBufferPointer(start: vectors[index].iov_base, count: self.length(index))
            )
        }
        return report
    }

    /// Calls `body` with level, type, data and length of each control message.
    @inline(__always)
    private func forEachControl(_ index: Int, _ body: (Int32, Int32, UnsafeRawPointer, Int) -> Void) {
        let base = UnsafeRawPointer(controls + index * receiveControlStride)
        let total = min(messages[index].msg_hdr.msg_controllen, receiveControlStride)
        var offset = 0
        // Safe: a header of 16 octets and the length it states stay within `total`, which is within our own memory.
        while offset &+ 16 <= total {
            let length = base.load(fromByteOffset: offset, as: Int.self)
            guard length >= 16, offset &+ length <= total else { return }
            let level = base.load(fromByteOffset: offset &+ 8, as: Int32.self)
            let type = base.load(fromByteOffset: offset &+ 12, as: Int32.self)
            body(level, type, base + (offset &+ 16), length &- 16)
            offset = offset &+ ((length &+ 7) & ~7)
        }
    }
}

/// Sends up to `capacity` datagrams at a time over one family, in messages that each have their own destination, TOS, TTL and
/// source: one datagram, or a train of datagrams of one size, which the kernel or the device takes apart (UDP_SEGMENT).
package struct SendBatch: ~Copyable {
    /// Datagrams of a train, as many as every kernel takes that knows trains.
    package static var maximumSegments: Int { 64 }

    /// Octets of a message: the payload of the largest IP packet.
    package static func maximumOctets(_ family: AddressFamily) -> Int { family == .ipv4 ? 65_507 : 65_487 }

    package let capacity: Int
    /// Messages added since `clear`.
    package private(set) var count = 0
    private var datagrams = 0
    /// Pieces of memory that the datagrams lie in: one or two each.
    private var pieces = 0
    /// Octets of the last message's first datagram.
    private var segmentSize = 0
    let family: AddressFamily
    // Safe: allocated by `init` with `capacity` elements each, twice as many `vectors`, freed by `deinit`, indexed below that only.
    private let messages: UnsafeMutablePointer<clinux_mmsghdr>
    private let vectors: UnsafeMutablePointer<iovec>
    private let controls: UnsafeMutableRawPointer

    package init(family: AddressFamily, capacity: Int) {
        precondition(capacity > 0, "a batch holds at least one datagram")
        self.family = family
        self.capacity = capacity
        messages = .allocate(capacity: capacity)
        vectors = .allocate(capacity: 2 * capacity)
        controls = .allocate(byteCount: sendControlStride * capacity, alignment: 16)
        vectors.initialize(repeating: iovec(), count: 2 * capacity)
        controls.initializeMemory(as: UInt8.self, repeating: 0, count: sendControlStride * capacity)
        messages.initialize(repeating: clinux_mmsghdr(), count: capacity)
        for index in 0..<capacity {
            let control = controls + index * sendControlStride
            func header(_ offset: Int, _ level: Int32, _ type: Int32, _ dataLength: Int) {
                control.storeBytes(of: clinux_cmsg_len(dataLength), toByteOffset: offset, as: Int.self)
                control.storeBytes(of: level, toByteOffset: offset + 8, as: Int32.self)
                control.storeBytes(of: type, toByteOffset: offset + 12, as: Int32.self)
            }
            let level = Int32(family == .ipv4 ? IPPROTO_IP : IPPROTO_IPV6)
            header(0, clinux_sol_udp, clinux_udp_segment, 2)
            header(24, level, family == .ipv4 ? IP_TOS : clinux_ipv6_tclass, 4)
            header(48, level, family == .ipv4 ? IP_TTL : clinux_ipv6_hoplimit, 4)
            header(72, level, family == .ipv4 ? clinux_ip_pktinfo : clinux_ipv6_pktinfo, family == .ipv4 ? 12 : 20)
        }
    }

    deinit {
        messages.deallocate()
        vectors.deallocate()
        controls.deallocate()
    }

    package mutating func clear() {
        count = 0
        datagrams = 0
        pieces = 0
    }

    /// Appends a message of one datagram.
    ///
    /// - Parameters:
    ///   - payload: must stay unchanged until `send` has returned.
    ///   - rest: what follows it in the same datagram, if that lies elsewhere.
    ///   - name: a socket address of this batch's family; must stay until `send` has returned.
    ///   - ttl: 1 to 255; the kernel refuses 0.
    ///   - source: the local address in network order, 4 or 16 octets; `nil` lets the kernel choose.
    /// - Precondition: fewer than `capacity` datagrams were added.
    package mutating func add(
        payload: UnsafeRawBufferPointer,
        _ rest: UnsafeRawBufferPointer? = nil,
        to name: UnsafeRawBufferPointer,
        tos: UInt8,
        ttl: UInt8,
        from source: UnsafeRawPointer?
    ) {
        // There are no more messages than datagrams.
        precondition(datagrams < capacity, "room in the batch")
        let first = vectors + pieces
        segmentSize = payload.count &+ (rest?.count ?? 0)
        let control = controls + (count &* sendControlStride &+ segmentControlLength)
        control.storeBytes(of: Int32(tos), toByteOffset: 16, as: Int32.self)
        control.storeBytes(of: Int32(ttl), toByteOffset: 40, as: Int32.self)
        var controlLength = plainControlLength
        if let source {
            if family == .ipv4 {
                // struct in_pktinfo: interface 0, source address at 4.
                (control + 68).copyMemory(from: source, byteCount: 4)
                controlLength = 80
            } else {
                // struct in6_pktinfo: source address, interface 0.
                (control + 64).copyMemory(from: source, byteCount: 16)
                controlLength = 88
            }
        }
        messages[count].msg_hdr.msg_name = UnsafeMutableRawPointer(mutating: name.baseAddress)
        messages[count].msg_hdr.msg_namelen = socklen_t(truncatingIfNeeded: name.count)
        messages[count].msg_hdr.msg_control = control
        messages[count].msg_hdr.msg_controllen = controlLength
        messages[count].msg_hdr.msg_iov = first
        messages[count].msg_hdr.msg_iovlen = 0
        count &+= 1
        datagrams &+= 1
        put(payload, rest)
    }

    /// Makes the last message a train, or longer by one datagram. Nothing is copied.
    ///
    /// - Parameters:
    ///   - payload: with `rest` as long as the first of the train, unless it is the last, which may be shorter; not empty. Must
    ///     stay unchanged until `send` has returned. A message carries at most `maximumSegments` datagrams and `maximumOctets`;
    ///     the kernel refuses others.
    ///   - rest: what follows it in the same datagram, if that lies elsewhere.
    /// - Precondition: a message was added, and fewer than `capacity` datagrams.
    package mutating func extendLast(payload: UnsafeRawBufferPointer, _ rest: UnsafeRawBufferPointer? = nil) {
        precondition(count > 0 && datagrams < capacity, "a message, and room in the batch")
        datagrams &+= 1
        let message = messages + (count &- 1)
        let control = controls + (count &- 1) &* sendControlStride
        if message.pointee.msg_hdr.msg_control != control {
            // Safe: a datagram is shorter than 65,536 octets.
            control.storeBytes(of: UInt16(truncatingIfNeeded: segmentSize), toByteOffset: 16, as: UInt16.self)
            message.pointee.msg_hdr.msg_control = control
            message.pointee.msg_hdr.msg_controllen &+= segmentControlLength
        }
        put(payload, rest)
    }

    /// Adds a datagram's pieces to the last message.
    @inline(__always)
    private mutating func put(_ payload: UnsafeRawBufferPointer, _ rest: UnsafeRawBufferPointer?) {
        // Safe: no more than two for each datagram, of which there are no more than `capacity`.
        vectors[pieces] = Self.vector(payload)
        pieces &+= 1
        messages[count &- 1].msg_hdr.msg_iovlen &+= 1
        guard let rest else { return }
        vectors[pieces] = Self.vector(rest)
        pieces &+= 1
        messages[count &- 1].msg_hdr.msg_iovlen &+= 1
    }

    @inline(__always)
    private static func vector(_ payload: UnsafeRawBufferPointer) -> iovec {
        iovec(iov_base: UnsafeMutableRawPointer(mutating: payload.baseAddress), iov_len: payload.count)
    }

    /// Sends from message `first` on.
    ///
    /// On a socket with `UDPSocket.reportErrors`, an ICMP error about some earlier datagram makes the next send fail, once and
    /// whatever it carries. So what may be such an error is tried again, `errorAttempts` times in all, and only the last one
    /// counts.
    ///
    /// - Returns: how many messages the kernel took; when that is fewer than were left, call again for `-1` and the reason.
    ///   On an error of the message at `first`: -1, and `errno` says why.
    package func send(on descriptor: Int32, from first: Int) -> Int {
        precondition(first <= count, "an index within the batch")
        var sent = transmit(on: descriptor, from: first)
        var attempts = 1
        while sent < 0, attempts < errorAttempts, PathError.mayBeOfEarlierDatagram(errno) {
            sent = transmit(on: descriptor, from: first)
            attempts &+= 1
        }
        return sent
    }

    private func transmit(on descriptor: Int32, from first: Int) -> Int {
        Int(clinux_sendmmsg(descriptor, messages + first, UInt32(count &- first), Int32(MSG_DONTWAIT)))
    }
}
