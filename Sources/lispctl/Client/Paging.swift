// Long tables come in pages; the commands want them whole.

import ManagementAPI

extension ManagementClient {
    /// The whole map-cache that `query` selects.
    func mapCache(_ query: TableQuery) async throws -> Answer<MapCacheReport> {
        var query = query
        query.limit = TableQuery.maximumLimit
        var answer = try await get(.mapCache, query, as: MapCacheReport.self)
        while let next = answer.data.next {
            query.after = next
            let page = try await get(.mapCache, query, as: MapCacheReport.self)
            answer.data.entries += page.data.entries
            answer.data.next = page.data.next == next ? nil : page.data.next
        }
        return answer
    }

    /// All sites that `query` selects.
    func sites(_ query: TableQuery) async throws -> Answer<SiteReport> {
        var query = query
        query.limit = TableQuery.maximumLimit
        var answer = try await get(.sites, query, as: SiteReport.self)
        while let next = answer.data.next {
            query.after = next
            let page = try await get(.sites, query, as: SiteReport.self)
            for site in page.data.sites {
                if answer.data.sites.last?.name == site.name {
                    answer.data.sites[answer.data.sites.count - 1].eids += site.eids
                } else {
                    answer.data.sites.append(site)
                }
            }
            answer.data.next = page.data.next == next ? nil : page.data.next
        }
        return answer
    }
}
