// What the watcher threads read from, each used by one thread alone.

import LISPWire
import LinuxNetwork
import Synchronization

/// What came to the control socket.
struct ControlInput: Sendable {
    var datagrams: [ReceivedDatagram]
    /// Where our own messages did not arrive, by the word of ICMP errors.
    var unreachable: Set<IPAddress>
}

/// The receiving side of the control socket.
final class ControlReceiver: Sendable {
    private let receiver: Mutex<ControlSocket.Receiver>

    init(_ socket: ControlSocket) {
        receiver = Mutex(ControlSocket.Receiver(socket))
    }

    /// One batch of each family; `nil` if there is nothing.
    func receive() -> ControlInput? {
        let input = receiver.withLock { receiver in
            ControlInput(
                datagrams: receiver.receive(),
                unreachable: receiver.receiveUnreachable(port: LISPPort.control)
            )
        }
        return input.datagrams.isEmpty && input.unreachable.isEmpty ? nil : input
    }
}

/// News of interfaces, addresses and routes.
final class HostMonitor: Sendable {
    let descriptor: Int32
    private let source: Mutex<Source>

    private struct Source: ~Copyable {
        let monitor: NetlinkMonitor
        var reader = HostNewsReader()
    }

    init(_ monitor: sending NetlinkMonitor) {
        descriptor = monitor.descriptor
        source = Mutex(Source(monitor: monitor))
    }

    /// Reads what has come; `nil` if nothing in it can concern us.
    func news() -> HostNews? {
        source.withLock { source in
            // What cannot be read may have been anything.
            let events = (try? source.monitor.readEvents()) ?? [.overrun]
            let news = source.reader.read(events)
            return news.isEmpty ? nil : news
        }
    }
}
