// Steering programs as the kernel reads them: octets of code, jumps and constants packed into 64 bits a step.

extension SteeringProgram {
    private typealias Places = [Label: Int]

    /// Where each label stands when a step takes as many instructions as `length` says.
    private func places(_ length: (Step) -> Int) -> Places {
        var places: Places = [:]
        var position = 0
        for step in steps {
            if case .label(let label) = step { places[label] = position }
            position += length(step)
        }
        return places
    }

    // MARK: Classic (struct sock_filter: 16 bits of code, two jumps of 8, 32 bits of constant)

    /// For SO_ATTACH_REUSEPORT_CBPF. Jumps go forward and not beyond 255 instructions.
    package var classic: [UInt64] {
        func length(_ step: Step) -> Int { if case .label = step { 0 } else { 1 } }
        let places = places(length)
        var code: [UInt64] = []
        func add(_ operation: UInt16, _ constant: UInt32 = 0, whenTrue: Int = 0, whenFalse: Int = 0) {
            code.append(
                UInt64(operation) | UInt64(UInt8(whenTrue)) << 16 | UInt64(UInt8(whenFalse)) << 24 | UInt64(constant)
                    << 32
            )
        }
        /// How many instructions a jump from the one that is added next leaves out.
        func distance(_ label: Label) -> Int { (places[label] ?? code.count) - code.count - 1 }
        for step in steps {
            switch step {
            case .load(let size, let offset): add(0x20 | Self.sizeBits(size), UInt32(offset))  // BPF_LD | BPF_ABS
            case .loadBehindX(let size, let offset): add(0x40 | Self.sizeBits(size), UInt32(offset))  // BPF_IND
            case .ipv4HeaderLength(let offset): add(0xb1, UInt32(offset))  // BPF_LDX | BPF_MSH | BPF_B
            case .copyToX: add(0x07)  // BPF_MISC | BPF_TAX
            case .store(let number): add(0x02, UInt32(number))  // BPF_ST
            case .restore(let number): add(0x60, UInt32(number))  // BPF_LD | BPF_MEM
            case .restoreX(let number): add(0x61, UInt32(number))  // BPF_LDX | BPF_MEM
            case .xorX: add(0xac)  // BPF_ALU | BPF_XOR | BPF_X
            case .addX: add(0x0c)  // BPF_ALU | BPF_ADD | BPF_X
            case .xor(let constant): add(0xa4, constant)  // BPF_ALU | BPF_XOR | BPF_K
            case .multiply(let constant): add(0x24, constant)  // BPF_ALU | BPF_MUL | BPF_K
            case .shiftRight(let constant): add(0x74, constant)  // BPF_ALU | BPF_RSH | BPF_K
            case .remainder(let constant): add(0x94, constant)  // BPF_ALU | BPF_MOD | BPF_K
            case .jumpIfEqual(let constant, let label): add(0x15, constant, whenTrue: distance(label))  // BPF_JEQ, K
            case .jumpIfAnySet(let constant, let label): add(0x45, constant, whenTrue: distance(label))  // BPF_JSET, K
            case .jump(let label): add(0x05, UInt32(distance(label)))  // BPF_JA
            case .label: break
            case .returnA: add(0x16)  // BPF_RET | BPF_A
            case .returnConstant(let constant): add(0x06, constant)  // BPF_RET | BPF_K
            }
        }
        return code
    }

    private static func sizeBits(_ size: Step.Size) -> UInt16 {
        switch size {
        case .word: 0x00
        case .half: 0x08
        case .octet: 0x10
        }
    }

    // MARK: eBPF (struct bpf_insn: 8 bits of code, two registers of 4, 16 bits of offset, 32 bits of constant)

    /// A stands in register 0, where loads leave what they load; X in 7, memory in 8 and 9, which loads leave alone; 6 has the
    /// packet, as loads expect.
    private enum Register {
        static let a: UInt64 = 0
        static let context: UInt64 = 1
        static let packet: UInt64 = 6
        static let x: UInt64 = 7
        static func memory(_ number: Int) -> UInt64 { 8 + UInt64(number) }
    }

    /// For BPF_PROG_TYPE_SOCKET_FILTER, as TUNSETSTEERINGEBPF takes it.
    package var extended: [UInt64] {
        func length(_ step: Step) -> Int {
            switch step {
            case .label: 0
            case .ipv4HeaderLength: 4
            case .returnConstant: 2
            default: 1
            }
        }
        // Before the first step the packet and the memory are put in place.
        let prologue = 4
        let places = places(length)
        var code: [UInt64] = []
        func add(
            _ operation: UInt8,
            _ destination: UInt64 = Register.a,
            _ source: UInt64 = 0,
            offset: Int = 0,
            constant: UInt32 = 0
        ) {
            let registers = destination | source << 4
            code.append(
                UInt64(operation) | registers << 8 | UInt64(UInt16(truncatingIfNeeded: offset)) << 16 | UInt64(constant)
                    << 32
            )
        }
        func distance(_ label: Label) -> Int { (places[label] ?? code.count) + prologue - code.count - 1 }
        add(0xbf, Register.packet, Register.context)  // BPF_ALU64 | BPF_MOV | BPF_X
        for register in [Register.x, Register.memory(0), Register.memory(1)] { add(0xb4, register) }  // BPF_MOV, BPF_K
        for step in steps {
            switch step {
            case .load(let size, let offset): add(UInt8(0x20 | Self.sizeBits(size)), constant: UInt32(offset))
            case .loadBehindX(let size, let offset):
                add(UInt8(0x40 | Self.sizeBits(size)), Register.a, Register.x, constant: UInt32(offset))
            case .ipv4HeaderLength(let offset):
                add(0x30, constant: UInt32(offset))
                add(0x54, constant: 0x0f)  // BPF_ALU | BPF_AND | BPF_K
                add(0x64, constant: 2)  // BPF_ALU | BPF_LSH | BPF_K
                add(0xbc, Register.x, Register.a)  // BPF_ALU | BPF_MOV | BPF_X
            case .copyToX: add(0xbc, Register.x, Register.a)
            case .store(let number): add(0xbc, Register.memory(number), Register.a)
            case .restore(let number): add(0xbc, Register.a, Register.memory(number))
            case .restoreX(let number): add(0xbc, Register.x, Register.memory(number))
            case .xorX: add(0xac, Register.a, Register.x)
            case .addX: add(0x0c, Register.a, Register.x)
            case .xor(let constant): add(0xa4, constant: constant)
            case .multiply(let constant): add(0x24, constant: constant)
            case .shiftRight(let constant): add(0x74, constant: constant)
            case .remainder(let constant): add(0x94, constant: constant)
            case .jumpIfEqual(let constant, let label): add(0x15, offset: distance(label), constant: constant)
            case .jumpIfAnySet(let constant, let label): add(0x45, offset: distance(label), constant: constant)
            case .jump(let label): add(0x05, offset: distance(label))
            case .label: break
            case .returnA: add(0x95)  // BPF_JMP | BPF_EXIT
            case .returnConstant(let constant):
                add(0xb4, constant: constant)
                add(0x95)
            }
        }
        return code
    }
}
