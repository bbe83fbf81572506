// How many messages of others a router heeds, forwards and answers in a second.

import LISPWire

/// Numbers of messages a second; twice as many are let pass at once after a pause.
package struct MessageLimitsConfiguration: Hashable, Sendable {
    package enum Key: String, Hashable, Sendable, CaseIterable {
        case mapRequestsPerSource = "map-requests-per-source"
        case mapRequests = "map-requests"
        case mapRequestsPerETR = "map-requests-per-etr"
        case mapRepliesPerRLOC = "map-replies-per-rloc"
        case negativeMapReplies = "negative-map-replies"
        case failedMapRegistersPerSource = "failed-map-registers-per-source"
        case failedMapRegisters = "failed-map-registers"
        case mapRegistersPerSite = "map-registers-per-site"

        /// What holds where the file says nothing.
        fileprivate var usual: Int? {
            switch self {
            case .mapRequestsPerSource, .negativeMapReplies, .failedMapRegisters, .mapRegistersPerSite: 10_000
            case .mapRequests: 100_000
            case .mapRequestsPerETR, .mapRepliesPerRLOC: 1_000
            case .failedMapRegistersPerSource: 20
            }
        }
    }

    /// Of every key; `nil` is no limit.
    package var values: [Key: Int?] = Dictionary(uniqueKeysWithValues: Key.allCases.map { ($0, $0.usual) })

    package init() {}
}

extension Loader {
    func messageLimits(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        let names = MessageLimitsConfiguration.Key.allCases.map(\.rawValue)
        guard let section = root["limits"]?.mapping(names) else { return }
        for key in MessageLimitsConfiguration.Key.allCases {
            guard let node = section[key.rawValue] else { continue }
            if node.isWord("none") {
                result.limits.values[key] = .some(nil)
            } else if let limit = node.integer(1...10_000_000, or: "none") {
                result.limits.values[key] = limit
            }
        }
    }
}
