// Message authentication codes of Map-Register, Map-Notify and Map-Notify-Ack, RFC 9301 section 5.6.
//
// The code covers the whole UDP payload with its own field zeroed. Section 5.6 ends it "through the end of the last
// RLOC-Record"; deployed routers cover xTR-ID and Site-ID as well, and so must we, or nobody could verify.

import Crypto

/// A secret shared with a Map-Server or a site.
package struct AuthenticationKey: Hashable, Sendable {
    package var id: UInt8
    package var algorithm: AuthenticationAlgorithm
    package var secret: [UInt8]

    package init(id: UInt8, algorithm: AuthenticationAlgorithm, secret: [UInt8]) {
        self.id = id
        self.algorithm = algorithm
        self.secret = secret
    }
}

extension AuthenticationKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never shows the secret.
    package var description: String { "key \(id), \(algorithm.name)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror {
        Mirror(self, children: ["id": id, "algorithm": algorithm], displayStyle: .struct)
    }
}

/// Whether a message was made with a key, and why not.
package enum AuthenticationVerdict: Hashable, Sendable {
    case ok
    /// It names another key.
    case wrongKeyID
    /// It names another algorithm than the key's, or none.
    case wrongAlgorithm
    /// Its authentication data has a length that the algorithm does not make.
    case badLength
    /// Its authentication data is not what the key makes.
    case badMAC
    /// It is no Map-Register, Map-Notify or Map-Notify-Ack, or ends within the fields looked at.
    case malformed
}

extension AuthenticationKey {
    /// Offsets in the message: the same for all three types.
    private enum Offset {
        static let nonce = 4..<12
        static let keyID = 12
        static let algorithm = 13
        static let length = 14..<16
        static let data = 16
    }

    /// Writes the authentication data into an encoded message.
    ///
    /// - Precondition: the message was encoded with `Authentication(placeholderFor: self)`.
    package func sign(_ message: inout [UInt8]) {
        guard algorithm != .none else { return }
        precondition(
            message.count >= Offset.data + algorithm.sentLength
                && message[Offset.keyID] == id && message[Offset.algorithm] == algorithm.rawValue
                && Self.length(of: message) == algorithm.sentLength,
            "a message encoded with this key's placeholder"
        )
        let range = Offset.data..<Offset.data + algorithm.sentLength
        if let code = code(of: message, zeroing: range) {
            message.replaceSubrange(range, with: code)
        }
    }

    /// Whether this key made the message's authentication data. Takes as long for a nearly right MAC as for a wrong one.
    package func verifies(_ message: [UInt8]) -> AuthenticationVerdict {
        guard message.count >= Offset.data else { return .malformed }
        guard message[Offset.keyID] == id else { return .wrongKeyID }
        guard algorithm != .none, message[Offset.algorithm] == algorithm.rawValue else { return .wrongAlgorithm }
        let length = Self.length(of: message)
        guard algorithm.acceptedLengths.contains(length) else { return .badLength }
        let range = Offset.data..<Offset.data + length
        guard range.upperBound <= message.count, let code = code(of: message, zeroing: range) else { return .malformed }
        var difference: UInt8 = 0
        for (expected, found) in zip(code, message[range]) {
            difference |= expected ^ found
        }
        return difference == 0 ? .ok : .badMAC
    }

    private static func length(of message: [UInt8]) -> Int {
        Int(message[Offset.length.lowerBound]) << 8 | Int(message[Offset.length.lowerBound + 1])
    }

    /// The whole MAC. `nil` for messages that carry none.
    private func code(of message: [UInt8], zeroing range: Range<Int>) -> [UInt8]? {
        guard let type = MessageType(rawValue: message[0] >> 4), let salt = Self.salt(for: type) else { return nil }
        var covered = message
        for index in range {
            covered[index] = 0
        }
        switch algorithm {
        case .none:
            return nil
        case .hmacSHA1_96:
            return Array(HMAC<Insecure.SHA1>.authenticationCode(for: covered, using: SymmetricKey(data: secret)))
        case .hmacSHA256_128:
            return Array(HMAC<SHA256>.authenticationCode(for: covered, using: SymmetricKey(data: secret)))
        case .hmacSHA256_128_HKDF:
            let key = HKDF<SHA256>.deriveKey(
                inputKeyMaterial: SymmetricKey(data: message[Offset.nonce] + secret),
                salt: salt,
                outputByteCount: 32
            )
            return Array(HMAC<SHA256>.authenticationCode(for: covered, using: key))
        }
    }

    /// Section 5.6, step 4.
    private static func salt(for type: MessageType) -> [UInt8]? {
        switch type {
        case .mapRegister: Array("Map-Register Authentication".utf8)
        case .mapNotify: Array("Map-Notify Authentication".utf8)
        case .mapNotifyAck: Array("Map-Notify-Ack Authentication".utf8)
        case .mapRequest, .mapReply, .mapReferral, .info, .encapsulatedControlMessage, .sharedExtension: nil
        }
    }
}
