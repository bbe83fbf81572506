// Which address packets are sent to when a locator is more than an address.

import LISPWire
import Testing

@Suite struct LocatorAddressTests {
    private static let v4 = IPAddress("192.0.2.1")!
    private static let v6 = IPAddress("2001:db8::1")!

    private static func list(_ addresses: [LISPAddress]) -> LISPAddress {
        .lcaf(CanonicalAddress(AFIList(addresses)))
    }

    @Test func `a plain address is itself`() {
        #expect(LISPAddress.ip(Self.v4).locatorAddress == Self.v4)
        #expect(LISPAddress.none.locatorAddress == nil)
        #expect(LISPAddress.distinguishedName([0x61]).locatorAddress == nil)
        #expect(LISPAddress.mac(MACAddress(1)).locatorAddress == nil)
    }

    @Test func `an AFI list is the first IP address in it, wherever that stands`() {
        let name = LISPAddress.distinguishedName(Array("west".utf8))
        #expect(Self.list([.ip(Self.v4), .ip(Self.v6), name]).locatorAddress == Self.v4)
        #expect(Self.list([LISPAddress.none, name, .ip(Self.v6), .ip(Self.v4)]).locatorAddress == Self.v6)
        #expect(Self.list([name]).locatorAddress == nil)
        #expect(Self.list([]).locatorAddress == nil)
        // The path is skipped by those who do not know it, which is what the list is for.
        let path = LISPAddress.lcaf(CanonicalAddress(ExplicitLocatorPath(hops: [.init(address: .ip(Self.v6))])))
        #expect(Self.list([path, .ip(Self.v4)]).locatorAddress == Self.v4)
        #expect(Self.list([path]).locatorAddress == nil)
    }

    @Test func `a list with a fault behind its address still has the address`() {
        let body = bytes("0001 c0000201  4003 0000 0e 00 00ff 0001")
        #expect(LISPAddress.lcaf(CanonicalAddress(type: 1, body: body)).locatorAddress == Self.v4)
        #expect(LISPAddress.lcaf(CanonicalAddress(type: 1, body: body)).allIPAddresses == nil)
    }

    @Test func `what is only said about an address does not hide it, what is needed to reach it does`() {
        let address = LISPAddress.ip(Self.v4)
        let angle = GeoAngle(isPositive: true, degrees: 1, milliseconds: 0)
        let usable: [any CanonicalContent] = [
            ASNumber(1, address: address),
            GeoCoordinates(latitude: angle, longitude: angle, address: address),
            GeoLocation(latitude: angle, longitude: angle, address: address),
            JSONDataModel(json: [], address: address),
            EncapsulationFormat([.lisp, .vxlan], address: address),
        ]
        for content in usable {
            #expect(LISPAddress.lcaf(Self.canonical(content)).locatorAddress == Self.v4, "\(content)")
        }
        let unusable: [any CanonicalContent] = [
            EncapsulationFormat([.vxlan], address: address),
            NonceLocator(nonce: 1, address: address),
            SecurityKey(algorithm: 1, keys: [[1]], locator: address),
            ExplicitLocatorPath(hops: [.init(address: address)]),
            ReplicationList(entries: [.init(level: 0, address: address)]),
            KeyValueAddress(key: address, value: address),
            InstanceAddress(instanceID: 0x0100_0000, address: address),
        ]
        for content in unusable {
            #expect(LISPAddress.lcaf(Self.canonical(content)).locatorAddress == nil, "\(content)")
        }
    }

    private static func canonical(_ content: some CanonicalContent) -> CanonicalAddress { CanonicalAddress(content) }

    @Test func `finds every IP address in the pictures of all types`() throws {
        for picture in CanonicalAddressTests.pictures {
            let address = CanonicalAddress(type: picture.octets[4], reserved2: picture.octets[5], body: picture.body)
            let expected = ["c0000201", "c0000202", "e8010100", "20010db8000000000000000000000001"].map { text in
                picture.body.windows(of: bytes(text))
            }.reduce(0, +)
            let found = LISPAddress.lcaf(address).allIPAddresses
            if case .unknown = address.content {
                #expect(found == nil)
            } else {
                #expect(found?.count == expected, "\(picture.name)")
            }
        }
    }
}

extension Array where Element == UInt8 {
    /// How often `part` occurs.
    fileprivate func windows(of part: [UInt8]) -> Int {
        guard count >= part.count else { return 0 }
        return (0...count - part.count).count { Array(self[$0..<$0 + part.count]) == part }
    }
}
