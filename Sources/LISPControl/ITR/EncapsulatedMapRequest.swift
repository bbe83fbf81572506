// How a Map-Request travels to the mapping system (RFC 9301 section 5.8).

import LISPWire

extension MapRequest {
    /// The Map-Request inside an Encapsulated Control Message: inner destination the EID, inner source an address of the
    /// same family (the source EID of the packet, else an RLOC, else the unspecified address), both ports 4342, so that
    /// the Map-Reply comes to port 4342.
    package func encapsulated(for target: EIDPrefix, rlocs: [IPAddress], port: UInt16 = LISPPort.control) -> [UInt8] {
        let destination = target.prefix.address
        let source =
            [sourceEID.ipAddress].compactMap(\.self).first { $0.family == destination.family }
            ?? rlocs.first { $0.family == destination.family }
            ?? IPAddress(family: destination.family, leftAligned: 0)
        return EncapsulatedControlMessage(
            source: Endpoint(source, port),
            destination: .control(destination),
            payload: encoded()
        ).encoded()
    }
}
