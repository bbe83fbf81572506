// Columns and label lines.

/// Rows under a heading, columns as wide as their widest cell and two spaces apart, without spaces at line ends.
func columns(_ heading: [String], _ rows: [[String]], indent: Int = 0) -> [String] {
    let all = [heading] + rows
    let widths = heading.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { row in
        let cells = zip(row, widths).map { $0.padded(to: $1) }
        return trimmed(String(repeating: " ", count: indent) + cells.joined(separator: "  "))
    }
}

/// `label:` and, from a fixed column on, its value.
func labelled(_ label: String, _ value: String, indent: Int = 2, width: Int = 42) -> String {
    trimmed(String(repeating: " ", count: indent) + (label + ":").padded(to: width - indent + 2) + value)
}

/// `label: ` and items with commas between them, on as many lines as it takes, aligned behind the label.
func listed(_ label: String, _ items: [String], indent: Int = 2, width: Int = 100) -> [String] {
    let hanging = String(repeating: " ", count: indent + label.count + 2)
    var lines: [String] = []
    var line = String(repeating: " ", count: indent) + label + ": "
    var isFirst = true
    for (index, item) in items.enumerated() {
        let text = index == items.count - 1 ? item : item + ","
        if !isFirst, line.count + 1 + text.count > width {
            lines.append(line)
            line = hanging
            isFirst = true
        }
        line += (isFirst ? "" : " ") + text
        isFirst = false
    }
    return lines + [trimmed(line)]
}

func trimmed(_ line: String) -> String {
    var line = line[...]
    while line.last == " " { line.removeLast() }
    return String(line)
}

/// A text from a configuration, whose line ends would look like lines of ours.
func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " ")
}

/// The lines with their ends.
func joined(_ lines: [String]) -> String {
    lines.isEmpty ? "" : lines.joined(separator: "\n") + "\n"
}

extension String {
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: Swift.max(0, width - count))
    }

    func leftPadded(to width: Int) -> String {
        String(repeating: " ", count: Swift.max(0, width - count)) + self
    }
}
