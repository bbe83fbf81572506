// An object with one instance, whose name ends in 0.

/// A scalar object.
///
///     Scalar("lispLimit", at: root + [1, 2], writable: .gauge32(1...1000), set: limitChange) { .gauge32(limit) }
public final class Scalar: MIBObject {
    public typealias Setter = (VariableValue) throws(SetFailure) -> Change

    private let writable: Syntax?
    private let setter: Setter?
    private let value: () -> VariableValue?

    /// - Parameters:
    ///   - name: as in the MIB module.
    ///   - oid: without the 0 of its instance.
    ///   - value: its value; `nil` if it has none now.
    public init(_ name: String, at oid: OID, _ value: @escaping () -> VariableValue?) {
        self.writable = nil
        self.setter = nil
        self.value = value
        super.init(name, at: oid)
    }

    /// - Parameters:
    ///   - writable: what a SET may give it.
    ///   - set: tests a value of that syntax.
    public init(
        _ name: String,
        at oid: OID,
        writable: Syntax,
        set: @escaping Setter,
        _ value: @escaping () -> VariableValue?
    ) {
        self.writable = writable
        self.setter = set
        self.value = value
        super.init(name, at: oid)
    }

    private var instance: OID { OID(unlimited: oid.subidentifiers + [0]) }

    override func get(_ oid: OID) -> VariableValue {
        oid.count > self.oid.count ? (oid == instance ? value() : nil) ?? .noSuchInstance : .noSuchObject
    }

    override func step(after position: OID?) -> Step {
        let instance = instance
        if let position, position >= instance { return .end }
        guard let value = value(), !value.isException else { return .end }
        return .found(instance, value)
    }

    override func group(of oid: OID) -> OID {
        OID(unlimited: Array(oid.subidentifiers.dropFirst(self.oid.count)))
    }

    override func test(_ variables: [VarBind]) -> Result<Change, SetRefusal> {
        for (place, variable) in variables.enumerated() {
            guard let writable else { return .failure(SetRefusal(status: .notWritable, index: place)) }
            if let complaint = writable.complaint(about: variable.value) {
                return .failure(SetRefusal(status: complaint, index: place))
            }
            guard variable.name == instance else { return .failure(SetRefusal(status: .noCreation, index: place)) }
            guard variable.value == variables[0].value else {
                return .failure(SetRefusal(status: .inconsistentValue, index: place))
            }
        }
        guard let setter, let variable = variables.first else {
            return .failure(SetRefusal(status: .notWritable, index: 0))
        }
        do throws(SetFailure) {
            return .success(try setter(variable.value))
        } catch {
            return .failure(SetRefusal(status: error.status, index: 0))
        }
    }
}
