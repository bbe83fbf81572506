// The writer's side of the forwarding table: turns updates by id into what workers read. Used by the control loop alone.
//
// Updates are idempotent. One that refers to what does not exist is carried out as far as it goes and counted
// (`danglingReferences`): a member without its locator is left out, an entry without its set drops for want of a locator.
// What is deleted while something refers to it goes on working until nothing does.

import ForwardingInterface
import LISPWire
import LinuxNetwork
import Synchronization

final class ForwardingState {
    typealias Cell = UnsafeMutablePointer<LocatorCell>
    typealias SetCell = UnsafeMutablePointer<LocatorSetCell>
    typealias Mapping = UnsafeMutablePointer<MappingObject>
    typealias Instance = UnsafeMutablePointer<InstanceObject>

    /// One instance and its tries.
    final class InstanceTables {
        let object: Instance
        let entriesIPv4: TrieWriter
        let entriesIPv6: TrieWriter
        let ownIPv4: TrieWriter
        let ownIPv6: TrieWriter
        let acceptedIPv4: TrieWriter
        let acceptedIPv6: TrieWriter
        let accountsIPv4: TrieWriter
        let accountsIPv6: TrieWriter

        init(object: Instance, arena: Arena, reclaimer: Reclaimer) {
            self.object = object
            let reader = InstanceReader(object: object)
            func writer(_ reader: TrieReader) -> TrieWriter {
                TrieWriter(root: reader.root, arena: arena, reclaimer: reclaimer)
            }
            entriesIPv4 = writer(reader.entries(.ipv4))
            entriesIPv6 = writer(reader.entries(.ipv6))
            ownIPv4 = writer(reader.own(.ipv4))
            ownIPv6 = writer(reader.own(.ipv6))
            acceptedIPv4 = writer(reader.accepted(.ipv4))
            acceptedIPv6 = writer(reader.accepted(.ipv6))
            accountsIPv4 = writer(reader.accounts(.ipv4))
            accountsIPv6 = writer(reader.accounts(.ipv6))
        }

        /// To be called after a change of the number of entries.
        func updateSize() {
            let isLarge: UInt32 = entriesIPv4.count + entriesIPv6.count > DataPlaneConstants.largeTable ? 1 : 0
            if object.pointee.isLarge.load(ordering: .relaxed) != isLarge {
                object.pointee.isLarge.store(isLarge, ordering: .relaxed)
            }
        }

        func entries(_ family: AddressFamily) -> TrieWriter { family == .ipv4 ? entriesIPv4 : entriesIPv6 }
        func own(_ family: AddressFamily) -> TrieWriter { family == .ipv4 ? ownIPv4 : ownIPv6 }
        func accepted(_ family: AddressFamily) -> TrieWriter { family == .ipv4 ? acceptedIPv4 : acceptedIPv6 }
        func accounts(_ family: AddressFamily) -> TrieWriter { family == .ipv4 ? accountsIPv4 : accountsIPv6 }
    }

    let arena = Arena()
    let reclaimer: Reclaimer
    private(set) var instances: [InstanceID: InstanceTables] = [:]
    /// Families that we can send over; locators of others are never usable.
    private let families: Set<AddressFamily>

    private var locators: IdentifierTable<LocatorID, LocatorCell>
    private var sets: IdentifierTable<LocatorSetID, LocatorSetCell>
    private var mappings: IdentifierTable<MappingID, MappingObject>
    /// The `HeaderHints` in use. Safe: of the arena, as old as the table and never freed before it.
    let hints: UnsafeMutablePointer<Atomic<UInt32>>
    /// The addresses of `locators`. The target word counts how many have it.
    let locatorIndex: LocatorIndexReader
    private let locatorsIPv4: TrieWriter
    private let locatorsIPv6: TrieWriter

    /// Updates that referred to something unknown.
    private(set) var danglingReferences: UInt64 = 0
    /// Updates for an instance that was not added.
    private(set) var unknownInstances: UInt64 = 0

    init(readers: Int, families: Set<AddressFamily> = [.ipv4, .ipv6]) {
        reclaimer = Reclaimer(arena: arena, readers: readers)
        locators = IdentifierTable(arena)
        sets = IdentifierTable(arena)
        mappings = IdentifierTable(arena)
        self.families = families
        hints = arena.allocate(MemoryLayout<Atomic<UInt32>>.size).bindMemory(to: Atomic<UInt32>.self, capacity: 1)
        hints.initialize(to: Atomic(0))
        let index = arena.allocate(MemoryLayout<LocatorIndex>.size).bindMemory(to: LocatorIndex.self, capacity: 1)
        index.initialize(to: LocatorIndex(base: arena.base))
        locatorIndex = LocatorIndexReader(object: index)
        let (ipv4, ipv6) = (locatorIndex.trie(.ipv4), locatorIndex.trie(.ipv6))
        locatorsIPv4 = TrieWriter(root: ipv4.root, arena: arena, reclaimer: reclaimer)
        locatorsIPv6 = TrieWriter(root: ipv6.root, arena: arena, reclaimer: reclaimer)
    }

    deinit {
        // No worker is left: counter blocks are the only memory outside the arena.
        mappings.forEach { CounterBlocks.freeAll(of: $0) }
    }

    var entryCount: Int {
        instances.values.reduce(0) { $0 + $1.entriesIPv4.count + $1.entriesIPv6.count }
    }
    var locatorCount: Int { locators.count }
    var locatorSetCount: Int { sets.count }

    // MARK: Instances

    func addInstance(_ id: InstanceID, index: Int) -> Instance {
        precondition(instances[id] == nil, "an instance is added once")
        let object = arena.allocate(MemoryLayout<InstanceObject>.size).bindMemory(to: InstanceObject.self, capacity: 1)
        object.initialize(
            to: InstanceObject(
                id: id.rawValue,
                isLarge: Atomic(0),
                index: index,
                base: arena.base,
                entriesIPv4: Atomic(0),
                entriesIPv6: Atomic(0),
                ownIPv4: Atomic(0),
                ownIPv6: Atomic(0),
                acceptedIPv4: Atomic(0),
                acceptedIPv6: Atomic(0),
                accountsIPv4: Atomic(0),
                accountsIPv6: Atomic(0),
                errorSourceIPv4: Atomic(0),
                errorSourceIPv6: Atomic(0)
            )
        )
        instances[id] = InstanceTables(object: object, arena: arena, reclaimer: reclaimer)
        return object
    }

    /// Drops the instance's tables; the caller has made it unreachable for workers.
    func removeInstance(_ id: InstanceID) {
        guard let tables = instances.removeValue(forKey: id) else { return }
        for trie in [tables.entriesIPv4, tables.entriesIPv6, tables.accountsIPv4, tables.accountsIPv6] {
            trie.removeAll { release($0) }
        }
        noteAccounts()
        for trie in [tables.ownIPv4, tables.ownIPv6, tables.acceptedIPv4, tables.acceptedIPv6] {
            trie.removeAll { _ in }
        }
        for family in AddressFamily.allCases { setErrorSource(tables.object, family, nil) }
        reclaimer.retire(tables.object, MemoryLayout<InstanceObject>.size)
    }

    // MARK: Updates

    func apply(_ update: ForwardingUpdate) {
        switch update {
        case .putLocator(let id, let address, let source, let up, let mtu):
            putLocator(id, address: address, source: source, up: up, mtu: mtu)
        case .deleteLocator(let id):
            guard let cell = locators.remove(id) else { return }
            removeFromIndex(cell.pointee.body.load(ordering: .relaxed))
            release(cell)
        case .putLocatorSet(let id, let slots):
            putLocatorSet(id, slots)
        case .deleteLocatorSet(let id):
            guard let cell = sets.remove(id) else { return }
            release(cell)
        case .putEntry(let prefix, let mapping, let action):
            putEntry(prefix, mapping, action)
        case .deleteEntry(let prefix):
            guard let tables = instances[prefix.instanceID] else { return }
            let trie = tables.entries(prefix.prefix.family)
            guard let words = trie.remove(Self.key(prefix), length: Int(prefix.prefix.length)) else { return }
            tables.updateSize()
            release(words)
        case .putOwnPrefix(let prefix):
            let trie = instances[prefix.instanceID]?.own(prefix.prefix.family)
            // One that is there keeps its Locator-Status-Bits.
            if trie?.find(Self.key(prefix), length: Int(prefix.prefix.length)) == nil { put(prefix, into: trie) }
        case .deleteOwnPrefix(let prefix):
            let trie = instances[prefix.instanceID]?.own(prefix.prefix.family)
            trie?.remove(Self.key(prefix), length: Int(prefix.prefix.length))
        case .putAcceptedSource(let prefix):
            put(prefix, into: instances[prefix.instanceID]?.accepted(prefix.prefix.family))
        case .deleteAcceptedSource(let prefix):
            let trie = instances[prefix.instanceID]?.accepted(prefix.prefix.family)
            trie?.remove(Self.key(prefix), length: Int(prefix.prefix.length))
        case .setHeaderHints(let hints):
            setHeaderHints(hints)
        case .requestEcho(let id, let nonce):
            guard let cell = locators[id] else {
                danglingReferences += 1
                return
            }
            Self.echoState(cell)?.pointee.ask(nonce)
        case .setErrorSource(let id, let family, let address):
            guard let object = instances[id]?.object else {
                unknownInstances += 1
                return
            }
            setErrorSource(object, family, address)
        case .putStatusBits(let prefix, let bits):
            putStatusBits(prefix, bits)
        case .putAccount(let prefix, let mapping):
            putAccount(prefix, mapping)
        case .deleteAccount(let prefix):
            let trie = instances[prefix.instanceID]?.accounts(prefix.prefix.family)
            guard let words = trie?.remove(Self.key(prefix), length: Int(prefix.prefix.length)) else { return }
            release(words)
            noteAccounts()
        }
    }

    private func putAccount(_ prefix: EIDPrefix, _ id: MappingID) {
        guard let trie = instances[prefix.instanceID]?.accounts(prefix.prefix.family) else {
            unknownInstances += 1
            return
        }
        let mapping = mappingObject(id)
        mapping.pointee.references.retain()
        let words = TrieWriter.Words(target: EntryTarget.own, mapping: place(mapping))
        if let old = trie.put(Self.key(prefix), length: Int(prefix.prefix.length), words) { release(old) }
        noteAccounts()
    }

    /// Workers look for accounts only while there are some.
    private func noteAccounts() {
        let isCounting = instances.values.contains { $0.accountsIPv4.count + $0.accountsIPv6.count > 0 }
        hints.pointee.store(hintsInUse.rawValue | (isCounting ? HintsWord.accounts : 0), ordering: .releasing)
    }

    /// Adds to a trie that only says what is in it.
    private func put(_ prefix: EIDPrefix, into trie: TrieWriter?) {
        guard let trie else {
            unknownInstances += 1
            return
        }
        let words = TrieWriter.Words(target: EntryTarget.own, mapping: 0)
        trie.put(Self.key(prefix), length: Int(prefix.prefix.length), words)
    }

    private func setErrorSource(_ object: Instance, _ family: AddressFamily, _ address: IPAddress?) {
        var word: UInt = 0
        if let address, address.family == family {
            let key = arena.allocate(MemoryLayout<TrieKey>.size).bindMemory(to: TrieKey.self, capacity: 1)
            key.initialize(to: TrieKey(address.leftAligned))
            word = UInt(bitPattern: key)
        }
        let old =
            family == .ipv4
            ? object.pointee.errorSourceIPv4.exchange(word, ordering: .acquiringAndReleasing)
            : object.pointee.errorSourceIPv6.exchange(word, ordering: .acquiringAndReleasing)
        retireBody(old, MemoryLayout<TrieKey>.size)
    }

    private func place(_ object: UnsafeMutableRawPointer) -> UInt32 { arena.base.place(of: object) }

    private func locator(_ place: UInt32) -> Cell { arena.base[place].assumingMemoryBound(to: LocatorCell.self) }

    private static func key(_ prefix: EIDPrefix) -> TrieKey { TrieKey(prefix.prefix.address.leftAligned) }

    // MARK: Locators

    private func putLocator(_ id: LocatorID, address: IPAddress, source: IPAddress?, up: Bool, mtu: UInt16) {
        let body = arena.allocate(MemoryLayout<LocatorBody>.size).bindMemory(to: LocatorBody.self, capacity: 1)
        let name = SocketAddress(Endpoint(address, DataPlaneConstants.dataPort))
        body.initialize(to: LocatorBody(address: address, source: source, name: name))
        let usable: UInt32 = up && families.contains(address.family) ? 1 : 0
        addToIndex(body.pointee.family, body.pointee.address)
        if let cell = locators[id] {
            removeFromIndex(cell.pointee.body.load(ordering: .relaxed))
            let old = cell.pointee.body.exchange(UInt(bitPattern: body), ordering: .acquiringAndReleasing)
            retireBody(old, MemoryLayout<LocatorBody>.size)
            cell.pointee.mtu.store(UInt32(mtu), ordering: .relaxed)
            cell.pointee.usable.store(usable, ordering: .releasing)
            return
        }
        let cell = arena.allocate(MemoryLayout<LocatorCell>.size).bindMemory(to: LocatorCell.self, capacity: 1)
        cell.initialize(
            to: LocatorCell(
                body: Atomic(UInt(bitPattern: body)),
                usable: Atomic(usable),
                mtu: Atomic(UInt32(mtu)),
                lastUsed: Atomic(0),
                id: id.rawValue,
                references: ReferenceCount(1),
                echo: Atomic(hintsInUse.contains(.echoNonce) ? makeEchoState() : 0),
                encapsulated: AtomicTraffic(),
                decapsulated: AtomicTraffic()
            )
        )
        locators.insert(cell, id)
    }

    private func addToIndex(_ family: AddressFamily, _ address: TrieKey) {
        let (trie, length) = (family == .ipv4 ? locatorsIPv4 : locatorsIPv6, Int(family.bitWidth))
        let users = trie.find(address, length: length)?.target ?? 0
        trie.put(address, length: length, TrieWriter.Words(target: users + 1, mapping: 0))
    }

    /// - Parameter word: the address of a `LocatorBody`.
    private func removeFromIndex(_ word: UInt) {
        guard let body = UnsafeMutablePointer<LocatorBody>(bitPattern: word) else { return }
        let (family, address) = (body.pointee.family, body.pointee.address)
        let (trie, length) = (family == .ipv4 ? locatorsIPv4 : locatorsIPv6, Int(family.bitWidth))
        guard let words = trie.find(address, length: length) else { return }
        if words.target > 1 {
            trie.put(address, length: length, TrieWriter.Words(target: words.target - 1, mapping: 0))
        } else {
            trie.remove(address, length: length)
        }
    }

    private func retireBody(_ word: UInt, _ size: Int) {
        if let body = UnsafeMutableRawPointer(bitPattern: word) { reclaimer.retire(body, size) }
    }

    private func release(_ cell: Cell) {
        guard cell.pointee.references.release() else { return }
        retireBody(cell.pointee.body.load(ordering: .relaxed), MemoryLayout<LocatorBody>.size)
        retireBody(cell.pointee.echo.load(ordering: .relaxed), MemoryLayout<EchoState>.size)
        reclaimer.retire(cell, MemoryLayout<LocatorCell>.size)
    }

    /// Traffic with a locator, summed over all mappings; zero if it is unknown.
    func traffic(of id: LocatorID) -> MappingCounters {
        guard let cell = locators[id] else { return MappingCounters() }
        return MappingCounters(
            encapsulated: cell.pointee.encapsulated.value,
            decapsulated: cell.pointee.decapsulated.value
        )
    }

    // MARK: Hints of the LISP header

    private var hintsInUse: HeaderHints { HintsWord.hints(hints.pointee.load(ordering: .relaxed)) }

    private func setHeaderHints(_ new: HeaderHints) {
        let old = hintsInUse
        let accounts = hints.pointee.load(ordering: .relaxed) & HintsWord.accounts
        hints.pointee.store(new.rawValue | accounts, ordering: .releasing)
        if new.contains(.locatorStatusBits), !old.contains(.locatorStatusBits) {
            // The control loop knows nothing yet of what is said.
            sets.forEach { $0.pointee.statusBits.store(0, ordering: .relaxed) }
        }
        guard old.contains(.echoNonce) != new.contains(.echoNonce) else { return }
        locators.forEach { cell in
            let state = new.contains(.echoNonce) ? makeEchoState() : 0
            let old = cell.pointee.echo.exchange(state, ordering: .acquiringAndReleasing)
            retireBody(old, MemoryLayout<EchoState>.size)
        }
    }

    private func makeEchoState() -> UInt {
        let state = arena.allocate(MemoryLayout<EchoState>.size).bindMemory(to: EchoState.self, capacity: 1)
        state.initialize(to: EchoState())
        return UInt(bitPattern: state)
    }

    private static func echoState(_ cell: Cell) -> UnsafeMutablePointer<EchoState>? {
        UnsafeMutablePointer(bitPattern: cell.pointee.echo.load(ordering: .relaxed))
    }

    /// What was seen of echo-noncing with a locator; `nil` if it is unknown or echo-nonce is not in use.
    func echoes(of id: LocatorID) -> EchoCounters? {
        guard let cell = locators[id], let state = Self.echoState(cell) else { return nil }
        var counters = state.pointee.counters
        counters.sent = cell.pointee.encapsulated.value.packets
        counters.received = cell.pointee.decapsulated.value.packets
        return counters
    }

    func use(of id: LocatorID) -> LocatorUse? {
        guard let cell = locators[id] else { return nil }
        return LocatorUse(
            isUsable: cell.pointee.usable.load(ordering: .relaxed) != 0,
            mtu: Int(cell.pointee.mtu.load(ordering: .relaxed))
        )
    }

    /// The locators that packets went to since `second`.
    func forEachLocator(usedSince second: UInt32, _ body: (IPAddress) -> Void) {
        locators.forEach { cell in
            let last = cell.pointee.lastUsed.load(ordering: .relaxed)
            guard last != 0, last >= second,
                let locator = UnsafeMutablePointer<LocatorBody>(bitPattern: cell.pointee.body.load(ordering: .relaxed))
            else { return }
            body(IPAddress(family: locator.pointee.family, leftAligned: locator.pointee.address.value))
        }
    }

    private func putStatusBits(_ prefix: EIDPrefix, _ bits: UInt32?) {
        let length = Int(prefix.prefix.length)
        guard let trie = instances[prefix.instanceID]?.own(prefix.prefix.family),
            trie.find(Self.key(prefix), length: length) != nil
        else {
            danglingReferences += 1
            return
        }
        let target = bits == nil ? EntryTarget.own : EntryTarget.ownWithStatusBits
        trie.put(Self.key(prefix), length: length, TrieWriter.Words(target: target, mapping: bits ?? 0))
    }

    // MARK: Sets

    private func putLocatorSet(_ id: LocatorSetID, _ slots: [LocatorSlot]) {
        var members: [LocatorMember] = []
        for slot in slots {
            guard let cell = locators[slot.locator] else {
                danglingReferences += 1
                continue
            }
            cell.pointee.references.retain()
            members.append(
                LocatorMember(
                    place: place(cell),
                    priority: slot.priority,
                    weight: slot.weight
                )
            )
        }
        // Stable, so that the order of equal priorities, and with it the choice for a flow, is the control plane's.
        let sorted = members.enumerated().sorted {
            ($0.element.priority, $0.offset) < ($1.element.priority, $1.offset)
        }
        let total = min(sorted.count, DataPlaneConstants.maximumLocators)
        let count = sorted.prefix(total).count { $0.element.priority != 255 }
        let body = arena.allocate(LocatorSetBody.size(total))
        body.storeBytes(of: UInt32(count), as: UInt32.self)
        body.storeBytes(of: UInt32(total), toByteOffset: 4, as: UInt32.self)
        let room = (body + LocatorSetBody.headerSize).bindMemory(to: LocatorMember.self, capacity: max(total, 1))
        for (index, member) in sorted.prefix(total).enumerated() { (room + index).initialize(to: member.element) }
        for member in sorted.dropFirst(total) { release(locator(member.element.place)) }
        if let cell = sets[id] {
            releaseMembers(cell.pointee.body.exchange(UInt(bitPattern: body), ordering: .acquiringAndReleasing))
            return
        }
        let cell = arena.allocate(MemoryLayout<LocatorSetCell>.size).bindMemory(to: LocatorSetCell.self, capacity: 1)
        cell.initialize(
            to: LocatorSetCell(body: Atomic(UInt(bitPattern: body)), id: id.rawValue, references: ReferenceCount(1))
        )
        sets.insert(cell, id)
    }

    private func releaseMembers(_ word: UInt) {
        guard let body = UnsafeMutableRawPointer(bitPattern: word) else { return }
        let set = LocatorSetBody(body, arena.base)
        for index in 0..<set.total { release(set.cell(index)) }
        reclaimer.retire(body, LocatorSetBody.size(set.total))
    }

    private func release(_ cell: SetCell) {
        guard cell.pointee.references.release() else { return }
        releaseMembers(cell.pointee.body.load(ordering: .relaxed))
        reclaimer.retire(cell, MemoryLayout<LocatorSetCell>.size)
    }

    // MARK: Entries

    private func putEntry(_ prefix: EIDPrefix, _ id: MappingID, _ action: ForwardingAction) {
        guard let tables = instances[prefix.instanceID] else {
            unknownInstances += 1
            return
        }
        let target: UInt32
        switch action {
        case .encapsulate(let set):
            if let cell = sets[set] {
                cell.pointee.references.retain()
                target = EntryTarget.encapsulate(place(cell))
            } else {
                danglingReferences += 1
                target = EntryTarget.encapsulate(0)
            }
        case .forwardNatively:
            target = EntryTarget.forwardNatively
        case .sendMapRequest:
            target = EntryTarget.sendMapRequest
        case .drop(let reason):
            target = EntryTarget.drop(reason.rawValue)
        }
        let mapping = mappingObject(id)
        mapping.pointee.references.retain()
        pruneCounters(mapping)
        let words = TrieWriter.Words(target: target, mapping: place(mapping))
        let trie = tables.entries(prefix.prefix.family)
        if let old = trie.put(Self.key(prefix), length: Int(prefix.prefix.length), words) {
            release(old)
        } else {
            tables.updateSize()
        }
    }

    private func mappingObject(_ id: MappingID) -> Mapping {
        if let mapping = mappings[id] { return mapping }
        let mapping = arena.allocate(MemoryLayout<MappingObject>.size).bindMemory(to: MappingObject.self, capacity: 1)
        mapping.initialize(to: MappingObject(counters: Atomic(0), id: id.rawValue, references: ReferenceCount(0)))
        mappings.insert(mapping, id)
        return mapping
    }

    /// Lets go of what an entry referred to.
    private func release(_ words: TrieWriter.Words) {
        if case .encapsulate(let cell?) = EntryTarget.decode(words.target, arena.base) { release(cell) }
        guard words.mapping != 0 else { return }
        let mapping = arena.base[words.mapping].assumingMemoryBound(to: MappingObject.self)
        guard mapping.pointee.references.release() else { return }
        mappings.remove(MappingID(rawValue: mapping.pointee.id))
        reclaimer.retire(mapping)
    }

    // MARK: Counters

    /// Traffic of a mapping since its first entry came; zero if there is none.
    func counters(of id: MappingID) -> MappingCounters {
        guard let block = mappings[id].flatMap(Self.counterBlock) else { return MappingCounters() }
        return MappingCounters(
            encapsulated: block.pointee.encapsulated.value,
            decapsulated: block.pointee.decapsulated.value
        )
    }

    /// The part of a mapping's traffic that went to, or came from, one locator.
    func counters(of id: MappingID, locator: LocatorID) -> MappingCounters {
        guard let mapping = mappings[id].flatMap(Self.counterBlock),
            let block = CounterBlocks.find(locator.rawValue, in: mapping)
        else { return MappingCounters() }
        return MappingCounters(
            encapsulated: block.pointee.encapsulated.value,
            decapsulated: block.pointee.decapsulated.value
        )
    }

    /// The second in which a packet of a mapping last went either way; `nil` if none has.
    func lastUsed(_ id: MappingID) -> UInt32? {
        mappings[id].flatMap(Self.counterBlock)?.pointee.lastUsed.load(ordering: .relaxed)
    }

    private static func counterBlock(_ mapping: Mapping) -> UnsafeMutablePointer<MappingCounterBlock>? {
        UnsafeMutablePointer(bitPattern: mapping.pointee.counters.load(ordering: .acquiring))
    }

    /// Forgets the counters of locators that are gone, once a mapping has collected many.
    private func pruneCounters(_ mapping: Mapping) {
        guard let block = Self.counterBlock(mapping) else { return }
        var blocks: [UnsafeMutablePointer<LocatorCounterBlock>] = []
        var word = block.pointee.locators.load(ordering: .acquiring)
        while let locator = UnsafeMutablePointer<LocatorCounterBlock>(bitPattern: word) {
            blocks.append(locator)
            word = locator.pointee.next.load(ordering: .acquiring)
        }
        guard blocks.count > CounterBlocks.maximumLocators / 2 else { return }
        // Workers only prepend, so every block but the first can be unlinked by its predecessor.
        var previous = blocks[0]
        for locator in blocks.dropFirst() {
            if locators[LocatorID(rawValue: locator.pointee.id)] == nil {
                previous.pointee.next.store(locator.pointee.next.load(ordering: .relaxed), ordering: .releasing)
                reclaimer.retireMalloc(locator)
            } else {
                previous = locator
            }
        }
    }
}
