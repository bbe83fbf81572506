// The file of the Map-Server's nonces. Writing it can take a while, so that it happens beside the control loop.

import FoundationEssentials
import LISPControl
import Logging
import Synchronization

/// Reads and replaces the file. Any thread may write; of two writes the one with the greater number stays.
final class NonceWriter: Sendable {
    private static let file = "map-server-nonces.json"

    private let state: StateDirectory
    private let next = Atomic<UInt64>(1)
    private let written = Mutex<UInt64>(0)

    init(_ state: StateDirectory) {
        self.state = state
    }

    /// The number of the next write, in order of what is written.
    func number() -> UInt64 { next.wrappingAdd(1, ordering: .relaxed).oldValue }

    func write(_ nonces: [NonceHistory], number: UInt64) throws(StateDirectory.Failure) {
        try written.withLock { last throws(StateDirectory.Failure) in
            guard number > last else { return }
            let data: Data
            do {
                data = try JSONEncoder().encode(nonces)
            } catch {
                throw .cannotUse(path: state.path + "/" + Self.file, reason: "\(error)")
            }
            try state.write(Self.file, data)
            last = number
        }
    }

    /// What the Map-Server knew of nonces when it was last saved. A file that does not parse is as good as none: then old
    /// messages may be replayed once, which the log says.
    func saved(_ logger: Logger) -> [NonceHistory] {
        guard let data = state.readData(Self.file) else { return [] }
        do {
            return try JSONDecoder().decode([NonceHistory].self, from: data)
        } catch {
            logger.warning(
                "\(state.path)/\(Self.file) cannot be read, old Map-Registers may be replayed once: \(error)"
            )
            return []
        }
    }
}
