// What the data plane asks of the kernel beside carrying packets, and what came of it.

import LinuxNetwork
import Synchronization

extension DataPlaneOptions {
    func uses(_ kind: OffloadState.Kind) -> Bool { !switchedOff.contains(kind) }
}

extension DataPlane {
    // MARK: Steering

    /// Keeps each flow that comes from a TUN at one worker.
    func steer(tunnel: Int32) {
        guard workers.count > 1, options.uses(.tunSteering) else { return }
        let program = SteeringProgram(offset: 0, workers: workers.count, seed: steeringSeed)
        do throws(LinuxError) {
            try program.steer(tunnel: tunnel)
        } catch {
            tunSteeringRefusal = error.description
        }
    }

    /// Shares out what comes to port 4341 by the flow inside, unless it comes in trains. The kernel makes a train of what has the
    /// same outer ports, whatever is inside; were it to follow its first packet, the flow of another would be now with this worker
    /// and now with that.
    func steer(_ sockets: [WorkerSockets]) {
        guard workers.count > 1, options.uses(.udpSteering), !socketTrains.received else { return }
        let program = SteeringProgram(
            offset: DataPlaneConstants.lispHeaderSize,
            workers: workers.count,
            seed: steeringSeed
        )
        for socket in sockets[0].receiving.values {
            do throws(LinuxError) {
                try program.steer(groupOf: socket)
            } catch {
                udpSteeringRefusal = error.description
            }
        }
    }

    /// Both programs have the same, so that both directions of a flow are one worker's.
    private var steeringSeed: SteeringProgram.Seed { SteeringProgram.Seed(shared.hashSeed) }

    // MARK: What is in use

    /// How packets cross the kernel, since `start`.
    package var offloads: [OffloadState] { OffloadState.Kind.allCases.map(offload) }

    private func offload(_ kind: OffloadState.Kind) -> OffloadState {
        let (isOn, reason) = options.uses(kind) ? found(kind) : (false, "switched off by data-plane.offload")
        return OffloadState(kind, isOn: isOn, reason)
    }

    /// Whether something that is not switched off is in use, and why not, or not wholly.
    private func found(_ kind: OffloadState.Kind) -> (isOn: Bool, reason: String?) {
        func known(_ isOn: Bool, _ otherwise: String = "the kernel does not know it") -> (Bool, String?) {
            (isOn, isOn ? nil : otherwise)
        }
        let isOnlyOne = workers.count == 1
        switch kind {
        case .tso: return known(tunnelOffloads.contains(.tcp))
        case .uso: return known(tunnelOffloads.contains(.udp), "the kernel does not know it (Linux 6.2 and later do)")
        case .merge: return (true, shared.refusesUDPTrains.pointee.load(ordering: .relaxed) == 0 ? nil : "TCP alone")
        case .udpSegment:
            guard options.udpChecksum != .zero else { return (false, "data-plane.udp-checksum is zero") }
            let refused = workers.reduce(0) { $0 + $1.value(.portsRefusedTrains) }
            guard socketTrains.sent, refused > 0 else { return known(socketTrains.sent) }
            return (true, "refused, and off, at \(refused) source ports")
        case .udpGRO: return known(socketTrains.received)
        case .multiQueue:
            guard TUNDevice.knowsQueues else { return known(false) }
            return known(!isOnlyOne, "there is one worker")
        case .tunSteering:
            guard !isOnlyOne else { return (false, "there is one worker") }
            return (tunSteeringRefusal == nil, tunSteeringRefusal)
        case .udpSteering:
            guard !isOnlyOne else { return (false, "there is one worker") }
            guard !socketTrains.received else {
                return (false, "trains of udp-gro are shared out by their outer ports")
            }
            return (udpSteeringRefusal == nil, udpSteeringRefusal)
        }
    }
}
