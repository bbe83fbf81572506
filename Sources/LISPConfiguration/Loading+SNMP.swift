// `snmp`

import LISPWire
import Yams

extension Loader {
    /// Absent, or empty: off.
    func snmp(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        guard let section = root["snmp"]?.mapping(["agentx", "draft-mib-base"]) else { return }
        let base = section["draft-mib-base"].map { $0.draftMIBBase() }
        let node = base == nil ? section["agentx"] : section.required("agentx", "beside `draft-mib-base`")
        guard let master = node?.agentXMaster() else { return }
        result.snmp = SNMPConfiguration(master: master)
        if case .some(.some(let base)) = base { result.snmp?.draftMIBBase = base }
    }
}

extension ConfigurationNode {
    fileprivate func agentXMaster() -> SNMPConfiguration.Master? {
        let expected = "the path of a UNIX socket, or tcp:ADDRESS:PORT such as tcp:127.0.0.1:705 or \"tcp:[::1]:705\""
        guard let text = text(expected) else { return nil }
        if text.hasPrefix("tcp:") {
            guard let endpoint = Endpoint(listener: text.dropFirst(4)), endpoint.address.unusableKind == nil else {
                report(expected: expected)
                return nil
            }
            return .tcp(endpoint)
        }
        // sockaddr_un holds 107 octets and a NUL.
        return path(expected, length: 107).map { .path($0) }
    }

    fileprivate func draftMIBBase() -> [UInt32]? {
        let expected =
            "an object identifier of 4 to 32 numbers, neither in nor above 1.3.6.1.2.1, such as "
            + SNMPConfiguration.defaultDraftMIBBase.map(String.init).joined(separator: ".")
        guard let text = text(expected) else { return nil }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part in
            part.utf8.allSatisfy { (48...57).contains($0) } ? UInt32(part) : nil
        }
        let mib2: [UInt32] = [1, 3, 6, 1, 2, 1]
        guard numbers.count == parts.count, (4...32).contains(numbers.count), numbers[0] <= 2,
            numbers[0] == 2 || numbers[1] < 40, !numbers.starts(with: mib2), !mib2.starts(with: numbers)
        else {
            report(expected: expected)
            return nil
        }
        return numbers
    }
}
