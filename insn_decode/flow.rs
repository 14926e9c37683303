// SPDX-License-Identifier: GPL-2.0

//! What instructions do to the instruction pointer and to the arithmetic flags.

use super::tables::Opcodes;
use super::{Encoding, Insn, OpcodeMap, Prefixes};

/// A condition of Jcc, as the low four bits of its opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cond(u8);

impl Cond {
    const CARRY: u64 = 1 << 0;
    const PARITY: u64 = 1 << 2;
    const ZERO: u64 = 1 << 6;
    const SIGN: u64 = 1 << 7;
    const OVERFLOW: u64 = 1 << 11;

    /// The condition in the low four bits of `opcode`.
    pub const fn of_opcode(opcode: u8) -> Cond {
        Cond(opcode & 15)
    }

    /// The low four bits of the opcodes that test this condition.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Does it hold with these flags?
    pub const fn holds(self, flags: u64) -> bool {
        let less = (flags & Self::SIGN != 0) != (flags & Self::OVERFLOW != 0);
        let even = match self.0 >> 1 {
            0 => flags & Self::OVERFLOW != 0,
            1 => flags & Self::CARRY != 0,
            2 => flags & Self::ZERO != 0,
            3 => flags & (Self::CARRY | Self::ZERO) != 0,
            4 => flags & Self::SIGN != 0,
            5 => flags & Self::PARITY != 0,
            6 => less,
            _ => less || flags & Self::ZERO != 0,
        };
        // Each odd condition is the even one before it, negated.
        even != (self.0 & 1 != 0)
    }
}

/// The branches that test the count register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopKind {
    /// LOOPNE: counts down, branches unless zero or ZF.
    Loopne,
    /// LOOPE: counts down, branches unless zero or not ZF.
    Loope,
    /// LOOP: counts down, branches unless zero.
    Loop,
    /// JRCXZ, JECXZ: branches if zero, changes nothing.
    Jcxz,
}

/// Where execution goes on after an instruction.
///
/// Displacements count from the instruction's end. Registers are numbered 0 (RAX) to 15
/// (R15) as in the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// At the next instruction.
    Next,
    /// JMP to a relative target.
    Jmp {
        /// The displacement.
        rel: i32,
    },
    /// Jcc.
    Jcc {
        /// When it branches.
        cond: Cond,
        /// The displacement.
        rel: i32,
    },
    /// LOOP, LOOPE, LOOPNE, JRCXZ.
    Loop {
        /// Which of them.
        kind: LoopKind,
        /// Counts in ECX instead of RCX.
        ecx: bool,
        /// The displacement.
        rel: i32,
    },
    /// CALL of a relative target.
    Call {
        /// The displacement.
        rel: i32,
    },
    /// Near JMP through a register.
    JmpReg {
        /// The register.
        reg: u8,
    },
    /// Near JMP through memory.
    JmpMem,
    /// Near CALL through a register.
    CallReg {
        /// The register.
        reg: u8,
    },
    /// Near CALL through memory.
    CallMem,
    /// JMPABS, and near branches through the registers that APX adds.
    Apx,
    /// Near RET.
    Ret {
        /// Bytes that it takes off the stack besides the return address.
        pop: u16,
    },
    /// Far JMP, CALL or RET.
    Far,
    /// IRET, UIRET, ERETS, ERETU and RSM.
    ReturnFromEvent,
    /// SYSCALL, SYSENTER, SYSRET, SYSEXIT and GETSEC.
    System,
    /// VMCALL, VMLAUNCH, VMRESUME, VMXOFF, VMRUN, VMMCALL, SKINIT, and calls to and from SEAM.
    Vm,
    /// XBEGIN, whose operand is where an abort goes.
    Xbegin {
        /// The displacement.
        rel: i32,
    },
    /// INT3.
    Int3,
    /// INT n and INT1.
    Int,
    /// UD0, UD1, UD2, UDB, and what stands behind an emulation prefix.
    Undefined,
    /// HLT, MWAIT and MWAITX, which wait for an interrupt.
    Halt,
}

impl Flow {
    /// The displacement of a relative branch or call.
    pub const fn displacement(self) -> Option<i32> {
        match self {
            Flow::Jmp { rel }
            | Flow::Jcc { rel, .. }
            | Flow::Loop { rel, .. }
            | Flow::Call { rel }
            | Flow::Xbegin { rel } => Some(rel),
            _ => None,
        }
    }

    /// Can the instruction behind be the next one that runs, without a return to it?
    pub const fn falls_through(self) -> bool {
        matches!(
            self,
            Flow::Next
                | Flow::Jcc { .. }
                | Flow::Loop { .. }
                | Flow::Vm
                | Flow::Xbegin { .. }
                | Flow::Halt
        )
    }
}

/// What an instruction does to CF, PF, AF, ZF, SF and OF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagsEffect {
    /// It may use one of them, or leaves the straight line on which that could be told.
    Reads,
    /// It uses none and gives each a new value.
    Overwrites,
    /// It uses none and changes some of them at most.
    Neither,
}

/// One-byte opcodes behind which execution may go on elsewhere, or which not every ModRM makes one of.
#[rustfmt::skip]
static PRIMARY: Opcodes = Opcodes([
    0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0xffff,
    0x0001, 0x0000, 0x0000, 0x0000, 0x333d, 0x0200, 0xf0d0, 0x4803,
]);
/// The same behind `0F`.
#[rustfmt::skip]
static ESCAPE_0F: Opcodes = Opcodes([
    0x4510, 0x0000, 0x0000, 0x0d00, 0x0000, 0x0000, 0x0000, 0x0000,
    0xffff, 0x0000, 0x0020, 0x0040, 0x0000, 0x0000, 0x0000, 0x0001,
]);

/// Whether [`classify`] has to be asked. Most instructions go on at the next.
#[inline(always)]
pub(super) fn may_branch(insn: &Insn) -> bool {
    match (insn.encoding, insn.map) {
        (Encoding::Legacy, OpcodeMap::Primary) => PRIMARY.has(insn.opcode),
        (Encoding::Legacy, OpcodeMap::Map0F) => ESCAPE_0F.has(insn.opcode),
        (Encoding::Rex2, _) => true,
        _ => false,
    }
}

/// Where execution goes on after `insn`; nothing if the opcode does not exist with this
/// `reg` field of ModRM.
pub(super) fn classify(insn: &Insn) -> Option<Flow> {
    match (insn.encoding, insn.map) {
        (Encoding::Legacy, OpcodeMap::Primary) => classify_primary(insn),
        (Encoding::Legacy, OpcodeMap::Map0F) => Some(classify_0f(insn)),
        (Encoding::Rex2, OpcodeMap::Primary) => match insn.opcode {
            0xa1 => Some(Flow::Apx),
            // R16 to R31 have no number in Flow.
            0xff if matches!(insn.modrm_reg(), 2 | 4) => Some(Flow::Apx),
            _ => classify_primary(insn),
        },
        (Encoding::Rex2, OpcodeMap::Map0F) => Some(classify_0f(insn)),
        _ => Some(Flow::Next),
    }
}

fn classify_primary(insn: &Insn) -> Option<Flow> {
    let rel = insn.imm_value as i32;
    let (mode, reg, rm) = modrm_fields(insn);
    Some(match insn.opcode {
        0x70..=0x7f => Flow::Jcc {
            cond: Cond::of_opcode(insn.opcode),
            rel,
        },
        0x8f if reg != 0 => return None,
        0xc2 => Flow::Ret {
            pop: insn.imm_value as u16,
        },
        0xc3 => Flow::Ret { pop: 0 },
        0xc7 if reg == 7 && mode == 3 && rm == 0 => Flow::Xbegin { rel },
        0xc6 if reg == 7 && mode == 3 && rm == 0 => Flow::Next,
        0xc6 | 0xc7 if reg != 0 => return None,
        0xca | 0xcb => Flow::Far,
        0xcc => Flow::Int3,
        0xcd | 0xf1 => Flow::Int,
        0xcf => Flow::ReturnFromEvent,
        0xd6 => Flow::Undefined,
        0xe0..=0xe3 => Flow::Loop {
            kind: match insn.opcode {
                0xe0 => LoopKind::Loopne,
                0xe1 => LoopKind::Loope,
                0xe2 => LoopKind::Loop,
                _ => LoopKind::Jcxz,
            },
            ecx: insn.prefixes.has(Prefixes::ADDRESS_SIZE),
            rel,
        },
        0xe8 => Flow::Call { rel },
        0xe9 | 0xeb => Flow::Jmp { rel },
        0xf4 => Flow::Halt,
        0xfe if reg > 1 => return None,
        0xff => return classify_group5(insn),
        _ => Flow::Next,
    })
}

/// INC, DEC, CALL, JMP and PUSH behind `FF`.
fn classify_group5(insn: &Insn) -> Option<Flow> {
    let (mode, reg, rm) = modrm_fields(insn);
    let base = rm | (insn.rex & 1) << 3;
    Some(match (reg, mode) {
        (2, 3) => Flow::CallReg { reg: base },
        (2, _) => Flow::CallMem,
        (4, 3) => Flow::JmpReg { reg: base },
        (4, _) => Flow::JmpMem,
        (3 | 5, 3) | (7, _) => return None,
        (3 | 5, _) => Flow::Far,
        _ => Flow::Next,
    })
}

fn classify_0f(insn: &Insn) -> Flow {
    match insn.opcode {
        0x01 => classify_group7(insn),
        0x05 | 0x07 | 0x34 | 0x35 | 0x37 => Flow::System,
        0x0b | 0xb9 | 0xff => Flow::Undefined,
        0x80..=0x8f => Flow::Jcc {
            cond: Cond::of_opcode(insn.opcode),
            rel: insn.imm_value as i32,
        },
        0xaa => Flow::ReturnFromEvent,
        _ => Flow::Next,
    }
}

/// The instructions without operands behind `0F 01`.
fn classify_group7(insn: &Insn) -> Flow {
    let repeats = Prefixes::REP.with(Prefixes::REPNE);
    match insn.modrm {
        Some(0xc0..=0xc7 | 0xd8 | 0xd9 | 0xde) => Flow::Vm,
        Some(0xcc | 0xcd | 0xcf) if insn.prefixes.has(Prefixes::OPERAND_SIZE) => Flow::Vm,
        Some(0xc9 | 0xfb) => Flow::Halt,
        Some(0xca) if insn.prefixes.has(repeats) => Flow::ReturnFromEvent,
        Some(0xec) if insn.prefixes.has(Prefixes::REP) => Flow::ReturnFromEvent,
        _ => Flow::Next,
    }
}

/// `mod`, `reg` and `rm` of ModRM, zeros if there is none.
fn modrm_fields(insn: &Insn) -> (u8, u8, u8) {
    let modrm = insn.modrm.unwrap_or(0);
    (modrm >> 6, (modrm >> 3) & 7, modrm & 7)
}

/// What `insn` does to the arithmetic flags; `Reads` where it is not known better.
pub(super) const fn flags(insn: &Insn) -> FlagsEffect {
    if !matches!(insn.flow, Flow::Next) {
        return FlagsEffect::Reads;
    }
    match (insn.encoding, insn.map) {
        (Encoding::Legacy, OpcodeMap::Primary) => flags_primary(insn),
        (Encoding::Legacy, OpcodeMap::Map0F) => flags_0f(insn),
        // Among these only ADCX and ADOX use flags.
        (Encoding::Legacy, OpcodeMap::Map0F38) if insn.opcode == 0xf6 => FlagsEffect::Reads,
        (Encoding::Legacy, OpcodeMap::Map0F38 | OpcodeMap::Map0F3A) => FlagsEffect::Neither,
        (Encoding::Vex, _) => FlagsEffect::Neither,
        _ => FlagsEffect::Reads,
    }
}

const fn flags_primary(insn: &Insn) -> FlagsEffect {
    let reg = insn.modrm_reg();
    match insn.opcode {
        0x00..=0x3f => flags_arithmetic((insn.opcode >> 3) & 7),
        0x80..=0x83 => flags_arithmetic(reg),
        0x84 | 0x85 | 0xa8 | 0xa9 => FlagsEffect::Overwrites,
        0xc0 | 0xc1 | 0xd0..=0xd3 => flags_shift(insn),
        // TEST, NOT, NEG, MUL, IMUL, DIV, IDIV.
        0xf6 | 0xf7 => match reg {
            0 | 1 | 3 => FlagsEffect::Overwrites,
            _ => FlagsEffect::Neither,
        },
        // PUSHF, LAHF, CMC; x87 has FCMOV.
        0x9c | 0x9f | 0xf5 | 0xd8..=0xdf => FlagsEffect::Reads,
        0x9d => FlagsEffect::Overwrites,
        0x50..=0x6f | 0x86..=0x8f | 0x90..=0x99 | 0x9b | 0x9e | 0xa0..=0xa7 => FlagsEffect::Neither,
        0xaa..=0xbf | 0xc6..=0xc9 | 0xd7 | 0xe4..=0xe7 | 0xec..=0xef => FlagsEffect::Neither,
        0xf8..=0xff => FlagsEffect::Neither,
        _ => FlagsEffect::Reads,
    }
}

/// ADD, OR, ADC, SBB, AND, SUB, XOR, CMP in the order of their encoding.
const fn flags_arithmetic(operation: u8) -> FlagsEffect {
    match operation {
        2 | 3 => FlagsEffect::Reads,
        _ => FlagsEffect::Overwrites,
    }
}

/// Rotations and shifts; a count of zero leaves the flags alone.
const fn flags_shift(insn: &Insn) -> FlagsEffect {
    match insn.modrm_reg() {
        2 | 3 => FlagsEffect::Reads,
        4..=7 => match insn.opcode {
            0xd0 | 0xd1 => FlagsEffect::Overwrites,
            0xc0 | 0xc1 if insn.imm_value & 31 != 0 => FlagsEffect::Overwrites,
            _ => FlagsEffect::Neither,
        },
        _ => FlagsEffect::Neither,
    }
}

const fn flags_0f(insn: &Insn) -> FlagsEffect {
    match insn.opcode {
        // CMOVcc and SETcc.
        0x40..=0x4f | 0x90..=0x9f => FlagsEffect::Reads,
        // CMPXCHG and XADD.
        0xb0 | 0xb1 | 0xc0 | 0xc1 => FlagsEffect::Overwrites,
        // The group with CLAC, XTEST, VMFUNC and the like, and what VMX and SGX leave.
        0x01 | 0x04..=0x0c | 0x36..=0x3f | 0x78 | 0x79 | 0xa6 | 0xa7 => FlagsEffect::Reads,
        _ => FlagsEffect::Neither,
    }
}
