import ArgumentParser
import LISPConfiguration

struct ConfigCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks a configuration file, without a daemon.",
        discussion:
            "One line for each fault, FILE:LINE:COLUMN: found X, expected Y, and exit status 78 if there is any."
    )

    @Argument(help: "The configuration file.", completion: .file(extensions: ["yaml", "yml"]))
    var file: String
    @Flag(help: "Write the result as JSON.") var json = false

    func run() throws {
        let result: Result<RouterConfiguration, ConfigurationError>
        do {
            result = .success(try RouterConfiguration.load(path: file))
        } catch {
            result = .failure(error)
        }
        if json { return try runJSON(result) }
        switch result {
        case .success(let configuration):
            for warning in configuration.warnings { printError(warning) }
            try writeText("\(file): no faults\n")
        case .failure(let error):
            throw CommandFailure(.configuration, faults: error.issues.map(\.description))
        }
    }

    private struct Report: Encodable {
        var file: String
        var faults: [Fault]
        var warnings: [String]
    }

    private struct Fault: Encodable {
        var line: Int
        var column: Int
        var message: String
    }

    private func runJSON(_ result: Result<RouterConfiguration, ConfigurationError>) throws {
        switch result {
        case .success(let configuration):
            try writeJSON(Report(file: file, faults: [], warnings: configuration.warnings))
        case .failure(let error):
            let faults = error.issues.map { Fault(line: $0.line, column: $0.column, message: $0.message) }
            try writeJSON(Report(file: file, faults: faults, warnings: []))
            throw CommandFailure(.configuration, faults: [])
        }
    }
}
