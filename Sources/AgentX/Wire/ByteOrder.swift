/// How numbers of more than one octet are sent. The subagent chooses; the flag NETWORK_BYTE_ORDER tells. (RFC 2741 §6.1)
public enum ByteOrder: Hashable, Sendable {
    /// Most significant octet first.
    case network
    case littleEndian

    public static let host: ByteOrder = 1.bigEndian == 1 ? .network : .littleEndian
}
