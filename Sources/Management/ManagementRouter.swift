// From requests to calls of the provider, and from its models to JSON.

import FoundationEssentials
import Glibc
import Hummingbird
import Logging
import ManagementAPI
import NIOCore
import Synchronization

struct ManagementRouter {
    enum Access {
        case everything
        /// Nothing that changes anything, and nothing that waits.
        case reading

        /// The page to answer with: a shorter one where strangers ask. Its `next` leads to the rest.
        func page(_ query: TableQuery) -> TableQuery {
            guard self == .reading else { return query }
            var query = query
            query.limit = min(query.limit, ManagementRouter.readingPageLimit)
            return query
        }
    }

    /// Entries of an answer where nothing can be changed.
    static let readingPageLimit = 1000

    let provider: any ManagementProvider
    let access: Access

    var router: Router<BasicRequestContext> {
        let provider = provider
        let access = access
        let router = Router(options: .autoGenerateHeadEndpoints)
        router.add(middleware: FailuresAsJSON())
        if access == .reading {
            router.add(middleware: ReadingOnly())
            router.add(middleware: WorkLimit())
        }
        get(router, .status) { (_: TableQuery) async throws(ManagementError) in try await provider.status() }
        get(router, .service) { query async throws(ManagementError) in try await provider.services(access.page(query)) }
        get(router, .mapCache) { query async throws(ManagementError) in
            try await provider.mapCache(access.page(query))
        }
        get(router, .database) { query async throws(ManagementError) in
            try await provider.database(access.page(query))
        }
        get(router, .sites) { query async throws(ManagementError) in try await provider.sites(access.page(query)) }
        get(router, .statistics) { query async throws(ManagementError) in
            try await provider.statistics(access.page(query))
        }
        get(router, .mapServers) { (_: TableQuery) async throws(ManagementError) in try await provider.mapServers() }
        get(router, .mapResolvers) { (_: TableQuery) async throws(ManagementError) in try await provider.mapResolvers()
        }
        get(router, .proxyETRs) { (_: TableQuery) async throws(ManagementError) in try await provider.proxyETRs() }
        get(router, .smr) { (_: TableQuery) async throws(ManagementError) in try await provider.smr() }
        get(router, .locators) { (_: TableQuery) async throws(ManagementError) in try await provider.locators() }
        get(router, .interfaces) { (_: TableQuery) async throws(ManagementError) in try await provider.interfaces() }
        get(router, .explain) { query async throws(ManagementError) in try await provider.explain(query) }
        get(router, .registrationDiagnosis) { query async throws(ManagementError) in
            try await provider.diagnoseRegistration(access.page(query))
        }
        get(router, .events) { (query: EventQuery) async throws(ManagementError) in
            guard access == .everything || query.wait == 0 else {
                throw ManagementError(.badRequest, "wait: only the UNIX socket holds an answer back")
            }
            return try await provider.events(query)
        }
        get(router, .configuration) { (_: TableQuery) async throws(ManagementError) in
            try await provider.configuration()
        }
        router.get(RouterPath(ManagementRoute.metrics.rawValue)) { _, _ in
            Response(
                status: .ok,
                headers: [.contentType: MetricsText.contentType],
                body: ResponseBody(byteBuffer: ByteBuffer(string: MetricsText.text(of: try await provider.metrics())))
            )
        }
        guard access == .everything else { return router }
        post(router, .clearMapCache) { request async throws in
            let body = try await requestBody(request, as: ClearMapCacheRequest.self)
            return try await provider.clearMapCache(body)
        }
        post(router, .clearSite) { request async throws in
            let body = try await requestBody(request, as: ClearSiteRequest.self)
            return try await provider.clearSite(body)
        }
        post(router, .clearStatistics) { _ async throws in try await provider.clearStatistics() }
        post(router, .reload) { _ async throws in try await provider.reload() }
        return router
    }

    private func get<Query: ManagementQuery, Report: Codable & Sendable>(
        _ router: Router<BasicRequestContext>,
        _ route: ManagementRoute,
        _ body: @escaping @Sendable (Query) async throws(ManagementError) -> Report
    ) {
        router.get(RouterPath(route.rawValue)) { request, _ in
            try jsonResponse(Answer(time: wallClock(), data: await body(query(request))))
        }
    }

    private func post<Report: Codable & Sendable>(
        _ router: Router<BasicRequestContext>,
        _ route: ManagementRoute,
        _ body: @escaping @Sendable (Request) async throws -> Report
    ) {
        router.post(RouterPath(route.rawValue)) { request, _ in
            try jsonResponse(Answer(time: wallClock(), data: await body(request)))
        }
    }
}

private func query<Query: ManagementQuery>(_ request: Request) throws(ManagementError) -> Query {
    do throws(QueryRefusal) {
        return try Query(parameters: request.uri.queryParameters.map { (String($0.key), String($0.value)) })
    } catch {
        throw ManagementError(.badRequest, error.reason)
    }
}

private func requestBody<Body: Decodable>(_ request: Request, as type: Body.Type) async throws -> Body {
    let buffer: ByteBuffer
    do {
        buffer = try await request.body.collect(upTo: ManagementServer.bodyLimit)
    } catch is NIOTooManyBytesError {
        throw HTTPError(.contentTooLarge)
    }
    do {
        return try JSONDecoder().decode(type, from: Data(buffer.readableBytesView))
    } catch {
        throw ManagementError(.badRequest, "the body is not the JSON object that this request takes")
    }
}

private func jsonResponse(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let data = try encoder.encode(value)
    return Response(
        status: status,
        headers: [.contentType: "application/json"],
        body: ResponseBody(byteBuffer: ByteBuffer(bytes: data))
    )
}

/// Seconds since 1970-01-01 UTC.
private func wallClock() -> Int64 {
    Int64(time(nil))
}

/// Turns every method away that could change something.
private struct ReadingOnly: RouterMiddleware {
    func handle(
        _ request: Request,
        context: BasicRequestContext,
        next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        guard request.method != .get, request.method != .head else { return try await next(request, context) }
        var response = try jsonResponse(
            Failure(error: "\(request.method.rawValue) is not possible here: this address is for looking only"),
            status: .methodNotAllowed
        )
        response.headers[.allow] = "GET, HEAD"
        return response
    }
}

/// Turns requests away while too many are in work. The limit of connections does not do that: a request whose client
/// has gone has no connection, and goes on. A scrape of the metrics costs little whatever the router knows, so of these twice as many
/// may be in work as there are connections.
private final class WorkLimit: RouterMiddleware {
    private static let limit = 4
    private static let scrapeLimit = 64
    private let inWork = Mutex(0)
    private let scrapes = Mutex(0)

    func handle(
        _ request: Request,
        context: BasicRequestContext,
        next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        let isScrape = request.uri.path == ManagementRoute.metrics.rawValue
        let limit = isScrape ? Self.scrapeLimit : Self.limit
        guard change(by: 1, upTo: limit, isScrape) else {
            throw ManagementError(.unavailable, "\(limit) other requests are in work: try again later")
        }
        defer { _ = change(by: -1, upTo: limit, isScrape) }
        return try await next(request, context)
    }

    private func change(by difference: Int, upTo limit: Int, _ isScrape: Bool) -> Bool {
        func change(_ count: inout Int) -> Bool {
            guard difference < 0 || count < limit else { return false }
            count += difference
            return true
        }
        return isScrape ? scrapes.withLock { change(&$0) } : inWork.withLock { change(&$0) }
    }
}

/// Answers every failure with a `Failure`.
private struct FailuresAsJSON: RouterMiddleware {
    func handle(
        _ request: Request,
        context: BasicRequestContext,
        next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as ManagementError {
            return try jsonResponse(Failure(error: error.message, details: error.details), status: error.kind.status)
        } catch let error as HTTPError {
            return try jsonResponse(Failure(error: words(error, request)), status: error.status)
        } catch {
            context.logger.error("request \(request.uri.path) failed: \(error)")
            return try jsonResponse(
                Failure(error: "the daemon failed to answer; its log says more"),
                status: .internalServerError
            )
        }
    }

    private func words(_ error: HTTPError, _ request: Request) -> String {
        switch error.status {
        case .notFound:
            "there is no \(request.method.rawValue) \(request.uri.path): lispctl and lispd differ in version"
        case .contentTooLarge: "the request body is longer than \(ManagementServer.bodyLimit) octets"
        default: error.body ?? error.status.reasonPhrase
        }
    }
}

extension ManagementError.Kind {
    var status: HTTPResponse.Status {
        switch self {
        case .badRequest: .badRequest
        case .notFound: .notFound
        case .notOurRole: .conflict
        case .refused: .unprocessableContent
        case .unavailable: .serviceUnavailable
        }
    }
}
