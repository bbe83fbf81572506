// Why something could not be read from or changed in the host.

import CNetlink
import Glibc

/// A refusal of the kernel, with what was being done. One line when printed.
package struct HostError: Error, Hashable {
    /// What was being done, as an operator would say it.
    package var operation: String
    /// The errno.
    package var code: Int32
    /// What the kernel added in its own words, if anything.
    package var detail: String

    package init(_ operation: String, code: Int32, detail: String = "") {
        self.operation = operation
        self.code = code
        self.detail = detail
    }
}

extension HostError: CustomStringConvertible {
    /// `add rule 10010: ...: File exists (errno 17)`
    package var description: String {
        let words = String(cString: strerror(code))
        return "\(operation): \(words) (errno \(code))" + (detail.isEmpty ? "" : ": \(detail)")
    }
}
