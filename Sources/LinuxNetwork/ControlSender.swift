// Sends control messages, many in one system call. Many messages from one address to one peer that have the same size leave as a
// train, which crosses the kernel's network stack once and is taken apart at its end (UDP_SEGMENT); the last may be shorter:
//
//    added     A 108  B 108  A 108  B 108  A 108 ...  A 70
//    messages  [A 108  A 108  A 108 ...  A 70]  [B 108]  [B 108]
//
// So an ITR that asks for many EIDs at a time, or an xTR that registers many EID-prefixes, costs little more than one message. What
// goes to one peer keeps its order. A few go singly, for a capture on this host shows a train as one datagram that nobody can read.

import Glibc
import LISPWire

extension ControlSocket {
    /// Collects datagrams and sends many in one system call. For one thread.
    package struct Sender: ~Copyable {
        private let socket: ControlSocket
        private var v4: Queue
        private var v6: Queue

        /// - Parameter sendsTrains: if the kernel can; `false`: each datagram leaves alone.
        package init(_ socket: ControlSocket, batchSize: Int = 128, sendsTrains: Bool = true) {
            func queue(_ family: AddressFamily) -> Queue {
                let canSendTrains = socket.socket(family)?.canSendTrains ?? false
                return Queue(family, capacity: batchSize, sendsTrains: sendsTrains && canSendTrains)
            }
            self.socket = socket
            v4 = queue(.ipv4)
            v6 = queue(.ipv6)
        }

        /// What could not be sent: as what `ControlSocket.send` throws.
        package struct Failure: Sendable {
            package let destination: Endpoint
            package let error: LinuxError
        }

        /// Takes a datagram, which leaves by the next `flush` at the latest; those from one address to one peer leave in order.
        ///
        /// - Parameter source: the local address to send from; `nil`: the kernel chooses.
        /// - Returns: what could not be sent of those that had to make room.
        package mutating func add(
            _ payload: [UInt8],
            to destination: Endpoint,
            from source: IPAddress? = nil
        ) -> [Failure] {
            let family = destination.address.family
            guard let socket = socket.socket(family), source == nil || source?.family == family else {
                let error = LinuxError.system(operation: "send to \(destination)", errno: EAFNOSUPPORT)
                return [Failure(destination: destination, error: error)]
            }
            switch family {
            case .ipv4: return v4.add(payload, to: destination, from: source, on: socket)
            case .ipv6: return v6.add(payload, to: destination, from: source, on: socket)
            }
        }

        /// Sends everything that waits.
        ///
        /// - Returns: what could not be sent.
        package mutating func flush() -> [Failure] {
            var failures: [Failure] = []
            if let socket = socket.v4 { failures += v4.flush(socket) }
            if let socket = socket.v6 { failures += v6.flush(socket) }
            return failures
        }
    }
}

extension ControlSocket.Sender {
    /// What waits in one family, with everything that the kernel reads of it in places that stay.
    private struct Queue: ~Copyable {
        /// One datagram that waits.
        private struct Entry {
            /// Where it stands in the arena.
            let start: Int
            let count: Int
            /// Or the kernel chooses the local address.
            let hasSource: Bool
            /// The next one between the same addresses.
            var next: Int?
            /// Of the first between its addresses: the last so far.
            var last: Int
        }

        /// Fewer gain little.
        private static let shortestTrain = 8

        /// Datagrams that leave together.
        private struct Message {
            let first: Int
            let length: Int
        }

        /// Room for a peer's socket address, and behind it for a local address; zeros where nothing stands.
        private static let addressStride = 48
        private static let sourceOffset = 32
        /// Largest payload of a datagram, and room for a full batch of usual ones.
        private static let arenaSize = 131_072

        private let family: AddressFamily
        private let capacity: Int
        private var batch: SendBatch
        /// Of a train that was refused.
        private var singles: SendBatch
        private var permission: TrainPermission
        private var entries: [Entry] = []
        /// Those that are the first between their addresses.
        private var firsts: [Int] = []
        /// The same by the hash of their addresses, plus one; 0 where there is none. At most half full.
        private var heads: [Int32]
        /// What is in the batch.
        private var messages: [Message] = []
        private var used = 0
        // Safe: allocated by `init`, freed by `deinit`. `addresses` is indexed below the capacity, `arena` below `arenaSize`.
        private let addresses: UnsafeMutableRawPointer
        private let arena: UnsafeMutableRawPointer

        init(_ family: AddressFamily, capacity: Int, sendsTrains: Bool) {
            self.family = family
            self.capacity = capacity
            batch = SendBatch(family: family, capacity: capacity)
            singles = SendBatch(family: family, capacity: SendBatch.maximumSegments)
            permission = TrainPermission(sendsTrains)
            // A power of two.
            heads = Array(repeating: 0, count: 2 << (Int.bitWidth - (capacity - 1).leadingZeroBitCount))
            addresses = .allocate(byteCount: capacity * Self.addressStride, alignment: 16)
            arena = .allocate(byteCount: Self.arenaSize, alignment: 16)
            entries.reserveCapacity(capacity)
            firsts.reserveCapacity(capacity)
            messages.reserveCapacity(capacity)
        }

        deinit {
            addresses.deallocate()
            arena.deallocate()
        }

        mutating func add(
            _ payload: [UInt8],
            to destination: Endpoint,
            from source: IPAddress?,
            on socket: UDPSocket
        ) -> [Failure] {
            guard payload.count <= Self.arenaSize else {
                let error = LinuxError.system(operation: "send to \(destination)", errno: EMSGSIZE)
                return [Failure(destination: destination, error: error)]
            }
            var failures: [Failure] = []
            if entries.count == capacity || payload.count > Self.arenaSize - used { failures = flush(socket) }
            UnsafeMutableRawBufferPointer(start: arena + used, count: payload.count).copyBytes(from: payload)
            let index = entries.count
            write(destination, source, at: address(index))
            entries.append(Entry(start: used, count: payload.count, hasSource: source != nil, last: index))
            used += payload.count
            link(index)
            return failures
        }

        private func address(_ index: Int) -> UnsafeMutableRawPointer { addresses + index * Self.addressStride }

        private func write(_ destination: Endpoint, _ source: IPAddress?, at address: UnsafeMutableRawPointer) {
            let room = UnsafeMutableRawBufferPointer(start: address, count: Self.addressStride)
            room.initializeMemory(as: UInt8.self, repeating: 0)
            SocketAddress(destination).withBytes { room.copyMemory(from: $0) }
            switch source {
            case nil: break
            case .v4(let source):
                room.storeBytes(of: source.rawValue.bigEndian, toByteOffset: Self.sourceOffset, as: UInt32.self)
            case .v6(let source):
                room.storeBytes(of: source.rawValue.bigEndian, toByteOffset: Self.sourceOffset, as: UInt128.self)
            }
        }

        /// Appends an entry to those between the same addresses.
        private mutating func link(_ index: Int) {
            let address = address(index)
            var hash: UInt64 = 0
            for offset in stride(from: 0, to: Self.addressStride, by: 8) {
                hash = (hash ^ address.load(fromByteOffset: offset, as: UInt64.self)) &* 0x9e37_79b9_7f4a_7c15
                hash ^= hash >> 32
            }
            let mask = heads.count - 1
            var place = Int(truncatingIfNeeded: hash) & mask
            while heads[place] != 0 {
                let first = Int(heads[place]) - 1
                if memcmp(self.address(first), address, Self.addressStride) == 0 {
                    entries[entries[first].last].next = index
                    entries[first].last = index
                    return
                }
                place = (place + 1) & mask
            }
            heads[place] = Int32(index + 1)
            firsts.append(index)
        }

        // MARK: Sending

        mutating func flush(_ socket: UDPSocket) -> [Failure] {
            guard !entries.isEmpty else { return [] }
            build()
            var failures: [Failure] = []
            var next = 0
            while next < messages.count {
                let sent = batch.send(on: socket.descriptor, from: next)
                if sent > 0 {
                    if messages[next..<next + sent].contains(where: { $0.length > 1 }) { permission.wasTaken() }
                    next += sent
                    continue
                }
                let error = errno
                if messages[next].length > 1, TrainPermission.mayPassSingly(error) {
                    sendSingly(messages[next], error, on: socket, &failures)
                } else {
                    for _ in 0..<messages[next].length { failures.append(failure(messages[next].first, error)) }
                }
                next += 1
            }
            clear()
            return failures
        }

        private mutating func clear() {
            batch.clear()
            messages.removeAll(keepingCapacity: true)
            entries.removeAll(keepingCapacity: true)
            firsts.removeAll(keepingCapacity: true)
            for place in heads.indices { heads[place] = 0 }
            used = 0
        }

        /// Makes messages of all entries.
        private mutating func build() {
            for first in firsts {
                var following: Int? = first
                while let index = following { following = build(from: index) }
            }
        }

        /// Makes a message of an entry and of as many that follow as it can take; returns the one behind them.
        private mutating func build(from first: Int) -> Int? {
            Self.add(to: &batch, payload(first), address(first), hasSource: entries[first].hasSource)
            let length = permission.isGranted ? trainLength(from: first) : 1
            var following = entries[first].next
            for _ in 1..<length {
                guard let index = following else { break }
                batch.extendLast(payload: payload(index))
                following = entries[index].next
            }
            messages.append(Message(first: first, length: length))
            return following
        }

        /// How many entries from this one on make a train; 1 if it would be a short one.
        private func trainLength(from first: Int) -> Int {
            let size = entries[first].count
            var room = SendBatch.maximumOctets(family) - size
            var length = 1
            var following = entries[first].next
            while let index = following, length < SendBatch.maximumSegments {
                let count = entries[index].count
                guard count > 0, count <= size, count <= room else { break }
                length += 1
                room -= count
                following = entries[index].next
                if count < size { break }
            }
            return length >= Self.shortestTrain ? length : 1
        }

        private func payload(_ index: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(start: arena + entries[index].start, count: entries[index].count)
        }

        private static func add(
            to batch: inout SendBatch,
            _ payload: UnsafeRawBufferPointer,
            _ address: UnsafeMutableRawPointer,
            hasSource: Bool
        ) {
            batch.add(
                payload: payload,
                to: UnsafeRawBufferPointer(start: address, count: SocketAddress.length(batch.family)),
                tos: 0,
                ttl: ControlSocket.ttl,
                from: hasSource ? UnsafeRawPointer(address + sourceOffset) : nil
            )
        }

        /// What is wrong with a train may be right for each of its datagrams.
        private mutating func sendSingly(
            _ train: Message,
            _ reason: Int32,
            on socket: UDPSocket,
            _ failures: inout [Failure]
        ) {
            singles.clear()
            var members: [Int] = []
            var following: Int? = train.first
            while let index = following, members.count < train.length {
                Self.add(to: &singles, payload(index), address(index), hasSource: entries[index].hasSource)
                members.append(index)
                following = entries[index].next
            }
            var next = 0
            while next < members.count {
                let sent = singles.send(on: socket.descriptor, from: next)
                // A datagram that exceeds the path's MTU says nothing of trains.
                if next == 0, sent > 0, reason != EMSGSIZE { permission.wasRefused() }
                if sent <= 0 { failures.append(failure(members[next], errno)) }
                next += max(1, sent)
            }
        }

        private func failure(_ index: Int, _ error: Int32) -> Failure {
            let name = UnsafeRawBufferPointer(start: address(index), count: SocketAddress.maximumLength)
            guard let destination = SocketAddress.endpoint(name) else { preconditionFailure("an address of ours") }
            return Failure(
                destination: destination,
                error: .system(operation: "send to \(destination)", errno: error)
            )
        }
    }
}
