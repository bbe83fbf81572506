// The authentication of one Map-Register under the keys of the several sites that its records may belong to.

import LISPWire

/// Verifies a message once for each key, however many records ask, and for no more keys than any honest message needs.
package struct RegisterVerifier {
    /// A message that does not verify costs one MAC for each key tried; this bounds what a stranger can make us compute.
    static let keyLimit = 16

    private let message: [UInt8]
    private let keyID: UInt8
    private let algorithm: AuthenticationAlgorithm.RawValue
    private var verdicts: [(key: PreparedKey, verdict: AuthenticationVerdict)] = []

    /// How many MACs were computed.
    var macs: Int { verdicts.count }

    /// - Precondition: the message is long enough to be a Map-Register.
    package init(_ message: [UInt8]) {
        self.message = message
        self.keyID = message[12]
        self.algorithm = message[13]
    }

    /// The key of a site that made the message.
    ///
    /// - Parameter site: any number that is the site's own.
    mutating func key(
        among keys: [AuthenticationKey],
        of site: Int,
        prepared: inout PreparedKeys
    ) throws(RegistrationRefusal) -> PreparedKey {
        var refusal = RegistrationRefusal.unknownKeyID
        for (index, key) in keys.enumerated() where key.id == keyID {
            if refusal == .unknownKeyID { refusal = .algorithmNotAllowed }
            // Algorithm 0 authenticates nothing, even if somebody configured it.
            guard key.algorithm != .none, key.algorithm.rawValue == algorithm else { continue }
            if refusal == .algorithmNotAllowed { refusal = .wrongKey }
            let (prepared, verdict) = try verdict(on: key, place: site &* 4 &+ index, &prepared)
            switch verdict {
            case .ok: return prepared
            case .badLength, .malformed: refusal = .badLength
            case .badMAC, .wrongKeyID, .wrongAlgorithm: break
            }
        }
        throw refusal
    }

    private mutating func verdict(
        on key: AuthenticationKey,
        place: Int,
        _ prepared: inout PreparedKeys
    ) throws(RegistrationRefusal) -> (PreparedKey, AuthenticationVerdict) {
        if let known = verdicts.first(where: { $0.key.key == key }) { return known }
        guard verdicts.count < Self.keyLimit else { throw .tooManyKeys }
        let prepared = prepared.prepared(key, place: place)
        let verdict = prepared.verifies(message)
        verdicts.append((prepared, verdict))
        return (prepared, verdict)
    }
}

/// The keys used lately, each with its part of the work done. Bounded: one that comes takes the place of another.
struct PreparedKeys: Sendable {
    private static let size = 16_384

    private var keys: [PreparedKey?] = []

    /// - Parameter place: the same for the same key as a rule, another for another.
    mutating func prepared(_ key: AuthenticationKey, place: Int) -> PreparedKey {
        if keys.isEmpty { keys = Array(repeating: nil, count: Self.size) }
        let place = place & (Self.size - 1)
        if let known = keys[place], known.key == key { return known }
        let new = PreparedKey(key)
        keys[place] = new
        return new
    }
}
