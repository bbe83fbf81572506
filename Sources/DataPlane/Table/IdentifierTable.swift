// The control loop's way from ids to objects of the arena. Ids are small numbers that the control plane chooses, mostly one
// after the other, so objects are noted in pages of neighbours: four octets each, and none is ever moved.

struct IdentifierTable<ID: RawRepresentable<UInt32>, Object: ~Copyable> {
    private static var pageLength: UInt32 { 64 }
    private static var pageSize: Int { Int(pageLength) * MemoryLayout<UInt32>.size }

    private struct Page {
        // Safe: `pageLength` places, 0 where there is no object; of the arena, freed with the last of them.
        var places: UnsafeMutablePointer<UInt32>
        var count = 0
    }

    private let arena: Arena
    private var pages: [UInt32: Page] = [:]
    private(set) var count = 0

    init(_ arena: Arena) { self.arena = arena }

    subscript(id: ID) -> UnsafeMutablePointer<Object>? {
        guard let page = pages[id.rawValue / Self.pageLength] else { return nil }
        return object(page.places[Int(id.rawValue % Self.pageLength)])
    }

    private func object(_ place: UInt32) -> UnsafeMutablePointer<Object>? {
        place == 0 ? nil : arena.base[place].assumingMemoryBound(to: Object.self)
    }

    /// Notes an object of the arena.
    ///
    /// - Precondition: there is none with this id.
    mutating func insert(_ object: UnsafeMutablePointer<Object>, _ id: ID) {
        let number = id.rawValue / Self.pageLength
        if pages[number] == nil {
            let places = arena.allocate(Self.pageSize)
                .bindMemory(to: UInt32.self, capacity: Int(Self.pageLength))
            places.initialize(repeating: 0, count: Int(Self.pageLength))
            pages[number] = Page(places: places)
        }
        pages[number]?.count += 1
        pages[number]?.places[Int(id.rawValue % Self.pageLength)] = arena.base.place(of: object)
        count += 1
    }

    /// Forgets an object.
    ///
    /// - Returns: what was noted; `nil` if there was none.
    @discardableResult
    mutating func remove(_ id: ID) -> UnsafeMutablePointer<Object>? {
        let number = id.rawValue / Self.pageLength
        guard let page = pages[number], let object = self[id] else { return nil }
        page.places[Int(id.rawValue % Self.pageLength)] = 0
        count -= 1
        if page.count == 1 {
            pages[number] = nil
            arena.free(page.places, Self.pageSize)
        } else {
            pages[number]?.count -= 1
        }
        return object
    }

    func forEach(_ body: (UnsafeMutablePointer<Object>) -> Void) {
        for page in pages.values {
            for index in 0..<Int(Self.pageLength) {
                if let object = object(page.places[index]) { body(object) }
            }
        }
    }
}
