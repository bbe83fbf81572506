// A network namespace for one test, and `ip` to look at what we did with other eyes.

import Glibc
import LISPWire
import LinuxNetwork
import Testing

enum NetlinkFixture {
    /// Namespaces need privileges. Where CI is set, a lack of them is a failure, not a reason to skip.
    static let canRun =
        getenv("CI") != nil || Capabilities.effective().isSuperset(of: [.netAdmin, .netRaw, .sysAdmin])

    static let reason: Comment = "needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN: run as root"

    /// Runs a shell command in the calling thread's namespace and returns its lines of output, without spaces at their ends.
    @discardableResult
    static func shell(_ command: String) throws -> [String] {
        let stream = try #require(popen("(\(command)) 2>&1", "r"))
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = fread(&buffer, 1, buffer.count, stream)
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        let status = pclose(stream)
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { line in
            String(line.reversed().drop { $0 == " " }.reversed())
        }
        guard status == 0 else { throw CommandFailure(command: command, output: lines) }
        return lines
    }

    struct CommandFailure: Error {
        var command: String
        var output: [String]
    }

    /// Runs `body` in a fresh namespace: `eth0` to the core (192.0.2.1/24, the default route), `eth1` to the site
    /// (10.1.0.1/24, 2001:db8:1::1/64), their far ends, and `lisp0`.
    ///
    /// The values that `body` returns are checked outside, where the test is known.
    static func inRouter<Value>(_ body: () throws -> Value) throws -> Value {
        try NetworkNamespace.runInFresh {
            try shell(
                """
                ip link set lo up
                ip link add eth0 type veth peer name core
                ip link add eth1 type veth peer name site
                ip addr add 192.0.2.1/24 dev eth0
                ip addr add 10.1.0.1/24 dev eth1
                ip addr add 2001:db8:1::1/64 dev eth1 nodad
                ip addr add 2001:db8:f::1/64 dev eth0 nodad
                for link in eth0 core eth1 site; do ip link set $link up; done
                ip route add default via 192.0.2.254
                ip -6 route add default via 2001:db8:f::fe
                ip tuntap add lisp0 mode tun
                """
            )
            return try body()
        }
    }

    static func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
    static func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
}
