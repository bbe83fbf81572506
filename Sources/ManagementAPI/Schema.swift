// What lispctl and lispd say to each other: HTTP with JSON over a UNIX socket.
//
// Every answer is one object:
//
//     {"schema": "lispd/1", "time": 1767225600, "data": {...}}
//
// `schema` changes its number when a field changes its meaning or goes; new fields may come at any time. `time` is when
// the answer was made, in seconds since 1970-01-01 UTC. Keys are in camelCase. Unless a field says otherwise, durations
// are whole seconds, counters start from 0 with the daemon and only grow, addresses and prefixes are text in canonical
// form (RFC 5952), and an instance ID is a number. A moment in the past is `{"epoch": ..., "secondsAgo": ...}`: the
// second is exact (monotonic clock), the first follows the wall clock. What is not known is left out.
//
// An error is `{"schema": "lispd/1", "error": "one line", "details": ["...", ...]}` with an HTTP status of 400 or more.

/// The version of everything in this module.
package enum ManagementSchema {
    package static let current = "lispd/1"
}

/// The release that lispd and lispctl are of.
package enum Release {
    package static let version = "0.1.0"
}

/// The object around every answer.
package struct Answer<Payload: Codable & Sendable>: Codable, Sendable {
    package var schema: String
    /// Seconds since 1970-01-01 UTC.
    package var time: Int64
    package var data: Payload

    package init(time: Int64, data: Payload) {
        self.schema = ManagementSchema.current
        self.time = time
        self.data = data
    }
}

extension Answer: Equatable where Payload: Equatable {}

/// What is answered instead when a request failed.
package struct Failure: Codable, Sendable, Equatable {
    package var schema: String
    /// One line, saying what to do about it where that is known.
    package var error: String
    /// More of the same, one line each: the faults of a configuration file.
    package var details: [String]

    package init(error: String, details: [String] = []) {
        self.schema = ManagementSchema.current
        self.error = error
        self.details = details
    }
}

/// A moment in the past.
package struct Moment: Codable, Sendable, Equatable {
    /// Seconds since 1970-01-01 UTC.
    package var epoch: Int64
    package var secondsAgo: Int64

    /// - Parameter now: the wall clock, in seconds since 1970-01-01 UTC.
    package init(now: Int64, secondsAgo: Int64) {
        self.epoch = now - secondsAgo
        self.secondsAgo = secondsAgo
    }
}

/// The family of an EID table.
package enum EIDFamily: String, Codable, Sendable, CaseIterable, Comparable {
    case ipv4
    case ipv6

    /// The family of the address or prefix that `text` is; nothing is checked beyond that.
    package init(ofAddress text: String) {
        self = text.utf8.contains(UInt8(ascii: ":")) ? .ipv6 : .ipv4
    }

    package static func < (a: Self, b: Self) -> Bool { a == .ipv4 && b == .ipv6 }
}

/// Packets and octets.
package struct Traffic: Codable, Sendable, Equatable {
    package var packets: UInt64
    package var octets: UInt64

    package init(packets: UInt64 = 0, octets: UInt64 = 0) {
        self.packets = packets
        self.octets = octets
    }
}

/// How often something came in and went out.
package struct InOut: Codable, Sendable, Equatable {
    package var incoming: UInt64
    package var outgoing: UInt64

    package init(incoming: UInt64 = 0, outgoing: UInt64 = 0) {
        self.incoming = incoming
        self.outgoing = outgoing
    }
}

/// How often something happened for one reason.
package struct ReasonCount: Codable, Sendable, Equatable {
    /// A line for the operator, always the same for one reason.
    package var reason: String
    package var count: UInt64
    package var last: Moment?
    /// Who caused the last one: an address, with `:port` or `.port` as `PeerAddress` writes it.
    package var lastSource: String?

    package init(reason: String, count: UInt64, last: Moment? = nil, lastSource: String? = nil) {
        self.reason = reason
        self.count = count
        self.last = last
        self.lastSource = lastSource
    }
}

/// An address and a UDP port.
package struct PeerAddress: Codable, Sendable, Equatable {
    package var address: String
    package var port: UInt16

    package init(address: String, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// `192.0.2.1:4342` and `2001:db8::1.4342`, as IOS writes them.
    package var text: String { address + (EIDFamily(ofAddress: address) == .ipv6 ? "." : ":") + String(port) }
}
