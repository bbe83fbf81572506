// TUN interfaces of the real kernel.

import Glibc
import LinuxNetwork
import Testing

@Suite(.enabled(if: NetlinkFixture.canRun, NetlinkFixture.reason)) struct TUNDeviceTests {
    @Test func `opens as many queues as asked, and vanishes when closed`() throws {
        try NetworkNamespace.runInFresh {
            let tun = try TUNDevice.open(name: "lisp7", queues: 3)
            #expect(tun.name == "lisp7")
            #expect(Set(tun.descriptors).count == 3)
            #expect(try NetlinkFixture.shell("ip -o link show lisp7").first?.contains("POINTOPOINT") == true)
            #expect(try NetlinkFixture.shell("ip -o link show lisp7").first?.contains("qlen 1000") == true)
            tun.close()
            #expect(throws: (any Error).self) { try NetlinkFixture.shell("ip link show lisp7") }
        }
    }

    @Test func `a device that is open elsewhere is refused with its name`() throws {
        try NetworkNamespace.runInFresh {
            try NetlinkFixture.shell("ip link add lisp0 type veth peer name other")
            let error = #expect(throws: LinuxError.self) { try TUNDevice.open(name: "lisp0", queues: 1) }
            #expect(error?.description.hasPrefix("create TUN interface lisp0: ") == true)
        }
    }

    @Test(arguments: ["", "sixteen-octets-x", "a/b", "a b"]) func `refuses what is no interface name`(name: String) {
        #expect(throws: LinuxError.badInterfaceName(name)) { try TUNDevice.open(name: name, queues: 1) }
    }

    @Test func `packets cross with a virtio header before them, both ways`() throws {
        try NetworkNamespace.runInFresh {
            let tun = try TUNDevice.open(name: "lisp0", queues: 1)
            defer { tun.close() }
            try tun.setOffloads([])
            try NetlinkFixture.shell(
                "ip link set lo up && ip link set lisp0 up && ip address add 10.1.0.1/24 dev lisp0"
            )
            // The kernel answers an echo request that seems to come from 10.1.0.2.
            var request: [UInt8] = [
                0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0x66, 0xdc, 10, 1, 0, 2, 10, 1, 0, 1,
                8, 0, 0xf7, 0xfd, 0, 1, 0, 1,
            ]
            request.insert(contentsOf: [UInt8](repeating: 0, count: TUNDevice.headerSize), at: 0)
            #expect(write(tun.descriptors[0], request, request.count) == request.count)
            var buffer = [UInt8](repeating: 0, count: 2_000)
            var answer: [UInt8] = []
            for _ in 0..<200 where answer.isEmpty {
                let length = read(tun.descriptors[0], &buffer, buffer.count)
                // Others, such as router solicitations, are passed over.
                if length == 38, buffer[10] == 0x45, buffer[19] == 1 { answer = Array(buffer[10..<38]) }
                if length <= 0 { usleep(5_000) }
            }
            #expect(answer.suffix(8).first == 0)
            #expect(answer.dropFirst(12).prefix(8) == [10, 1, 0, 1, 10, 1, 0, 2])
        }
    }

    @Test func `offloads that the kernel has can be turned on`() throws {
        try NetworkNamespace.runInFresh {
            let tun = try TUNDevice.open(name: "lisp0", queues: 2)
            defer { tun.close() }
            try tun.setOffloads([.checksum, .tcp])
            try tun.setOffloads([])
        }
    }
}
