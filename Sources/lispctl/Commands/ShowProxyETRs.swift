import ArgumentParser
import ManagementAPI

struct ShowProxyETRs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy-etrs",
        abstract: "Proxy-ETRs that carry traffic to sites without LISP."
    )

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let answer = try await daemon.client.get(.proxyETRs, as: ProxyETRsReport.self)
        try daemon.write(answer, text(of:))
    }
}
