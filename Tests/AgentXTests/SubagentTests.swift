// Sessions: opening, registering, losing and coming back, notifications and index allocation, on a clock of the test's.

import TestRandomness
import Testing

@testable import AgentX

@Suite struct SubagentTests {
    static let root: OID = "1.3.6.1.4.1.8072.9999.1"

    static func module(context: [UInt8]? = nil) -> MIBModule {
        MIBModule(
            "TEST-MIB",
            at: root,
            context: context,
            capabilities: [AgentCapabilities(root + [9], "what it can do")]
        ) {
            Scalar("number", at: root + [1]) { .gauge32(context == nil ? 1 : 2) }
        }
    }

    // MARK: Opening

    @Test func `opens, then tells of capabilities and registers, each in its context`() {
        let conversation = Conversation(modules: [Self.module(), Self.module(context: [7])]) { $0.id = [1, 2] }
        conversation.subagent.start(now: conversation.now)
        #expect(conversation.subagent.wantsConnection)
        #expect(conversation.subagent.statistics.state == .connecting)
        conversation.subagent.connected(now: conversation.now)
        let first = conversation.sent()
        #expect(first.map(\.body) == [.open(timeout: 5, id: [1, 2], description: Array("test".utf8))])
        #expect(conversation.subagent.statistics.state == .opening)
        conversation.answer(first[0])
        let then = conversation.sent()
        let capabilities = PDU.Body.addAgentCaps(id: Self.root + [9], description: Array("what it can do".utf8))
        let register = PDU.Body.register(Registration(Self.root))
        #expect(then.map(\.body) == [capabilities, capabilities, register, register])
        #expect(then.map(\.context) == [nil, [7], nil, [7]])
        #expect(then.allSatisfy { $0.sessionID == Conversation.sessionID })
        #expect(Set(then.map(\.packetID)).count == 4)
        for pdu in then { conversation.answer(pdu) }
        #expect(conversation.subagent.statistics.regionsRegistered == 2)
        #expect(conversation.events == [.opened])
        #expect(
            conversation.ask(.get([SearchRange(Self.root + [1, 0])]))?.variables == [
                VarBind(Self.root + [1, 0], .gauge32(1))
            ]
        )
        #expect(
            conversation.ask(.get([SearchRange(Self.root + [1, 0])]), context: [7])?.variables
                == [VarBind(Self.root + [1, 0], .gauge32(2))]
        )
        #expect(
            conversation.ask(.get([SearchRange(Self.root + [1, 0])]), context: [8])?.variables
                == [VarBind(Self.root + [1, 0], .noSuchObject)]
        )
    }

    @Test func `speaks the byte order it was told to, and answers in that of the question`() {
        let conversation = Conversation(modules: [Self.module()]) { $0.byteOrder = .network }
        conversation.subagent.start(now: conversation.now)
        conversation.subagent.connected(now: conversation.now)
        let opening = conversation.sent()
        #expect(opening.map(\.order) == [.network])
        conversation.answer(opening[0])
        _ = conversation.sent()
        let get = PDU.Body.get([SearchRange(Self.root + [1, 0])])
        conversation.receive(PDU(get, sessionID: Conversation.sessionID, packetID: 1, order: .littleEndian))
        #expect(conversation.sent().map(\.order) == [.littleEndian])
    }

    @Test func `an Open that is refused is tried again later, and told of once`() {
        let conversation = Conversation()
        for attempt in 1...3 {
            conversation.subagent.start(now: conversation.now)
            conversation.subagent.connected(now: conversation.now)
            conversation.answer(conversation.sent()[0], PDU.Response(error: .openFailed))
            #expect(!conversation.subagent.wantsConnection)
            conversation.pass(.seconds(30))
            #expect(conversation.subagent.wantsConnection)
            #expect(conversation.subagent.statistics.connectionsFailed == UInt64(attempt))
        }
        #expect(conversation.events == [.unreachable("openFailed")])
        #expect(conversation.subagent.statistics.lastError == "openFailed")
    }

    @Test func `a region that is refused is registered again after a while`() {
        let conversation = Conversation(modules: [Self.module()])
        let then = conversation.open()
        conversation.answer(then[0])
        conversation.answer(then[1], PDU.Response(error: .duplicateRegistration))
        #expect(conversation.sent().isEmpty)
        #expect(conversation.events.contains(.registrationRefused(Registration(Self.root), .duplicateRegistration)))
        #expect(conversation.subagent.statistics.regionsRegistered == 0)
        conversation.pass(.seconds(30))
        let again = conversation.sent().filter { $0.body == .register(Registration(Self.root)) }
        #expect(again.count == 1)
        conversation.answer(again[0])
        #expect(conversation.subagent.statistics.regionsRegistered == 1)
    }

    // MARK: Losing it

    @Test func `attempts come further and further apart, up to a limit, and at random`() {
        let conversation = Conversation()
        var waits: [Duration] = []
        conversation.subagent.start(now: conversation.now)
        for _ in 0..<9 {
            conversation.subagent.disconnected("refused", now: conversation.now)
            let until = conversation.subagent.deadline!
            waits.append(until - conversation.now)
            conversation.pass(until - conversation.now - .milliseconds(1))
            #expect(!conversation.subagent.wantsConnection)
            conversation.pass(.milliseconds(1))
            #expect(conversation.subagent.wantsConnection)
        }
        for (wait, longest) in zip(waits, [1, 2, 4, 8, 16, 30, 30, 30, 30]) {
            #expect(wait <= .seconds(longest) && wait >= .seconds(longest) / 2, "\(waits)")
        }
        #expect(Set(waits).count == waits.count)
        #expect(conversation.events == [.unreachable("refused")])
    }

    @Test func `after a good session the first attempt comes soon, after a short one it does not`() {
        let conversation = Conversation()
        for _ in 0..<6 {
            conversation.open()
            conversation.subagent.disconnected("gone", now: conversation.now)
            conversation.pass(.seconds(30))
        }
        conversation.open()
        conversation.pass(.seconds(10))
        conversation.subagent.disconnected("gone", now: conversation.now)
        #expect(conversation.subagent.deadline! - conversation.now <= .seconds(1))
        conversation.pass(.seconds(1))
        conversation.open()
        conversation.subagent.disconnected("gone", now: conversation.now)
        #expect(conversation.subagent.deadline! - conversation.now >= .milliseconds(500))
        #expect(conversation.subagent.statistics.sessionsLost == 8)
    }

    @Test func `everything is registered again in the next session`() {
        let conversation = Conversation(modules: [Self.module()])
        let row = Registration(Self.root + [2, 1, 1, 5], range: Registration.Range(position: 11, upperBound: 9))
        conversation.openWholly()
        conversation.subagent.register(row, now: conversation.now)
        #expect(conversation.sent().map(\.body) == [.register(row)])
        conversation.subagent.disconnected("gone", now: conversation.now)
        conversation.pass(.seconds(30))
        #expect(conversation.open().map(\.body).suffix(2) == [.register(Registration(Self.root)), .register(row)])
        conversation.subagent.unregister(row, now: conversation.now)
        #expect(conversation.sent().map(\.body) == [.unregister(row)])
        conversation.subagent.disconnected("gone", now: conversation.now)
        conversation.pass(.seconds(30))
        #expect(conversation.open().map(\.body).suffix(1) == [.register(Registration(Self.root))])
    }

    @Test func `a silent master is asked whether it is there, and given up when it does not say so`() {
        let conversation = Conversation()
        conversation.openWholly()
        conversation.pass(.seconds(14))
        #expect(conversation.sent().isEmpty)
        conversation.pass(.seconds(1))
        let ping = conversation.sent()
        #expect(ping.map(\.body) == [.ping])
        conversation.pass(.seconds(10))
        conversation.answer(ping[0])
        conversation.pass(.seconds(25))
        #expect(conversation.sent().map(\.body) == [.ping])
        #expect(conversation.subagent.wantsConnection)
        conversation.pass(.seconds(30))
        #expect(!conversation.subagent.wantsConnection)
        #expect(conversation.events.last == .lost("no answer within 30.0 seconds"))
        #expect(conversation.subagent.statistics.pings == 2)
    }

    @Test func `answers that are ten seconds late are as good as others`() {
        let conversation = Conversation(modules: [Self.module()])
        conversation.subagent.start(now: conversation.now)
        conversation.subagent.connected(now: conversation.now)
        var pending = conversation.sent()
        var rounds = 0
        while !pending.isEmpty, rounds < 10 {
            conversation.pass(.seconds(10))
            let others = conversation.sent()
            for pdu in pending { conversation.answer(pdu) }
            pending = others + conversation.sent()
            rounds += 1
            if rounds == 5 { break }
        }
        #expect(conversation.subagent.statistics.state == .open)
        #expect(conversation.subagent.statistics.regionsRegistered == 1)
        #expect(conversation.events == [.opened])
    }

    @Test func `a master that closes the session or no longer knows it gets a new one`() {
        let conversation = Conversation()
        conversation.openWholly()
        #expect(conversation.ask(.close(.byManager))?.error == .noError)
        #expect(conversation.events.last == .lost("the master closed it: byManager"))
        #expect(!conversation.subagent.wantsConnection)
        conversation.pass(.seconds(30))
        conversation.openWholly()
        #expect(conversation.subagent.notify([1, 3, 1], [], now: conversation.now))
        conversation.answer(conversation.sent()[0], PDU.Response(error: .notOpen))
        #expect(conversation.events.last == .lost("notOpen"))
        conversation.pass(.seconds(30))
        #expect(conversation.open().map(\.body).count == 1)
    }

    @Test func `stopping says good-bye`() {
        let conversation = Conversation()
        conversation.openWholly()
        conversation.subagent.stop(now: conversation.now)
        #expect(conversation.sent().map(\.body) == [.close(.shutdown)])
        #expect(!conversation.subagent.wantsConnection)
        #expect(conversation.subagent.deadline == nil)
    }

    // MARK: Questions that are not right

    @Test func `a question of another session or that cannot be read is answered so`() {
        let conversation = Conversation(modules: [Self.module()])
        conversation.openWholly()
        #expect(conversation.ask(.get([]), session: 1)?.error == .notOpen)
        #expect(conversation.ask(.register(Registration([1])))?.error == .processingError)
        var octets = PDU(.get([SearchRange([1, 3])]), sessionID: 77, packetID: 5, order: .network).octets
        octets[20] = 200
        conversation.subagent.receive(octets, now: conversation.now)
        while conversation.subagent.work(now: conversation.now, until: { false }) {}
        let answers = conversation.sent()
        #expect(answers.map(\.packetID) == [5])
        guard case .response(let response) = answers[0].body else {
            Issue.record("no response")
            return
        }
        #expect(response.error == .parseError)
        #expect(conversation.subagent.statistics.malformed == 1)
        #expect(conversation.ask(.get([SearchRange(Self.root + [1, 0])]))?.error == .noError)
    }

    @Test func `a request that is too long is refused and passed over, however it arrives`() {
        let conversation = Conversation(modules: [Self.module()]) { $0.requestLimit = 1000 }
        conversation.openWholly()
        let long = PDU(
            .testSet([VarBind([1, 3], .octetString(Array(repeating: 1, count: 5000)))]),
            sessionID: 77,
            packetID: 5
        ).octets
        let next = PDU(.get([SearchRange(Self.root + [1, 0])]), sessionID: 77, packetID: 6).octets
        var random = SeededGenerator("too long")
        var rest = (long + next)[...]
        while !rest.isEmpty {
            let count = random.number(1...2000)
            conversation.subagent.receive(rest.prefix(count), now: conversation.now)
            rest = rest.dropFirst(count)
            while conversation.subagent.work(now: conversation.now, until: { false }) {}
            if conversation.subagent.inputCount > 3000 { Issue.record("too much is kept") }
        }
        let answers = conversation.sent()
        #expect(answers.map(\.packetID) == [5, 6])
        guard case .response(let refused) = answers[0].body, case .response(let answered) = answers[1].body else {
            Issue.record("no response")
            return
        }
        #expect(refused.error == .genErr)
        #expect(answered.variables == [VarBind(Self.root + [1, 0], .gauge32(1))])
    }

    @Test func `requests may arrive in pieces of any size, and many in one`() {
        let conversation = Conversation(modules: [Self.module()])
        conversation.openWholly()
        var random = SeededGenerator("pieces")
        let requests = (1...50 as ClosedRange<UInt32>).flatMap {
            PDU(
                .get([SearchRange(Self.root + [1, 0])]),
                sessionID: 77,
                packetID: $0,
                order: random.flip() ? .network : .littleEndian
            )
            .octets
        }
        var rest = requests[...]
        var answers: [PDU] = []
        while !rest.isEmpty {
            let count = random.number(1...90)
            conversation.subagent.receive(rest.prefix(count), now: conversation.now)
            rest = rest.dropFirst(count)
            while conversation.subagent.work(now: conversation.now, until: { random.flip() }) {}
            answers += conversation.sent()
        }
        #expect(answers.map(\.packetID) == Array(1...50))
    }

    @Test func `garbage ends the session, and nothing worse`() {
        var random = SeededGenerator("garbage")
        for _ in 0..<100 {
            let conversation = Conversation(modules: [Self.module()])
            conversation.openWholly()
            for _ in 0..<20 {
                var octets = random.pdu(PDUType.allCases.randomElement(using: &random)!, .network).octets
                // The session is right, so that it gets far.
                octets.replaceSubrange(4..<8, with: [0, 0, 0, 77])
                if random.number(0...2) == 0 {
                    for _ in 0..<3 { octets[random.number(0...octets.count - 1)] = random.number(0...255) }
                }
                conversation.subagent.receive(octets, now: conversation.now)
                while conversation.subagent.work(now: conversation.now, until: { random.flip() }) {}
                if conversation.subagent.outputCount > 100_000 { Issue.record("too much output") }
            }
            // Answered or not, a new session is possible before long.
            conversation.subagent.disconnected("enough", now: conversation.now)
            conversation.pass(.seconds(30))
            _ = conversation.sent()
            conversation.openWholly()
            #expect(conversation.ask(.get([SearchRange(Self.root + [1, 0])]))?.error == .noError)
        }
    }

    @Test func `what is no AgentX is called that`() {
        let conversation = Conversation(modules: [Self.module()])
        conversation.openWholly()
        conversation.subagent.receive([UInt8](repeating: 0x20, count: 20), now: conversation.now)
        while conversation.subagent.work(now: conversation.now, until: { false }) {}
        let reason = "a malformed PDU came: h.version cannot be 32 at octet 0"
        #expect(conversation.subagent.statistics.lastError == reason)
        #expect(conversation.subagent.takeEvents().last == .lost(reason))
    }

    // MARK: Notifications

    @Test func `a notification names itself first`() {
        let conversation = Conversation()
        conversation.openWholly()
        let object = VarBind(Self.root + [1, 0], .gauge32(7))
        #expect(conversation.subagent.notify(Self.root + [0, 1], [object], context: [3], now: conversation.now))
        let sent = conversation.sent()
        let name = VarBind("1.3.6.1.6.3.1.1.4.1.0", .objectIdentifier(Self.root + [0, 1]))
        #expect(sent.map(\.body) == [.notify([name, object])])
        #expect(sent.map(\.context) == [[3]])
        #expect(conversation.subagent.statistics.notificationsWaiting == 1)
        conversation.answer(sent[0])
        #expect(conversation.subagent.statistics.notificationsWaiting == 0)
        #expect(conversation.subagent.statistics.notificationsSent == 1)
    }

    @Test func `notifications wait for a session, those without an acknowledgement go again, all in order`() {
        let conversation = Conversation()
        func number(_ pdu: PDU) -> UInt32? {
            guard case .notify(let variables) = pdu.body, case .gauge32(let number) = variables[1].value else {
                return nil
            }
            return number
        }
        var acknowledged: [UInt32] = []
        for number in 0..<40 as Range<UInt32> {
            #expect(conversation.subagent.notify([1, 3], [VarBind([1, 3], .gauge32(number))], now: conversation.now))
        }
        #expect(conversation.sent().isEmpty)
        for session in 0..<4 {
            var sent = conversation.open()
            #expect(sent.count == 16 || session == 3)
            // It takes nine, then it is gone.
            for _ in 0..<9 where !sent.isEmpty {
                acknowledged.append(number(sent[0])!)
                conversation.answer(sent.removeFirst())
                sent += conversation.sent()
            }
            conversation.subagent.disconnected("gone", now: conversation.now)
            conversation.pass(.seconds(30))
        }
        #expect(acknowledged == Array(0..<36))
        #expect(conversation.subagent.statistics.notificationsWaiting == 4)
        #expect(conversation.subagent.statistics.notificationsLost == 0)
    }

    @Test func `what the queue cannot hold is lost, counted, and told of once`() {
        let conversation = Conversation { $0.notificationLimit = 10 }
        let taken = (0..<25).map { _ in conversation.subagent.notify([1, 3], [], now: conversation.now) }
        #expect(taken == Array(repeating: true, count: 10) + Array(repeating: false, count: 15))
        #expect(conversation.subagent.statistics.notificationsLost == 15)
        for pdu in conversation.open() { conversation.answer(pdu) }
        #expect(conversation.events == [.notificationsLost, .opened])
        #expect(conversation.subagent.notify([1, 3], [], now: conversation.now))
    }

    @Test func `the queue is bounded in octets, too`() {
        let conversation = Conversation { $0.notificationOctets = 10_000 }
        let large = VarBind([1, 3], .octetString(Array(repeating: 1, count: 3000)))
        #expect(
            (0..<5).map { _ in conversation.subagent.notify([1, 3], [large], now: conversation.now) }.filter { $0 }
                .count == 3
        )
    }

    @Test func `a notification that the master refuses is not sent again`() {
        let conversation = Conversation()
        conversation.openWholly()
        #expect(conversation.subagent.notify([1, 3], [], now: conversation.now))
        conversation.answer(conversation.sent()[0], PDU.Response(error: .processingError))
        #expect(conversation.subagent.statistics.notificationsRefused == 1)
        #expect(conversation.subagent.statistics.notificationsWaiting == 0)
        #expect(conversation.events.last == .notificationRefused(.processingError))
    }

    // MARK: Index allocation

    @Test func `indices that were allocated are asked for by value in the next session`() {
        let conversation = Conversation()
        conversation.openWholly()
        var results: [Result<[VarBind], AgentXFailure>] = []
        let wanted = VarBind("1.3.6.1.2.1.2.2.1.1", .integer(0))
        conversation.subagent.allocate(.new, [wanted], now: conversation.now) { results.append($0) }
        let sent = conversation.sent()
        #expect(sent.map(\.body) == [.indexAllocate(.new, [wanted])])
        let given = VarBind(wanted.name, .integer(7))
        conversation.answer(sent[0], PDU.Response(variables: [given]))
        #expect(results == [.success([given])])
        conversation.subagent.disconnected("gone", now: conversation.now)
        conversation.pass(.seconds(30))
        let again = conversation.open()
        #expect(again.map(\.body) == [.indexAllocate(.named, [given])])
        conversation.answer(again[0], PDU.Response(error: .indexAlreadyAllocated, index: 1, variables: [given]))
        #expect(conversation.events.last == .indexRefused(wanted.name, .indexAlreadyAllocated))
        conversation.subagent.allocate(.any, [wanted], now: conversation.now) { results.append($0) }
        conversation.answer(conversation.sent()[0], PDU.Response(error: .indexNoneAvailable))
        conversation.subagent.allocate(.any, [wanted], now: conversation.now) { results.append($0) }
        conversation.subagent.disconnected("gone", now: conversation.now)
        #expect(results.suffix(2) == [.failure(.refused(.indexNoneAvailable)), .failure(.sessionLost)])
    }

    @Test func `indices are given back`() {
        let conversation = Conversation()
        conversation.openWholly()
        let index = VarBind("1.3.6.1.2.1.2.2.1.1", .integer(7))
        conversation.subagent.allocate(.named, [index], now: conversation.now) { _ in }
        conversation.answer(conversation.sent()[0], PDU.Response(variables: [index]))
        conversation.subagent.deallocate([index], now: conversation.now)
        #expect(conversation.sent().map(\.body) == [.indexDeallocate([index])])
        conversation.subagent.disconnected("gone", now: conversation.now)
        conversation.pass(.seconds(30))
        #expect(conversation.open().isEmpty)
    }

    // MARK: The master's clock

    @Test func `sysUpTime of what happened earlier follows the master's clock, and late answers do not move it`() {
        let conversation = Conversation()
        let subagent = conversation.subagent
        #expect(subagent.sysUpTime(ago: .zero, now: conversation.now) == 0)
        conversation.open(sysUpTime: 5000)
        #expect(subagent.sysUpTime(ago: .zero, now: conversation.now) == 5000)
        #expect(subagent.sysUpTime(ago: .seconds(20), now: conversation.now) == 3000)
        #expect(subagent.sysUpTime(ago: .seconds(51), now: conversation.now) == 0)
        conversation.pass(.seconds(15))
        conversation.pass(.seconds(10))
        conversation.answer(conversation.sent()[0], PDU.Response(sysUpTime: 6500))
        #expect(subagent.sysUpTime(ago: .zero, now: conversation.now) == 7500)
        subagent.disconnected("gone", now: conversation.now)
        conversation.pass(.seconds(30))
        conversation.open(sysUpTime: 10)
        #expect(subagent.sysUpTime(ago: .zero, now: conversation.now) == 10)
        #expect(subagent.sysUpTime(ago: .seconds(1), now: conversation.now) == 0)
    }
}
