// Something wrong with a router, put between it and its network, so that the code under test has no hook for it.

import LISPControl
import LISPTables
import LISPWire

/// Rewrites what a router is given and what it does. Everything has a default that changes nothing.
package protocol FaultyBehaviour: AnyObject {
    /// What reaches the router instead; `nil`: nothing.
    func receives(_ message: ReceivedControlMessage, at node: SimulatedRouter) -> ReceivedControlMessage?
    /// What is carried out instead of the router's actions.
    func acts(_ actions: [RouterAction], at node: SimulatedRouter) -> [RouterAction]
    /// Whether the router learns that its deadline has passed.
    func hasTime(_ node: SimulatedRouter) -> Bool
    /// What the router takes for the time when its deadline has passed.
    func time(_ now: Instant) -> Instant
    /// The settings that the router runs with.
    func configures(_ settings: RouterSettings) -> RouterSettings
    func limits(_ limits: RouterLimits) -> RouterLimits
    /// What a Map-Server that starts again finds of the nonces that it has saved.
    func restores(_ nonces: NonceGuard) -> NonceGuard
    /// Where the nonces of the Map-Registers of a router that starts begin.
    func firstNonce(saved: UInt64, wall: UInt64) -> UInt64
}

extension FaultyBehaviour {
    package func receives(_ message: ReceivedControlMessage, at node: SimulatedRouter) -> ReceivedControlMessage? {
        message
    }
    package func acts(_ actions: [RouterAction], at node: SimulatedRouter) -> [RouterAction] { actions }
    package func hasTime(_ node: SimulatedRouter) -> Bool { true }
    package func time(_ now: Instant) -> Instant { now }
    package func configures(_ settings: RouterSettings) -> RouterSettings { settings }
    package func limits(_ limits: RouterLimits) -> RouterLimits { limits }
    package func restores(_ nonces: NonceGuard) -> NonceGuard { nonces }
    package func firstNonce(saved: UInt64, wall: UInt64) -> UInt64 { max(saved, wall) }
}
