// Bytes written as annotated hexadecimal.

/// Parses hexadecimal digits. White space is skipped, and so is what follows `//` in a line.
func bytes(_ text: String) -> [UInt8] {
    let digits = text.split(separator: "\n").flatMap { line -> [UInt8] in
        let end = line.firstRange(of: "//")?.lowerBound ?? line.endIndex
        return line[..<end].compactMap { $0.hexDigitValue.map { UInt8($0) } }
    }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}
