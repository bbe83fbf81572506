// What is learnt of a kernel and its devices when they refuse trains (UDP_SEGMENT).

import Glibc

/// Whether one socket sends trains.
package struct TrainPermission: Sendable {
    /// A kernel or a device that takes no trains refuses so many, one after another, before it is asked no more. A single
    /// refusal may have another reason, such as an address that was gone for a moment.
    package static let maximumRefusals = 3

    package private(set) var isGranted: Bool
    private var refusals = 0

    package init(_ isGranted: Bool) { self.isGranted = isGranted }

    package mutating func wasTaken() { refusals = 0 }

    /// A train was refused whose first datagram was taken alone.
    package mutating func wasRefused() {
        refusals &+= 1
        if refusals >= Self.maximumRefusals { isGranted = false }
    }

    /// Whether what was refused as a train may be taken as datagrams.
    ///
    /// - EMSGSIZE, or EINVAL from older kernels: a segment exceeds the MTU of the device, perhaps not all of them.
    /// - EINVAL: the kernel knows no trains. EIO: the device or the route (IPsec) cannot carry them.
    package static func mayPassSingly(_ error: Int32) -> Bool {
        error == EMSGSIZE || error == EINVAL || error == EIO
    }
}
