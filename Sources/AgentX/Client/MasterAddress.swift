/// Where the master listens. (RFC 2741 §8)
public enum MasterAddress: Hashable, Sendable {
    /// A UNIX socket, by its path.
    case unix(String)
    case tcp(host: String, port: UInt16)

    /// Where masters listen unless told otherwise.
    public static let standard = MasterAddress.unix("/var/agentx/master")
    public static let standardPort: UInt16 = 705

    /// From a path, `unix:PATH`, `tcp:HOST` or `tcp:HOST:PORT`, the host in brackets if it is an IPv6 address.
    public init?(_ text: String) {
        if text.hasPrefix("tcp:") {
            var host = text.dropFirst(4)
            var port: Substring?
            if host.first == "[" {
                guard let bracket = host.firstIndex(of: "]") else { return nil }
                let rest = host[host.index(after: bracket)...]
                guard rest.isEmpty || rest.first == ":" else { return nil }
                port = rest.isEmpty ? nil : rest.dropFirst()
                host = host[host.index(after: host.startIndex)..<bracket]
            } else if let colon = host.firstIndex(of: ":") {
                port = host[host.index(after: colon)...]
                host = host[..<colon]
            }
            guard !host.isEmpty, port?.first != "+", let number = port.map({ UInt16($0) }) ?? Self.standardPort,
                number > 0
            else {
                return nil
            }
            self = .tcp(host: String(host), port: number)
        } else {
            let path = text.hasPrefix("unix:") ? text.dropFirst(5) : text[...]
            guard path.first == "/" else { return nil }
            self = .unix(String(path))
        }
    }
}

extension MasterAddress: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unix(let path): path
        case .tcp(let host, let port): host.contains(":") ? "tcp:[\(host)]:\(port)" : "tcp:\(host):\(port)"
        }
    }
}
