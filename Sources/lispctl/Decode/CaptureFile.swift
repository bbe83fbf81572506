// A capture file, pcap or pcap-ng, read frame by frame with libpcap: the only code of this command that touches the system.

import CPcap
import Glibc

/// A captured frame, as many octets of it as are in the file.
struct CapturedFrame {
    /// The first frame of a file is 1.
    var number: Int
    /// Since 1970-01-01 UTC.
    var seconds: Int64
    var nanoseconds: Int
    /// The octets in the file, and behind them zeros up to the frame's length on the wire, so that the lengths in its
    /// headers can be right though the capture was cut. What is behind `capturedCount` must not be believed.
    var octets: [UInt8]
    var capturedCount: Int
    /// On the wire. At most `octets.count` for a frame below 256 KiB.
    var wireLength: Int

    /// Longer frames than any link has are not filled up.
    private static let longestFilled = 256 * 1024

    init(number: Int, seconds: Int64 = 0, nanoseconds: Int = 0, captured: some Collection<UInt8>, wireLength: Int) {
        self.number = number
        self.seconds = seconds
        self.nanoseconds = nanoseconds
        self.capturedCount = captured.count
        self.wireLength = max(wireLength, captured.count)
        self.octets = Array(captured)
        let missing = min(self.wireLength, Self.longestFilled) - octets.count
        if missing > 0 { octets.append(contentsOf: repeatElement(0, count: missing)) }
    }

    var isCut: Bool { capturedCount < wireLength }
}

/// Reads a capture file from front to back; memory does not grow with it.
final class CaptureFile {
    let linkType: LinkType
    private let handle: OpaquePointer
    private let path: String
    private var count = 0

    /// - Parameter path: `-` is standard input.
    init(path: String) throws(CommandFailure) {
        self.path = path == "-" ? "standard input" : path
        let file = try Self.open(path)
        var message = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        let precision = UInt32(PCAP_TSTAMP_PRECISION_NANO)
        guard let handle = pcap_fopen_offline_with_tstamp_precision(file, precision, &message) else {
            fclose(file)
            let reason = printable(message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) })
            throw CommandFailure(.dataError, "\(self.path) is no capture file that can be read: \(reason)")
        }
        let number = pcap_datalink(handle)
        guard let linkType = LinkType(rawValue: number) else {
            let name = pcap_datalink_val_to_name(number).map { String(cString: $0) }
            pcap_close(handle)
            throw CommandFailure(
                .dataError,
                "\(self.path) has frames of link type \(name ?? "unknown") (\(number)): decoded are "
                    + LinkType.allCases.map(\.name).joined(separator: ", ")
            )
        }
        self.handle = handle
        self.linkType = linkType
    }

    deinit {
        // Closes the file too.
        pcap_close(handle)
    }

    private static func open(_ path: String) throws(CommandFailure) -> UnsafeMutablePointer<FILE> {
        var status = stat()
        if path != "-", stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            throw CommandFailure(.noInput, "\(path): Is a directory")
        }
        guard let file = path == "-" ? fdopen(dup(STDIN_FILENO), "rb") : fopen(path, "rbe") else {
            throw CommandFailure(.noInput, "\(path): \(String(cString: strerror(errno)))")
        }
        return file
    }

    /// The next frame; `nil` behind the last. Throws where the file breaks off or makes no sense any more.
    func next() throws(CommandFailure) -> CapturedFrame? {
        var header: UnsafeMutablePointer<pcap_pkthdr>?
        var bytes: UnsafePointer<UInt8>?
        switch pcap_next_ex(handle, &header, &bytes) {
        case 1:
            guard let header = header?.pointee, let bytes else { return nil }
            count += 1
            // Safe: libpcap has `caplen` octets there until its next call, and checked that against what it has read.
            let captured = UnsafeBufferPointer(start: bytes, count: Int(header.caplen))
            return CapturedFrame(
                number: count,
                seconds: Int64(header.ts.tv_sec),
                // Nanoseconds, as was asked for.
                nanoseconds: Int(header.ts.tv_usec),
                captured: captured,
                wireLength: Int(header.len)
            )
        case -2:
            return nil
        default:
            let reason = printable(String(cString: pcap_geterr(handle)).utf8)
            let place = count == 0 ? "" : " behind frame \(count)"
            throw CommandFailure(.dataError, "\(path) cannot be read\(place): \(reason)")
        }
    }
}
