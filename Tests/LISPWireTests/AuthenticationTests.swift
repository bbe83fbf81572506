// Message authentication: exact lengths, all octets, and the three algorithms.

import LISPWire
import TestRandomness
import Testing

@Suite struct AuthenticationTests {
    private static let sha1 = AuthenticationKey(id: 3, algorithm: .hmacSHA1_96, secret: Array("secret".utf8))
    private static let sha256 = AuthenticationKey(id: 3, algorithm: .hmacSHA256_128, secret: Array("secret".utf8))
    private static let derived = AuthenticationKey(id: 3, algorithm: .hmacSHA256_128_HKDF, secret: Array("secret".utf8))

    private static func register(_ key: AuthenticationKey, length: Int? = nil) -> [UInt8] {
        var authentication = Authentication(placeholderFor: key)
        if let length { authentication.data = Array(repeating: 0, count: length) }
        return MapRegister(
            nonce: Nonce(rawValue: 0x0102_0304_0506_0708),
            authentication: authentication,
            records: [],
            xtrID: XTRID(rawValue: 1),
            siteID: SiteID(rawValue: 2)
        ).encoded()
    }

    private static func signed(_ key: AuthenticationKey) -> [UInt8] {
        var message = register(key)
        key.sign(&message)
        return message
    }

    @Test func `what a key signed it verifies`() {
        var random = SeededGenerator("signing")
        for _ in 0..<500 {
            let key = random.key()
            var message =
                switch random.number(0...1) {
                case 0:
                    MapRegister(
                        nonce: Nonce(rawValue: random.number()),
                        authentication: Authentication(placeholderFor: key),
                        records: [random.record(.all)],
                        tail: random.octets(random.number(0...20))
                    ).encoded()
                default:
                    MapNotify(
                        isAcknowledgement: random.flip(),
                        nonce: Nonce(rawValue: random.number()),
                        authentication: Authentication(placeholderFor: key),
                        records: [random.record(.all)]
                    ).encoded()
                }
            #expect(key.verifies(message) == .badMAC)
            key.sign(&message)
            #expect(key.verifies(message) == .ok)
            // No octet but is covered.
            let position = random.number(0...message.count - 1)
            message[position] ^= 1 << random.number(0...7)
            #expect(key.verifies(message) != .ok)
        }
    }

    /// What Python's hmac and hashlib make of `register`, HKDF spelled out as its two HMACs (RFC 5869): the whole MAC of
    /// each algorithm, and the shortest form that its name promises.
    static let known: [(AuthenticationKey, String)] = [
        (
            sha1,
            "257ab60e05b18341c4b3998fb13177eb8cc41371"
        ),
        (
            sha1,
            "79917cab539426d359a3b822"
        ),
        (
            sha256,
            "805c306614a4ed1c6d8cb5750810e27b0d22da53d387ae29b913dbbd5ae91ff9"
        ),
        (
            sha256,
            "46c3e8c707d5175f49ed55c44d546425"
        ),
        (
            derived,
            "662f08ddb7afbb8868e148f4dc65d46ba493f87250243d861fbddba7ce8f8231"
        ),
        (
            derived,
            "1e716d7f07749e3559e6096af874983a"
        ),
    ]

    @Test(arguments: known)
    func `agrees with another implementation`(key: AuthenticationKey, code: String) {
        let code = bytes(code)
        var message = Self.register(key, length: code.count)
        message.replaceSubrange(16..<16 + code.count, with: code)
        #expect(key.verifies(message) == .ok)
        if code.count == key.algorithm.sentLength {
            #expect(Self.signed(key) == message)
        }
        // Every octet of the field counts, also of a short one.
        for position in 16..<16 + code.count {
            for bit in 0..<8 {
                var damaged = message
                damaged[position] ^= 1 << UInt8(bit)
                #expect(key.verifies(damaged) == .badMAC)
            }
        }
    }

    /// By OpenSSL 3.0, for a message with the nonce 0x0102030405060708 under the key "secret":
    ///
    ///     KEY=$(openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:0102030405060708736563726574 \
    ///         -kdfopt salt:"Map-Register Authentication" HKDF | tr -d :)
    ///     echo 3200000001020304...0002 | xxd -r -p | openssl mac -digest SHA256 -macopt hexkey:$KEY -in /dev/stdin HMAC
    ///
    /// with the salt of each type (RFC 9301 section 5.6 step 4), and the message's octets with its MAC zero.
    @Test(arguments: [
        ("32", "662f08ddb7afbb8868e148f4dc65d46ba493f87250243d861fbddba7ce8f8231"),
        ("40", "feeff09adb93a3e85a66f338f4857291ca2441cd8fbe5b76ba3deb2a60a286c6"),
        ("50", "f952418c0d168e8aef062971424b5f9e5dbebb81ba8126b148c4408f59e857f7"),
    ])
    func `derives the keys of algorithm 3 as OpenSSL does`(type: String, code: String) throws {
        let head = bytes(type + "000000 0102030405060708 03 03 0020")
        let identity = bytes("00000000000000000000000000000001 0000000000000002")
        let zero = [UInt8](repeating: 0, count: 32)
        let message = head + bytes(code) + identity
        #expect(Self.derived.verifies(message) == .ok)
        var signed = head + zero + identity
        Self.derived.sign(&signed)
        #expect(signed == message)
        // It is a message: what follows is the xTR-ID, by the I-bit of the first and by its length of the others.
        #expect(try ControlMessage(decoding: message).encoded() == message)
    }

    @Test(arguments: [0, 1, 4, 11, 13, 15, 19, 21, 24, 31, 33])
    func `no other length is accepted`(length: Int) {
        for key in [Self.sha1, Self.sha256, Self.derived] {
            #expect(key.verifies(Self.register(key, length: length)) == .badLength)
        }
    }

    @Test func `the lengths of one algorithm are not those of the other`() {
        #expect(Self.sha1.verifies(Self.register(Self.sha1, length: 16)) == .badLength)
        #expect(Self.sha256.verifies(Self.register(Self.sha256, length: 20)) == .badLength)
    }

    @Test func `names what is wrong`() {
        let message = Self.signed(Self.sha256)
        var other = Self.sha256
        other.id = 4
        #expect(other.verifies(message) == .wrongKeyID)
        #expect(Self.sha1.verifies(message) == .wrongAlgorithm)
        #expect(Self.derived.verifies(message) == .wrongAlgorithm)
        other = Self.sha256
        other.secret.append(0x21)
        #expect(other.verifies(message) == .badMAC)
        for length in 0..<48 {
            #expect(Self.sha256.verifies(Array(message.prefix(length))) == .malformed)
        }
    }

    @Test func `algorithm 0 never verifies`() {
        let none = AuthenticationKey(id: 3, algorithm: .none, secret: [])
        for length in [0, 12, 16, 20, 32] {
            #expect(none.verifies(Self.register(none, length: length)) == .wrongAlgorithm)
        }
        var message = Self.register(none)
        let before = message
        none.sign(&message)
        #expect(message == before)
    }

    @Test func `a message of one type does not pass for another under a derived key`() {
        var message = Self.signed(Self.derived)
        message[0] = message[0] & 0x0f | 0x40
        #expect(Self.derived.verifies(message) == .badMAC)
        message[0] = message[0] & 0x0f | 0x10
        #expect(Self.derived.verifies(message) == .malformed)
    }

    @Test func `a key never shows its secret`() {
        var dumped = ""
        dump(Self.sha1, to: &dumped)
        for text in [
            String(describing: Self.sha1), String(reflecting: Self.sha1), String(describing: [Self.sha1]), dumped,
        ] {
            #expect(!text.contains("115") && !text.contains("secret"), "\(text)")
        }
    }

    @Test(arguments: AuthenticationAlgorithm.allCases)
    func `an algorithm is found by its name`(algorithm: AuthenticationAlgorithm) {
        #expect(AuthenticationAlgorithm(name: algorithm.name) == algorithm)
        #expect(AuthenticationAlgorithm(name: algorithm.name.uppercased()) == nil)
    }
}
