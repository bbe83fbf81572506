// Bytes to values and back, for each kind of message.

import LISPWire

extension Benchmark {
    static let wire: [Benchmark] =
        codec("map-register.10-records") { Samples.mapRegister(Samples.records(10), nonce: 7) }
        + codec("map-reply") { MapReply(nonce: Nonce(rawValue: 7), records: Samples.records(1)) }
        + codec("map-notify") { Samples.mapNotify(nonce: 7) }
        + codec("map-request") { Samples.mapRequest(1, nonce: 7) }
        + codec("ecm.map-request") { Samples.encapsulated(Samples.mapRequest(1, nonce: 7), about: 1) }
        + codec("map-referral") { Samples.mapReferral(nonce: 7) }
        + codec("info-request") { Samples.infoRequest(nonce: 7) }
        + dataHeader

    /// A message decoded from its UDP payload, and encoded into one.
    private static func codec<Message: ControlMessageBody>(
        _ name: String,
        _ make: @escaping @Sendable () -> Message
    ) -> [Benchmark] {
        [
            Benchmark("wire.decode.\(name)") { _ in
                let bytes = make().encoded()
                return Workload { operations in
                    for _ in 0..<operations {
                        keep(try ControlMessage(decoding: bytes))
                    }
                }
            },
            Benchmark("wire.encode.\(name)") { _ in
                let message = make()
                return Workload { operations in
                    for _ in 0..<operations {
                        keep(message.encoded().count)
                    }
                }
            },
        ]
    }

    /// Read and written in place, as the packet path does.
    private static let dataHeader = [
        Benchmark("wire.decode.data-header", checked: Check(operations: 100_000)) { _ in
            let packets = headers()
            return Workload { operations in
                var sum: UInt64 = 0
                packets.withUnsafeBytes { bytes in
                    for operation in 0..<operations {
                        let header = LISPDataHeader(from: UnsafeRawBufferPointer(rebasing: bytes[offset(operation)...]))
                        sum &+= UInt64(header.instanceID.rawValue) &+ UInt64(header.nonce ?? 0)
                    }
                }
                keep(sum)
            }
        },
        Benchmark("wire.encode.data-header", checked: Check(operations: 100_000)) { _ in
            var packets = headers()
            return Workload { operations in
                packets.withUnsafeMutableBytes { bytes in
                    for operation in 0..<operations {
                        let number = UInt32(truncatingIfNeeded: operation) & 0xff_ffff
                        let header = LISPDataHeader(
                            instanceID: InstanceID(uncheckedRawValue: number),
                            nonceOrVersions: .nonce(number, requestsEcho: false)
                        )
                        header.write(into: UnsafeMutableRawBufferPointer(rebasing: bytes[offset(operation)...]))
                    }
                }
                keep(packets[9])
            }
        },
    ]

    /// 64 headers, one behind the other.
    private static func headers() -> [UInt8] {
        (0..<64).flatMap { (number: UInt32) -> [UInt8] in
            var writer = WireWriter()
            let header = LISPDataHeader(
                instanceID: InstanceID(uncheckedRawValue: number),
                nonceOrVersions: .nonce(number, requestsEcho: true)
            )
            header.encode(into: &writer)
            return writer.bytes
        }
    }

    private static func offset(_ operation: Int) -> Int { (operation & 63) * LISPDataHeader.size }
}
