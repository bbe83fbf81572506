// A TUN interface: the kernel routes packets into it, and what is written to it enters the kernel as if received.
//
// Every read and write carries a virtio_net_hdr before the IP packet (IFF_VNET_HDR), so that trains of segments can be
// passed once offloads are on. The device is not persistent: it vanishes with its last descriptor.

import CLinux
import Glibc

/// The queues of one TUN interface.
package struct TUNDevice: Sendable {
    /// The name as the kernel has it.
    package let name: String
    /// One non-blocking descriptor for each queue. They go on working when the interface is moved to another namespace.
    package let descriptors: [Int32]

    /// Octets of virtio_net_hdr before each packet, both ways.
    package static let headerSize = 10

    /// Packets that may wait in a queue. The kernel's 500 lose some percent of a fast TCP flow's bursts, and 4,000 make it wait
    /// longer than is good for it.
    package static let queueLength = 1_000

    /// What the kernel may leave for the reader to finish.
    package struct Offloads: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Checksums may be partial.
        package static let checksum = Offloads(rawValue: 1)
        /// TCP may come in trains of up to 64 KiB. Needs `checksum`.
        package static let tcp = Offloads(rawValue: 2)
        /// UDP too. Needs `checksum` and Linux 6.2.
        package static let udp = Offloads(rawValue: 4)
    }

    /// Whether the kernel knows TUNs of several queues (Linux 3.8). True also where /dev/net/tun is missing: `open` says so.
    package static var knowsQueues: Bool {
        let descriptor = clinux_open_tun_control()
        guard descriptor >= 0 else { return true }
        defer { _ = Glibc.close(descriptor) }
        return clinux_tun_knows_queues(descriptor) != 0
    }

    /// Creates the interface in the caller's network namespace.
    ///
    /// - Parameters:
    ///   - name: 1 to 15 bytes; must not exist yet, unless as a TUN that nobody has open.
    ///   - queues: at least 1; more make a multi-queue device, over which the kernel spreads flows.
    /// - Throws: `EPERM` without CAP_NET_ADMIN, `EBUSY` when another process has the device open, `ENOENT` when
    ///   /dev/net/tun is missing.
    package static func open(name: String, queues: Int) throws(LinuxError) -> TUNDevice {
        precondition(queues >= 1, "a TUN device has at least one queue")
        let bytes = Array(name.utf8)
        guard (1...15).contains(bytes.count), !bytes.contains(where: { $0 <= 0x20 || $0 == UInt8(ascii: "/") }) else {
            throw .badInterfaceName(name)
        }
        var descriptors: [Int32] = []
        var finalName = name
        do throws(LinuxError) {
            for _ in 0..<queues {
                let descriptor = clinux_open_tun_control()
                guard descriptor >= 0 else { throw .last("open /dev/net/tun") }
                descriptors.append(descriptor)
                finalName = try attach(descriptor, name: bytes, multiQueue: queues > 1)
            }
            try setQueueLength(finalName)
        } catch {
            for descriptor in descriptors { _ = Glibc.close(descriptor) }
            throw error
        }
        return TUNDevice(name: finalName, descriptors: descriptors)
    }

    private static func attach(_ descriptor: Int32, name: [UInt8], multiQueue: Bool) throws(LinuxError) -> String {
        var buffer = [CChar](repeating: 0, count: 16)
        for (index, byte) in name.enumerated() { buffer[index] = CChar(bitPattern: byte) }
        let attached = clinux_tun_attach(descriptor, &buffer, multiQueue ? 1 : 0)
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard attached >= 0 else { throw .last("create TUN interface \(text)") }
        guard clinux_tun_set_vnet_header_size(descriptor, Int32(headerSize)) >= 0 else {
            throw .last("set the virtio header size of \(text)")
        }
        guard clinux_tun_set_offload(descriptor, 0) >= 0 else { throw .last("turn off the offloads of \(text)") }
        return text
    }

    private static func setQueueLength(_ name: String) throws(LinuxError) {
        var buffer = [CChar](repeating: 0, count: 16)
        for (index, byte) in name.utf8.prefix(15).enumerated() { buffer[index] = CChar(bitPattern: byte) }
        guard clinux_set_transmit_queue_length(buffer, Int32(queueLength)) == 0 else {
            throw .last("set the queue length of \(name)")
        }
    }

    /// Allows the kernel to hand over unfinished work. Applies to the whole device, whatever queue it is set on.
    ///
    /// - Throws: `EINVAL` when the kernel knows one of them not; nothing has changed then.
    package func setOffloads(_ offloads: Offloads) throws(LinuxError) {
        var flags: UInt32 = 0
        if offloads.contains(.checksum) { flags |= clinux_tun_f_csum }
        if offloads.contains(.tcp) { flags |= clinux_tun_f_tso4 | clinux_tun_f_tso6 | clinux_tun_f_tso_ecn }
        if offloads.contains(.udp) { flags |= clinux_tun_f_uso4 | clinux_tun_f_uso6 }
        guard clinux_tun_set_offload(descriptors[0], flags) >= 0 else { throw .last("set the offloads of \(name)") }
    }

    /// Allows as much of `wanted` as the kernel knows.
    ///
    /// - Returns: what it is.
    package func allowOffloads(_ wanted: Offloads = [.checksum, .tcp, .udp]) -> Offloads {
        for offloads in [wanted, wanted.subtracting(.udp)]
        where !offloads.isSubset(of: .checksum) && (try? setOffloads(offloads)) != nil {
            return offloads
        }
        return []
    }

    /// Closes every queue; the interface vanishes.
    package func close() {
        for descriptor in descriptors { _ = Glibc.close(descriptor) }
    }
}
