// Messages that no capture of the repository has, and every canonical address: each field under its name.

import LISPWire
import Testing

@testable import lispctl

@Suite struct DecodeMessageTests {
    private static func dissect(_ message: ControlMessage) throws -> (
        text: String, json: [String: Any], FrameDissection
    ) {
        var dissector = try FrameDissector.lab()
        let frame = Frames.frame(Frames.packet(message.encoded()))
        let dissection = try #require(dissector.dissect(frame).lisp)
        #expect(dissection.message.problem == nil)
        var report = JSONReport()
        return (TextReport().frame(frame, dissection), try JSON.object(report.frame(frame, dissection)), dissection)
    }

    private static let address = LISPAddress.ip(.v4(IPv4Address(0xc000_0207)))

    @Test func `Map-Request`() throws {
        let mapData = EIDRecord(
            eidPrefix: EIDPrefix(IPPrefix("10.1.0.0/16")!),
            ttlMinutes: .max,
            mapVersion: 7,
            locators: [LocatorRecord(priority: 1, weight: 2, isProbed: true, isReachable: false, address: Self.address)]
        )
        let request = MapRequest(
            isAuthoritative: true,
            isProbe: true,
            isPITR: true,
            isLocalXTR: true,
            dontMapReply: true,
            nonce: Nonce(rawValue: 5),
            sourceEID: .none,
            itrRLOCs: [Self.address],
            records: [],
            mapData: mapData,
            tail: [1, 2, 3]
        )
        let (text, json, _) = try Self.dissect(.mapRequest(request))
        #expect(text.contains("  Map-Request (RLOC-probe), "))
        #expect(
            text.contains(
                "Flags: A (authoritative), M (Map-Reply Record present), P (RLOC-probe), p (Proxy-ITR), L (local xTR), "
                    + "D (don't Map-Reply)\n"
            )
        )
        #expect(text.contains("Source EID: none\n    ITR-RLOC 1 of 1: 192.0.2.7\n    Records: none\n"))
        #expect(
            text.contains("Map-Reply Record: EID-Prefix 10.1.0.0/16, Record TTL unlimited, 1 locator, Map-Version 7\n")
        )
        #expect(
            text.contains("192.0.2.7, Priority 1, Weight 2, M Priority 255, M Weight 0, p (probed)\n")
        )
        #expect(text.contains("Octets behind the last field: 010203\n"))
        #expect(member(json, "message.mapReplyRecord.recordTTL") as? UInt32 == .max)
        #expect(member(json, "message.flags.P") as? Bool == true && member(json, "message.flags.S") as? Bool == false)
    }

    @Test func `negative Map-Reply`() throws {
        let record = EIDRecord(
            eidPrefix: EIDPrefix(instanceID: InstanceID(rawValue: 9)!, IPPrefix("10.0.0.0/9")!),
            ttlMinutes: 15,
            action: .nativelyForward,
            locators: []
        )
        let (text, json, _) = try Self.dissect(.mapReply(MapReply(nonce: Nonce(rawValue: 1), records: [record])))
        #expect(text.contains("  Map-Reply (negative), "))
        let line = "EID-Prefix [9] 10.0.0.0/9, Record TTL 15 minutes, no locators, ACT 1 (natively-forward)\n"
        #expect(text.contains("EID-Record 1 of 1: \(line)"))
        #expect(member(json, "message.eidRecords.0.actName") as? String == "natively-forward")
        #expect(member(json, "message.eidRecords.0.instanceID") as? Int == 9)
    }

    @Test func `Info-Request and Info-Reply`() throws {
        let prefix = LISPAddress.ip(.v4(IPv4Address(0x0a00_0000)))
        let request = InfoMessage(isReply: false, nonce: Nonce(rawValue: 1), ttlMinutes: 0, eid: prefix, maskLength: 8)
        let asked = try Self.dissect(.info(request))
        #expect(asked.text.contains("  Info-Request, "))
        #expect(asked.text.contains("EID-Prefix 10.0.0.0/8\n"))
        let traversal = NATTraversal(
            mapServerPort: 4342,
            etrPort: 61_000,
            globalETRRLOC: Self.address,
            mapServerRLOC: Self.address,
            privateETRRLOC: .none,
            rtrRLOCs: [Self.address, Self.address]
        )
        let reply = InfoMessage(
            isReply: true,
            nonce: Nonce(rawValue: 1),
            authenticationData: [0xab],
            ttlMinutes: 1440,
            eid: prefix,
            maskLength: 8,
            natTraversal: .lcaf(CanonicalAddress(traversal))
        )
        let (text, json, dissection) = try Self.dissect(.info(reply))
        #expect(dissection.message.kind == .infoReply)
        for line in [
            "Info-Reply", "Authentication Data: ab, not verified\n", "TTL: 1440 minutes\n",
            "NAT-Traversal: NAT-Traversal\n",
            "MS UDP Port Number: 4342\n", "ETR UDP Port Number: 61000\n", "Global ETR RLOC Address: 192.0.2.7\n",
            "Private ETR RLOC Address: none\n", "RTR RLOC Address 2 of 2: 192.0.2.7\n",
        ] {
            #expect(text.contains(line), "\(line)")
        }
        #expect(member(json, "message.natTraversal.lcaf.rtrRLOCAddresses.1.address") as? String == "192.0.2.7")
    }

    @Test func `Map-Referral with a signature`() throws {
        let record = ReferralRecord(
            eid: Self.address,
            maskLength: 32,
            ttlMinutes: 1,
            action: .nodeReferral,
            isIncomplete: true,
            referrals: [LocatorRecord(priority: 0, weight: 0, address: Self.address)],
            signatures: [
                ReferralRecord.Signature(
                    originalTTLMinutes: 1440,
                    expiration: 2,
                    inception: 1,
                    keyTag: 99,
                    algorithm: 2,
                    octets: [1, 2, 3]
                )
            ]
        )
        let (text, json, _) = try Self.dissect(.mapReferral(MapReferral(nonce: Nonce(rawValue: 1), records: [record])))
        #expect(text.contains("ACT 0 (NODE-REFERRAL), 1 referral, I (incomplete)\n"))
        #expect(text.contains("Key Tag: 99\n") && text.contains("Signature: 010203, not verified\n"))
        #expect(member(json, "message.records.0.sigs.0.keyTag") as? Int == 99)
    }

    @Test func `a shared extension, and a type that nobody assigned`() throws {
        let (text, _, _) = try Self.dissect(.sharedExtension(SharedExtension(subType: 1024, contents: [1, 2])))
        #expect(text.contains("Sub-type: 1024\n    Extension-specific: 0102\n"))
        var dissector = try FrameDissector.lab()
        let frame = Frames.frame(Frames.packet([0x90, 0, 0, 0]))
        let problem = try #require(dissector.dissect(frame).lisp?.message.problem)
        #expect(problem == Problem(reason: "message type 9 is not assigned", offset: 0, part: .message))
    }

    @Test func `an ECM in an ECM is not looked into`() throws {
        let inner = EncapsulatedControlMessage(
            source: Endpoint(.v4(IPv4Address(1)), 4342),
            destination: Endpoint(.v4(IPv4Address(2)), 4342),
            payload: Frames.mapRequest
        )
        let outer = EncapsulatedControlMessage(
            source: Endpoint(.v4(IPv4Address(1)), 4342),
            destination: Endpoint(.v4(IPv4Address(2)), 4342),
            payload: inner.encoded()
        )
        var dissector = try FrameDissector.lab()
        let message = try #require(dissector.dissect(Frames.frame(Frames.packet(outer.encoded()))).lisp?.message)
        let reason = "an ECM within an ECM, not looked into"
        #expect(message.problem == Problem(reason: reason, offset: 32, part: .message))
    }

    private static let formats: EncapsulationFormat.Formats = [.lisp, .vxlanGPE]
    private static let point = GeoAngle(isPositive: false, degrees: 12, milliseconds: 1_800_000)

    @Test(arguments: [
        (ASNumber(65_000, address: address) as any CanonicalContent, "AS 65000 192.0.2.7", "AS Number: 65000\n"),
        (NonceLocator(nonce: 77, address: address), "Nonce Locator (192.0.2.7)", "Nonce: 77\n"),
        (KeyValueAddress(key: address, value: .none), "(192.0.2.7 = none)", "Address as Value: none\n"),
        (
            EncapsulationFormat(formats, address: address), "Encapsulation Format (192.0.2.7)",
            "Encapsulations: v (VXLAN-GPE), L (Layer 3 LISP)\n"
        ),
        (OpaqueKey(fieldNumber: 1, wildcardFields: 2, key: [0xca, 0xfe]), "Opaque Key", "Key: cafe\n"),
        (
            ApplicationData(
                flow: 1,
                ipProtocol: 6,
                localPorts: ApplicationData.PortRange(80, 81),
                remotePorts: ApplicationData.PortRange(0, 65_535),
                address: address
            ), "Application Data (192.0.2.7)", "Remote Port: 0 to 65535\n"
        ),
        (
            SecurityKey(algorithm: 3, isRevoked: true, keys: [[1], [2, 3]], locator: address),
            "Security Key (192.0.2.7)",
            "Key Material 2 of 2: 0203\n"
        ),
        (
            SourceDestinationKey(
                source: address,
                sourceMaskLength: 24,
                destination: address,
                destinationMaskLength: 32
            ), "Source/Dest Key (192.0.2.7/24 > 192.0.2.7/32)", "Source mask-len: 24\n"
        ),
        (
            MulticastInfo(instanceID: 5, source: address, sourceMaskLength: 32, group: address, groupMaskLength: 32),
            "[5] (192.0.2.7/32, 192.0.2.7/32)", "Group mask-len: 32\n"
        ),
        (
            GeoLocation(
                latitude: point,
                longitude: point,
                radius: GeoLocation.Radius(3, isInKilometres: true),
                address: .none
            ),
            "Geo-Location (-12.5000000, -12.5000000)", "Radius: 3 kilometres\n"
        ),
        (
            GeoCoordinates(latitude: point, longitude: point, altitude: -3, address: .none),
            "Geo-Coordinates (-12.5000000, -12.5000000)", "Altitude: -3 metres\n"
        ),
        (InstanceAddress(instanceID: 0x0100_0000, address: address), "[16777216] 192.0.2.7", "Instance ID: 16777216\n"),
    ])
    func `each canonical address shows its fields`(content: any CanonicalContent, gist: String, line: String) throws {
        let (text, json, _) = try Self.locator(CanonicalAddress(content))
        #expect(text.contains("Locator 1 of 1: ") && text.contains(gist + ", Priority 1"), "\(text)")
        #expect(text.contains(line), "\(text)")
        #expect(
            member(json, "message.eidRecords.0.locators.0.locator.lcaf.lcafType") as? UInt8 == content.type.rawValue
        )
    }

    private static func locator(
        _ address: CanonicalAddress
    ) throws -> (text: String, json: [String: Any], FrameDissection) {
        let record = EIDRecord(
            eidPrefix: EIDPrefix(IPPrefix("10.1.0.0/16")!),
            ttlMinutes: 1,
            locators: [LocatorRecord(priority: 1, weight: 1, address: .lcaf(address))]
        )
        return try dissect(.mapReply(MapReply(nonce: Nonce(rawValue: 1), records: [record])))
    }

    @Test func `a canonical address that makes no sense costs only itself`() throws {
        let (text, json, _) = try Self.locator(CanonicalAddress(type: 3, body: [1, 2, 3, 4, 0]))
        #expect(text.contains("Locator 1 of 1: AS Number, malformed, Priority 1"))
        #expect(
            text.contains("Octets: 0102030400\n")
                && text.contains("Problem: Address AFI needs 2 octets, 1 are left, octet ")
        )
        #expect(member(json, "message.eidRecords.0.locators.0.locator.lcaf.problemOffset") is Int)
        let unknown = try Self.locator(CanonicalAddress(type: 200, body: [1, 2]))
        #expect(unknown.text.contains("LCAF type 200, 2 octets, Priority 1"))
        #expect(unknown.text.contains("Octets: 0102\n"))
    }
}
