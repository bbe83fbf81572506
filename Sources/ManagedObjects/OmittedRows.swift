// Rows that a manager cannot be shown, since no name that SNMP allows would be theirs.

/// How often rows were left out, by reason: each time that a manager came by.
package final class OmittedRows {
    package enum Reason: String, CaseIterable, Sendable {
        /// RFC 7052 allows 39.
        case addressTooLong = "address of more than 39 octets"
        case nameTooLong = "name of more than 128 sub-identifiers"
        /// A site's name is an index in the draft's tables.
        case siteNameTooLong = "site with a name of more than 63 octets"
        /// Two ETRs behind one address, or an RLOC twice in a record.
        case sameAddress = "same address as another row"
    }

    package private(set) var counts: [Reason: UInt64] = [:]

    package init() {}

    func note(_ reason: Reason) { counts[reason, default: 0] += 1 }
}
