// lispd: the command line, signals, and the order of start and stop.

import ArgumentParser
import Glibc
import LISPConfiguration
import Logging
import Management
import ManagementAPI

@main
struct Lispd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lispd",
        abstract: "A LISP router (RFC 9300, RFC 9301): ITR, ETR, Map-Server and Map-Resolver.",
        discussion: """
            Runs in the foreground and logs to standard error as journald reads it. SIGHUP reads the configuration file again; \
            SIGTERM withdraws the registrations, takes its rules, routes and interfaces out of the host, and ends. \
            `lispctl` talks to it.
            """,
        version: Release.version
    )

    @Option(help: ArgumentHelp("The configuration file.", valueName: "file"))
    var config = "/etc/lispd/lispd.yaml"

    @Option(help: ArgumentHelp("Where the xTR-ID and nonces are kept.", valueName: "directory"))
    var stateDirectory = "/var/lib/lispd"

    @Option(help: "The least important messages to log: trace, debug, info, notice, warning, error.")
    var logLevel: Logger.Level = .info

    func run() throws {
        let level = logLevel
        LoggingSystem.bootstrap { _ in JournalLogHandler(logLevel: level) }
        let logger = Logger(label: "lispd")

        // Signals are taken by this thread alone; those that it starts inherit the mask.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)

        let daemon: Daemon
        do {
            daemon = try Daemon(configurationFile: config, stateDirectory: stateDirectory, logger: logger)
        } catch let error as ConfigurationError {
            for issue in error.issues { logger.error("\(issue)") }
            throw ExitCode(EX_CONFIG)
        } catch let error as StartFailure {
            logger.error("\(error)")
            throw ExitCode(error.exitCode)
        } catch {
            logger.error("\(error)")
            throw ExitCode(EX_OSERR)
        }
        daemon.events.post(Event(.started, .notice, "lispd \(Release.version) runs: \(daemon.summary)"))
        while true {
            var number: Int32 = 0
            guard sigwait(&signals, &number) == 0 else { continue }
            if number == SIGHUP {
                daemon.reload()
            } else {
                daemon.events.post(Event(.ending, .notice, "ending on signal \(number)"))
                break
            }
        }
        daemon.stop()
        logger.notice("ended")
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
