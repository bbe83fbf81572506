// The secrets that authentication data is checked with. None is ever shown: keys are called by where they were given.

import LISPConfiguration
import LISPWire

struct KeyRing {
    private struct Entry {
        var name: String
        var secret: [UInt8]
    }

    private let entries: [Entry]

    var isEmpty: Bool { entries.isEmpty }

    /// Reads the files.
    ///
    /// - Parameter warn: is told of files that everyone may read.
    init(secrets: [String], files: [String], warn: (String) -> Void) throws(CommandFailure) {
        var entries: [Entry] = []
        for (index, secret) in secrets.enumerated() {
            guard !secret.isEmpty else { throw CommandFailure(.usage, "--key: an empty key, which verifies nothing") }
            entries.append(Entry(name: secrets.count == 1 ? "--key" : "--key \(index + 1)", secret: Array(secret.utf8)))
        }
        for path in files {
            let file: SecretFile
            do throws(SecretFileProblem) {
                file = try SecretFile(path: path)
            } catch {
                throw CommandFailure(error == .empty ? .dataError : .noInput, "--key-file \(path): \(error)")
            }
            if file.isWorldReadable {
                warn("lispctl: key file \(path) can be read by everyone on this host: use mode 0600")
            }
            entries.append(Entry(name: "--key-file \(path)", secret: file.secret))
        }
        self.entries = entries
    }

    /// What came of checking a message.
    enum Verdict: Equatable {
        /// The key that made the message.
        case verified(key: String)
        /// None of them did.
        case failed(keys: Int)
        case noKeyGiven
        /// The message names no algorithm, or one that is not known, or the data has a length that none makes.
        case unverifiable(String)

        /// One word, the same in every release.
        var word: String {
            switch self {
            case .verified: "verified"
            case .failed: "failed"
            case .noKeyGiven: "no-key-given"
            case .unverifiable: "unverifiable"
            }
        }

        var text: String {
            switch self {
            case .verified(let key): "verified with \(key)"
            case .failed(1): "FAILED: not made with the key given"
            case .failed: "FAILED: made with none of the keys given"
            case .noKeyGiven: "not verified: no key given"
            case .unverifiable(let reason): "cannot be verified: \(reason)"
            }
        }
    }

    /// Tries each key with the algorithm of the message, which is the whole UDP payload.
    func verify(_ message: [UInt8], _ authentication: Authentication) -> Verdict {
        guard let algorithm = authentication.knownAlgorithm else {
            return .unverifiable("algorithm \(authentication.algorithm) is not known")
        }
        guard algorithm != .none else { return .unverifiable("it has none") }
        guard algorithm.acceptedLengths.contains(authentication.data.count) else {
            let lengths = algorithm.acceptedLengths.map(String.init).joined(separator: " or ")
            return .unverifiable("\(algorithm) makes \(lengths) octets")
        }
        guard !isEmpty else { return .noKeyGiven }
        for entry in entries {
            let key = AuthenticationKey(id: authentication.keyID, algorithm: algorithm, secret: entry.secret)
            if key.verifies(message) == .ok { return .verified(key: entry.name) }
        }
        return .failed(keys: entries.count)
    }
}
