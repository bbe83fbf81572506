// A program for the kernel that names the worker of a packet's flow, by the inner addresses and, where there are any, ports. Both
// directions of a flow have the same worker, and so do all fragments of a datagram.
//
// It is written once, in terms of an accumulator, an index register and two words of memory, and encoded twice: as a classic filter
// for the group of sockets of port 4341, which needs no privilege, and as an eBPF one for the queues of a TUN, which takes no other.

package struct SteeringProgram: Sendable {
    /// What the machine can do: A is the accumulator, X the index register.
    enum Step: Hashable {
        enum Size: Hashable { case octet, half, word }
        /// A = what stands at an offset of the packet, in network order. A packet that ends before it has worker 0.
        case load(Size, Int)
        /// A = what stands X octets further.
        case loadBehindX(Size, Int)
        /// X = the length of the IPv4 header at the offset. A is undefined afterwards.
        case ipv4HeaderLength(Int)
        /// X = A.
        case copyToX
        /// Memory 0 or 1 = A.
        case store(Int)
        /// A, or X, = memory 0 or 1.
        case restore(Int)
        case restoreX(Int)
        case xorX
        case addX
        case xor(UInt32)
        case multiply(UInt32)
        case shiftRight(UInt32)
        case remainder(UInt32)
        case jumpIfEqual(UInt32, Label)
        case jumpIfAnySet(UInt32, Label)
        case jump(Label)
        case label(Label)
        /// The worker is A.
        case returnA
        /// It is this.
        case returnConstant(UInt32)
    }

    enum Label: Hashable { case ipv4, ipv6, ipv4Ports, ipv6Ports, withPorts, hash }

    /// What a hash is made with, so that nobody outside can aim flows at one worker.
    package struct Seed: Sendable {
        let mask: UInt32
        let addressFactor: UInt32
        let portFactor: UInt32

        /// - Parameter seed: any number; nothing can be told of it by what workers packets have.
        package init(_ seed: UInt64) {
            var state = seed
            func next() -> UInt32 {
                // SplitMix64.
                state &+= 0x9e37_79b9_7f4a_7c15
                var z = state
                z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
                z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
                return UInt32(truncatingIfNeeded: (z ^ (z >> 31)) >> 32)
            }
            mask = next()
            addressFactor = next() | 1
            portFactor = next() | 1
        }
    }

    let steps: [Step]

    /// - Parameters:
    ///   - offset: of the IP header in what the kernel shows the program: 8 behind a UDP header, 0 at a TUN.
    ///   - workers: 1 or more.
    package init(offset: Int, workers: Int, seed: Seed) {
        precondition(workers >= 1, "there is a worker")
        let addresses = 8
        var steps: [Step] = [
            .load(.octet, offset), .shiftRight(4),
            .jumpIfEqual(4, .ipv4), .jumpIfEqual(6, .ipv6), .returnConstant(0),

            .label(.ipv4),
            .load(.word, offset + 12), .copyToX, .load(.word, offset + 16), .xorX, .store(0),
            // More fragments, or an offset.
            .load(.half, offset + 6), .jumpIfAnySet(0x3fff, .hash),
            .load(.octet, offset + 9), .jumpIfEqual(6, .ipv4Ports), .jumpIfEqual(17, .ipv4Ports), .jump(.hash),
            .label(.ipv4Ports),
            .ipv4HeaderLength(offset),
            .loadBehindX(.half, offset), .store(1), .loadBehindX(.half, offset + 2),
            .jump(.withPorts),

            .label(.ipv6),
            .load(.word, offset + addresses),
        ]
        for word in 1..<8 { steps += [.copyToX, .load(.word, offset + addresses + 4 * word), .xorX] }
        steps += [
            .store(0),
            .load(.octet, offset + 6), .jumpIfEqual(6, .ipv6Ports), .jumpIfEqual(17, .ipv6Ports), .jump(.hash),
            .label(.ipv6Ports),
            .load(.half, offset + 40), .store(1), .load(.half, offset + 42),

            .label(.withPorts),
            .restoreX(1), .xorX, .multiply(seed.portFactor), .restoreX(0), .addX, .store(0),

            .label(.hash),
            .restore(0), .xor(seed.mask), .multiply(seed.addressFactor), .shiftRight(16),
            .remainder(UInt32(workers)), .returnA,
        ]
        self.steps = steps
    }
}
