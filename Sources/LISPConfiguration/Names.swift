// The words that the file uses, and help for those who mistype one.

import LISPWire

extension AuthenticationAlgorithm {
    /// The algorithms a key may have (RFC 9301 section 12.5), by the names that the file uses.
    static var configurable: [(name: String, value: AuthenticationAlgorithm)] {
        allCases.filter { $0 != .none }.map { (name: $0.name, value: $0) }
    }
}

/// The candidate that `word` was most likely meant to be; `nil` if none is near.
///
/// Near: at most a third of the letters (and at least one) differ, counting a swap of two neighbours as one.
package func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    let limit = max(1, word.count / 3)
    var best: (distance: Int, name: String)?
    for candidate in candidates {
        let distance = editDistance(Array(word.lowercased()), Array(candidate))
        if distance <= limit, distance < best?.distance ?? .max {
            best = (distance, candidate)
        }
    }
    return best?.name
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. Words beyond 64 letters are
/// as far as can be.
private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    guard a.count <= 64, b.count <= 64 else { return .max }
    var rows = [Array(0...b.count)]
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var cost = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                cost = min(cost, rows[i - 1][j - 1] + 1)
            }
            row.append(cost)
        }
        rows.append(row)
    }
    return rows[a.count][b.count]
}
