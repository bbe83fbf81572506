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
            case .cannotUse(let path, let reason): "cannot keep state in \(path): \(reason)"
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

    func readBytes(_ name: String) -> [UInt8]? {
        readData(name).map { Array($0) }
    }

    /// The names of all files.
    func names() -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = Glibc.readdir(directory) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
            )
        }
        return names
    }

    /// Replaces a file as a whole: after a crash, or on a full disk, the old or the new one is there.
    func write(_ name: String, _ data: [UInt8]) throws(Failure) {
        let target = path + "/" + name
        let draft = target + ".new"
        let file = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .cannotUse(path: target, reason: String(cString: strerror(errno))) }
        let written = Self.writeAll(data, to: file) && fsync(file) == 0
        let code = errno
        close(file)
        guard written else {
            unlink(draft)
            throw .cannotUse(path: target, reason: String(cString: strerror(code)))
        }
        guard rename(draft, target) == 0 else {
            throw .cannotUse(path: target, reason: String(cString: strerror(errno)))
        }
        // The new name, too, has to outlive the host's end. Where it does not, the old file is there again.
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { return }
        _ = fsync(directory)
        close(directory)
    }

    /// `false` with errno set if not all could be written.
    static func writeAll(_ bytes: [UInt8], to file: Int32) -> Bool {
        bytes.withUnsafeBytes { writeAll($0, to: file) }
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Int32) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(file, rest.baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        return true
    }

    func write(_ name: String, _ text: String) throws(Failure) {
        try write(name, Array((text + "\n").utf8))
    }

    /// The xTR-ID that was made at the first start (RFC 9301 section 5.6).
    func xtrID() throws(Failure) -> XTRID {
        if let text = read("xtr-id") {
            guard let id = XTRID(text) else {
                throw .cannotUse(
                    path: path + "/xtr-id",
                    reason: "holds no xTR-ID (up to 32 hexadecimal digits); remove it to have a new one made"
                )
            }
            return id
        }
        let id = XTRID(rawValue: UInt128.random(in: 1...UInt128.max))
        try write("xtr-id", id.description)
        return id
    }
}
