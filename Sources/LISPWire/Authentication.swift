// Authentication fields of Map-Register, Map-Notify and Map-Notify-Ack, RFC 9301 section 5.6.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |    Key ID     | Algorithm ID  |  Authentication Data Length   |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    ~                     Authentication Data                       ~
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// How the authentication data of a message is made (RFC 9301 section 12.5).
package enum AuthenticationAlgorithm: UInt8, Hashable, Sendable, CaseIterable {
    /// Stands in messages only; nothing verifies under it.
    case none = 0
    case hmacSHA1_96 = 1
    case hmacSHA256_128 = 2
    /// A key for each message, derived from its nonce.
    case hmacSHA256_128_HKDF = 3

    /// Lengths of the data that are accepted. The longest, the whole MAC, is what we send.
    package var acceptedLengths: [Int] { [12, 16, 20, 32].filter(accepts) }

    func accepts(length: Int) -> Bool {
        switch self {
        case .none: false
        case .hmacSHA1_96: length == 12 || length == 20
        case .hmacSHA256_128, .hmacSHA256_128_HKDF: length == 16 || length == 32
        }
    }

    /// Octets of data that we send.
    package var sentLength: Int {
        switch self {
        case .none: 0
        case .hmacSHA1_96: 20
        case .hmacSHA256_128, .hmacSHA256_128_HKDF: 32
        }
    }

    /// The name in configuration and output.
    package var name: String {
        switch self {
        case .none: "none"
        case .hmacSHA1_96: "hmac-sha-1-96"
        case .hmacSHA256_128: "hmac-sha-256-128"
        case .hmacSHA256_128_HKDF: "hmac-sha-256-128-hkdf-sha-256"
        }
    }

    /// The algorithm called `name`, `none` included.
    package init?(name: some StringProtocol) {
        guard let algorithm = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = algorithm
    }
}

extension AuthenticationAlgorithm: CustomStringConvertible {
    package var description: String { name }
}

/// What a message says about its authentication.
package struct Authentication: Hashable, Sendable {
    package var keyID: UInt8
    /// As it came: the receiver may not know it. See `knownAlgorithm`.
    package var algorithm: AuthenticationAlgorithm.RawValue
    /// At most 65,535 octets; what is beyond is not sent.
    package var data: [UInt8]

    package init(keyID: UInt8, algorithm: AuthenticationAlgorithm.RawValue, data: [UInt8]) {
        self.keyID = keyID
        self.algorithm = algorithm
        self.data = data
    }

    /// Room for what `AuthenticationKey.sign` will write.
    package init(placeholderFor key: AuthenticationKey) {
        self.init(
            keyID: key.id,
            algorithm: key.algorithm.rawValue,
            data: Array(repeating: 0, count: key.algorithm.sentLength)
        )
    }

    package var knownAlgorithm: AuthenticationAlgorithm? { AuthenticationAlgorithm(rawValue: algorithm) }
}

extension Authentication {
    package init(from reader: inout WireReader) throws(WireError) {
        self.keyID = try reader.integer("Key ID")
        self.algorithm = try reader.integer("Algorithm ID")
        let length: UInt16 = try reader.integer("Authentication Data Length")
        self.data = try reader.bytes("Authentication Data", count: Int(length))
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(keyID)
        writer.integer(algorithm)
        writer.lengthPrefixed { $0.bytes(data.prefix(Int(UInt16.max))) }
    }
}
