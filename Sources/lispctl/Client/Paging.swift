// Long tables come in pages. Texts are written page by page, so that they need no more memory than one; JSON is one object
// and made of all of them.

import ManagementAPI

/// A report that may be one page of several.
protocol PagedReport: Codable, Sendable {
    /// The `after` of the next page.
    var next: String? { get set }
    /// Takes in what the next page holds.
    mutating func append(_ page: Self)
}

/// The pages of a report, one after the other; each is of its own moment.
struct Pages<Report: PagedReport> {
    /// Entries of a page: the daemon makes each in one go, and packets wait for none of them.
    static var size: Int { 1000 }

    private let client: ManagementClient
    private let route: ManagementRoute
    private var query: TableQuery?

    init(_ client: ManagementClient, _ route: ManagementRoute, _ query: TableQuery) {
        self.client = client
        self.route = route
        self.query = query
        self.query?.limit = Self.size
    }

    mutating func next() async throws -> Answer<Report>? {
        guard let query else { return nil }
        let page = try await client.get(route, query, as: Report.self)
        // A daemon that gives the same page again would do so for ever.
        let isLast = page.data.next == nil || page.data.next == query.after
        self.query?.after = page.data.next
        if isLast { self.query = nil }
        return page
    }

    /// All of them as one.
    mutating func whole() async throws -> Answer<Report>? {
        guard var whole = try await next() else { return nil }
        while let page = try await next() { whole.data.append(page.data) }
        whole.data.next = nil
        return whole
    }
}

extension MapCacheReport: PagedReport {
    mutating func append(_ page: MapCacheReport) {
        entries += page.entries
    }
}

extension SiteReport: PagedReport {
    mutating func append(_ page: SiteReport) {
        for site in page.sites {
            if sites.last?.name == site.name {
                sites[sites.count - 1].eids += site.eids
            } else {
                sites.append(site)
            }
        }
    }
}

extension RegistrationDiagnosis: PagedReport {
    mutating func append(_ page: RegistrationDiagnosis) {
        ownEIDs = ownEIDs.map { $0 + (page.ownEIDs ?? []) } ?? page.ownEIDs
        guard let more = page.sites else { return }
        var all = sites ?? SitesDiagnosis(eids: [])
        all.eids += more.eids
        all.ofNoSite += more.ofNoSite
        sites = all
    }
}

/// A text that is made of a report page by page.
protocol PagedText {
    associatedtype Report: PagedReport
    /// The lines that a page adds.
    mutating func lines(of page: Report) -> [String]
    /// The lines that end it.
    mutating func end() -> [String]
}

extension PagedText {
    /// The text of a report that is whole.
    consuming func text(of report: Report) -> String {
        let lines = self.lines(of: report)
        return joined(lines + end())
    }
}

extension DaemonOptions {
    /// Writes a table of any length, as JSON if that was asked for, else as `text` makes it.
    ///
    /// - Parameter check: sees the first page before anything is written.
    func write<Text: PagedText>(
        _ route: ManagementRoute,
        _ query: TableQuery,
        as text: Text,
        check: (Text.Report) throws -> Void = { _ in }
    ) async throws {
        var pages = Pages<Text.Report>(client, route, query)
        if json {
            guard let whole = try await pages.whole() else { return }
            try check(whole.data)
            return try writeJSON(whole)
        }
        var text = text
        var output = Output()
        var isFirst = true
        while let page = try await pages.next() {
            if isFirst { try check(page.data) }
            isFirst = false
            try output.write(joined(text.lines(of: page.data)))
        }
        try output.write(joined(text.end()))
        try output.flush()
    }
}
