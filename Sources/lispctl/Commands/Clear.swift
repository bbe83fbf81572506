import ArgumentParser

struct Clear: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes the router forget.",
        subcommands: [ClearMapCache.self, ClearSite.self, ClearStatistics.self]
    )
}
