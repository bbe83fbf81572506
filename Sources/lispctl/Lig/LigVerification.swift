// Whether the mapping system says of an own EID-prefix what this router registers.

import LISPWire
import ManagementAPI

/// The use of `lig self` (RFC 6835 section 3): not only whether there is an answer, but whether it is ours.
struct LigVerification: Equatable {
    /// What is not as we register it, one line each.
    var differences: [String] = []
    /// What is worth knowing and no fault.
    var notes: [String] = []

    var matches: Bool { differences.isEmpty }

    /// - Parameter merges: whether a Map-Server is asked to add the locators of the site's other ETRs.
    init(of answer: LigAnswer, against own: DatabaseEntry, merges: Bool) {
        guard let record = answer.records.first, let prefix = record.eidPrefix?.prefix.description else { return }
        guard !record.locators.isEmpty else {
            differences.append(
                "\(own.eidPrefix) is not registered: the answer for \(prefix) is negative; `lispctl diagnose registration` says why"
            )
            return
        }
        if prefix != own.eidPrefix {
            differences.append("the mapping is of \(prefix), ours of \(own.eidPrefix)")
        }
        let found = Dictionary(
            record.locators.compactMap { locator in locator.address.locatorAddress.map { ($0.description, locator) } },
            uniquingKeysWith: { first, _ in first }
        )
        for locator in own.locators {
            guard let other = found[locator.address] else {
                differences.append("our locator \(locator.address) is not among its locators")
                continue
            }
            if other.priority != locator.priority || other.weight != locator.weight {
                differences.append(
                    "locator \(locator.address) has \(other.priority)/\(other.weight) (priority/weight), "
                        + "we register \(locator.priority)/\(locator.weight)"
                )
            }
            if !other.isReachable { differences.append("locator \(locator.address) is said to be unreachable") }
        }
        let known = Set(own.locators.map(\.address))
        for locator in record.locators {
            let address = locator.address.locatorAddress?.description ?? locator.address.description
            guard !known.contains(address) else { continue }
            if merges {
                notes.append("locator \(address) is of another ETR of the site")
            } else {
                differences.append("locator \(address) is none of ours: another ETR has registered it")
            }
        }
        let ttl = Int64(record.ttlMinutes) * 60
        if record.ttlMinutes != .max, ttl != own.ttl {
            notes.append("its TTL is \(duration(ttl)), ours \(duration(own.ttl))")
        }
    }
}
