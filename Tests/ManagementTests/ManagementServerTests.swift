// The service on a real UNIX socket, with a router that is not there.

import Foundation
import Glibc
import Logging
import Management
import ManagementAPI
import NIOPosix
import Synchronization
import Testing

/// Runs a server on a socket in a directory of its own while `body` runs; waits for its end.
private func withServer(
    _ provider: FakeProvider = FakeProvider(),
    _ body: @Sendable @escaping (_ path: String) async throws -> Void
) async throws {
    let directory = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await withServer(at: directory + "/run/lispd.sock", provider, body)
}

private func withServer(
    at path: String,
    _ provider: FakeProvider = FakeProvider(),
    _ body: @Sendable @escaping (_ path: String) async throws -> Void
) async throws {
    let server = makeServer(path, provider)
    let (ready, started) = AsyncStream.makeStream(of: Void.self)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            defer { started.finish() }
            try await server.run { _ in started.yield() }
        }
        var iterator = ready.makeAsyncIterator()
        guard await iterator.next() != nil else {
            try await group.waitForAll()
            return
        }
        do {
            try await body(path)
        } catch {
            group.cancelAll()
            throw error
        }
        group.cancelAll()
        try await group.waitForAll()
    }
}

/// The same over TCP, at a free port of ::1 or 127.0.0.1.
private func withHTTPServer(
    _ address: String = "127.0.0.1",
    _ provider: FakeProvider = FakeProvider(),
    _ body: @Sendable @escaping (_ port: Int) async throws -> Void
) async throws {
    let server = makeHTTPServer(address, 0, provider)
    let (ready, started) = AsyncStream.makeStream(of: Int.self)
    let task = Task { try await server.run { started.yield($0 ?? 0) } }
    var iterator = ready.makeAsyncIterator()
    let port = try #require(await iterator.next())
    do {
        try await body(port)
    } catch {
        task.cancel()
        throw error
    }
    task.cancel()
    try await task.value
}

private func makeHTTPServer(
    _ address: String,
    _ port: UInt16,
    _ provider: FakeProvider = FakeProvider()
) -> ManagementServer {
    ManagementServer(
        address: address,
        port: port,
        provider: provider,
        group: MultiThreadedEventLoopGroup.singleton,
        logger: silence
    )
}

private func makeServer(
    _ path: String,
    _ provider: FakeProvider = FakeProvider(),
    logger: Logger = silence
) -> ManagementServer {
    ManagementServer(
        socketPath: path,
        provider: provider,
        group: MultiThreadedEventLoopGroup.singleton,
        logger: logger
    )
}

private let silence = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Keeps what is logged above `info`.
private struct LogRecorder: LogHandler {
    let lines: Arc<[String]>
    var logLevel: Logger.Level = .trace
    var metadata: Logger.Metadata = [:]

    init(_ lines: Arc<[String]>) { self.lines = lines }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        if event.level > .info { lines.value.withLock { $0.append("\(event.level): \(event.message)") } }
    }
}

/// A value that several share.
private final class Arc<Value: Sendable>: Sendable {
    let value: Mutex<Value>

    init(_ value: Value) { self.value = Mutex(value) }
}

private func temporaryDirectory() throws -> String {
    var template = Array("/tmp/lispd-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw POSIXError(.EIO) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

private func answer<Payload: Codable & Sendable>(_ reply: HTTPReply, _ type: Payload.Type) throws -> Payload {
    #expect(reply.status == 200)
    let answer = try JSONDecoder().decode(Answer<Payload>.self, from: reply.body)
    #expect(answer.schema == "lispd/1")
    #expect(abs(answer.time - Int64(time(nil))) < 60)
    return answer.data
}

private func failure(_ reply: HTTPReply) throws -> Failure {
    try JSONDecoder().decode(Failure.self, from: reply.body)
}

@Suite struct ManagementServerTests {
    @Test func `answers with the models, field by field`() async throws {
        try await withServer { path async throws in
            #expect(try answer(await get("/v1/status", path), StatusReport.self) == FakeProvider.status)
            let cache = try answer(await get("/v1/map-cache", path), MapCacheReport.self)
            #expect(cache.entries == [FakeProvider.entry])
            #expect(cache.next == "opaque & odd")
            let loaded = try answer(await get("/v1/configuration", path), ConfigurationReport.self)
            #expect(loaded.yaml == "roles: [itr]\n")
        }
    }

    /// What is done, not looked at: POST only.
    private static let actions: [ManagementRoute] = [.reload, .clearMapCache, .clearSite, .clearStatistics]

    @Test func `every path answers`() async throws {
        try await withServer { path async throws in
            for route in ManagementRoute.allCases where !Self.actions.contains(route) {
                let query = route == .explain ? "?source=10.1.0.1&destination=10.2.0.1" : ""
                let reply = try await get(route.rawValue + query, path)
                #expect(reply.status == 200, "\(route)")
            }
        }
    }

    @Test func `passes the query on`() async throws {
        let provider = FakeProvider()
        try await withServer(provider) { path async throws in
            let target =
                "/v1/map-cache?family=ipv6&instance=101&eid=2001%3Adb8%3A%3A%2F32&after=opaque%20%26%20odd&limit=9"
            _ = try answer(await get(target, path), MapCacheReport.self)
        }
        let expected = TableQuery(
            family: .ipv6,
            instanceID: 101,
            eid: "2001:db8::/32",
            after: "opaque & odd",
            limit: 9
        )
        #expect(provider.queries.withLock { $0 } == [expected])
    }

    @Test func `events have a query of their own`() async throws {
        let provider = FakeProvider()
        try await withServer(provider) { path async throws in
            let report = try answer(await get("/v1/events?after=7&limit=1000&wait=30", path), EventsReport.self)
            #expect(report.events.map(\.kind) == ["locator-down"])
            for query in ["after=-1", "limit=1001", "wait=31", "family=ipv4"] {
                #expect(try await get("/v1/events?\(query)", path).status == 400, "\(query)")
            }
        }
        #expect(provider.eventQueries.withLock { $0 } == [EventQuery(after: 7, limit: 1000, wait: 30)])
    }

    @Test func `a packet to explain has a query of its own`() async throws {
        let provider = FakeProvider()
        let query = ExplainQuery(
            source: "2001:db8:1::1",
            destination: "2001:db8:2::1",
            instanceID: 101,
            protocolNumber: 17,
            sourcePort: 0,
            destinationPort: 65535
        )
        #expect(try ExplainQuery(parameters: query.parameters) == query)
        try await withServer(provider) { path async throws in
            let target =
                "/v1/explain?source=2001%3Adb8%3A1%3A%3A1&destination=2001%3Adb8%3A2%3A%3A1&instance=101&protocol=17"
                + "&source-port=0&destination-port=65535"
            #expect(try answer(await get(target, path), ExplainReport.self).instanceID == 101)
            for query in ["", "?source=10.1.0.1", "?source=10.1.0.1&destination=10.2.0.1&protocol=256"] {
                #expect(try await get("/v1/explain\(query)", path).status == 400, "\(query)")
            }
        }
        #expect(provider.explained.withLock { $0 } == [query])
    }

    @Test(arguments: [
        ("family=ipv5", "family is ipv4 or ipv6, not ipv5"),
        ("instance=16777216", "instance is a number from 0 to 16777215, not 16777216"),
        ("limit=0", "limit is a number from 1 to 5000, not 0"),
        ("colour=red", "there is no parameter colour"),
    ])
    func `refuses a query it does not understand`(query: String, message: String) async throws {
        try await withServer { path async throws in
            let reply = try await get("/v1/database?\(query)", path)
            #expect(reply.status == 400)
            #expect(try failure(reply).error == message)
        }
    }

    @Test func `hands errors on as one line of JSON`() async throws {
        try await withServer { path async throws in
            let missing = try await get("/v1/map-cache?eid=10.9.9.9", path)
            #expect(missing.status == 404)
            #expect(try failure(missing) == Failure(error: "no entry covers 10.9.9.9"))
            let unknown = try await get("/v2/status", path)
            #expect(unknown.status == 404)
            #expect(try failure(unknown).error.contains("GET /v2/status"))
        }
    }

    @Test func `clears the map-cache`() async throws {
        let provider = FakeProvider()
        try await withServer(provider) { path async throws in
            let body = #"{"family": "ipv4", "eid": "10.2.0.0/16"}"#
            let reply = try await post("/v1/map-cache/clear", body, path)
            #expect(try answer(reply, ClearReport.self).cleared == 3)
            #expect(try await post("/v1/map-cache/clear", "{", path).status == 400)
        }
        let expected = ClearMapCacheRequest(family: .ipv4, eid: "10.2.0.0/16")
        #expect(provider.clears.withLock { $0 } == [expected])
    }

    @Test func `clears a site, and says which is unknown`() async throws {
        let provider = FakeProvider()
        try await withServer(provider) { path async throws in
            let body = #"{"name": "site1", "instanceID": 7, "eid": "10.2.0.0/16"}"#
            let cleared = try answer(await post("/v1/sites/clear", body, path), ClearSiteReport.self)
            #expect(cleared == ClearSiteReport(site: "site1", cleared: 2, registrations: 3, nonces: 1))
            let unknown = try await post("/v1/sites/clear", #"{"name": "site2"}"#, path)
            #expect(unknown.status == 404)
            #expect(try failure(unknown).error == "there is no site site2")
            #expect(try await post("/v1/sites/clear", "{}", path).status == 400)
        }
        let expected = ClearSiteRequest(name: "site1", instanceID: 7, eid: "10.2.0.0/16")
        #expect(provider.siteClears.withLock { $0 } == [expected])
    }

    @Test func `clears the statistics`() async throws {
        let provider = FakeProvider()
        try await withServer(provider) { path async throws in
            let reply = try await post("/v1/statistics/clear", "{}", path)
            #expect(try answer(reply, ClearStatisticsReport.self).before == FakeProvider.moment)
        }
        #expect(provider.statisticsClears.withLock { $0 } == 1)
    }

    @Test func `a refused reload tells every fault`() async throws {
        let refusal = ManagementError(
            .refused,
            "the configuration is unchanged: 2 faults in f",
            details: ["f:1:1: a", "f:2:1: b"]
        )
        try await withServer(FakeProvider(reloadFailure: refusal)) { path async throws in
            let reply = try await post("/v1/configuration/reload", "", path)
            #expect(reply.status == 422)
            #expect(try failure(reply).details == ["f:1:1: a", "f:2:1: b"])
        }
        try await withServer { path async throws in
            let reply = try await post("/v1/configuration/reload", "", path)
            #expect(try answer(reply, ReloadReport.self).changed == ["database"])
        }
    }

    @Test func `turns a large body away`() async throws {
        try await withServer { path async throws in
            let reply = try await post("/v1/map-cache/clear", String(repeating: " ", count: 100_000), path)
            #expect(reply.status == 413)
            #expect(try failure(reply).error == "the request body is longer than 65536 octets")
        }
    }

    @Test func `garbage does not disturb the next request`() async throws {
        try await withServer { path async throws in
            for garbage in ["\r\n\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n"] {
                _ = try? await exchange(Array(garbage.utf8), with: path)
            }
            #expect(try await get("/v1/status", path).status == 200)
        }
    }

    @Test func `only owner and group may open the socket`() async throws {
        try await withServer { path async throws in
            var status = stat()
            #expect(lstat(path, &status) == 0)
            #expect(status.st_mode & 0o7777 == 0o660)
            #expect(lstat(path + ".new", &status) != 0)
        }
    }

    @Test func `takes the place of a dead daemon's socket and leaves none behind`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = directory + "/lispd.sock"
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let dead = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(dead, $0, size) }
        }
        #expect(bound == 0)
        close(dead)
        try await withServer(at: path) { path async throws in
            #expect(try await get("/v1/status", path).status == 200)
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func `does not take a running daemon's socket`() async throws {
        try await withServer { path async throws in
            let expected = SocketProblem(path: path, reason: "another lispd is running and listens there")
            await #expect(throws: expected) { try await makeServer(path).run() }
            #expect(try await get("/v1/status", path).status == 200)
        }
    }

    @Test func `does not overwrite a file that is no socket`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = directory + "/precious"
        try "text".write(toFile: path, atomically: false, encoding: .utf8)
        let expected = SocketProblem(path: path, reason: "there is a file of this name that is no socket")
        await #expect(throws: expected) { try await makeServer(path).run() }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "text")
    }

    @Test func `says why it cannot listen`() async throws {
        let path = "/nonexistent/deeper/lispd.sock"
        await #expect(throws: SocketProblem.self) { try await makeServer(path).run() }
    }

    @Test(.timeLimit(.minutes(1)), arguments: [0, 1]) func `ends without a warning in the log`(idle: Int) async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = directory + "/lispd.sock"
        let lines = Arc<[String]>([])
        let server = makeServer(path, logger: Logger(label: "test") { _ in LogRecorder(lines) })
        let (ready, started) = AsyncStream.makeStream(of: Void.self)
        let task = Task { try await server.run { _ in started.yield() } }
        var iterator = ready.makeAsyncIterator()
        _ = await iterator.next()
        // Never closed: the server ends in spite of it.
        for _ in 0..<idle { _ = write(try connectedSocket(path), "GET ", 4) }
        #expect(try await get("/v1/status", path).status == 200)
        task.cancel()
        try await task.value
        #expect(lines.value.withLock { $0 } == [])
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func `a role that is not played is a conflict`() async throws {
        let refusal = ManagementError(.notOurRole, "this router is no ITR: it has no map-cache")
        try await withServer(FakeProvider(reloadFailure: refusal)) { path async throws in
            let reply = try await post("/v1/configuration/reload", "", path)
            #expect(reply.status == 409)
            #expect(try failure(reply).error == refusal.message)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `ends although a connection stays open`() async throws {
        try await withServer { path async throws in
            let idle = try connectedSocket(path)
            _ = write(idle, "GET ", 4)
            #expect(try await get("/v1/status", path).status == 200)
            // Left open on purpose until the process ends: the server must not wait for it.
        }
    }

    // MARK: Over TCP

    @Test(arguments: ["127.0.0.1", "::1"]) func `shows over TCP what it shows on its socket`(address: String)
        async throws
    {
        try await withHTTPServer(address) { port async throws in
            let status = try await exchange(Array("GET /v1/status HTTP/1.0\r\n\r\n".utf8), address, port)
            #expect(try answer(status, StatusReport.self) == FakeProvider.status)
            let metrics = try await exchange(Array("GET /metrics HTTP/1.0\r\n\r\n".utf8), address, port)
            #expect(metrics.status == 200)
            #expect(metrics.head.contains("text/plain; version=0.0.4; charset=utf-8"))
            let text = String(decoding: metrics.body, as: UTF8.self)
            #expect(text.hasSuffix("lispd_encapsulated_packets_total{instance_id=\"101\"} 18446744073709551615\n"))
        }
    }

    @Test func `changes nothing over TCP`() async throws {
        try await withHTTPServer { port async throws in
            for route in ManagementRoute.allCases {
                for method in ["POST", "PUT", "DELETE", "PATCH"] {
                    let request = "\(method) \(route.rawValue) HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}"
                    let reply = try await exchange(Array(request.utf8), "127.0.0.1", port)
                    #expect(reply.status == 405, "\(request)")
                    #expect(reply.head.lowercased().contains("allow: get, head"), "\(request)")
                }
            }
            for route in Self.actions {
                let reply = try await exchange(Array("GET \(route.rawValue) HTTP/1.0\r\n\r\n".utf8), "127.0.0.1", port)
                #expect(reply.status == 404)
            }
        }
    }

    @Test func `holds no answer back over TCP`() async throws {
        try await withHTTPServer { port async throws in
            let request = "GET /v1/events?after=0&wait=1 HTTP/1.0\r\n\r\n"
            let reply = try await exchange(Array(request.utf8), "127.0.0.1", port)
            #expect(reply.status == 400)
        }
    }

    @Test func `a page over TCP has a thousand entries at most`() async throws {
        let provider = FakeProvider()
        let routes = [ManagementRoute.service, .mapCache, .database, .sites, .statistics]
        try await withHTTPServer("127.0.0.1", provider) { port async throws in
            for route in routes {
                for limit in [7, 1000, 5000] {
                    let request = "GET \(route.rawValue)?limit=\(limit) HTTP/1.0\r\n\r\n"
                    #expect(try await exchange(Array(request.utf8), "127.0.0.1", port).status == 200, "\(request)")
                }
            }
        }
        let limits = provider.queries.withLock { $0.map(\.limit) }
        #expect(limits == routes.flatMap { _ in [7, 1000, 1000] })
    }

    @Test(.timeLimit(.minutes(1))) func `has four requests in work over TCP at most`() async throws {
        let provider = FakeProvider()
        try await withHTTPServer("127.0.0.1", provider) { port async throws in
            let request = Array("GET /v1/locators HTTP/1.0\r\n\r\n".utf8)
            provider.holdsLocators.withLock { $0 = true }
            try await withThrowingTaskGroup(of: Int.self) { group in
                defer { provider.holdsLocators.withLock { $0 = false } }
                for _ in 0..<4 {
                    group.addTask { try await exchange(request, "127.0.0.1", port).status }
                }
                while provider.waitingForLocators.withLock({ $0 }) < 4 {
                    try await Task.sleep(for: .milliseconds(5))
                }
                let refused = try await exchange(request, "127.0.0.1", port)
                #expect(refused.status == 503)
                #expect(try failure(refused).error == "4 other requests are in work: try again later")
                provider.holdsLocators.withLock { $0 = false }
                for try await status in group { #expect(status == 200) }
            }
            // Their places are free again.
            #expect(try await exchange(request, "127.0.0.1", port).status == 200)
        }
    }

    @Test func `a request line without an end is cut off, on every other it answers`() async throws {
        try await withHTTPServer { port async throws in
            let endless = Array("GET /".utf8) + [UInt8](repeating: UInt8(ascii: "a"), count: 10_000_000)
            let refused = try await exchange(endless, "127.0.0.1", port)
            #expect(refused.status == 414)
            let header = Array("GET /metrics HTTP/1.0\r\nX: ".utf8) + [UInt8](repeating: 0x61, count: 9_000)
            #expect(try await exchange(header, "127.0.0.1", port).status == 414)
            let reply = try await exchange(Array("GET /metrics HTTP/1.0\r\n\r\n".utf8), "127.0.0.1", port)
            #expect(reply.status == 200)
        }
    }

    @Test func `says why it cannot listen at a port`() async throws {
        try await withHTTPServer { port async throws in
            await #expect {
                try await makeHTTPServer("127.0.0.1", UInt16(port)).run()
            } throws: { error in
                "\(error)"
                    == "management.http 127.0.0.1:\(port): the port is taken: another program listens there"
            }
        }
        await #expect {
            try await makeHTTPServer("2001:db8::1", 9341).run()
        } throws: { error in
            "\(error)" == "management.http [2001:db8::1]:9341: this host does not have the address"
        }
    }
}
