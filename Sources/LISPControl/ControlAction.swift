// What every role of the control plane hands back to its owner.

import LISPWire

/// A control message to send, always from local port 4342.
package struct ControlDatagram: Hashable, Sendable {
    /// The UDP payload.
    package var payload: [UInt8]
    package var destination: Endpoint
    /// The local address to send from: the one that was asked, for answers. `nil`: the kernel chooses.
    package var source: IPAddress?

    package init(payload: [UInt8], destination: Endpoint, source: IPAddress? = nil) {
        self.payload = payload
        self.destination = destination
        self.source = source
    }
}

extension Endpoint {
    /// Port 4342 at `address`.
    package static func control(_ address: IPAddress) -> Endpoint {
        Endpoint(address, LISPPort.control)
    }
}
