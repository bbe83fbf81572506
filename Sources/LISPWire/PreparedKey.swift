// A key that has done once what each message would have it do again: half of the work of a short message's HMAC is its key.

import Crypto
// For what gives access to the octets of a digest.
import FoundationEssentials

/// A key with its part of the HMAC computed. Some hundred octets: for those who sign or verify with it often.
package final class PreparedKey: Sendable {
    package let key: AuthenticationKey
    private let state: State

    private enum State {
        case none
        case sha1(KeyedHash<Insecure.SHA1>)
        case sha256(KeyedHash<SHA256>)
        /// Each message has a key of its own.
        case sha256Derived
    }

    package init(_ key: AuthenticationKey) {
        self.key = key
        self.state =
            switch key.algorithm {
            case .none: .none
            case .hmacSHA1_96: .sha1(KeyedHash(key.secret))
            case .hmacSHA256_128: .sha256(KeyedHash(key.secret))
            case .hmacSHA256_128_HKDF: .sha256Derived
            }
    }

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
    /// - Precondition: the message was encoded with `Authentication(placeholderFor: key)`.
    package func sign(_ message: inout [UInt8]) {
        guard key.algorithm != .none else { return }
        let length = key.algorithm.sentLength
        precondition(
            message.count >= Offset.data + length
                && message[Offset.keyID] == key.id && message[Offset.algorithm] == key.algorithm.rawValue
                && Self.length(of: message) == length,
            "a message encoded with this key's placeholder"
        )
        message.withUnsafeMutableBytes { bytes in
            _ = withCode(of: UnsafeRawBufferPointer(bytes), length: length) { code in
                UnsafeMutableRawBufferPointer(rebasing: bytes[Offset.data..<Offset.data + length]).copyMemory(
                    from: code
                )
            }
        }
    }

    /// Whether this key made the message's authentication data. Takes as long for a nearly right MAC as for a wrong one.
    package func verifies(_ message: [UInt8]) -> AuthenticationVerdict {
        guard message.count >= Offset.data else { return .malformed }
        guard message[Offset.keyID] == key.id else { return .wrongKeyID }
        guard key.algorithm != .none, message[Offset.algorithm] == key.algorithm.rawValue else {
            return .wrongAlgorithm
        }
        let length = Self.length(of: message)
        guard key.algorithm.accepts(length: length) else { return .badLength }
        guard Offset.data + length <= message.count else { return .malformed }
        let difference: UInt8? = message.withUnsafeBytes { bytes in
            withCode(of: bytes, length: length) { code in
                var difference: UInt8 = 0
                for index in 0..<length {
                    difference |= code[index] ^ bytes[Offset.data + index]
                }
                return difference
            }
        }
        guard let difference else { return .malformed }
        return difference == 0 ? .ok : .badMAC
    }

    private static func length(of message: [UInt8]) -> Int {
        Int(message[Offset.length.lowerBound]) << 8 | Int(message[Offset.length.lowerBound + 1])
    }

    /// Gives `body` the whole MAC of a message whose authentication data has `length` octets. `nil` for messages that carry none.
    private func withCode<R>(
        of message: UnsafeRawBufferPointer,
        length: Int,
        _ body: (UnsafeRawBufferPointer) -> R
    ) -> R? {
        guard let type = MessageType(rawValue: message[0] >> 4), Self.isAuthenticated(type) else { return nil }
        switch state {
        case .none:
            return nil
        case .sha1(let hash):
            return hash.code(of: message, zeroing: Offset.data, length).withUnsafeBytes(body)
        case .sha256(let hash):
            return hash.code(of: message, zeroing: Offset.data, length).withUnsafeBytes(body)
        case .sha256Derived:
            let derived = HKDF<SHA256>.deriveKey(
                inputKeyMaterial: SymmetricKey(data: Array(message[Offset.nonce]) + key.secret),
                salt: Self.salt(for: type),
                outputByteCount: 32
            )
            let hash = KeyedHash<SHA256>(derived.withUnsafeBytes { Array($0) })
            return hash.code(of: message, zeroing: Offset.data, length).withUnsafeBytes(body)
        }
    }

    private static func isAuthenticated(_ type: MessageType) -> Bool {
        switch type {
        case .mapRegister, .mapNotify, .mapNotifyAck: true
        case .mapRequest, .mapReply, .mapReferral, .info, .encapsulatedControlMessage, .sharedExtension: false
        }
    }

    /// Section 5.6, step 4.
    private static func salt(for type: MessageType) -> [UInt8] {
        switch type {
        case .mapRegister: Array("Map-Register Authentication".utf8)
        case .mapNotify: Array("Map-Notify Authentication".utf8)
        case .mapNotifyAck: Array("Map-Notify-Ack Authentication".utf8)
        case .mapRequest, .mapReply, .mapReferral, .info, .encapsulatedControlMessage, .sharedExtension: []
        }
    }
}

/// HMAC (RFC 2104) with the key's blocks already hashed.
private struct KeyedHash<Hash: HashFunction & Sendable>: Sendable where Hash.Digest: Sendable {
    private var inner = Hash()
    private var outer = Hash()

    init(_ secret: [UInt8]) {
        var block = secret.count > Hash.blockByteCount ? Array(Hash.hash(data: secret)) : secret
        block += Array(repeating: 0, count: Hash.blockByteCount - block.count)
        inner.update(data: block.map { $0 ^ 0x36 })
        outer.update(data: block.map { $0 ^ 0x5c })
    }

    /// The code of `message` with `length` octets from `offset` on taken for zeros; both lie in the message.
    func code(of message: UnsafeRawBufferPointer, zeroing offset: Int, _ length: Int) -> Hash.Digest {
        var inner = inner
        // At once: each part takes longer to hand over than to copy.
        withUnsafeTemporaryAllocation(byteCount: message.count, alignment: 16) { copy in
            copy.copyMemory(from: message)
            UnsafeMutableRawBufferPointer(rebasing: copy[offset..<offset + length]).initializeMemory(
                as: UInt8.self,
                repeating: 0
            )
            inner.update(bufferPointer: UnsafeRawBufferPointer(copy))
        }
        var outer = outer
        inner.finalize().withUnsafeBytes { outer.update(bufferPointer: $0) }
        return outer.finalize()
    }
}
