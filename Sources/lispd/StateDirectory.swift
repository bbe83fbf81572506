// What has to outlive the process: the xTR-ID, the nonce counter, the Map-Server's nonce state. One small file each.

import FoundationEssentials
import Glibc
import LISPWire

/// The directory `--state-directory`, made if it is missing, held under a lock by one process at a time.
struct StateDirectory: Sendable {
    enum Failure: Error, CustomStringConvertible {
        case cannotUse(path: String, reason: String)
        case inUse(path: String)

        var description: String {
            switch self {
            case .cannotUse(let path, let reason): "state directory \(path): \(reason)"
            case .inUse(let path): "another lispd uses the state directory \(path)"
            }
        }
    }

    let path: String

    /// Opens and locks the directory. The lock ends with the process, however that ends.
    init(path: String) throws(Failure) {
        self.path = path
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw .cannotUse(path: path, reason: String(cString: strerror(errno)))
        }
        let lock = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw .cannotUse(path: path, reason: String(cString: strerror(errno))) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw .inUse(path: path)
        }
    }

    /// The text of a file, without surrounding white space; `nil` if there is none.
    func read(_ name: String) -> String? {
        guard let data = readData(name) else { return nil }
        return String(decoding: data, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    func readData(_ name: String) -> Data? {
        try? Data(contentsOf: URL(filePath: path + "/" + name))
    }

    /// Replaces a file as a whole: after a crash the old or the new one is there.
    func write(_ name: String, _ data: Data) throws(Failure) {
        do {
            try data.write(to: URL(filePath: path + "/" + name), options: .atomic)
        } catch {
            throw .cannotUse(path: path + "/" + name, reason: "\(error)")
        }
    }

    func write(_ name: String, _ text: String) throws(Failure) {
        try write(name, Data((text + "\n").utf8))
    }

    /// The xTR-ID that was made at the first start (RFC 9301 section 5.6).
    func xtrID() throws(Failure) -> XTRID {
        if let text = read("xtr-id"), let value = UInt128(text, radix: 16) { return XTRID(rawValue: value) }
        let value = UInt128.random(in: 1...UInt128.max)
        try write("xtr-id", String(value, radix: 16))
        return XTRID(rawValue: value)
    }
}
