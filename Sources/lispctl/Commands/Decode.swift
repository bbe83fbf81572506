import ArgumentParser
import Glibc

struct Decode: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows every LISP message and data packet of a capture file, field by field, without a daemon.",
        discussion: """
            FILE is pcap or pcap-ng, as tcpdump -w and dumpcap write it; `-` reads standard input. LISP is what goes \
            to or from UDP port 4341 (data) or 4342 (control messages), over IPv4 or IPv6, on Ethernet (VLAN tags \
            included), raw IP, Linux cooked (tcpdump -i any) or BSD loopback links; one kind of link in a file, since \
            libpcap reads no more. IP fragments are put together.

            Map-Registers, Map-Notifies and Map-Notify-Acks are verified with the keys given, each tried with the \
            algorithm that the message names. A key on the command line can be seen by other users of this host \
            (ps): --key-file reads it from a file, as `key-file:` in lispd's configuration does. No key is ever shown.

            What does not decode is shown with the reason and the octet where it begins, and does not end the run. \
            A UDP checksum is mentioned only if it is not right. Times are UTC.

            Exit status: 0 when the file was read to its end, 65 when it is no capture, breaks off or has another \
            link type (what comes before is shown), 66 when it cannot be opened.
            """
    )

    @Argument(
        help: "The capture file; - for standard input.",
        completion: .file(extensions: ["pcap", "pcapng", "cap"])
    )
    var file: String
    // Whatever stands behind it is the key: no error message may show it.
    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("A key to verify messages with; may be repeated.", valueName: "key")
    )
    var key: [String] = []
    @Option(
        help: ArgumentHelp("A file with a key to verify messages with; may be repeated.", valueName: "path"),
        completion: .file()
    )
    var keyFile: [String] = []
    @Option(help: "Show only messages of this type, also inside an ECM; may be repeated.")
    var type: [MessageKind] = []
    @Option(help: ArgumentHelp("Stop after so many messages.", valueName: "n"))
    var count: Int?
    @Flag(help: "Write one JSON object a line.") var json = false

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count \(count): a number from 1 on") }
    }

    func run() throws {
        let keys = try KeyRing(secrets: key, files: keyFile, warn: printError)
        let capture = try CaptureFile(path: file)
        var report: any DecodeReport = json ? JSONReport() : TextReport()
        var output = Output()
        var run = DecodeRun(capture: capture, keys: keys, types: Set(type), limit: count)
        try output.write(report.begin(file: file, linkType: capture.linkType))
        // Who waits for each message gets it at once.
        let isLive = file == "-" || isatty(STDOUT_FILENO) == 1
        var failure: CommandFailure?
        do throws(CommandFailure) {
            while let (frame, dissection) = try run.next() {
                try output.write(report.frame(frame, dissection))
                if isLive { try output.flush() }
            }
        } catch {
            guard error.status == .dataError else { throw error }
            failure = error
        }
        try output.write(report.end(run.summary, failure: failure?.reason))
        try output.flush()
        if let failure { throw failure }
    }
}
