// Keys whose features are not built yet: their types are checked all the same, so that a file with a fault is never
// taken for one that merely came early; then they are refused, unless they ask for nothing.

import LISPWire
import Yams

extension Loader {
    func laterFeatures(_ root: ConfigurationMapping) {
        if let members = root["site-interfaces"]?.list("a list of interface names", allowsEmpty: true) {
            for member in members { _ = member.kernelName("an interface name", length: 15) }
            if !members.isEmpty { root.refuseNotSupported("site-interfaces") }
        }
        if root["flow-monitors"]?.list("a list of flow monitors", allowsEmpty: true)?.isEmpty == false {
            root.refuseNotSupported("flow-monitors")
        }
        if let node = root["ike-monitor"] {
            if case .mapping(let mapping) = node.node {
                if !mapping.isEmpty { root.refuseNotSupported("ike-monitor") }
            } else {
                node.report(expected: "a mapping")
            }
        }
    }
}
