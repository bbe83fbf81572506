// What a router's tables take, estimated: how many entries of each kind there are, times what one of them takes.

import LISPControl
import LISPTables
import LISPWire

/// An estimate for one router at one moment. What hash tables and the allocator add is in the sizes of the entries, roughly.
package struct NodeMemory: Codable, Hashable, Sendable {
    package var mapCacheEntries = 0
    package var locators = 0
    package var openQuestions = 0
    package var heldPacketOctets = 0
    package var databaseMappings = 0
    package var registrations = 0
    /// ETRs whose nonces a Map-Server remembers.
    package var nonceHistories = 0
    package var unacknowledgedNotifies = 0

    /// Octets that one of each takes, its share of the tables included.
    private enum Size {
        /// Its trie node, deadline, place in the order of age and half of a locator set with two locators.
        static let mapCacheEntry = 400
        static let locator = MemoryLayout<MapCacheLocator>.stride + 160
        static let question = 320
        static let mapping = MemoryLayout<DatabaseMapping>.stride + 200
        static let registration = MemoryLayout<ETRRegistration>.stride + 120
        static let nonceHistory = 96 + NonceGuard.remembered * MemoryLayout<NonceHistory.Message>.stride
        static let notify = 256
    }

    package init() {}

    package init(_ node: SimulatedRouter) {
        mapCacheEntries = node.router.itr?.cache.count ?? 0
        locators = node.router.itr?.locators.count ?? 0
        openQuestions = node.router.itr?.openQuestions.eids ?? 0
        heldPacketOctets = node.router.itr?.held.octets ?? 0
        databaseMappings = node.router.etr?.database.count ?? 0
        guard let server = node.router.mapServer else { return }
        for (_, entry) in server.registry.registered { registrations += entry.registrations.count }
        nonceHistories = server.nonces.count
        unacknowledgedNotifies = server.unacknowledgedNotifies
    }

    package var octets: Int {
        mapCacheEntries * Size.mapCacheEntry + locators * Size.locator + openQuestions * Size.question
            + heldPacketOctets + databaseMappings * Size.mapping + registrations * Size.registration
            + nonceHistories * Size.nonceHistory + unacknowledgedNotifies * Size.notify
    }
}
