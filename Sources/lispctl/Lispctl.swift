// lispctl: what the operator of lispd types. One command a file under Commands; texts are made in Rendering, which
// follows the layout of Cisco IOS-XE; Client speaks HTTP with the daemon over its UNIX socket; Lig asks the mapping
// system itself.

import ArgumentParser
import Glibc
import ManagementAPI

@main
struct Lispctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lispctl",
        abstract: "Shows and steers lispd, the LISP router.",
        discussion: """
            Exit status (sysexits): 0 done, 1 nothing found, no answer, or a role that this router does not play, 64 arguments that cannot be right, \
            65 a file with faults, 66 a file that cannot be opened, 68 a name that does not resolve, 69 lispd is not running, 70 it failed or is of another version, 74 the answer could not be written, 77 its socket may not be opened, 78 a configuration with faults.
            """,
        version: "lispctl \(Release.version)",
        subcommands: [
            Show.self, Explain.self, Diagnose.self, Monitor.self, Clear.self, Config.self, Lig.self, Decode.self,
            Completions.self,
        ]
    )

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            failure.print()
            Glibc.exit(failure.status.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}
