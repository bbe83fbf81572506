// What `snmp` says: which agent shows this router to network management.

import LISPWire

package struct SNMPConfiguration: Hashable, Sendable {
    /// Where the AgentX master listens.
    package enum Master: Hashable, Sendable {
        /// A UNIX socket.
        case path(String)
        case tcp(Endpoint)
    }

    /// In net-snmp's playground: the draft was never given an identifier.
    package static let defaultDraftMIBBase: [UInt32] = [1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 6830]

    package var master: Master
    /// What the tables of draft-ietf-lisp-mib-00 stand under; neither in nor above mib-2.
    package var draftMIBBase: [UInt32]

    package init(master: Master, draftMIBBase: [UInt32] = Self.defaultDraftMIBBase) {
        self.master = master
        self.draftMIBBase = draftMIBBase
    }
}

extension SNMPConfiguration.Master: CustomStringConvertible {
    /// As the file has it.
    package var description: String {
        switch self {
        case .path(let path): path
        case .tcp(let endpoint): "tcp:\(endpoint)"
        }
    }
}
