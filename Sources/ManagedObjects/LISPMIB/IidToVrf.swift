// lispIidToVrfTable: the VRF of an instance.

import AgentX

extension LISPMIB {
    var iidToVrfTable: MIBObject {
        Table("lispIidToVrfEntry", at: entry(2), rows: orderedRows(model.vrfs) { $0.instanceID }) {
            // MplsL3VpnName: at most 31 octets.
            Column(1, "lispIidToVrfName") { .text($0.name, limit: 31) }
        }
    }
}
