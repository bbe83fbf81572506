// A capture from its first frame to its last: dissected, counted, filtered.

struct DecodeRun {
    private let capture: CaptureFile
    private var dissector: FrameDissector
    /// Empty: all.
    private let types: Set<MessageKind>
    private let limit: Int?
    private var shown = 0
    private(set) var summary = DecodeSummary()

    init(capture: CaptureFile, keys: KeyRing, types: Set<MessageKind> = [], limit: Int? = nil) {
        self.capture = capture
        self.dissector = FrameDissector(linkType: capture.linkType, keys: keys)
        self.types = types
        self.limit = limit
    }

    /// The next frame that is to be shown. Every frame up to it is counted, shown or not.
    mutating func next() throws(CommandFailure) -> (CapturedFrame, FrameDissection)? {
        guard shown < limit ?? .max else { return nil }
        while let frame = try capture.next() {
            summary.frames += 1
            defer { summary.leftoverFragments = dissector.leftoverFragments }
            switch dissector.dissect(frame) {
            case .other:
                summary.other += 1
            case .fragment(let dissection):
                guard isWanted(dissection.message) else { continue }
                shown += 1
                return (frame, dissection)
            case .lisp(let dissection):
                summary.add(dissection)
                guard isWanted(dissection.message) else { continue }
                shown += 1
                return (frame, dissection)
            }
        }
        return nil
    }

    private func isWanted(_ message: MessageDissection) -> Bool {
        types.isEmpty || types.contains(message.kind) || message.inner.map(types.contains) ?? false
            || message.problem != nil && types.contains(.undecoded)
    }
}
