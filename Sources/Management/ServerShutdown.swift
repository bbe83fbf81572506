// How the service ends without Hummingbird taking it for a failure: a server whose task is cancelled while it accepts
// connections logs that as an error. So the listening channel is closed first; what is left is cancelled then.

import NIOCore
import Synchronization

/// Knows the listening channel from when it is there, and closes it once it is to.
final class ServerShutdown: Sendable {
    private struct State {
        var listener: (any Channel)?
        var isRequested = false
    }

    private let state = Mutex(State())

    /// Connections are accepted at `channel` from now on; `false` if they are not to be, and it is closed.
    func isListening(_ channel: any Channel) -> Bool {
        let isRequested = state.withLock { state in
            state.listener = channel
            return state.isRequested
        }
        if isRequested { channel.close(promise: nil) }
        return !isRequested
    }

    /// Ends accepting, then calls `cancelRest`, which ends the connections that are open. Before there is a listener there are
    /// no connections either.
    func begin(cancelRest: @escaping @Sendable () -> Void) {
        let listener = state.withLock { state in
            state.isRequested = true
            return state.listener
        }
        guard let listener else { return }
        listener.closeFuture.whenComplete { _ in cancelRest() }
        listener.close(promise: nil)
    }
}
