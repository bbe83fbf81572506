// A control message (RFC 9301 section 5) as a tree of fields. Decoding is LISPWire's; this gives its values their names.

import LISPWire

struct ControlDissector {
    private let keys: KeyRing
    /// The UDP payload at its full length, of which the first `captured` octets are known.
    private let payload: [UInt8]
    private let captured: Int

    private var isCut: Bool { captured < payload.count }

    static func dissect(_ payload: [UInt8], captured: Int, keys: KeyRing) -> MessageDissection {
        ControlDissector(keys: keys, payload: payload, captured: captured).dissect()
    }

    private func dissect() -> MessageDissection {
        var result = dissect(isCut ? Array(payload.prefix(captured)) : payload, base: 0)
        if isCut, let problem = result.problem {
            let cut = "cut by the capture after \(captured) of \(payload.count) octets"
            result.problem?.reason = "\(cut): \(problem.reason)"
        }
        return result
    }

    /// - Parameter base: octets of the UDP payload in front of `bytes`: every offset counts from its start.
    private func dissect(_ bytes: [UInt8], base: Int) -> MessageDissection {
        do throws(WireError) {
            let message = try ControlMessage(decoding: bytes, base: base, zeroInnerChecksum: .accept)
            return fields(of: message, bytes, base)
        } catch {
            return undecoded(bytes, error, base)
        }
    }

    private func fields(of message: ControlMessage, _ bytes: [UInt8], _ base: Int) -> MessageDissection {
        switch message {
        case .mapRequest(let message): Self.dissect(message, base)
        case .mapReply(let message): Self.dissect(message, base)
        case .mapRegister(let message): dissect(AuthenticatedMessage(message), bytes, base)
        case .mapNotify(let message): dissect(AuthenticatedMessage(message), bytes, base)
        case .mapReferral(let message): Self.dissect(message, base)
        case .info(let message): Self.dissect(message, base)
        case .encapsulated(let message): dissect(message, bytes, base)
        case .sharedExtension(let message): Self.dissect(message)
        }
    }

    /// What can still be said: the type, what stands in front of the fault, the reason, and the octets from there on.
    private func undecoded(_ bytes: [UInt8], _ error: WireError, _ base: Int) -> MessageDissection {
        var result = MessageDissection(kind: .undecoded)
        if let type = bytes.first.flatMap({ MessageType(rawValue: $0 >> 4) }) {
            result.purpose = [type.name]
            result.fields.append(Field("Type", .named(UInt64(type.rawValue), type.name)))
            lookInFront(type, bytes, base, &result)
        }
        let rest = bytes.dropFirst(error.offset - base)
        if !rest.isEmpty {
            let shown = rest.prefix(Self.shownOctets)
            let note = shown.count < rest.count ? "and \(rest.count - shown.count) more" : nil
            result.fields.append(.octets("Undecoded octets", shown, note: note))
        }
        result.problem = Problem(reason: "\(error.reason)", offset: error.offset, part: .message)
        return result
    }

    /// Nonce, authentication and the records before the one with the fault, of messages that have them at known places.
    private func lookInFront(_ type: MessageType, _ bytes: [UInt8], _ base: Int, _ result: inout MessageDissection) {
        guard [.mapReply, .mapRegister, .mapNotify, .mapNotifyAck].contains(type) else { return }
        var reader = WireReader(bytes, base: base)
        guard let header: UInt32 = try? reader.integer("Type"), let nonce: UInt64 = try? reader.integer("Nonce") else {
            return
        }
        result.fields.append(.nonce(Nonce(rawValue: nonce), base))
        if type != .mapReply {
            guard let authentication = try? Authentication(from: &reader) else { return }
            let verdict = self.verdict(on: authentication, bytes)
            result.verdict = verdict
            result.fields.append(Self.field(authentication, verdict, base))
        }
        var cursor = OffsetCursor(after: reader.position)
        var records: [Field] = []
        let count = Int(header & 0xff)
        while records.count < count, let record = try? EIDRecord(from: &reader) {
            records.append(cursor.field(record, name: "EID-Record"))
        }
        guard !records.isEmpty else { return }
        let note = records.count < count ? "the next has the fault" : nil
        result.fields.append(
            Field("Records decoded", .number(UInt64(records.count)), unit: "of \(count)", note: note)
        )
        result.fields.append(Field("EID-Records", .list(records)))
    }

    /// The whole payload is authenticated: of a cut one nothing can be said.
    private func verdict(on authentication: Authentication, _ bytes: [UInt8]) -> KeyRing.Verdict {
        isCut ? .unverifiable("the capture cut the message") : keys.verify(bytes, authentication)
    }

    /// Octets that are shown of what does not decode.
    private static let shownOctets = 32
}

// MARK: - Map-Request and Map-Reply

extension ControlDissector {
    private static func dissect(_ message: MapRequest, _ base: Int) -> MessageDissection {
        var result = MessageDissection(kind: .mapRequest)
        if message.isProbe { result.purpose.append("RLOC-probe") }
        if message.isSMR { result.purpose.append("SMR") }
        if message.isSMRInvoked { result.purpose.append("SMR-invoked") }
        var cursor = OffsetCursor(after: base + 12)
        result.fields = [
            .type(.mapRequest),
            Field(
                "Flags",
                .flags([
                    FlagBit("A", "authoritative", message.isAuthoritative),
                    FlagBit("M", "Map-Reply Record present", message.hasMapData),
                    FlagBit("P", "RLOC-probe", message.isProbe),
                    FlagBit("S", "Solicit-Map-Request", message.isSMR), FlagBit("p", "Proxy-ITR", message.isPITR),
                    FlagBit("s", "SMR-invoked", message.isSMRInvoked), FlagBit("L", "local xTR", message.isLocalXTR),
                    FlagBit("D", "don't Map-Reply", message.dontMapReply),
                ])
            ),
            .told("IRC", .number(UInt64(max(message.itrRLOCs.count - 1, 0)))),
            .told("Record Count", .number(UInt64(message.records.count))),
            .nonce(message.nonce, base),
            cursor.field("Source EID", message.sourceEID),
            Field("ITR-RLOCs", .list(message.itrRLOCs.map { cursor.field("ITR-RLOC", $0) })),
            Field(
                "Records",
                .list(
                    message.records.map { record in
                        let offset = cursor.position
                        cursor.skip(2)
                        cursor.skip { record.eid.encode(into: &$0) }
                        return EIDFields.record(record.eid, maskLength: record.maskLength, offset: offset)
                    }
                )
            ),
        ]
        if let mapData = message.mapData { result.fields.append(cursor.field(mapData, name: "Map-Reply Record")) }
        result.fields.append(contentsOf: Field.tail(message.tail))
        return result
    }

    private static func dissect(_ message: MapReply, _ base: Int) -> MessageDissection {
        var result = MessageDissection(kind: .mapReply)
        if message.isProbe { result.purpose.append("probe-reply") }
        if !message.records.isEmpty, message.records.allSatisfy(\.locators.isEmpty) {
            result.purpose.append("negative")
        }
        var cursor = OffsetCursor(after: base + 12)
        result.fields = [
            .type(.mapReply),
            Field(
                "Flags",
                .flags([
                    FlagBit("P", "RLOC-probe", message.isProbe),
                    FlagBit("E", "echo-nonce-capable", message.isEchoNonceCapable),
                    FlagBit("S", "security", message.hasSecurity),
                ])
            ),
            .told("Record Count", .number(UInt64(message.records.count))),
            .nonce(message.nonce, base),
            cursor.field(message.records),
        ]
        result.fields.append(contentsOf: Field.tail(message.tail))
        return result
    }
}

// MARK: - Map-Register, Map-Notify, Map-Notify-Ack

/// What the three messages with authentication have in common.
private struct AuthenticatedMessage {
    var type: MessageType
    var kind: MessageKind
    var flags: [FlagBit]
    var nonce: Nonce
    var authentication: Authentication
    var records: [EIDRecord]
    var xtrID: XTRID?
    var siteID: SiteID?
    var tail: [UInt8]

    init(_ message: MapRegister) {
        self.type = .mapRegister
        self.kind = .mapRegister
        self.flags = [
            FlagBit("P", "proxy Map-Reply", message.wantsProxyReply),
            FlagBit("S", "LISP-SEC capable", message.isSecurityCapable),
            FlagBit("I", "xTR-ID present", message.hasXTRID),
            FlagBit("E", "EID-notify", message.isEIDNotify), FlagBit("T", "use TTL for timeout", message.usesTTL),
            FlagBit("a", "merge", message.wantsMerge), FlagBit("R", "mobile node", message.isMobile),
            FlagBit("M", "want Map-Notify", message.wantsMapNotify),
        ]
        self.nonce = message.nonce
        self.authentication = message.authentication
        self.records = message.records
        self.xtrID = message.xtrID
        self.siteID = message.siteID
        self.tail = message.tail
    }

    init(_ message: MapNotify) {
        self.type = message.isAcknowledgement ? .mapNotifyAck : .mapNotify
        self.kind = message.isAcknowledgement ? .mapNotifyAck : .mapNotify
        self.flags = [FlagBit("I", "xTR-ID present", message.hasXTRID)]
        self.nonce = message.nonce
        self.authentication = message.authentication
        self.records = message.records
        self.xtrID = message.xtrID
        self.siteID = message.siteID
        self.tail = message.tail
    }
}

extension ControlDissector {
    private func dissect(_ message: AuthenticatedMessage, _ bytes: [UInt8], _ base: Int) -> MessageDissection {
        let verdict = self.verdict(on: message.authentication, bytes)
        var cursor = OffsetCursor(after: base + 16 + message.authentication.data.count)
        var result = MessageDissection(kind: message.kind, verdict: verdict)
        result.fields = [
            .type(message.type),
            Field("Flags", .flags(message.flags)),
            .told("Record Count", .number(UInt64(message.records.count))),
            .nonce(message.nonce, base),
            Self.field(message.authentication, verdict, base),
            cursor.field(message.records),
        ]
        if let xtrID = message.xtrID { result.fields.append(Field("xTR-ID", .text(xtrID.description))) }
        if let siteID = message.siteID { result.fields.append(Field("Site-ID", .number(siteID.rawValue))) }
        result.fields += Field.tail(message.tail)
        return result
    }

    private static func field(_ authentication: Authentication, _ verdict: KeyRing.Verdict, _ base: Int) -> Field {
        let algorithm = authentication.knownAlgorithm?.name ?? "unknown"
        var members: [Field] = [
            .told("Key ID", .number(UInt64(authentication.keyID))),
            .told("Algorithm ID", .named(UInt64(authentication.algorithm), algorithm)),
            .told("Authentication Data Length", .number(UInt64(authentication.data.count))),
            .octets("Authentication Data", authentication.data),
            .told("Verdict", .text(verdict.word)),
        ]
        switch verdict {
        case .verified(let key): members.append(.told("Key", .text(key)))
        case .unverifiable(let reason): members.append(.told("Reason", .text(reason)))
        case .failed, .noKeyGiven: break
        }
        let line =
            "Key ID \(authentication.keyID), Algorithm ID \(authentication.algorithm) (\(algorithm)), \(verdict.text)"
        return Field("Authentication", .group(members, line: line), offset: base + 12)
    }
}

// MARK: - Encapsulated Control Message

extension ControlDissector {
    private func dissect(_ message: EncapsulatedControlMessage, _ bytes: [UInt8], _ base: Int) -> MessageDissection {
        let start = base + message.payloadOffset
        let inner =
            message.payload.first.map { $0 >> 4 } == MessageType.encapsulatedControlMessage.rawValue
            ? MessageDissection(
                kind: .undecoded,
                problem: Problem(reason: "an ECM within an ECM, not looked into", offset: start, part: .message)
            )
            : dissect(message.payload, base: start)
        var result = MessageDissection(kind: .encapsulated)
        result.inner = inner.kind
        result.purpose = inner.purpose
        result.verdict = inner.verdict
        result.problem = inner.problem
        result.fields = [
            .type(.encapsulatedControlMessage),
            Field(
                "Flags",
                .flags([FlagBit("S", "security", message.hasSecurity), FlagBit("D", "DDT", message.isDDT)])
            ),
        ]
        if message.hasSecurity {
            let note = "of LISP-SEC, not looked into"
            result.fields.append(.octets("Authentication Data", message.securityData, note: note))
        }
        var headers = Self.field(message.headers)
        headers.offset = base + 4 + message.securityData.count
        result.fields.append(headers)
        // The inner UDP header ends with its checksum.
        if bytes[message.payloadOffset - 2..<message.payloadOffset].allSatisfy({ $0 == 0 }) {
            let note = "against RFC 9301 section 5.8"
            result.fields.append(Field("Inner UDP Checksum", .text("zero"), note: note))
        }
        result.fields.append(Field("Encapsulated message", .group(inner.fields, line: inner.kind.name), offset: start))
        result.fields += Field.tail(message.tail)
        return result
    }

    private static func field(_ headers: InnerHeaders) -> Field {
        switch headers {
        case .ip(let source, let destination, let hopLimit):
            let family = source.address.family
            let hops = (family == .ipv4 ? "TTL" : "Hop Limit") + " \(hopLimit)"
            let line =
                "\(family) \(source.address) > \(destination.address), UDP \(source.port) > \(destination.port), "
                + hops
            let members: [Field] = [
                .told("Version", .number(UInt64(family.rawValue))),
                .told("Source Address", .text(source.address.description)),
                .told("Destination Address", .text(destination.address.description)),
                .told("Hop Limit", .number(UInt64(hopLimit))),
            ]
            return Field("Inner headers", .group(members + ports(source.port, destination.port), line: line))
        case .udp(let source, let destination):
            return Field(
                "Inner headers",
                .group(ports(source, destination), line: "UDP \(source) > \(destination), no IP header")
            )
        }
    }

    private static func ports(_ source: UInt16, _ destination: UInt16) -> [Field] {
        [.told("Source Port", .number(UInt64(source))), .told("Dest Port", .number(UInt64(destination)))]
    }
}

// MARK: - Map-Referral, Info-Request and Info-Reply, shared extensions

extension ControlDissector {
    private static func dissect(_ message: MapReferral, _ base: Int) -> MessageDissection {
        var result = MessageDissection(kind: .mapReferral)
        for record in message.records where !result.purpose.contains(record.action.name) {
            result.purpose.append(record.action.name)
        }
        var cursor = OffsetCursor(after: base + 12)
        result.fields = [
            .type(.mapReferral),
            .told("Record Count", .number(UInt64(message.records.count))),
            .nonce(message.nonce, base),
            Field("Records", .list(message.records.map { cursor.field($0) })),
        ]
        result.fields += Field.tail(message.tail)
        return result
    }

    private static func dissect(_ message: InfoMessage, _ base: Int) -> MessageDissection {
        var result = MessageDissection(kind: message.isReply ? .infoReply : .infoRequest)
        var cursor = OffsetCursor(after: base + 16 + message.authenticationData.count + 6)
        result.fields = [
            .type(.info),
            Field("Flags", .flags([FlagBit("R", "Info-Reply", message.isReply)])),
            .nonce(message.nonce, base),
            Field("Key ID", .number(UInt64(message.keyID))),
            .octets("Authentication Data", message.authenticationData, note: "not verified"),
            Field("TTL", .number(UInt64(message.ttlMinutes)), unit: "minutes"),
        ]
        if message.authenticationData.isEmpty { result.fields[4] = .told("Authentication Data", .text("")) }
        let offset = cursor.position
        cursor.skip { message.eid.encode(into: &$0) }
        result.fields.append(EIDFields.record(message.eid, maskLength: message.maskLength, offset: offset))
        if message.natTraversal != .none { result.fields.append(cursor.field("NAT-Traversal", message.natTraversal)) }
        result.fields += Field.tail(message.tail)
        return result
    }

    private static func dissect(_ message: SharedExtension) -> MessageDissection {
        var result = MessageDissection(kind: .sharedExtension)
        result.fields = [
            .type(.sharedExtension), Field("Sub-type", .number(UInt64(message.subType))),
            .octets("Extension-specific", message.contents),
        ]
        return result
    }
}
