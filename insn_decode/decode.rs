// SPDX-License-Identifier: GPL-2.0

//! The decoder itself.

use super::classify::{
    classify,
    may_branch, //
};
use super::flow::Flow;
use super::insn::{
    Encoding,
    Field,
    Insn,
    OpcodeMap,
    Prefixes, //
};
use super::opcodes::MAX_INSN_LEN;
use super::tables;

/// The length of the prefixes by which the kernel asks Xen and KVM for emulation.
const FORCED_EMULATION_LEN: u8 = 5;

/// Why bytes are not an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The slice ends before the instruction does.
    Truncated,
    /// No such instruction, or one longer than [`MAX_INSN_LEN`].
    Invalid,
}

/// Decodes the instruction at the beginning of `bytes`, for address `addr`.
///
/// The bytes after the instruction do not matter, with one exception: the instruction after one of
/// the two emulation prefixes (`ud2` and three letters).
///
/// # Errors
///
/// The bytes are not an instruction, or not a whole one.
pub fn decode(bytes: &[u8], addr: u64) -> Result<Insn, DecodeError> {
    let mut insn = Insn::NONE;
    decode_into(&mut insn, bytes, addr)?;
    Ok(insn)
}

/// Decodes like [`decode`], into the caller's place. A caller that decodes many instructions saves
/// the copies of the results.
///
/// # Errors
///
/// The bytes are not an instruction, or not a whole one. `insn` has the parts that were found
/// before the error.
pub fn decode_into(insn: &mut Insn, bytes: &[u8], addr: u64) -> Result<(), DecodeError> {
    if let [0x0f, 0x0b, ..] = bytes {
        if decode_forced_emulation(insn, bytes, addr).is_some() {
            return Ok(());
        }
    }
    decode_plain(insn, bytes, addr)
}

/// Decodes an instruction without an emulation prefix.
fn decode_plain(insn: &mut Insn, bytes: &[u8], addr: u64) -> Result<(), DecodeError> {
    *insn = Insn { addr, ..Insn::NONE };
    let mut decoder = Decoder {
        insn,
        rest: Rest::new(bytes),
    };
    let known = decoder.run();
    let len = decoder.rest.at;
    insn.len = len;
    // The bytes read after the end were zeros, and the result of reading them does not count.
    match usize::from(len) > bytes.len().min(MAX_INSN_LEN) {
        true if bytes.len() < MAX_INSN_LEN => Err(DecodeError::Truncated),
        true => Err(DecodeError::Invalid),
        false => known.ok_or(DecodeError::Invalid),
    }
}

/// Decodes an instruction after an emulation prefix. If it is not whole, the prefix is a `ud2`.
#[cold]
#[inline(never)]
fn decode_forced_emulation(insn: &mut Insn, bytes: &[u8], addr: u64) -> Option<()> {
    let rest = bytes
        .strip_prefix(b"\x0f\x0bxen")
        .or_else(|| bytes.strip_prefix(b"\x0f\x0bkvm"))?;
    decode_plain(insn, rest, addr).ok()?;
    let len = insn.len.checked_add(FORCED_EMULATION_LEN)?;
    if usize::from(len) > MAX_INSN_LEN {
        return None;
    }
    insn.len = len;
    insn.opcode_at = insn.opcode_at.wrapping_add(FORCED_EMULATION_LEN);
    insn.disp = insn.disp.shifted(FORCED_EMULATION_LEN);
    insn.imm = insn.imm.shifted(FORCED_EMULATION_LEN);
    insn.forced_emulation = true;
    insn.flow = Flow::Undefined;
    Some(())
}

/// The bytes that are not read yet, and how many were read. Reading past the end gives zeros; the
/// length is compared once, after the last read, so that the bytes stay in registers.
#[derive(Clone, Copy)]
struct Rest {
    /// The next byte is the lowest.
    bytes: u128,
    at: u8,
}

impl Rest {
    #[inline(always)]
    fn new(bytes: &[u8]) -> Self {
        let bytes = match bytes.first_chunk() {
            Some(bytes) => u128::from_le_bytes(*bytes),
            None => Self::last(bytes),
        };
        Self { bytes, at: 0 }
    }

    /// The bytes of a slice that is shorter than sixteen.
    fn last(bytes: &[u8]) -> u128 {
        let (low, high) = match bytes.split_first_chunk() {
            Some((low, high)) => (u64::from_le_bytes(*low), high),
            None => (0, bytes),
        };
        let number = |bytes: &[u8]| {
            let from_last = bytes.iter().rev();
            from_last.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        match bytes.len() {
            8.. => u128::from(number(high)) << 64 | u128::from(low),
            _ => u128::from(number(high)),
        }
    }

    #[inline(always)]
    fn byte(&mut self) -> u8 {
        let byte = self.peek();
        self.skip(1);
        byte
    }

    #[inline(always)]
    fn peek(self) -> u8 {
        self.bytes as u8
    }

    /// Skips `count` bytes, at most eight.
    #[inline(always)]
    fn skip(&mut self, count: u8) {
        self.bytes >>= u32::from(count & 15).wrapping_mul(8);
        self.at = self.at.wrapping_add(count);
    }

    /// A little-endian number of `size` bytes, 1 to 8, sign-extended.
    #[inline(always)]
    fn signed(&mut self, size: u8) -> i64 {
        let unused = 64_u32.wrapping_sub(u32::from(size).wrapping_mul(8)) & 63;
        let value = (self.bytes as i64) << unused >> unused;
        self.skip(size);
        value
    }
}

/// The bytes to read, and the place of the result.
struct Decoder<'a> {
    insn: &'a mut Insn,
    rest: Rest,
}

impl Decoder<'_> {
    /// Decodes; returns `None` if no such instruction exists.
    #[inline(always)]
    fn run(&mut self) -> Option<()> {
        let (rex, first) = self.prefixes();
        let follows = match first {
            0x0f => self.escape(),
            0xc4 | 0xc5 | 0x62 | 0x8f | 0xd5 => self.rare(rex, first),
            _ => self.opcode_is(OpcodeMap::Primary, first),
        };
        self.operands(follows)?;
        if may_branch(self.insn) {
            self.insn.flow = classify(self.insn)?;
        }
        Some(())
    }

    /// Reads legacy prefixes and REX. Returns REX and the first byte after the prefixes.
    #[inline(always)]
    fn prefixes(&mut self) -> (Option<u8>, u8) {
        // REX counts only right before the opcode.
        let mut rex = None;
        loop {
            let byte = self.rest.byte();
            if !tables::is_prefix(byte) {
                self.insn.rex = rex.unwrap_or(0) & 15;
                return (rex, byte);
            }
            if byte & 0xf0 == 0x40 {
                rex = Some(byte);
            } else if let Some(prefix) = Prefixes::from_byte(byte) {
                let repeats = Prefixes::REP.with(Prefixes::REPNE);
                if repeats.has(prefix) {
                    self.insn.prefixes = self.insn.prefixes.without(repeats);
                }
                self.insn.prefixes = self.insn.prefixes.with(prefix);
                rex = None;
            }
        }
    }

    /// Reads the opcode after `0F`.
    #[inline(always)]
    fn escape(&mut self) -> u8 {
        match self.rest.byte() {
            0x38 => self.opcode_in(OpcodeMap::Map0F38),
            0x3a => self.opcode_in(OpcodeMap::Map0F3A),
            second => self.opcode_is(OpcodeMap::Map0F, second),
        }
    }

    /// Reads the opcode that `first` introduces. Works on a copy, so that the state that most
    /// instructions need stays in registers.
    fn rare(&mut self, rex: Option<u8>, first: u8) -> u8 {
        let follows;
        (follows, self.rest) = introduced(self.insn, self.rest, rex, first);
        follows
    }

    #[inline(always)]
    fn opcode_in(&mut self, map: OpcodeMap) -> u8 {
        let opcode = self.rest.byte();
        self.opcode_is(map, opcode)
    }

    /// Enters `opcode`, the byte that was read last. Returns the character for the operands.
    #[inline(always)]
    fn opcode_is(&mut self, map: OpcodeMap, opcode: u8) -> u8 {
        self.insn.map = map;
        self.insn.opcode = opcode;
        self.insn.opcode_at = self.rest.at.wrapping_sub(1);
        tables::follows(self.insn.encoding, map, opcode)
    }

    /// Reads VEX or EVEX. Neither may follow REX or a prefix that it contains itself.
    fn vector_prefix(&mut self, rex: Option<u8>, first: u8) -> Option<u8> {
        self.no_prefix_before(rex)?;
        let p0 = self.rest.byte();
        if first == 0xc5 {
            self.insn.encoding = Encoding::Vex;
            self.insn.rex = (!p0 >> 5) & 4;
            return Some(self.opcode_in(OpcodeMap::Map0F));
        }
        let p1 = self.rest.byte();
        let select = if first == 0xc4 { p0 & 31 } else { p0 & 7 };
        let map = match select {
            1 => OpcodeMap::Map0F,
            2 => OpcodeMap::Map0F38,
            3 => OpcodeMap::Map0F3A,
            4 => OpcodeMap::Map4,
            5 => OpcodeMap::Map5,
            6 => OpcodeMap::Map6,
            7 => OpcodeMap::Map7,
            _ => return None,
        };
        self.insn.rex = ((!p0 >> 5) & 7) | ((p1 >> 4) & 8);
        if first == 0xc4 {
            self.insn.encoding = Encoding::Vex;
        } else {
            self.insn.encoding = Encoding::Evex;
            self.rest.byte();
            // Map 4 keeps the operand size of the instructions that it promotes.
            if select == 4 && p1 & 3 == 1 {
                self.insn.prefixes = self.insn.prefixes.with(Prefixes::OPERAND_SIZE);
            }
        }
        Some(self.opcode_in(map))
    }

    fn no_prefix_before(&self, rex: Option<u8>) -> Option<()> {
        let forbidden = Prefixes::LOCK
            .with(Prefixes::REP)
            .with(Prefixes::REPNE)
            .with(Prefixes::OPERAND_SIZE);
        if rex.is_some() || self.insn.prefixes.has(forbidden) {
            return None;
        }
        Some(())
    }

    /// Reads `8F`, which is POP if the ModRM in the next byte has `/0`, else XOP.
    fn pop_or_xop(&mut self, rex: Option<u8>) -> Option<u8> {
        if self.rest.peek() & 0x1f < 8 {
            return Some(self.opcode_is(OpcodeMap::Primary, 0x8f));
        }
        let p0 = self.rest.byte();
        self.no_prefix_before(rex)?;
        let p1 = self.rest.byte();
        self.insn.encoding = Encoding::Xop;
        self.insn.rex = ((!p0 >> 5) & 7) | ((p1 >> 4) & 8);
        Some(match p0 & 31 {
            8 => self.opcode_in(OpcodeMap::Map8),
            9 => self.opcode_in(OpcodeMap::Map9),
            10 => self.opcode_in(OpcodeMap::Map10),
            _ => return None,
        })
    }

    fn rex2_prefix(&mut self) -> u8 {
        let payload = self.rest.byte();
        self.insn.encoding = Encoding::Rex2;
        self.insn.rex = payload & 15;
        if payload & 0x80 == 0 {
            self.opcode_in(OpcodeMap::Primary)
        } else {
            self.opcode_in(OpcodeMap::Map0F)
        }
    }

    /// Reads the operands; `follows` is the opcode's character in the tables.
    #[inline(always)]
    fn operands(&mut self, follows: u8) -> Option<()> {
        let operands = tables::operands(follows);
        if operands.modrm {
            self.modrm();
        }
        let size = match operands.immediate {
            Some(size) => size,
            None => self.immediate_size(follows)?,
        };
        self.immediate(size);
        Some(())
    }

    /// The length of an immediate that depends on more than the opcode.
    fn immediate_size(&mut self, follows: u8) -> Option<u8> {
        let wide = self.insn.rex & 8 != 0;
        let narrow = self.insn.prefixes.has(Prefixes::OPERAND_SIZE) && !wide;
        let full = if narrow { 2 } else { 4 };
        let test = self.insn.modrm_reg() < 2;
        Some(match follows {
            b'z' | b'Z' => full,
            b'v' if wide => 8,
            b'v' => full,
            b'g' if test => 1,
            b'G' if test => full,
            b'g' | b'G' => 0,
            b'a' if self.insn.prefixes.has(Prefixes::ADDRESS_SIZE) => 4,
            b'a' => 8,
            b'q' if self.is_sse4a() => 2,
            b'q' => 0,
            b'r' => {
                self.insn.modrm = Some(self.rest.byte());
                0
            }
            b'3' => {
                self.immediate(1);
                self.opcode_is(OpcodeMap::Amd3DNow, self.insn.imm_value as u8);
                0
            }
            _ => return None,
        })
    }

    /// Whether the prefixes make `0F 78` EXTRQ or INSERTQ of SSE4a. Otherwise it is VMREAD.
    fn is_sse4a(&self) -> bool {
        let select = Prefixes::OPERAND_SIZE.with(Prefixes::REPNE);
        self.insn.prefixes.has(select) && !self.insn.prefixes.has(Prefixes::REP)
    }

    /// Reads ModRM, SIB and displacement.
    #[inline(always)]
    fn modrm(&mut self) {
        let modrm = self.rest.byte();
        self.insn.modrm = Some(modrm);
        let (mode, rm) = (modrm >> 6, modrm & 7);
        if mode == 3 {
            return;
        }
        let mut base = rm;
        if rm == 4 {
            let sib = self.rest.byte();
            self.insn.sib = Some(sib);
            base = sib & 7;
        }
        let size = match mode {
            0 if base == 5 => 4,
            0 => return,
            1 => 1,
            _ => 4,
        };
        let at = self.rest.at;
        self.insn.disp = Field { at, size };
        // At most four bytes, so that the value always fits.
        self.insn.disp_value = self.rest.signed(size) as i32;
    }

    #[inline(always)]
    fn immediate(&mut self, size: u8) {
        if size != 0 {
            let at = self.rest.at;
            self.insn.imm = Field { at, size };
            self.insn.imm_value = self.rest.signed(size);
        }
    }
}

/// Reads the prefix that begins with `first` and names an opcode map, and the opcode after it.
/// Returns the character for the operands, and the bytes that are left.
#[cold]
#[inline(never)]
fn introduced(insn: &mut Insn, rest: Rest, rex: Option<u8>, first: u8) -> (u8, Rest) {
    let mut decoder = Decoder { insn, rest };
    let follows = match first {
        0xc4 | 0xc5 | 0x62 => decoder.vector_prefix(rex, first),
        0x8f => decoder.pop_or_xop(rex),
        _ if rex.is_none() => Some(decoder.rex2_prefix()),
        _ => None,
    };
    (follows.unwrap_or(tables::NOTHING), decoder.rest)
}
