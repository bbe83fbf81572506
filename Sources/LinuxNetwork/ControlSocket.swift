// The control socket of a LISP node: UDP port 4342 of both families. Answers leave from the address that was asked.
//
// Zero UDP checksums over IPv6 are not accepted here (RFC 9301 says nothing that would allow them; RFC 6935 allows them
// to tunnels only), so the kernel drops those.

import CLinux
import Glibc
import LISPWire

/// A datagram that was received.
package struct ReceivedDatagram: Sendable, Hashable {
    package var payload: [UInt8]
    package var source: Endpoint
    /// The local address that it was sent to.
    package var destination: IPAddress

    package init(payload: [UInt8], source: Endpoint, destination: IPAddress) {
        self.payload = payload
        self.source = source
        self.destination = destination
    }
}

/// UDP sockets for IPv4 and, where the host has it, IPv6 on one port. Any thread may send; one at a time may receive.
package final class ControlSocket: Sendable {
    let v4: UDPSocket?
    let v6: UDPSocket?
    /// The port of both.
    package let port: UInt16

    /// Largest payload that is received; a longer one is dropped and counted by the caller as it sees fit.
    private static let bufferSize = 65_536

    /// - Parameters:
    ///   - port: 0 for any free one.
    ///   - address: binds that address alone (and so one family); `nil` binds all of both families.
    /// - Throws: `portInUse` when another process has the port in either family.
    package init(port: UInt16, address: IPAddress? = nil, mark: UInt32? = lispSocketMark) throws(LinuxError) {
        var bound = port
        var sockets: [AddressFamily: UDPSocket] = [:]
        for family in AddressFamily.allCases where address == nil || address?.family == family {
            let socket: UDPSocket
            do throws(LinuxError) {
                socket = try UDPSocket(family: family, mark: mark)
            } catch .system(_, EAFNOSUPPORT) {
                continue
            }
            try socket.receiveDestinations()
            try socket.reportErrors()
            socket.setBuffers(receive: 4 << 20, send: 4 << 20)
            try socket.bind(to: address, port: bound)
            bound = socket.localPort
            sockets[family] = socket
        }
        v4 = sockets[.ipv4]
        v6 = sockets[.ipv6]
        self.port = bound
        guard v4 != nil || v6 != nil else {
            throw .system(operation: "create a UDP socket", errno: EAFNOSUPPORT)
        }
    }

    /// What to watch for input.
    package var descriptors: [Int32] { [v4, v6].compactMap { $0?.descriptor } }

    /// The families that there is a socket for.
    package var families: Set<AddressFamily> {
        Set([v4, v6].compactMap { $0?.family })
    }

    /// Octets of buffer that the kernel granted; `nil` without a socket of the family.
    package func receiveBufferSize(_ family: AddressFamily) -> Int? {
        (family == .ipv4 ? v4 : v6)?.receiveBufferSize
    }

    package func sendBufferSize(_ family: AddressFamily) -> Int? {
        (family == .ipv4 ? v4 : v6)?.sendBufferSize
    }

    /// Sends one datagram.
    ///
    /// - Parameter source: the local address to send from; `nil`: the kernel chooses.
    /// - Throws: what the kernel answers, `EADDRNOTAVAIL` (or `EINVAL`) if `source` is no local address, `EAFNOSUPPORT`
    ///   when there is no socket of the destination's family or `source` is of the other.
    package func send(_ payload: [UInt8], to destination: Endpoint, from source: IPAddress? = nil) throws(LinuxError) {
        let family = destination.address.family
        guard let socket = socket(family), source == nil || source?.family == family else {
            throw .system(operation: "send to \(destination)", errno: EAFNOSUPPORT)
        }
        // One code path for both directions keeps the layout of control messages in one place.
        var batch = SendBatch(family: family, capacity: 1)
        let name = SocketAddress(destination)
        let sent = payload.withUnsafeBytes { payload in
            name.withBytes { name in
                withAddressBytes(source) { source in
                    batch.add(payload: payload, to: name, tos: 0, ttl: Self.ttl, from: source)
                    return batch.send(on: socket.descriptor, from: 0)
                }
            }
        }
        guard sent == 1 else { throw .last("send to \(destination)") }
    }

    /// Control messages travel with the usual initial TTL.
    static let ttl: UInt8 = 64

    func socket(_ family: AddressFamily) -> UDPSocket? { family == .ipv4 ? v4 : v6 }

    private func withAddressBytes<R>(_ address: IPAddress?, _ body: (UnsafeRawPointer?) -> R) -> R {
        switch address {
        case nil:
            return body(nil)
        case .v4(let v4):
            return withUnsafeBytes(of: v4.rawValue.bigEndian) { body($0.baseAddress) }
        case .v6(let v6):
            return withUnsafeBytes(of: v6.rawValue.bigEndian) { body($0.baseAddress) }
        }
    }

    /// Reads what has arrived, without waiting. For one thread; keep it for the life of that thread.
    package struct Receiver: ~Copyable {
        private let socket: ControlSocket
        private let batch: ReceiveBatch
        private let errors = ReceiveBatch(capacity: 32)
        private let buffers: UnsafeMutableRawPointer

        /// Datagrams that one call takes of each family.
        package static let batchSize = 128

        package init(_ socket: ControlSocket, batchSize: Int = Self.batchSize) {
            self.socket = socket
            batch = ReceiveBatch(capacity: batchSize)
            // Safe: freed by `deinit`; the batch, which points into it, goes at the same time.
            buffers = .allocate(byteCount: batchSize * ControlSocket.bufferSize, alignment: 16)
            for index in 0..<batchSize {
                let start = buffers + index * ControlSocket.bufferSize
                batch.setBuffer(index, UnsafeMutableRawBufferPointer(start: start, count: ControlSocket.bufferSize))
            }
        }

        deinit { buffers.deallocate() }

        /// At most one batch of each family; empty when nothing is there. While full batches come, call again.
        package func receive() -> [ReceivedDatagram] {
            var datagrams: [ReceivedDatagram] = []
            for descriptor in socket.descriptors {
                for index in 0..<batch.receive(from: descriptor) {
                    guard let source = SocketAddress.endpoint(batch.source(index)),
                        let destination = batch.destination(index)
                    else { continue }
                    let start = buffers + index * ControlSocket.bufferSize
                    let payload = UnsafeRawBufferPointer(start: start, count: batch.length(index))
                    datagrams.append(
                        ReceivedDatagram(payload: Array(payload), source: source, destination: destination)
                    )
                }
            }
            return datagrams
        }

        /// Where ICMP errors say that what was sent to `port` did not arrive. To be called as often as `receive`: what is not read
        /// keeps the descriptors ready.
        ///
        /// Anybody can send an ICMP error, so this is a hint and no more.
        package func receiveUnreachable(port: UInt16) -> Set<IPAddress> {
            var unreachable: Set<IPAddress> = []
            for descriptor in socket.descriptors {
                for index in 0..<errors.receiveErrors(from: descriptor) {
                    guard let error = errors.pathError(index), error.finding == .unreachable,
                        error.destination.port == port
                    else { continue }
                    unreachable.insert(error.destination.address)
                }
            }
            return unreachable
        }
    }
}
