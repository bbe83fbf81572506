// The least that a tunnel in user space can do: what comes out of the TUN goes to the peer as it is, what the peer sends goes in. It looks
// at nothing, cuts nothing, sums nothing up and knows one peer, so what it costs is what the kernel takes for the crossings, and no
// router in user space is faster. Both ends are this program; nobody else understands it.

import Glibc
import LISPWire
import LinuxNetwork

final class BareTunnel {
    /// Before each frame: its octets, so that one that comes in pieces is known.
    private static let lengthSize = 4
    /// Of a message with its frame: what one UDP_SEGMENT send carries over either family.
    private static let maximumLength = 65_487
    /// Frames of each side in a turn.
    private static let framesATurn = 8

    private enum Tag {
        static let tunnel: UInt64 = 0
        static let network: UInt64 = 1
    }

    private let tunnel: TUNDevice
    private let socket: UDPSocket
    private let peer: SocketAddress
    /// Octets of each datagram of a train: a packet of the TUN's MTU fits.
    private let segmentSize: Int
    private let readiness: ReadinessSet
    private var receiving = ReceiveBatch(capacity: 1)
    private var sending: SendBatch
    // Safe: `bufferSize` octets, freed by `deinit`.
    private let buffer: UnsafeMutableRawBufferPointer
    private static let bufferSize = 1 << 17

    /// - Parameter mtu: of the TUN; whoever routes into it sets it, and keeps trains below 60,000 octets.
    init(interface: String, peer: IPAddress, port: UInt16, mtu: Int) throws {
        tunnel = try TUNDevice.open(name: interface, queues: 1)
        _ = tunnel.allowOffloads()
        socket = try UDPSocket(family: peer.family, mark: nil)
        socket.setBuffers(receive: 4 << 20, send: 4 << 20)
        guard socket.canSendTrains, socket.receiveTrains() else {
            throw Unexpected("this kernel has no UDP_SEGMENT or no UDP_GRO")
        }
        try socket.bind(port: port)
        self.peer = SocketAddress(Endpoint(peer, port))
        segmentSize = mtu + TUNDevice.headerSize + Self.lengthSize
        readiness = try ReadinessSet()
        sending = SendBatch(family: peer.family, capacity: SendBatch.maximumSegments)
        buffer = .allocate(byteCount: Self.bufferSize, alignment: 16)
        receiving.setBuffer(0, buffer)
        try readiness.add(tunnel.descriptors[0], tag: Tag.tunnel)
        try readiness.add(socket.descriptor, tag: Tag.network)
    }

    deinit {
        tunnel.close()
        buffer.deallocate()
    }

    /// Carries packets until the process is ended.
    func run() -> Never {
        let tags = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: 2)
        while true {
            for index in 0..<readiness.wait(tags, timeout: -1) {
                for _ in 0..<Self.framesATurn where !(tags[index] == Tag.tunnel ? sendFrame() : takeFrame()) { break }
            }
        }
    }

    /// - Returns: whether there may be more.
    private func sendFrame() -> Bool {
        guard let start = buffer.baseAddress else { return false }
        let count = Glibc.read(tunnel.descriptors[0], start + Self.lengthSize, Self.maximumLength - Self.lengthSize)
        guard count > 0 else { return false }
        let length = count + Self.lengthSize
        buffer.storeBytes(of: UInt32(length), as: UInt32.self)
        sending.clear()
        peer.withBytes { name in
            sending.add(payload: piece(0, length), to: name, tos: 0, ttl: 64, from: nil)
            var offset = segmentSize
            while offset < length {
                sending.extendLast(payload: piece(offset, length))
                offset += segmentSize
            }
            // What the kernel does not take is lost, as anywhere.
            _ = sending.send(on: socket.descriptor, from: 0)
        }
        return true
    }

    private func piece(_ offset: Int, _ length: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: buffer[offset..<min(offset + segmentSize, length)])
    }

    private func takeFrame() -> Bool {
        guard receiving.receive(from: socket.descriptor) > 0, let start = buffer.baseAddress else { return false }
        let length = receiving.length(0)
        // A train that the kernel took apart on its way is lost.
        guard length > Self.lengthSize, Int(buffer.load(as: UInt32.self)) == length else { return true }
        _ = Glibc.write(tunnel.descriptors[0], start + Self.lengthSize, length - Self.lengthSize)
        return true
    }
}
