// A conversation with the kernel's routing tables: one request, then its whole answer. libnl-3 frames and acknowledges;
// the messages themselves are put together here, because libnl's own objects know neither the routing protocol of a rule
// in every version nor suppress_prefixlength.

import CNetlink
import Glibc

/// A routing netlink socket. It belongs to the network namespace of the thread that opened it, for good; one thread at a
/// time may use it.
package final class NetlinkSocket {
    private let socket: OpaquePointer

    /// Opens a socket in the calling thread's network namespace.
    package init() throws(HostError) {
        guard let socket = nl_socket_alloc() else { throw HostError("open a netlink socket", code: ENOMEM) }
        self.socket = socket
        let status = nl_connect(socket, NETLINK_ROUTE)
        guard status >= 0 else {
            throw HostError("open a netlink socket", code: EIO, detail: String(cString: nl_geterror(status)))
        }
        // The kernel filters dumps and explains refusals if asked to. Where it cannot, what is read is filtered here
        // as well, so a refusal of these options changes nothing.
        var on: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        for option in [NETLINK_GET_STRICT_CHK, NETLINK_EXT_ACK, NETLINK_CAP_ACK] {
            _ = setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, Int32(option), &on, size)
        }
        nl_socket_set_buffer_size(socket, 1 << 20, 0)
    }

    deinit { nl_socket_free(socket) }

    /// Sends the request and hands each message of the answer to `body`. `operation` names it in an error.
    func request(
        _ operation: @autoclosure () -> String,
        _ message: borrowing NetlinkMessage,
        _ body: (ReceivedMessage) -> Void = { _ in }
    ) throws(HostError) {
        var exchange = lispd_nl_exchange()
        let status = withoutActuallyEscaping(body) { body in
            var reader = body
            return withUnsafeMutablePointer(to: &reader) { pointer in
                exchange.context = UnsafeMutableRawPointer(pointer)
                exchange.on_message = { header, context in
                    guard let header, let context else { return }
                    // Safe: the closure outlives the call, and the header begins a message of nlmsg_len bytes.
                    let reader = context.assumingMemoryBound(to: ((ReceivedMessage) -> Void).self)
                    let bytes = UnsafeRawBufferPointer(start: header, count: Int(header.pointee.nlmsg_len))
                    if let message = ReceivedMessage(bytes) { reader.pointee(message) }
                }
                return lispd_nl_transact(socket, message.raw, &exchange)
            }
        }
        if status != 0 {
            let detail = withUnsafeBytes(of: exchange.detail) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            throw HostError(operation(), code: status < 0 ? EAGAIN : status, detail: detail)
        }
    }

    /// Everything the kernel lists for the request, each message turned into a value by `parse` (nil: passed over). A list
    /// that changed while it was read is read again, up to ten times.
    func dump<Value>(
        _ operation: String,
        type: Int,
        body: some BitwiseCopyable,
        _ parse: (ReceivedMessage) -> Value?
    ) throws(HostError) -> [Value] {
        for attempt in 1... {
            let message = NetlinkMessage(type: type, flags: NLM_F_DUMP)
            message.body(body)
            var values: [Value] = []
            do {
                try request(operation, message) { if let value = parse($0) { values.append(value) } }
                return values
            } catch  where error.code == EAGAIN && attempt < 10 {
                continue
            }
        }
        throw HostError(operation, code: EAGAIN)
    }
}
