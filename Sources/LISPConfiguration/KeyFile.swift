// Files that hold one secret, and the configuration file itself: the only places where this module touches the system.

import Glibc

/// What a file's text is, and whether it ought to be read by fewer.
struct FileText {
    var bytes: [UInt8]
    /// Whether everyone on this host may read the file.
    var isWorldReadable: Bool
}

/// Why a file could not be read, in words without its path.
struct FileProblem: Error {
    var text: String
}

/// The whole of a regular file of at most `limit` octets.
func readFile(_ path: String, limit: Int) throws(FileProblem) -> FileText {
    // Without O_NONBLOCK a FIFO would wait for its writer before its type is known.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileProblem(text: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileProblem(text: String(cString: strerror(errno))) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FileProblem(text: "Not a regular file") }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 * 1024)
    while true {
        let count = read(descriptor, &buffer, buffer.count)
        guard count >= 0 else {
            if errno == EINTR { continue }
            throw FileProblem(text: String(cString: strerror(errno)))
        }
        if count == 0 { break }
        bytes += buffer[..<count]
        guard bytes.count <= limit else { throw FileProblem(text: "Longer than \(limit) octets") }
    }
    return FileText(bytes: bytes, isWorldReadable: status.st_mode & S_IROTH != 0)
}

/// The longest secret that is read from a file, in octets.
let keyFileLimit = 4096

/// `bytes` without one line end at their end.
func withoutTrailingNewline(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
    if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
    return bytes
}

/// `path` as seen from the directory of `file`.
package func resolve(_ path: String, besides file: String) -> String {
    guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
    return file[...slash] + path
}

/// A file that holds one secret, for whom the configuration is not at hand.
package struct SecretFile {
    /// Not empty, without the line end.
    package let secret: [UInt8]
    /// Whether everyone on this host may read it.
    package let isWorldReadable: Bool

    package init(path: String) throws(SecretFileProblem) {
        let text: FileText
        do {
            text = try readFile(path, limit: keyFileLimit)
        } catch {
            throw .unreadable(error.text)
        }
        self.secret = withoutTrailingNewline(text.bytes)
        self.isWorldReadable = text.isWorldReadable
        guard !secret.isEmpty else { throw .empty }
    }
}

package enum SecretFileProblem: Error, Equatable {
    /// In words, without the path.
    case unreadable(String)
    case empty
}

extension SecretFileProblem: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let text): "cannot be read (\(text))"
        case .empty: "is empty, a key was expected in it"
        }
    }
}
