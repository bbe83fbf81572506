// What the watcher threads read from, each used by one thread alone.

import LinuxNetwork
import Synchronization

/// The receiving side of the control socket.
final class ControlReceiver: Sendable {
    private let receiver: Mutex<ControlSocket.Receiver>

    init(_ socket: ControlSocket) {
        receiver = Mutex(ControlSocket.Receiver(socket))
    }

    /// One batch of each family.
    func receive() -> [ReceivedDatagram] {
        receiver.withLock { $0.receive() }
    }
}

/// News of interfaces and addresses.
final class HostMonitor: Sendable {
    let descriptor: Int32
    private let monitor: Mutex<NetlinkMonitor>

    init(_ monitor: sending NetlinkMonitor) {
        descriptor = monitor.descriptor
        self.monitor = Mutex(monitor)
    }

    /// Reads what has come; whether anything in it can concern locators or our routes. Our own routes do not.
    func hasNews() -> Bool {
        monitor.withLock { monitor in
            guard let events = try? monitor.readEvents() else { return true }
            return events.contains { event in
                switch event {
                case .link, .linkRemoved, .address, .addressRemoved, .overrun: true
                case .route, .routeRemoved: false
                }
            }
        }
    }
}
