// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Trains: neighbours in a source port's list that have the same outer headers and the same size leave as one message, which
// crosses the kernel's network stack once and is taken apart at its end (UDP_SEGMENT). The last may be shorter:
//
//    list     A 1464  A 1464  A 1464  A 700   A 1464  B 1464  A 52
//    messages [---------- train -----------]  [-----] [-----] [--]
//
// A list holds whole flows and is never reordered, so flows keep their order.

import Glibc
import LISPWire
import LinuxNetwork

/// Takes messages and hands them to a network: the kernel, or memory in tests.
protocol MessageSink: ~Copyable {
    /// Forgets all messages.
    mutating func clear()
    /// Adds a message of one datagram: entry `index` with its LISP header.
    mutating func begin(_ batch: borrowing PacketBatch, _ index: Int)
    /// Makes the last message a train, or longer, by entry `index`.
    mutating func extend(_ batch: borrowing PacketBatch, _ index: Int)
    /// Sends from message `first` on, which exists.
    ///
    /// - Returns: how many messages were taken, at least one; or the negative error number of message `first`.
    mutating func transmit(from first: Int) -> Int
}

enum TrainSending {
    struct Outcome {
        /// How many trains were taken, and datagrams in all.
        var trains = 0
        var datagrams = 0
        var calls = 0
    }

    /// Sends entry `first` and those linked to it by `next`, in order; sets `sendError` of each.
    ///
    /// What is wrong with a train may be right for each of its datagrams, so a refused one is tried again singly: a path MTU
    /// then costs only the datagrams that exceed it.
    @inline(__always)
    static func send<Sink: MessageSink & ~Copyable>(
        _ sink: inout Sink,
        _ family: AddressFamily,
        _ batch: borrowing PacketBatch,
        first: Int,
        _ permission: inout TrainPermission
    ) -> Outcome {
        var outcome = Outcome()
        // The first entry whose fate is open.
        var cursor = first
        // From there on, so many entries go singly.
        var singles = 0
        // The entry at the cursor was refused in a train, for a reason that may be the train.
        var isTrainDoubted = false
        while cursor >= 0 {
            sink.clear()
            build(&sink, family, batch, cursor, singles: permission.isGranted ? singles : .max)
            singles = 0
            var message = 0
            while cursor >= 0 {
                let result = sink.transmit(from: message)
                outcome.calls &+= 1
                if result > 0 {
                    message &+= result
                    if isTrainDoubted {
                        isTrainDoubted = false
                        permission.wasRefused()
                    }
                    for _ in 0..<result {
                        let length = batch.entries[cursor].messageLength
                        outcome.datagrams &+= length
                        if length > 1 {
                            outcome.trains &+= 1
                            permission.wasTaken()
                        }
                        cursor = settle(batch, cursor, 0)
                    }
                    continue
                }
                let error = 0 &- Int32(truncatingIfNeeded: result)
                if error == EINTR { continue }
                if error == EAGAIN || error == ENOBUFS {
                    // For want of room, so the others would be refused too.
                    while cursor >= 0 { cursor = settle(batch, cursor, error) }
                    continue
                }
                let length = batch.entries[cursor].messageLength
                if length > 1, TrainPermission.mayPassSingly(error) {
                    isTrainDoubted = error != EMSGSIZE
                    singles = isTrainDoubted ? .max : length
                    break
                }
                isTrainDoubted = false
                message &+= 1
                cursor = settle(batch, cursor, error)
            }
        }
        return outcome
    }

    /// Makes messages of the entries from `first` on.
    @inline(__always)
    private static func build<Sink: MessageSink & ~Copyable>(
        _ sink: inout Sink,
        _ family: AddressFamily,
        _ batch: borrowing PacketBatch,
        _ first: Int,
        singles: Int
    ) {
        let (maximumSegments, maximumOctets) = (SendBatch.maximumSegments, SendBatch.maximumOctets(family))
        var index = first
        var singles = singles
        while index >= 0 {
            let head = batch.entries + index
            sink.begin(batch, index)
            index = head.pointee.next
            var length = 1
            if singles > 0 {
                singles &-= 1
            } else {
                let size = head.pointee.length
                var room = maximumOctets &- size &- DataPlaneConstants.lispHeaderSize
                while index >= 0, length < maximumSegments {
                    let entry = batch.entries + index
                    let octets = entry.pointee.length
                    guard octets <= size, octets &+ DataPlaneConstants.lispHeaderSize <= room,
                        entry.pointee.locator == head.pointee.locator,
                        entry.pointee.tos == head.pointee.tos, entry.pointee.ttl == head.pointee.ttl
                    else { break }
                    sink.extend(batch, index)
                    room &-= octets &+ DataPlaneConstants.lispHeaderSize
                    length &+= 1
                    index = entry.pointee.next
                    if octets < size { break }
                }
            }
            head.pointee.messageLength = length
        }
    }

    /// Writes down what became of the message that begins at entry `first`.
    ///
    /// - Returns: the entry that follows it, or -1.
    @inline(__always)
    private static func settle(_ batch: borrowing PacketBatch, _ first: Int, _ error: Int32) -> Int {
        var index = first
        // Safe: `build` counted the entries of the list.
        for _ in 0..<batch.entries[first].messageLength {
            batch.entries[index].sendError = error
            index = batch.entries[index].next
        }
        return index
    }
}
