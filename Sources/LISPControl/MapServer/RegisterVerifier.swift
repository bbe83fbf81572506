// The authentication of one Map-Register under the keys of the several sites that its records may belong to.

import LISPWire

/// Verifies a message once for each key, however many records ask, and for no more keys than any honest message needs.
struct RegisterVerifier {
    /// A message that does not verify costs one MAC for each key tried; this bounds what a stranger can make us compute.
    static let keyLimit = 16

    private let message: [UInt8]
    private let claimed: Authentication
    private var verdicts: [AuthenticationKey: AuthenticationVerdict] = [:]

    /// - Parameter message: the UDP payload that `claimed` was decoded from.
    init(_ message: [UInt8], claimed: Authentication) {
        self.message = message
        self.claimed = claimed
    }

    /// The key of a site that made the message.
    mutating func key(among keys: [AuthenticationKey]) throws(RegistrationRefusal) -> AuthenticationKey {
        let named = keys.filter { $0.id == claimed.keyID }
        guard !named.isEmpty else { throw .unknownKeyID }
        // Algorithm 0 authenticates nothing, even if somebody configured it.
        let candidates = named.filter { $0.algorithm != .none && $0.algorithm.rawValue == claimed.algorithm }
        guard !candidates.isEmpty else { throw .algorithmNotAllowed }
        var refusal = RegistrationRefusal.wrongKey
        for key in candidates {
            guard verdicts[key] != nil || verdicts.count < Self.keyLimit else { throw .tooManyKeys }
            let verdict = verdicts[key] ?? key.verifies(message)
            verdicts[key] = verdict
            switch verdict {
            case .ok: return key
            case .badLength, .malformed: refusal = .badLength
            case .badMAC, .wrongKeyID, .wrongAlgorithm: break
            }
        }
        throw refusal
    }
}
