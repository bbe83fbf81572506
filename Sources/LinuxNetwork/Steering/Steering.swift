// Has the kernel run a steering program.

import CLinux
import Glibc

extension SteeringProgram {
    /// Has it choose the queue of each packet that a TUN hands over, in the place of the kernel's own choice, which moves a flow
    /// to the queue where its other direction was last written.
    ///
    /// - Parameter tunnel: any queue of the TUN. The program has to have been made with offset 0 and for the number of queues.
    /// - Throws: `EPERM` without CAP_BPF where unprivileged users may load no programs, `EINVAL` or `ENOTTY` from what knows none.
    package func steer(tunnel: Int32) throws(LinuxError) {
        let code = extended
        let program = code.withUnsafeBufferPointer { clinux_bpf_load_socket_filter($0.baseAddress, UInt32($0.count)) }
        guard program >= 0 else { throw .last("load a steering program") }
        // The TUN holds it from then on.
        defer { _ = Glibc.close(program) }
        guard clinux_tun_set_steering(tunnel, program) == 0 else { throw .last("steer the queues of a TUN") }
    }

    /// Has it choose the socket of each datagram in a group that shares a port (`UDPSocket.sharePort`), by the order in which they
    /// were bound. The program has to have been made for what stands behind the UDP header, and for the number of sockets.
    ///
    /// - Parameter socket: any of the group.
    /// - Throws: `ENOPROTOOPT` from a kernel older than 4.5.
    package func steer(groupOf socket: UDPSocket) throws(LinuxError) {
        let code = classic
        let result = code.withUnsafeBufferPointer {
            clinux_attach_group_filter(socket.descriptor, $0.baseAddress, UInt16($0.count))
        }
        guard result == 0 else { throw .last("steer the sockets of a port") }
    }
}
