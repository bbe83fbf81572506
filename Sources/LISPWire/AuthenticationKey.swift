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
    /// Writes the authentication data into an encoded message.
    ///
    /// - Precondition: the message was encoded with `Authentication(placeholderFor: self)`.
    package func sign(_ message: inout [UInt8]) {
        PreparedKey(self).sign(&message)
    }

    /// Whether this key made the message's authentication data. Takes as long for a nearly right MAC as for a wrong one.
    package func verifies(_ message: [UInt8]) -> AuthenticationVerdict {
        PreparedKey(self).verifies(message)
    }
}
