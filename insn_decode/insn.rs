// SPDX-License-Identifier: GPL-2.0

//! A decoded instruction: its prefixes, the places of its operands, its properties.

use super::flow::Flow;

/// How the opcode is introduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Legacy prefixes, and REX.
    Legacy,
    /// The two-byte REX2 prefix of APX.
    Rex2,
    /// Two- or three-byte VEX.
    Vex,
    /// EVEX.
    Evex,
    /// AMD's XOP.
    Xop,
}

/// The opcode map that [`Insn::opcode`] is an index of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpcodeMap {
    /// One-byte opcodes.
    Primary,
    /// After `0F`; map 1 of VEX and EVEX.
    Map0F,
    /// After `0F 38`; map 2.
    Map0F38,
    /// After `0F 3A`; map 3.
    Map0F3A,
    /// EVEX map 4, promoted legacy instructions.
    Map4,
    /// EVEX map 5.
    Map5,
    /// EVEX map 6.
    Map6,
    /// VEX map 7.
    Map7,
    /// XOP map 8.
    Map8,
    /// XOP map 9.
    Map9,
    /// XOP map 10.
    Map10,
    /// 3DNow!; the opcode is the suffix byte.
    Amd3DNow,
}

/// The legacy prefixes of an instruction, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefixes(u16);

impl Prefixes {
    /// `F0`.
    pub const LOCK: Prefixes = Prefixes(1);
    /// `F2`, if it is the last of `F2` and `F3`.
    pub const REPNE: Prefixes = Prefixes(2);
    /// `F3`, if it is the last of `F2` and `F3`.
    pub const REP: Prefixes = Prefixes(4);
    /// `66`.
    pub const OPERAND_SIZE: Prefixes = Prefixes(8);
    /// `67`.
    pub const ADDRESS_SIZE: Prefixes = Prefixes(16);
    /// `2E`.
    pub const CS: Prefixes = Prefixes(32);
    /// `36`.
    pub const SS: Prefixes = Prefixes(64);
    /// `3E`, which is NOTRACK on an indirect branch.
    pub const DS: Prefixes = Prefixes(128);
    /// `26`.
    pub const ES: Prefixes = Prefixes(256);
    /// `64`.
    pub const FS: Prefixes = Prefixes(512);
    /// `65`.
    pub const GS: Prefixes = Prefixes(1024);

    /// Whether the set has a prefix of `other`.
    pub const fn has(self, other: Prefixes) -> bool {
        self.0 & other.0 != 0
    }

    /// The prefix of the value `byte`.
    pub(super) const fn from_byte(byte: u8) -> Option<Prefixes> {
        Some(match byte {
            0xf0 => Self::LOCK,
            0xf2 => Self::REPNE,
            0xf3 => Self::REP,
            0x66 => Self::OPERAND_SIZE,
            0x67 => Self::ADDRESS_SIZE,
            0x2e => Self::CS,
            0x36 => Self::SS,
            0x3e => Self::DS,
            0x26 => Self::ES,
            0x64 => Self::FS,
            0x65 => Self::GS,
            _ => return None,
        })
    }

    /// The union of both sets.
    pub const fn with(self, other: Prefixes) -> Prefixes {
        Prefixes(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Prefixes) -> Prefixes {
        Prefixes(self.0 & !other.0)
    }
}

/// The place of an operand in the instruction's bytes; `size` is 0 if the operand does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Offset from the instruction's first byte.
    pub at: u8,
    /// Length in bytes.
    pub size: u8,
}

impl Field {
    /// The place counted from an address that is `offset` bytes smaller.
    pub(super) const fn shifted(self, offset: u8) -> Field {
        Field {
            at: self.at.wrapping_add(offset),
            size: self.size,
        }
    }
}

/// One decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    /// The address that it was decoded for.
    pub addr: u64,
    /// Length in bytes, 1 to [`MAX_INSN_LEN`](super::opcodes::MAX_INSN_LEN).
    pub len: u8,
    /// How the opcode is introduced.
    pub encoding: Encoding,
    /// The map that `opcode` belongs to.
    pub map: OpcodeMap,
    /// The opcode byte.
    pub opcode: u8,
    /// Where the opcode byte stands.
    pub opcode_at: u8,
    /// Legacy prefixes.
    pub prefixes: Prefixes,
    /// `W`, `R`, `X` and `B` in bits 3 to 0, whichever prefix they came in.
    pub rex: u8,
    /// The ModRM byte.
    pub modrm: Option<u8>,
    /// The SIB byte.
    pub sib: Option<u8>,
    /// Displacement of the memory operand.
    pub disp: Field,
    /// Its value, sign-extended.
    pub disp_value: i32,
    /// Immediate, relative target or absolute address; two of them count as one.
    pub imm: Field,
    /// Its value, sign-extended.
    pub imm_value: i64,
    /// It follows the prefix by which Xen or KVM emulate an instruction. `len` covers the prefix.
    pub forced_emulation: bool,
    /// The effect on the instruction pointer.
    pub flow: Flow,
}

impl Insn {
    /// An instruction of no bytes, to decode into.
    pub const NONE: Insn = Insn {
        addr: 0,
        len: 0,
        encoding: Encoding::Legacy,
        map: OpcodeMap::Primary,
        opcode: 0,
        opcode_at: 0,
        prefixes: Prefixes(0),
        rex: 0,
        modrm: None,
        sib: None,
        disp: Field { at: 0, size: 0 },
        disp_value: 0,
        imm: Field { at: 0, size: 0 },
        imm_value: 0,
        forced_emulation: false,
        flow: Flow::Next,
    };

    /// The address of the next instruction.
    pub const fn end(&self) -> u64 {
        self.addr.wrapping_add(self.len as u64)
    }

    /// The target of a relative branch or call.
    pub const fn target(&self) -> Option<u64> {
        match self.flow.displacement() {
            Some(rel) => Some(self.end().wrapping_add(rel as u64)),
            None => None,
        }
    }

    /// The address that a RIP-relative operand names.
    pub const fn rip_target(&self) -> Option<u64> {
        if self.is_rip_relative() {
            Some(self.end().wrapping_add(self.disp_value as u64))
        } else {
            None
        }
    }

    /// Whether the memory operand is relative to the instruction pointer.
    pub const fn is_rip_relative(&self) -> bool {
        matches!(self.modrm, Some(modrm) if modrm & 0xc7 == 0x05) && self.disp.size == 4
    }

    /// Whether a copy of the bytes has another meaning at another address.
    pub const fn depends_on_address(&self) -> bool {
        self.is_rip_relative() || self.flow.displacement().is_some()
    }

    /// ENDBR64 or ENDBR32, or what the kernel writes over an ENDBR that it sealed.
    pub const fn is_endbr(&self) -> bool {
        let Some(modrm) = self.modrm else {
            return false;
        };
        let endbr = self.opcode == 0x1e
            && (modrm == 0xfa || modrm == 0xfb)
            && self.prefixes.has(Prefixes::REP);
        let sealed =
            self.opcode == 0x1f && modrm == 0x40 && self.len == 4 && self.disp_value == -42;
        self.is_legacy(OpcodeMap::Map0F) && (endbr || sealed)
    }

    /// The one-byte breakpoint.
    pub const fn is_int3(&self) -> bool {
        matches!(self.flow, Flow::Int3)
    }

    /// Whether it is a NOP in one of the encodings that compilers and the kernel use as padding.
    pub const fn is_nop(&self) -> bool {
        let plain = self.is_legacy(OpcodeMap::Primary)
            && self.opcode == 0x90
            && self.rex & 1 == 0
            && !self.prefixes.has(Prefixes::REP);
        let long = self.is_legacy(OpcodeMap::Map0F) && self.opcode == 0x1f && self.modrm_reg() == 0;
        plain || long
    }

    /// Whether it delays interrupts and breakpoints until after the next instruction (MOV SS). The
    /// two must not be separated.
    pub const fn casts_shadow(&self) -> bool {
        self.is_legacy(OpcodeMap::Primary) && self.opcode == 0x8e && self.modrm_reg() == 2
    }

    /// Whether it works on the flags register itself: PUSHF, POPF, CLI or STI.
    pub const fn works_on_flags_register(&self) -> bool {
        self.is_legacy(OpcodeMap::Primary) && matches!(self.opcode, 0x9c | 0x9d | 0xfa | 0xfb)
    }

    /// Whether it pushes or pops, or sets the stack pointer as ENTER and LEAVE do.
    pub const fn moves_stack(&self) -> bool {
        let reg = self.modrm_reg();
        match self.map {
            OpcodeMap::Primary => match self.opcode {
                0x50..=0x5f | 0x68 | 0x6a | 0x8f | 0x9c | 0x9d => true,
                0xc2 | 0xc3 | 0xc8..=0xcb | 0xcf | 0xe8 => true,
                0xff => matches!(reg, 2 | 3 | 6),
                _ => false,
            },
            OpcodeMap::Map0F => {
                let segment = matches!(self.opcode, 0xa0 | 0xa1 | 0xa8 | 0xa9);
                let event = self.opcode == 0x01 && matches!(self.flow, Flow::ReturnFromEvent);
                matches!(self.encoding, Encoding::Legacy | Encoding::Rex2) && (segment || event)
            }
            // PUSH2 and POP2.
            OpcodeMap::Map4 => self.opcode == 0x8f || (self.opcode == 0xff && reg == 6),
            _ => false,
        }
    }

    /// Whether it is in `map` and has a legacy encoding.
    const fn is_legacy(&self, map: OpcodeMap) -> bool {
        matches!(self.encoding, Encoding::Legacy) && self.map as u8 == map as u8
    }

    /// The `reg` field of ModRM without REX; 0 if the instruction has no ModRM.
    pub(super) const fn modrm_reg(&self) -> u8 {
        match self.modrm {
            Some(modrm) => (modrm >> 3) & 7,
            None => 0,
        }
    }
}
