// Names as this system resolves them.

import Glibc
import LISPWire
import ManagementAPI

struct HostName {
    let name: String
    /// As the system orders them, none twice. Never empty.
    let addresses: [IPAddress]

    /// - Parameter option: where the name was given; `nil`: where an EID may stand, too.
    /// - Throws: exit status 68 if it has no address.
    init(_ name: String, _ option: String?) throws(CommandFailure) {
        self.name = name
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(name, nil, &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard code == 0 else { throw Self.failure(name, option, code) }
        var found: [IPAddress] = []
        var next = list
        while let entry = next {
            if let address = Self.address(entry.pointee), !found.contains(address) { found.append(address) }
            next = entry.pointee.ai_next
        }
        addresses = found
        guard !found.isEmpty else { throw Self.failure(name, option, EAI_NONAME) }
    }

    /// The first of the family, or without one of each family.
    func addresses(_ family: EIDFamily?) throws(CommandFailure) -> [IPAddress] {
        let wanted: [AddressFamily] =
            switch family {
            case nil: AddressFamily.allCases
            case .ipv4: [.ipv4]
            case .ipv6: [.ipv6]
            }
        let chosen = wanted.compactMap { family in addresses.first { $0.family == family } }
        guard !chosen.isEmpty else {
            throw CommandFailure(.noHost, "\(name) has no \(family?.name ?? "") address")
        }
        return chosen
    }

    private static func failure(_ name: String, _ option: String?, _ code: Int32) -> CommandFailure {
        let reason = code == EAI_SYSTEM ? String(cString: strerror(errno)) : String(cString: gai_strerror(code))
        guard let option else {
            return CommandFailure(
                .noHost,
                "`\(name)` is no EID, and as a host name it does not resolve: \(reason)"
            )
        }
        return CommandFailure(.noHost, "\(option) \(name): no address, and as a name it does not resolve: \(reason)")
    }

    private static func address(_ entry: addrinfo) -> IPAddress? {
        guard let source = entry.ai_addr else { return nil }
        switch entry.ai_family {
        case AF_INET:
            return source.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                .v4(IPv4Address(UInt32(bigEndian: $0.pointee.sin_addr.s_addr)))
            }
        case AF_INET6:
            return source.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                let raw = withUnsafeBytes(of: address.pointee.sin6_addr) { $0.loadUnaligned(as: UInt128.self) }
                return .v6(IPv6Address(UInt128(bigEndian: raw)))
            }
        default:
            return nil
        }
    }
}
