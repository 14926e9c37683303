// SPDX-License-Identifier: GPL-2.0

//! x86-64 instruction decoder: from bytes to an [`Insn`].
//!
//! Decodes 64-bit mode from a slice that it never reads past. What the tables do not
//! know is refused; whether operands make sense together (a LOCK that the instruction
//! does not take, a reserved `VEX.vvvv`) is not looked at: the processor raises the same
//! fault for the copy as for the original.

#[path = "insn_flow.rs"]
mod flow;
#[path = "insn.rs"]
mod insn;
#[path = "insn_tables.rs"]
mod tables;

pub use flow::{Cond, Flags, Flow, LoopKind};
pub use insn::{Encoding, Field, Insn, OpcodeMap, Prefixes};

/// The longest instruction that the processor accepts, in bytes.
pub const MAX_INSN_LEN: usize = 15;

/// The length of the prefixes with which Xen and KVM ask for emulation.
const FORCED_EMULATION_LEN: u8 = 5;

/// Why bytes are no instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The slice ends before the instruction does.
    Truncated,
    /// No such instruction, or one longer than [`MAX_INSN_LEN`].
    Invalid,
}

/// Decodes the instruction that `bytes` begin with, for address `addr`.
///
/// Bytes behind the instruction are not looked at, but for the opcode of the two
/// emulation prefixes (`ud2` and three letters).
pub fn decode(bytes: &[u8], addr: u64) -> Result<Insn, DecodeError> {
    if let [0x0f, 0x0b, ..] = bytes {
        if let Some(insn) = decode_forced_emulation(bytes, addr) {
            return Ok(insn);
        }
    }
    decode_plain(bytes, addr)
}

/// Decodes an instruction that is behind no emulation prefix.
fn decode_plain(bytes: &[u8], addr: u64) -> Result<Insn, DecodeError> {
    let mut decoder = Decoder::new(bytes, addr);
    decoder.run()?;
    Ok(decoder.insn)
}

/// An instruction behind an emulation prefix; without a whole one the prefix is a `ud2`.
fn decode_forced_emulation(bytes: &[u8], addr: u64) -> Option<Insn> {
    let rest = bytes
        .strip_prefix(b"\x0f\x0bxen")
        .or_else(|| bytes.strip_prefix(b"\x0f\x0bkvm"))?;
    let inner = decode_plain(rest, addr).ok()?;
    let len = inner.len.checked_add(FORCED_EMULATION_LEN)?;
    (usize::from(len) <= MAX_INSN_LEN).then_some(Insn {
        len,
        opcode_at: inner.opcode_at.wrapping_add(FORCED_EMULATION_LEN),
        disp: inner.disp.behind(FORCED_EMULATION_LEN),
        imm: inner.imm.behind(FORCED_EMULATION_LEN),
        forced_emulation: true,
        flow: Flow::Undefined,
        ..inner
    })
}

/// The bytes, how far they are read, and what was found so far.
struct Decoder<'a> {
    /// Never more than [`MAX_INSN_LEN`].
    bytes: &'a [u8],
    at: u8,
    insn: Insn,
}

impl<'a> Decoder<'a> {
    fn new(bytes: &'a [u8], addr: u64) -> Self {
        let insn = Insn {
            addr,
            len: 0,
            encoding: Encoding::Legacy,
            map: OpcodeMap::Primary,
            opcode: 0,
            opcode_at: 0,
            prefixes: Prefixes::default(),
            rex: 0,
            modrm: None,
            sib: None,
            disp: Field::default(),
            disp_value: 0,
            imm: Field::default(),
            imm_value: 0,
            forced_emulation: false,
            flow: Flow::Next,
        };
        let bytes = bytes.get(..MAX_INSN_LEN).unwrap_or(bytes);
        Decoder { bytes, at: 0, insn }
    }

    fn run(&mut self) -> Result<(), DecodeError> {
        self.introduction()?;
        let insn = &self.insn;
        self.operands(tables::follows(insn.encoding, insn.map, insn.opcode))?;
        self.insn.len = self.at;
        self.insn.flow = flow::classify(&self.insn).ok_or(DecodeError::Invalid)?;
        Ok(())
    }

    /// The next `N` bytes.
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.bytes.get(usize::from(self.at)..);
        match rest.and_then(|rest| rest.first_chunk()) {
            Some(bytes) => {
                self.at = self.at.wrapping_add(N as u8);
                Ok(*bytes)
            }
            None if self.bytes.len() == MAX_INSN_LEN => Err(DecodeError::Invalid),
            None => Err(DecodeError::Truncated),
        }
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.take()?;
        Ok(byte)
    }

    /// Reads prefixes up to and with the opcode.
    fn introduction(&mut self) -> Result<(), DecodeError> {
        let (rex, first) = self.prefixes()?;
        match first {
            0xc4 | 0xc5 | 0x62 => self.vector_prefix(rex, first),
            0x8f => self.pop_or_xop(rex),
            0xd5 if rex.is_none() => self.rex2_prefix(),
            0x0f => {
                let second = self.byte()?;
                match second {
                    0x38 => self.opcode_in(OpcodeMap::Map0F38),
                    0x3a => self.opcode_in(OpcodeMap::Map0F3A),
                    _ => self.opcode_is(OpcodeMap::Map0F, second),
                }
            }
            _ => self.opcode_is(OpcodeMap::Primary, first),
        }
    }

    /// Reads legacy prefixes and REX; gives REX and the first byte behind them.
    fn prefixes(&mut self) -> Result<(Option<u8>, u8), DecodeError> {
        // REX counts only right before the opcode.
        let mut rex = None;
        loop {
            let byte = self.byte()?;
            if !tables::is_prefix(byte) {
                self.insn.rex = rex.unwrap_or(0) & 15;
                return Ok((rex, byte));
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

    fn opcode_in(&mut self, map: OpcodeMap) -> Result<(), DecodeError> {
        let opcode = self.byte()?;
        self.opcode_is(map, opcode)
    }

    /// `opcode` is the byte that was read last.
    fn opcode_is(&mut self, map: OpcodeMap, opcode: u8) -> Result<(), DecodeError> {
        self.insn.map = map;
        self.insn.opcode = opcode;
        self.insn.opcode_at = self.at.wrapping_sub(1);
        Ok(())
    }

    /// VEX and EVEX, which take no REX nor any prefix that they hold themselves.
    fn vector_prefix(&mut self, rex: Option<u8>, first: u8) -> Result<(), DecodeError> {
        self.no_prefix_before(rex)?;
        let p0 = self.byte()?;
        if first == 0xc5 {
            self.insn.encoding = Encoding::Vex;
            self.insn.rex = (!p0 >> 5) & 4;
            return self.opcode_in(OpcodeMap::Map0F);
        }
        let p1 = self.byte()?;
        let select = if first == 0xc4 { p0 & 31 } else { p0 & 7 };
        let map = match select {
            1 => OpcodeMap::Map0F,
            2 => OpcodeMap::Map0F38,
            3 => OpcodeMap::Map0F3A,
            4 => OpcodeMap::Map4,
            5 => OpcodeMap::Map5,
            6 => OpcodeMap::Map6,
            7 => OpcodeMap::Map7,
            _ => return Err(DecodeError::Invalid),
        };
        self.insn.rex = ((!p0 >> 5) & 7) | ((p1 >> 4) & 8);
        if first == 0xc4 {
            self.insn.encoding = Encoding::Vex;
        } else {
            self.insn.encoding = Encoding::Evex;
            self.byte()?;
            // Map 4 keeps the operand size of the instructions that it promotes.
            if select == 4 && p1 & 3 == 1 {
                self.insn.prefixes = self.insn.prefixes.with(Prefixes::OPERAND_SIZE);
            }
        }
        self.opcode_in(map)
    }

    fn no_prefix_before(&self, rex: Option<u8>) -> Result<(), DecodeError> {
        let forbidden = Prefixes::LOCK
            .with(Prefixes::REP)
            .with(Prefixes::REPNE)
            .with(Prefixes::OPERAND_SIZE);
        if rex.is_some() || self.insn.prefixes.has(forbidden) {
            return Err(DecodeError::Invalid);
        }
        Ok(())
    }

    /// `8F` is POP if its ModRM has `/0` there, else XOP.
    fn pop_or_xop(&mut self, rex: Option<u8>) -> Result<(), DecodeError> {
        let p0 = match self.bytes.get(usize::from(self.at)) {
            Some(byte) if byte & 0x1f >= 8 => self.byte()?,
            _ => return self.opcode_is(OpcodeMap::Primary, 0x8f),
        };
        self.no_prefix_before(rex)?;
        let p1 = self.byte()?;
        self.insn.encoding = Encoding::Xop;
        self.insn.rex = ((!p0 >> 5) & 7) | ((p1 >> 4) & 8);
        match p0 & 31 {
            8 => self.opcode_in(OpcodeMap::Map8),
            9 => self.opcode_in(OpcodeMap::Map9),
            10 => self.opcode_in(OpcodeMap::Map10),
            _ => Err(DecodeError::Invalid),
        }
    }

    fn rex2_prefix(&mut self) -> Result<(), DecodeError> {
        let payload = self.byte()?;
        self.insn.encoding = Encoding::Rex2;
        self.insn.rex = payload & 15;
        if payload & 0x80 == 0 {
            self.opcode_in(OpcodeMap::Primary)
        } else {
            self.opcode_in(OpcodeMap::Map0F)
        }
    }

    /// Reads what `follows` the opcode, a character of the tables.
    fn operands(&mut self, follows: u8) -> Result<(), DecodeError> {
        match follows {
            // Most instructions.
            b'.' => return Ok(()),
            b'm' => return self.modrm(),
            b'B' | b'Z' | b'D' | b'g' | b'G' | b'q' | b'3' => self.modrm()?,
            b'r' => self.insn.modrm = Some(self.byte()?),
            _ => {}
        }
        let wide = self.insn.rex & 8 != 0;
        let narrow = self.insn.prefixes.has(Prefixes::OPERAND_SIZE) && !wide;
        let full = if narrow { 2 } else { 4 };
        let test = self.insn.modrm_reg() < 2;
        match follows {
            b'r' => Ok(()),
            b'b' | b'B' | b'j' => self.immediate(1),
            b'w' => self.immediate(2),
            b'e' => self.immediate(3),
            b'z' | b'Z' => self.immediate(full),
            b'J' | b'D' => self.immediate(4),
            b'v' => self.immediate(if wide { 8 } else { full }),
            b'a' if self.insn.prefixes.has(Prefixes::ADDRESS_SIZE) => self.immediate(4),
            b'a' => self.immediate(8),
            b'g' => self.immediate(if test { 1 } else { 0 }),
            b'G' => self.immediate(if test { full } else { 0 }),
            b'q' => self.immediate(if self.is_sse4a() { 2 } else { 0 }),
            b'3' => {
                self.immediate(1)?;
                self.opcode_is(OpcodeMap::Amd3DNow, self.insn.imm_value as u8)
            }
            _ => Err(DecodeError::Invalid),
        }
    }

    /// `0F 78` is EXTRQ or INSERTQ of SSE4a behind these prefixes, else VMREAD.
    fn is_sse4a(&self) -> bool {
        let select = Prefixes::OPERAND_SIZE.with(Prefixes::REPNE);
        self.insn.prefixes.has(select) && !self.insn.prefixes.has(Prefixes::REP)
    }

    /// Reads ModRM, SIB and displacement.
    fn modrm(&mut self) -> Result<(), DecodeError> {
        let modrm = self.byte()?;
        self.insn.modrm = Some(modrm);
        let (mode, rm) = (modrm >> 6, modrm & 7);
        if mode == 3 {
            return Ok(());
        }
        let mut base = rm;
        if rm == 4 {
            let sib = self.byte()?;
            self.insn.sib = Some(sib);
            base = sib & 7;
        }
        let size = match mode {
            0 if base == 5 => 4,
            0 => return Ok(()),
            1 => 1,
            _ => 4,
        };
        self.insn.disp = Field { at: self.at, size };
        // At most four bytes, so that the value always fits.
        self.insn.disp_value = self.signed(size)? as i32;
        Ok(())
    }

    fn immediate(&mut self, size: u8) -> Result<(), DecodeError> {
        if size != 0 {
            self.insn.imm = Field { at: self.at, size };
            self.insn.imm_value = self.signed(size)?;
        }
        Ok(())
    }

    /// A little-endian number of `size` bytes, 1, 2, 3, 4 or 8, sign-extended.
    fn signed(&mut self, size: u8) -> Result<i64, DecodeError> {
        Ok(match size {
            1 => i64::from(i8::from_le_bytes(self.take()?)),
            2 => i64::from(i16::from_le_bytes(self.take()?)),
            3 => {
                let [a, b, c] = self.take()?;
                i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)
            }
            4 => i64::from(i32::from_le_bytes(self.take()?)),
            _ => i64::from_le_bytes(self.take()?),
        })
    }
}
