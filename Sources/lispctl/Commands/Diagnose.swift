import ArgumentParser

struct Diagnose: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Finds out why something is not as it should be.",
        subcommands: [DiagnoseRegistration.self]
    )
}
