// The files of the Map-Server's nonces: the journal of LISPControl's `NonceGuard`, in parts with ascending numbers.
//
//     map-server-nonces.7        everything as of some moment
//     map-server-nonces.8        what was accepted since; grows at its end
//
// What is appended is handed to the kernel before anything that follows from it is sent, so that no end of the process can lose
// it; the disk has it within a second (docs/decisions/nonces-saved.md). When the part has grown, a new one is begun, and
// everything is written to a file of its own beside the control loop, after which the older ones go.

import FoundationEssentials
import Glibc
import LISPControl
import Logging
import Synchronization

/// One process has it open, by the lock of the state directory. `append` and `beginPart` belong to the control loop.
final class NonceStore: Sendable {
    private static let name = "map-server-nonces"
    /// What earlier builds kept: read once.
    private static let formerFile = "map-server-nonces.json"
    private static let magic = Array("lispd nonces 1\n".utf8)
    /// A part is ended when it is larger than this and than twice what everything took when last written.
    static let partSize = 4 << 20

    private struct State {
        /// The part that grows; -1 if none does.
        var file: Int32 = -1
        var number: UInt64 = 0
        var size = 0
        /// Octets of everything when it was last written.
        var sizeOfAll = 0
        /// Whether something was appended that may not be on the disk yet.
        var isDirty = false
        /// Whether something could not be written, or is in the form of an earlier release.
        var needsAll = false
    }

    private let directory: StateDirectory
    private let partSize: Int
    private let state = Mutex(State())

    init(_ directory: StateDirectory, partSize: Int = NonceStore.partSize) {
        self.directory = directory
        self.partSize = partSize
    }

    deinit {
        state.withLock { state in
            if state.file >= 0 { close(state.file) }
        }
    }

    // MARK: Reading

    /// What was saved when the Map-Server last ran. What cannot be read costs a line in the log, and what can is kept.
    func load(_ logger: Logger) -> NonceGuard {
        var reader = NonceJournalReader(loadFormer(logger))
        let parts = partNumbers()
        state.withLock { $0.number = max($0.number, parts.last ?? 0) }
        for number in parts {
            let path = path(number)
            guard let bytes = directory.readBytes(name(number)), bytes.starts(with: Self.magic) else {
                logger.warning("\(path) is no file of nonces, old Map-Registers may be replayed once")
                needAll()
                continue
            }
            let outcome = reader.read(Array(bytes.dropFirst(Self.magic.count)))
            guard !outcome.isWhole else { continue }
            needAll()
            logger.warning(
                """
                \(path) is damaged: \(outcome.damagedFrames) entries, and \(outcome.cutOff) octets at its end, as a crash of \
                the host leaves them, cannot be read; the rest is kept
                """
            )
        }
        return reader.nonces
    }

    private func loadFormer(_ logger: Logger) -> NonceGuard {
        guard let bytes = directory.readData(Self.formerFile) else { return NonceGuard() }
        needAll()
        do {
            let nonces = NonceGuard(try JSONDecoder().decode([NonceHistory].self, from: bytes))
            logger.info("nonces of \(nonces.count) ETRs are taken over from \(directory.path)/\(Self.formerFile)")
            return nonces
        } catch {
            logger.warning(
                "\(directory.path)/\(Self.formerFile) cannot be read, old Map-Registers may be replayed once: \(error)"
            )
            return NonceGuard()
        }
    }

    private func needAll() { state.withLock { $0.needsAll = true } }

    private func name(_ number: UInt64) -> String { "\(Self.name).\(number)" }
    private func path(_ number: UInt64) -> String { "\(directory.path)/\(name(number))" }

    private func partNumbers() -> [UInt64] {
        directory.names().compactMap { name in
            name.hasPrefix(Self.name + ".") ? UInt64(name.dropFirst(Self.name.utf8.count + 1)) : nil
        }.sorted()
    }

    // MARK: Writing

    /// Ends the part that grows, if any, and begins one. What is appended then has to be readable without those before.
    func beginPart() throws(StateDirectory.Failure) {
        try state.withLock { state throws(StateDirectory.Failure) in
            // One number stays free for everything so far.
            let number = state.number + 2
            let path = path(number)
            let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw failure(path) }
            guard StateDirectory.writeAll(Self.magic, to: file) else {
                let error = failure(path)
                close(file)
                unlink(path)
                throw error
            }
            if state.file >= 0 { close(state.file) }
            state.file = file
            state.number = number
            state.size = Self.magic.count
            state.isDirty = true
        }
    }

    /// Hands entries of the journal to the kernel. On failure they are lost to this part, as they are where none could be begun, and
    /// everything has to be written anew.
    func append(_ journal: [UInt8]) throws(StateDirectory.Failure) {
        try state.withLock { state throws(StateDirectory.Failure) in
            guard state.file >= 0 else { return state.needsAll = true }
            if StateDirectory.writeAll(journal, to: state.file) {
                state.size += journal.count
                state.isDirty = true
                return
            }
            let error = failure(path(state.number))
            // Half an entry would hide those that follow.
            ftruncate(state.file, state.size)
            lseek(state.file, 0, SEEK_END)
            state.needsAll = true
            throw error
        }
    }

    private func failure(_ path: String) -> StateDirectory.Failure {
        .cannotUse(path: path, reason: String(cString: strerror(errno)))
    }

    /// Sees to it that what was appended is on the disk. May take a while; any thread may call it.
    func synchronize() throws(StateDirectory.Failure) {
        let (file, number) = state.withLock { state in
            guard state.isDirty, state.file >= 0 else { return (Int32(-1), UInt64(0)) }
            state.isDirty = false
            return (dup(state.file), state.number)
        }
        guard file >= 0 else { return }
        defer { close(file) }
        guard fdatasync(file) == 0 else {
            let error = failure(path(number))
            needAll()
            throw error
        }
    }

    var isDirty: Bool { state.withLock { $0.isDirty } }

    /// Whether everything should be written: the part has grown, or something is missing in the files.
    var needsAll: Bool {
        state.withLock { $0.needsAll || $0.size > max(partSize, 2 * $0.sizeOfAll) }
    }

    /// Where everything of this moment is to be written: right before the part that grows now.
    ///
    /// To be called on the control loop right after `beginPart`, together with taking the copy that `writeAll` gets.
    func placeForAll() -> UInt64 {
        state.withLock { state in
            state.needsAll = false
            return state.number - 1
        }
    }

    /// Writes everything, as it was when the part after `number` began, and removes the older files. May take a while.
    func writeAll(_ nonces: NonceGuard, number: UInt64) throws(StateDirectory.Failure) {
        let bytes = Self.magic + nonces.journalOfAll()
        do throws(StateDirectory.Failure) {
            try directory.write(name(number), bytes)
        } catch {
            needAll()
            throw error
        }
        state.withLock { $0.sizeOfAll = bytes.count }
        for older in partNumbers() where older < number { unlink(path(older)) }
        unlink("\(directory.path)/\(Self.formerFile)")
    }

    /// The role goes: what was appended is on the disk, and no part grows any more.
    func end() throws(StateDirectory.Failure) {
        defer {
            state.withLock { state in
                if state.file >= 0 { close(state.file) }
                state.file = -1
            }
        }
        try synchronize()
    }
}
