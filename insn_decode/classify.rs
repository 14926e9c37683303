// SPDX-License-Identifier: GPL-2.0

//! The effect of each instruction on the instruction pointer and on the arithmetic flags.

use super::flow::{
    Cond,
    FlagsEffect,
    Flow,
    LoopKind, //
};
use super::insn::{
    Encoding,
    Insn,
    OpcodeMap,
    Prefixes, //
};
use super::tables::Opcodes;

/// One-byte opcodes after which execution may continue elsewhere, and opcodes that exist only with
/// some values of ModRM.
#[rustfmt::skip]
static PRIMARY: Opcodes = Opcodes([
    0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0xffff,
    0x0001, 0x0000, 0x0000, 0x0000, 0x333d, 0x0200, 0xf0d0, 0x4803,
]);
/// The opcodes of this kind after `0F`.
#[rustfmt::skip]
static ESCAPE_0F: Opcodes = Opcodes([
    0x4510, 0x0000, 0x0000, 0x0d00, 0x0000, 0x0000, 0x0000, 0x0000,
    0xffff, 0x0000, 0x0020, 0x0040, 0x0000, 0x0000, 0x0000, 0x0001,
]);

/// Whether [`classify`] must be called. Most instructions continue at the next one.
#[inline(always)]
pub(super) fn may_branch(insn: &Insn) -> bool {
    match (insn.encoding, insn.map) {
        (Encoding::Legacy, OpcodeMap::Primary) => PRIMARY.has(insn.opcode),
        (Encoding::Legacy, OpcodeMap::Map0F) => ESCAPE_0F.has(insn.opcode),
        (Encoding::Rex2, _) => true,
        _ => false,
    }
}

/// Where execution continues after `insn`; `None` if the opcode does not exist with this `reg`
/// field of ModRM.
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

/// INC, DEC, CALL, JMP and PUSH after `FF`.
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

/// The instructions without operands after `0F 01`.
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

/// `mod`, `reg` and `rm` of ModRM; zeros if the instruction has no ModRM.
fn modrm_fields(insn: &Insn) -> (u8, u8, u8) {
    let modrm = insn.modrm.unwrap_or(0);
    (modrm >> 6, (modrm >> 3) & 7, modrm & 7)
}

impl Insn {
    /// The effect on the arithmetic flags; `Reads` where nothing better is known.
    pub const fn flags(&self) -> FlagsEffect {
        if !matches!(self.flow, Flow::Next) {
            return FlagsEffect::Reads;
        }
        flags_of_next(self)
    }
}

const fn flags_of_next(insn: &Insn) -> FlagsEffect {
    match (insn.encoding, insn.map) {
        (Encoding::Legacy, OpcodeMap::Primary) => flags_primary(insn),
        (Encoding::Legacy, OpcodeMap::Map0F) => flags_0f(insn),
        // In these maps only ADCX and ADOX use flags.
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

/// Rotations and shifts. A count of zero does not change the flags.
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
        // The group of CLAC, XTEST and VMFUNC, and the instructions of VMX and SGX, which leave
        // their results in the flags.
        0x01 | 0x04..=0x0c | 0x36..=0x3f | 0x78 | 0x79 | 0xa6 | 0xa7 => FlagsEffect::Reads,
        _ => FlagsEffect::Neither,
    }
}
