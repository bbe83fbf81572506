// The files of the Map-Server's nonces: what a process that ended at any moment leaves, the next one finds.

import FoundationEssentials
import LISPTables
import LISPWire
import Logging
import Synchronization
import Testing

@testable import LISPControl
@testable import lispd

/// A directory, and a Map-Server's nonces with the files that they are kept in there.
private final class Bench {
    let path: String
    private let directory: StateDirectory
    var nonces = NonceGuard()
    private(set) var store: NonceStore
    let log = LineLog()

    init() throws {
        path = "/tmp/lispd-nonces-\(UInt64.random(in: 0 ... .max))"
        directory = try StateDirectory(path: path)
        store = NonceStore(directory, partSize: 4_000)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var logger: Logger { Logger(label: "test") { [log] _ in log } }

    func begin() throws {
        nonces.startJournal()
        try store.beginPart()
    }

    /// The process ended without a word; another one takes over.
    func restart() throws {
        store = NonceStore(directory, partSize: 4_000)
        nonces = store.load(logger)
        try begin()
    }

    func accept(_ nonce: UInt64, of etr: UInt64) throws {
        nonces.accept(
            .init(nonce: nonce, mac: nonce),
            site: "alpha",
            etr: .named(XTRID(rawValue: UInt128(etr)), SiteID(rawValue: 0)),
            keyID: 0
        )
        try store.append(nonces.takeJournal())
    }

    /// As the control loop does it.
    func writeAll() throws {
        nonces.startJournal()
        try store.beginPart()
        try store.writeAll(nonces, number: store.placeForAll())
    }

    var files: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).filter { $0 != "lock" }.sorted()
    }
}

/// Keeps the lines that are logged.
private final class LineLog: LogHandler, Sendable {
    private let logged = Mutex<[String]>([])
    var lines: [String] { logged.withLock { $0 } }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }

    subscript(metadataKey _: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        logged.withLock { $0.append("\(event.message)") }
    }
}

@Suite struct `The files of nonces` {
    @Test func `have everything that was appended, whenever the process ends`() throws {
        let bench = try Bench()
        try bench.begin()
        for nonce: UInt64 in 1...200 {
            try bench.accept(nonce, of: nonce % 7)
            if bench.store.needsAll { try bench.writeAll() }
            guard nonce % 3 == 0 else { continue }
            let before = bench.nonces.saved
            try bench.restart()
            #expect(bench.nonces.saved == before)
        }
        #expect(bench.log.lines == [])
    }

    @Test func `do not grow without end: everything is written anew, and the older ones go`() throws {
        let bench = try Bench()
        try bench.begin()
        for nonce: UInt64 in 1...5_000 {
            try bench.accept(nonce, of: nonce % 10)
            if bench.store.needsAll { try bench.writeAll() }
            #expect(bench.files.count <= 2)
        }
        let sizes = try bench.files.map { try Data(contentsOf: URL(filePath: "\(bench.path)/\($0)")).count }
        #expect(sizes.reduce(0, +) < 10_000)
        let before = bench.nonces.saved
        try bench.restart()
        #expect(bench.nonces.saved == before)
    }

    @Test func `are still whole when the process ends while everything is written anew`() throws {
        let bench = try Bench()
        try bench.begin()
        for nonce: UInt64 in 1...20 { try bench.accept(nonce, of: nonce % 3) }
        bench.nonces.startJournal()
        try bench.store.beginPart()
        _ = bench.store.placeForAll()
        for nonce: UInt64 in 21...30 { try bench.accept(nonce, of: nonce % 3) }
        let before = bench.nonces.saved
        try bench.restart()
        #expect(bench.nonces.saved == before)
    }

    @Test func `that are cut off cost a line, and the rest is kept; the next process makes them whole`() throws {
        let bench = try Bench()
        try bench.begin()
        for nonce: UInt64 in 1...20 { try bench.accept(nonce, of: 1) }
        let name = try #require(bench.files.first)
        let file = URL(filePath: "\(bench.path)/\(name)")
        try Data(contentsOf: file).dropLast(5).write(to: file)
        try bench.restart()
        #expect(bench.nonces.saved.first?.messages.last?.nonce == 19)
        #expect(bench.log.lines.count == 1 && bench.log.lines[0].contains("\(name) is damaged"))
        #expect(bench.store.needsAll)
        try bench.writeAll()
        try bench.restart()
        #expect(bench.nonces.saved.first?.messages.last?.nonce == 19)
        #expect(bench.log.lines.count == 1)
    }

    @Test func `that are none cost a line`() throws {
        let bench = try Bench()
        try Data("what is this".utf8).write(to: URL(filePath: "\(bench.path)/map-server-nonces.7"))
        try bench.restart()
        #expect(bench.nonces.count == 0)
        #expect(bench.log.lines.count == 1)
        try bench.accept(1, of: 1)
        try bench.restart()
        #expect(bench.nonces.count == 1)
    }

    @Test func `of an earlier release are taken over, and go when all is written in the new form`() throws {
        let bench = try Bench()
        let former = NonceHistory(
            site: "alpha",
            etr: "xtr-id 00000000000000000000000000000007 site-id 0",
            keyID: 0,
            messages: (1...9).map { .init(nonce: $0, mac: $0) },
            counting: 9,
            isStrict: true,
            reusesNonces: false
        )
        let file = "\(bench.path)/map-server-nonces.json"
        try JSONEncoder().encode([former]).write(to: URL(filePath: file))
        try bench.restart()
        #expect(bench.nonces.saved.map(\.messages.last?.nonce) == [9])
        #expect(bench.store.needsAll)
        // A crash before all is written: the old file still counts beside what was accepted since, which is newer.
        try bench.accept(10, of: 7)
        try bench.restart()
        #expect(bench.nonces.saved.map(\.messages.last?.nonce) == [10])
        try bench.writeAll()
        #expect(!bench.files.contains("map-server-nonces.json"))
        try bench.restart()
        #expect(bench.nonces.saved.map(\.messages.last?.nonce) == [10])
        #expect(bench.log.lines.count == 2)

        try Data("{".utf8).write(to: URL(filePath: file))
        for name in bench.files where name.hasPrefix("map-server-nonces.") && !name.hasSuffix("json") {
            try FileManager.default.removeItem(atPath: "\(bench.path)/\(name)")
        }
        try bench.restart()
        #expect(bench.nonces.count == 0)
        #expect(bench.log.lines.count == 3)
    }

    @Test func `on a full disk cost a failure, and everything is to be written when there is room`() throws {
        let bench = try Bench()
        try bench.begin()
        try bench.accept(1, of: 1)
        // /dev/full refuses every write as a full disk does.
        let full = NonceStore(try StateDirectory(path: "\(bench.path)/full"))
        try FileManager.default.createSymbolicLink(
            atPath: "\(bench.path)/full/map-server-nonces.2",
            withDestinationPath: "/dev/full"
        )
        #expect(throws: StateDirectory.Failure.self) { try full.beginPart() }
        // Nothing could be opened: what is appended is not there, and everything is to be written.
        try full.append([1, 2, 3])
        #expect(full.needsAll)
    }
}
