// Randomness comes into the machines from outside, so that a simulation repeats from its seed.

import LISPWire

extension Nonce {
    /// A nonce for a Map-Request: 64 random bits (RFC 9301 section 5.2).
    package static func random(using generator: inout some RandomNumberGenerator) -> Nonce {
        Nonce(rawValue: generator.next())
    }
}
