// All objects of one context in order. An object is found by binary search, and a search goes from one to the next, one row at a
// time, so that whoever searches can stop anywhere and go on from a place that is an OID and nothing else.

/// The objects of one context, in the order of their OIDs.
public struct MIBTree {
    /// Ordered; none's OID is a prefix of another's.
    private let objects: [MIBObject]

    /// - Precondition: no object stands within another.
    public init(_ modules: [MIBModule]) {
        objects = modules.flatMap(\.objects).sorted { $0.oid < $1.oid }
        for (object, next) in zip(objects, objects.dropFirst()) {
            precondition(!next.oid.hasPrefix(object.oid), "\(next.name) stands within \(object.name)")
        }
    }

    /// The object that `oid` is, or is an instance of.
    func object(of oid: OID) -> MIBObject? {
        let place = objects.partition { $0.oid > oid } - 1
        return place >= 0 && oid.hasPrefix(objects[place].oid) ? objects[place] : nil
    }

    /// The value of exactly this variable, or noSuchObject or noSuchInstance.
    public func get(_ oid: OID) -> VariableValue {
        defer { forgetRows() }
        return value(of: oid)
    }

    /// As `get`, and keeps the row for the next question.
    func value(of oid: OID) -> VariableValue {
        object(of: oid)?.get(oid) ?? .noSuchObject
    }

    /// The first variable of the range; `nil` if there is none. Looks at as many rows as it takes.
    public func next(_ range: SearchRange) -> VarBind? {
        defer { forgetRows() }
        var search = Search(range)
        while true {
            switch step(&search) {
            case .found(let variable): return variable
            case .end: return nil
            case .searching: continue
            }
        }
    }

    /// A search that can be stopped and gone on with.
    struct Search {
        /// Everything up to here has been looked at.
        fileprivate(set) var position: OID
        fileprivate var includesPosition: Bool
        let end: OID

        init(_ range: SearchRange) {
            position = range.start
            includesPosition = range.includesStart
            end = range.end
        }

        fileprivate func reaches(_ oid: OID) -> Bool { end.isEmpty || oid < end }
    }

    enum Progress {
        case found(VarBind)
        case searching
        case end
    }

    /// Goes on with a search by one row at most.
    func step(_ search: inout Search) -> Progress {
        if search.includesPosition {
            search.includesPosition = false
            let value = value(of: search.position)
            if !value.isException, search.reaches(search.position) { return .found(VarBind(search.position, value)) }
        }
        var place = objects.partition { $0.oid > search.position } - 1
        var isInside = place >= 0 && search.position.hasPrefix(objects[place].oid)
        if !isInside { place += 1 }
        while place < objects.count, search.reaches(objects[place].oid) {
            switch objects[place].step(after: isInside ? search.position : nil) {
            case .found(let name, let value):
                search.position = name
                return search.reaches(name) ? .found(VarBind(name, value)) : .end
            case .passed(let position):
                search.position = position
                return search.reaches(position) ? .searching : .end
            case .end:
                place += 1
                isInside = false
            }
        }
        return .end
    }

    /// Lets go of rows kept between steps. To be called before anything else runs that may change them.
    func forgetRows() {
        for object in objects { object.forgetRow() }
    }

    /// How often a row source gave a row that was not after the one before. Each such answer ended a search early.
    var disorder: Int { objects.reduce(0) { $0 + $1.disorder } }
}
