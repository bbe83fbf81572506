import ArgumentParser

struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what the router knows and does.",
        subcommands: [
            ShowStatus.self, ShowService.self, ShowMapCache.self, ShowDatabase.self, ShowSite.self,
            ShowStatistics.self, ShowMapServers.self, ShowMapResolvers.self, ShowProxyETRs.self, ShowSMR.self,
            ShowLocators.self,
            ShowInterfaces.self, ShowEvents.self,
        ]
    )
}
