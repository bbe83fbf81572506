import ArgumentParser

struct Config: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks, shows and reloads the configuration.",
        subcommands: [ConfigCheck.self, ConfigReload.self, ConfigShow.self]
    )
}
