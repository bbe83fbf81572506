// Whether a Map-Register was made with a key: what a Map-Server does before it believes anything.

import LISPWire

extension Benchmark {
    static let authentication: [Benchmark] = [
        check("sha-1", .hmacSHA1_96),
        check("sha-256", .hmacSHA256_128),
        check("sha-256-hkdf", .hmacSHA256_128_HKDF),
    ]

    private static func check(_ name: String, _ algorithm: AuthenticationAlgorithm) -> Benchmark {
        Benchmark("wire.verify.map-register.10-records.\(name)") { _ in
            let key = AuthenticationKey(id: 1, algorithm: algorithm, secret: Array("the secret of site-a".utf8))
            let message = Samples.signedMapRegister(Samples.records(10), nonce: 7, key: key)
            return Workload { operations in
                for _ in 0..<operations {
                    guard key.verifies(message) == .ok else { throw Unexpected("the message does not verify") }
                }
            }
        }
    }
}
