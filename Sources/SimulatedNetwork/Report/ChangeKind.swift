// What changes in a network, as operators name it.

import LISPWire

/// A kind of change after which routers have to learn something.
package enum ChangeKind: String, CaseIterable, Codable, Sendable {
    /// A mapping has other RLOCs.
    case rlocChange = "RLOC change"
    /// A mapping has the same RLOCs with other priorities, weights or TTL.
    case preferenceChange = "preference change"
    case prefixAdded = "EID-prefix added"
    case prefixRemoved = "EID-prefix removed"
    /// An RLOC answers no more, and nobody says so.
    case rlocDead = "RLOC dead"
    case rlocBack = "RLOC back"
    case mapServerRestart = "Map-Server restart"
    case siteRestart = "site restart, state kept"
    case siteRestartStateLost = "site restart, state lost"
    case partitionHealed = "partition healed"
}

/// What happens outside of all routers. Checks hear of it.
package enum NetworkEvent: Sendable {
    /// Nothing that is sent to the RLOC arrives any more, or it does again.
    case rlocDead(IPAddress)
    case rlocBack(IPAddress)
    /// Routers of two parts reach each other again.
    case partitionHealed
}
