// The data plane of this daemon as a plane under test: its worker on a device of memory.

import ForwardingInterface
import LISPWire

@testable import DataPlane

final class WorkerPlane: PlaneUnderTest {
    private let plane: DataPlane
    private var worker: Worker<MemoryDevice>
    private let instances: [InstanceID]

    init(instances: [InstanceID], offload: Offload = .auto) throws {
        self.instances = instances
        plane = try DataPlane.forTests { $0.switchedOff = offload.switchedOff }
        for instance in instances { try plane.addInstance(instance, queues: [-1]) }
        worker = plane.memoryWorker(offload: offload)
    }

    func apply(_ updates: [ForwardingUpdate]) { plane.apply(updates) }

    func carry(fromSite packets: [SiteInput], of instance: InstanceID) throws -> PlaneOutput {
        guard let queue = instances.firstIndex(of: instance) else { return PlaneOutput() }
        worker.device.tunnelInput[queue] = packets.map {
            switch $0 {
            case .packet(let octets): octets
            case .train(let transport, _): transport.packet(isPartial: true)
            }
        }
        worker.device.tunnelSegments = packets.map {
            switch $0 {
            case .packet: .none
            case .train(let transport, let size): SegmentTrain(kind: transport.kind, size: UInt16(size))
            }
        }
        return try carry { worker in
            while worker.device.tunnelInput[queue]?.isEmpty == false { _ = worker.stepTunnel(queue) }
        }
    }

    func carry(fromNetwork datagrams: [NetworkInput]) throws -> PlaneOutput {
        for datagram in datagrams {
            let received = ReceivedPacket(
                payload: Array(datagram.payloads.joined()),
                tos: datagram.tos,
                ttl: datagram.ttl,
                source: datagram.source,
                segmentSize: datagram.payloads.count > 1 ? datagram.payloads[0].count : 0
            )
            worker.device.networkInput[datagram.source.family, default: []].append(received)
        }
        return try carry { worker in
            for family in AddressFamily.allCases {
                while worker.device.networkInput[family]?.isEmpty == false { _ = worker.stepNetwork(family) }
            }
        }
    }

    func release(_ packets: [ForwardingMiss], _ verdict: HeldPacketVerdict) throws -> PlaneOutput {
        plane.release(packets, verdict: verdict)
        return try carry { worker in
            while worker.stepHeld() > 0 {}
        }
    }

    private func carry(_ body: (inout Worker<MemoryDevice>) -> Void) throws -> PlaneOutput {
        worker.device.clock += 2_000_000_000
        worker.device.sent = []
        worker.device.tunnelOutput = []
        worker.device.tunnelHeaders = []
        body(&worker)
        worker.shared.reader.quiet()
        var output = PlaneOutput()
        for datagram in worker.device.sent {
            output.sent.append(
                OuterDatagram(
                    destination: IPAddress(family: datagram.family, leftAligned: datagram.destination.value),
                    sourcePort: datagram.port,
                    mayBeFragmented: datagram.port == DataPlaneConstants.fragmentingPort,
                    tos: datagram.tos,
                    ttl: datagram.ttl,
                    payload: datagram.payload
                )
            )
        }
        for (frame, header) in zip(worker.device.tunnelOutput, worker.device.tunnelHeaders) {
            for packet in try packetsOfFrame(header + frame.packet) {
                output.written.append(WrittenPacket(instance: instances[frame.queue], octets: packet))
            }
        }
        plane.drainMisses(limit: 10_000) { output.misses.append($0) }
        return output
    }

    func counters(of mapping: MappingID) -> MappingCounters { plane.counters(of: mapping) }
    func counters(of mapping: MappingID, locator: LocatorID) -> MappingCounters {
        plane.counters(of: mapping, locator: locator)
    }
    func counters(of locator: LocatorID) -> MappingCounters { plane.counters(of: locator) }
    func counters(of instance: InstanceID) -> MappingCounters { plane.counters(of: instance) }
    var drops: [DataPlaneDropReason: UInt64] { plane.drops }
}
