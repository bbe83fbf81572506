// Every canonical address as annotated bytes, the layouts of lispers.net included, and what becomes of bodies that make no
// sense.

import LISPWire
import Testing

/// A canonical address as bytes from its family on, and what it means.
struct CanonicalPicture: Sendable, CustomTestStringConvertible {
    var name: String
    var octets: [UInt8]
    var content: CanonicalAddress.Content
    /// Some bodies are no less meaningful when they end earlier: by how many octets from the start of the body.
    var shorter: Set<Int>

    var testDescription: String { name }

    init(_ name: String, _ text: String, _ content: CanonicalAddress.Content, shorter: Set<Int> = []) {
        self.name = name
        self.octets = bytes(text)
        self.content = content
        self.shorter = shorter
    }

    var body: [UInt8] { Array(octets[8...]) }

    /// The same address with another body and its length.
    func with(_ body: [UInt8]) -> [UInt8] {
        Array(octets[..<6]) + [UInt8(body.count >> 8), UInt8(body.count & 255)] + body
    }
}

private let v4 = LISPAddress.ip(IPAddress("192.0.2.1")!)
private let v6 = LISPAddress.ip(IPAddress("2001:db8::1")!)

@Suite struct CanonicalAddressTests {
    static let pictures: [CanonicalPicture] = [
        CanonicalPicture("null body", "4003 0000 00 00 0000", .null),
        CanonicalPicture(
            "AFI list",
            """
            4003 00 00 01 00 001a
            0001 c0000201
            0002 20010db8000000000000000000000001
            0000
            """,
            .afiList(AFIList([v4, v6, LISPAddress.none])),
            shorter: [0, 6, 24]
        ),
        CanonicalPicture(
            "MAC address in an AFI list",
            "4003 0000 01 00 0008  4005 001122334455",
            .afiList(AFIList([.mac(MACAddress(0x0011_2233_4455))])),
            shorter: [0]
        ),
        CanonicalPicture(
            "instance ID of 32 bits",
            "4003 0000 02 00 000a  010003e8  0001 c0000201",
            .instanceID(InstanceAddress(instanceID: 0x0100_03e8, address: v4))
        ),
        CanonicalPicture(
            "AS number",
            "4003 0000 03 00 000a  0000fde8  0001 c0000201",
            .asNumber(ASNumber(65_000, address: v4))
        ),
        CanonicalPicture(
            "application data",
            """
            4003 0000 04 00 0012
            abcdef 11       // flow label, UDP
            1388 1389       // local ports 5000 to 5001
            0050 01bb       // remote ports 80 to 443
            0001 c0000201
            """,
            .applicationData(
                ApplicationData(
                    flow: 0xab_cdef,
                    ipProtocol: 17,
                    localPorts: .init(5000, 5001),
                    remotePorts: .init(80, 443),
                    address: v4
                )
            )
        ),
        CanonicalPicture(
            "geo-coordinates of RFC 8060",
            """
            4003 0000 05 00 0012
            8025 0b 29      // N, 37 degrees, 11 minutes, 41 seconds
            0079 31 00      // W, 121 degrees, 49 minutes
            fffffff6        // ten metres below the sea
            0001 c0000201
            """,
            .geoCoordinates(
                GeoCoordinates(
                    latitude: GeoAngle(isPositive: true, degrees: 37, milliseconds: 701_000),
                    longitude: GeoAngle(isPositive: false, degrees: 121, milliseconds: 2_940_000),
                    altitude: -10,
                    address: v4
                )
            )
        ),
        CanonicalPicture(
            "geo-coordinates of RFC 8060 without altitude and address",
            "4003 0000 05 00 000e  005a 00 00  80b4 3b 3b  7fffffff  0000",
            .geoCoordinates(
                GeoCoordinates(
                    latitude: GeoAngle(isPositive: false, degrees: 90, milliseconds: 0),
                    longitude: GeoAngle(isPositive: true, degrees: 180, milliseconds: 3_599_000),
                    address: .none
                )
            )
        ),
        CanonicalPicture(
            "geo-location of RFC 10040",
            """
            4003 0000 11 00 0016
            fe00 01f4       // U, N, E, A, M, R, K; 500 cm
            25 0ab248       // 37 degrees, 701,000 ms
            79 2cdc60       // 121 degrees, 2,940,000 ms
            00000032        // 50 m
            0064 0000       // 100 km
            0000
            """,
            .geoLocation(
                GeoLocation(
                    latitude: GeoAngle(isPositive: true, degrees: 37, milliseconds: 701_000),
                    longitude: GeoAngle(isPositive: true, degrees: 121, milliseconds: 2_940_000),
                    uncertainty: 500,
                    altitude: .init(50, isInMetres: true),
                    radius: .init(100, isInKilometres: true),
                    address: .none
                )
            )
        ),
        CanonicalPicture(
            "opaque key",
            "4003 0000 06 00 0007  03 0005 deadbeef",
            .opaqueKey(OpaqueKey(fieldNumber: 3, wildcardFields: 5, key: bytes("deadbeef"))),
            shorter: [3, 4, 5, 6]
        ),
        CanonicalPicture(
            "NAT traversal",
            """
            4003 0000 07 00 0024
            10f6 c350                                   // ports 4342 and 50000
            0001 c0000201                               // global ETR RLOC
            0002 20010db8000000000000000000000001       // MS RLOC
            0000                                        // private ETR RLOC
            0001 c0000202                               // RTR RLOC
            """,
            .natTraversal(
                NATTraversal(
                    mapServerPort: 4342,
                    etrPort: 50_000,
                    globalETRRLOC: v4,
                    mapServerRLOC: v6,
                    privateETRRLOC: .none,
                    rtrRLOCs: [.ip(IPAddress("192.0.2.2")!)]
                )
            ),
            shorter: [30]
        ),
        CanonicalPicture(
            "nonce locator",
            "4003 0000 08 00 000a  00 123456  0001 c0000201",
            .nonceLocator(NonceLocator(nonce: 0x12_3456, address: v4))
        ),
        CanonicalPicture(
            "multicast info",
            """
            4003 0000 09 00 0014
            000007d0 0000 18 08
            0001 c0000201
            0001 e8010100
            """,
            .multicastInfo(
                MulticastInfo(
                    instanceID: 2000,
                    source: v4,
                    sourceMaskLength: 24,
                    group: .ip(IPAddress("232.1.1.0")!),
                    groupMaskLength: 8
                )
            )
        ),
        CanonicalPicture(
            "explicit locator path",
            """
            4003 0000 0a 00 001c
            0005 0001 c0000201                               // L and S
            0002 0002 20010db8000000000000000000000001       // P
            """,
            .explicitLocatorPath(
                ExplicitLocatorPath(hops: [
                    .init(isLookup: true, isStrict: true, address: v4), .init(isProbed: true, address: v6),
                ])
            ),
            shorter: [0, 8]
        ),
        CanonicalPicture(
            "security key",
            """
            4003 0000 0b 00 0010
            02 00 03 01     // two keys, algorithm 3, R
            0002 abcd
            0000
            0001 c0000201
            """,
            .securityKey(SecurityKey(algorithm: 3, isRevoked: true, keys: [[0xab, 0xcd], []], locator: v4))
        ),
        CanonicalPicture(
            "source/dest key",
            "4003 0000 0c 00 001c  0000 18 40  0001 c0000201  0002 20010db8000000000000000000000001",
            .sourceDestinationKey(
                SourceDestinationKey(source: v4, sourceMaskLength: 24, destination: v6, destinationMaskLength: 64)
            )
        ),
        CanonicalPicture(
            "replication list",
            "4003 0000 0d 00 0014  00000000 0001 c0000201  00000080 0001 c0000202",
            .replicationList(
                ReplicationList(entries: [
                    .init(level: 0, address: v4), .init(level: 128, address: .ip(IPAddress("192.0.2.2")!)),
                ])
            ),
            shorter: [0, 10]
        ),
        CanonicalPicture(
            "JSON",
            "4003 0000 0e 00 000c  0004 7b227d0a  0001 c0000201",
            .json(JSONDataModel(json: Array("{\"}\n".utf8), address: v4)),
            shorter: [6]
        ),
        CanonicalPicture(
            "binary JSON without an address family",
            "4003 0000 0e 01 0003  0001 5a",
            .json(JSONDataModel(isBinary: true, json: [0x5a], address: nil))
        ),
        CanonicalPicture(
            "key and value",
            "4003 0000 0f 00 000b  0001 c0000201  0011 676f00",
            .keyValue(KeyValueAddress(key: v4, value: .distinguishedName(Array("go".utf8))))
        ),
        CanonicalPicture(
            "encapsulation format",
            "4003 0000 10 00 000a  0000006d  0001 c0000201",
            .encapsulationFormat(EncapsulationFormat([.lisp, .vxlan, .vxlanGPE, .geneve, .gue], address: v4))
        ),
        CanonicalPicture(
            "a type that nobody has assigned",
            "4003 0000 c8 07 0003 010203",
            .unknown,
            shorter: [0, 1, 2]
        ),
    ]

    private static func decode(_ octets: [UInt8]) throws(WireError) -> CanonicalAddress {
        let address = try WireReader.whole(octets) { reader throws(WireError) in
            try LISPAddress("Locator", from: &reader)
        }
        guard case .lcaf(let canonical) = address else { throw WireError(.invalid(field: "test", value: 0), at: 0) }
        return canonical
    }

    private static func encode(_ address: CanonicalAddress) -> [UInt8] {
        var writer = WireWriter()
        LISPAddress.lcaf(address).encode(into: &writer)
        return writer.bytes
    }

    @Test func `there is a picture of every type`() {
        #expect(Set(Self.pictures.map { $0.octets[4] }).isSuperset(of: LCAFType.allCases.map(\.rawValue)))
        #expect(LCAFType.allCases.count == 18)
    }

    @Test(arguments: pictures)
    func `reads and writes each type`(picture: CanonicalPicture) throws {
        let address = try Self.decode(picture.octets)
        #expect(address.content == picture.content)
        #expect(address.type == picture.octets[4])
        #expect(Self.encode(address) == picture.octets)
        if let content = picture.content.encodable {
            #expect(CanonicalAddress(content) == address)
        }
    }

    @Test(arguments: pictures)
    func `refuses each type cut short`(picture: CanonicalPicture) {
        for length in 0..<picture.octets.count {
            #expect(throws: WireError.self, "\(length) octets") { try Self.decode(Array(picture.octets[..<length])) }
        }
    }

    /// Where the length is cut with the body, the address keeps its octets and says what is missing, and where.
    @Test(arguments: pictures)
    func `a body that ends early is kept, and not believed`(picture: CanonicalPicture) throws {
        for length in 0..<picture.body.count {
            let octets = picture.with(Array(picture.body[..<length]))
            if octets[4] == LCAFType.instanceID.rawValue, length < 4 {
                // Whose instance it is decides what the whole message is about.
                #expect(throws: WireError.self) { try Self.decode(octets) }
                continue
            }
            let address = try Self.decode(octets)
            #expect(Self.encode(address) == octets)
            let fault = address.content.fault
            #expect((fault == nil) == picture.shorter.contains(length), "\(length) octets: \(address.content)")
            if let fault { #expect((8...octets.count).contains(fault.offset)) }
        }
    }

    @Test(arguments: pictures)
    func `a body that goes on is kept, and not believed`(picture: CanonicalPicture) throws {
        let isOpen: Bool =
            switch picture.content {
            case .opaqueKey, .unknown: true
            default: false
            }
        let octets = picture.with(picture.body + [7])
        let address = try Self.decode(octets)
        #expect(Self.encode(address) == octets)
        #expect((address.content.fault == nil) == isOpen)
    }

    @Test func `a fault names the field and its place in the message`() throws {
        // A Map-Reply whose only locator is an AFI list with a path in it that is one octet short.
        let picture = bytes(
            """
            20000001 0000000000000001
            00000005 01 18 1000 0000 0001 0a010100      // octets 12 to 27
            01640000 0001                               // 28
            4003 0000 01 00 0015                        // 34
            0001 c0000201                               // 42
            4003 0000 0a 00 0007                        // 48
            0000 0001 c00002                            // 56
            """
        )
        let reply = try MapReply(decoding: picture)
        #expect(reply.encoded() == picture)
        guard case .lcaf(let outer)? = reply.records.first?.locators.first?.address,
            case .afiList(let list) = outer.content, case .lcaf(let path)? = list.addresses.last
        else {
            Issue.record("no path in a list")
            return
        }
        #expect(
            path.content
                == .malformed(WireError(.truncated(field: "Reencap Hop", needed: 4, available: 3), at: 60))
        )
        #expect(list.fault == nil && list.addresses.count == 2)
    }

    @Test func `an AFI list is good up to its fault`() throws {
        let octets = bytes("4003 0000 01 00 000e  0001 c0000201  0003 aaaa 0001 c000")
        let address = try Self.decode(octets)
        guard case .afiList(let list) = address.content else {
            Issue.record("no list")
            return
        }
        #expect(list.addresses == [v4])
        #expect(list.fault == WireError(.unknownAFI(field: "AFI List", afi: 3), at: 14))
        #expect(Self.encode(address) == octets)
    }

    @Test func `reserved bits are kept`() throws {
        for text in [
            "4003 ab cd 0a ef 0008  fff8 0001 c0000201",
            "4003 0102 0b 03 000a  00 ff 03 fe  0001 c0000201",
            "4003 0000 10 00 000a  ffffff80  0001 c0000201",
            "4003 0000 11 00 0016  01ff 1234 00000000 00000000 00000001 0001 ffff 0000",
        ] {
            let octets = bytes(text)
            let address = try Self.decode(octets)
            #expect(address.content.fault == nil)
            #expect(Self.encode(address) == octets)
        }
    }

    @Test(arguments: [
        ("4003 0000 05 00 000e  805b 00 00  0000 00 00  00000000  0000", "Latitude Degrees", 8),
        ("4003 0000 05 00 000e  0000 3c 00  0000 00 00  00000000  0000", "Latitude Minutes", 10),
        ("4003 0000 05 00 000e  0000 00 3c  0000 00 00  00000000  0000", "Latitude Seconds", 11),
        ("4003 0000 05 00 000e  0000 00 00  00b5 00 00  00000000  0000", "Longitude Degrees", 12),
        ("4003 0000 11 00 0016  0000 0000 5b000000 00000000 00000000 0000 0000 0000", "Latitude Degrees", 12),
        ("4003 0000 11 00 0016  0000 0000 0036ee80 00000000 00000000 0000 0000 0000", "Latitude Milliseconds", 13),
        ("4003 0000 11 00 0016  0000 0000 00000000 b5000000 00000000 0000 0000 0000", "Longitude Degrees", 16),
        ("4003 0000 06 00 0003  10 0000", "Key Field Num", 8),
    ])
    func `values out of range are kept, and not believed`(text: String, field: String, offset: Int) throws {
        let octets = bytes(text)
        let address = try Self.decode(octets)
        guard let fault = address.content.fault, case .invalid(field, _) = fault.reason else {
            Issue.record("\(address.content)")
            return
        }
        #expect(fault.offset == offset)
        #expect(Self.encode(address) == octets)
    }

    @Test func `angles read as signed decimal degrees`() {
        #expect(GeoAngle(isPositive: true, degrees: 37, milliseconds: 701_000).description == "37.1947222")
        #expect(GeoAngle(isPositive: false, degrees: 121, milliseconds: 2_940_000).description == "-121.8166667")
        #expect(GeoAngle(isPositive: false, degrees: 0, milliseconds: 0).description == "0.0000000")
        #expect(GeoAngle(isPositive: true, degrees: 0, milliseconds: 3_599_999).description == "0.9999997")
    }

    // MARK: Limits

    /// `depth` canonical addresses, each in the other behind `lead` zeros, around an IPv4 address; AFI lists by default.
    private static func nested(_ depth: Int, type: UInt8 = 1, lead: Int = 0) -> [UInt8] {
        var octets = bytes("0001 c0000201")
        for _ in 0..<depth {
            octets = Array(repeating: 0, count: lead) + octets
            octets = [0x40, 3, 0, 0, type, 0, UInt8(octets.count >> 8), UInt8(octets.count & 255)] + octets
        }
        return octets
    }

    @Test func `looks eight canonical addresses deep and no deeper`() throws {
        func depth(_ content: CanonicalAddress.Content) -> Int {
            guard case .afiList(let list) = content, case .lcaf(let inner)? = list.addresses.first else { return 1 }
            return 1 + depth(inner.content)
        }
        #expect(depth(try Self.decode(Self.nested(8)).content) == 8)
        #expect(try LISPAddress.lcaf(Self.decode(Self.nested(8))).allIPAddresses == [IPAddress("192.0.2.1")!])
        let deep = try Self.decode(Self.nested(9))
        #expect(depth(deep.content) == 9)
        #expect(LISPAddress.lcaf(deep).allIPAddresses == nil)
        #expect(Self.encode(deep) == Self.nested(9))
        let deepest = Self.nested(8_000)
        #expect(try Self.encode(Self.decode(deepest)) == deepest)
    }

    /// A datagram of the worst lists there are costs about as much as one of plain addresses, never its square.
    @Test(arguments: [(1, 0), (5, 12), (5, 20), (9, 8), (13, 4)] as [(UInt8, Int)])
    func `no message takes long to decode`(type: UInt8, lead: Int) throws {
        let unit = Self.nested(8, type: type, lead: lead)
        var body: [UInt8] = []
        while body.count + unit.count <= 65_000 { body += unit }
        let octets = [0x40, 3, 0, 0, 1, 0, UInt8(body.count >> 8), UInt8(body.count & 255)] + body
        let start = ContinuousClock.now
        let address = try Self.decode(octets)
        #expect(ContinuousClock.now - start < .seconds(2))
        #expect(Self.encode(address) == octets)
    }

    @Test func `an address in memory is no larger than a plain one needs`() {
        #expect(MemoryLayout<LISPAddress>.stride <= 24)
    }
}

extension CanonicalAddress.Content {
    /// Why the body, or its end, was not read.
    var fault: WireError? {
        switch self {
        case .malformed(let fault): fault
        case .afiList(let list): list.fault
        default: nil
        }
    }

    /// What can be encoded by itself.
    var encodable: (any CanonicalContent)? {
        switch self {
        case .null, .unknown, .malformed: nil
        case .afiList(let content): content
        case .instanceID(let content): content
        case .asNumber(let content): content
        case .applicationData(let content): content
        case .geoCoordinates(let content): content
        case .geoLocation(let content): content
        case .opaqueKey(let content): content
        case .natTraversal(let content): content
        case .nonceLocator(let content): content
        case .multicastInfo(let content): content
        case .explicitLocatorPath(let content): content
        case .securityKey(let content): content
        case .sourceDestinationKey(let content): content
        case .replicationList(let content): content
        case .json(let content): content
        case .keyValue(let content): content
        case .encapsulationFormat(let content): content
        }
    }
}
