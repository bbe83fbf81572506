// What is remembered of the nonces of one ETR, as tests, simulations and earlier releases have it.

/// The nonces of one ETR at one site under one key.
package struct NonceHistory: Hashable, Sendable, Codable {
    package struct Message: Hashable, Sendable, Codable {
        package let nonce: UInt64
        /// The first 64 bits of the authentication data: what stands for the whole message.
        package let mac: UInt64
    }

    package let site: String
    /// `ETRIdentity.description`.
    package let etr: String
    package let keyID: UInt8
    /// Oldest first; the last one accepted stands at the end. Of an ETR that is strictly judged it is the only one.
    package var messages: [Message]
    /// Nonces at the end of the history that counted upwards.
    package var counting: Int
    package var isStrict: Bool
    package var reusesNonces: Bool
}
