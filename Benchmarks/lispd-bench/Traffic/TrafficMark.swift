// What every datagram of the traffic generator begins with. The rest of it is zeros.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +---------------------------------------------------------------+
//    |                        0x4c_42_54_52                          |
//    +---------------------------------------------------------------+
//    |                             Run                               |
//    +---------------------------------------------------------------+
//    |                             Flow                              |
//    +---------------------------------------------------------------+
//    |                   Sequence number in the flow                 |
//    +---------------------------------------------------------------+

/// Whose datagram it is.
struct TrafficMark: Equatable {
    static let size = 16
    /// The sequence number by which a sender says that this was all, a few times.
    static let end = UInt32.max
    private static let magic: UInt32 = 0x4c42_5452

    var run: UInt32
    var flow: UInt32
    var sequence: UInt32

    init(run: UInt32, flow: UInt32, sequence: UInt32) {
        self.run = run
        self.flow = flow
        self.sequence = sequence
    }

    /// `nil` for what the generator did not send.
    init?(_ datagram: UnsafeRawBufferPointer) {
        func word(_ index: Int) -> UInt32 {
            UInt32(bigEndian: datagram.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
        }
        guard datagram.count >= Self.size, word(0) == Self.magic else { return nil }
        self.init(run: word(1), flow: word(2), sequence: word(3))
    }

    /// - Precondition: there is room for `size` octets.
    func write(to room: UnsafeMutableRawBufferPointer) {
        room.storeBytes(of: Self.magic.bigEndian, toByteOffset: 0, as: UInt32.self)
        room.storeBytes(of: run.bigEndian, toByteOffset: 4, as: UInt32.self)
        room.storeBytes(of: flow.bigEndian, toByteOffset: 8, as: UInt32.self)
        room.storeBytes(of: sequence.bigEndian, toByteOffset: 12, as: UInt32.self)
    }
}
