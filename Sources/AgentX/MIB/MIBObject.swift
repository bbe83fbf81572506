// What a module is made of, as the tree sees it.

/// A table or a scalar of a ``MIBModule``.
public class MIBObject {
    /// A table's entry or a scalar, without an instance.
    public let oid: OID
    public let name: String

    init(_ name: String, at oid: OID) {
        self.name = name
        self.oid = oid
    }

    /// What a search found in one step, which looks at one row at most.
    enum Step {
        case found(OID, VariableValue)
        /// Nothing here; the search goes on after this place.
        case passed(OID)
        /// Nothing after the place the search came from.
        case end
    }

    /// The value of `oid`, which begins with ours.
    func get(_ oid: OID) -> VariableValue { preconditionFailure("a MIBObject is a Table or a Scalar") }

    /// The first variable after `position`, which begins with our OID; after `nil`, the first of all.
    func step(after position: OID?) -> Step { preconditionFailure("a MIBObject is a Table or a Scalar") }

    /// What belongs together in a SET: a row or a scalar.
    func group(of oid: OID) -> OID { preconditionFailure("a MIBObject is a Table or a Scalar") }

    /// Tests a SET of variables of one group. `index` of a failure counts from 0 within `variables`.
    func test(_ variables: [VarBind]) -> Result<Change, SetRefusal> {
        preconditionFailure("a MIBObject is a Table or a Scalar")
    }

    /// Lets go of rows kept for the next step: they may be gone when it comes.
    func forgetRow() {}

    /// Rows that a source gave in a wrong order.
    var disorder: Int { 0 }
}

/// Why a SET of several variables is refused, and which of them is at fault.
struct SetRefusal: Error, Hashable {
    var status: ErrorStatus
    var index: Int
}

/// Lists the objects of a module.
@resultBuilder
public enum MIBBuilder {
    public static func buildExpression(_ object: MIBObject) -> [MIBObject] { [object] }
    public static func buildExpression(_ objects: [MIBObject]) -> [MIBObject] { objects }
    public static func buildBlock(_ objects: [MIBObject]...) -> [MIBObject] { objects.flatMap { $0 } }
    public static func buildOptional(_ objects: [MIBObject]?) -> [MIBObject] { objects ?? [] }
    public static func buildEither(first objects: [MIBObject]) -> [MIBObject] { objects }
    public static func buildEither(second objects: [MIBObject]) -> [MIBObject] { objects }
    public static func buildArray(_ objects: [[MIBObject]]) -> [MIBObject] { objects.flatMap { $0 } }
}
