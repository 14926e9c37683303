// SPDX-License-Identifier: GPL-2.0

//! Random snippets of code for [`machine`](super::machine): a region of whole instructions, with
//! all kinds of exits that relocation must preserve.

use super::machine::{CALLEE, DATA, START, STUBS};
use super::random::Random;
use rkprobes_host::insn_decode::{decode, Encoding, Flow, Insn, OpcodeMap, Prefixes};

/// The cells with the addresses of a stub and of the callee. No snippet writes them.
pub const STUB_CELL: usize = DATA - 0x70;
pub const CALLEE_CELL: usize = DATA - 0x78;
/// Registers that hold addresses. No snippet writes them.
pub const DATA_REG: u8 = 3;
pub const CALLEE_REG: u8 = 14;
pub const STUB_REG: u8 = 15;
const RCX: u8 = 1;
const RSP: u8 = 4;

/// The least length of a region. A region ends with the instruction that reaches this length.
const REGION: usize = 5;

struct Snippet<'a> {
    code: Vec<u8>,
    random: &'a mut Random,
    /// The number of words that the snippet has pushed.
    depth: i32,
    ended: bool,
    loops: bool,
}

/// A region of at least [`REGION`] bytes; a call is always its last instruction.
pub struct Region {
    pub code: Vec<u8>,
    /// Whether it counts RCX down to zero.
    pub loops: bool,
}

/// Makes a region.
pub fn region(random: &mut Random) -> Region {
    let mut snippet = Snippet {
        code: Vec::new(),
        random,
        depth: 0,
        ended: false,
        loops: false,
    };
    let longer = snippet.random.pick(&[0, 0, 0, 10]);
    while snippet.code.len() < REGION + longer && !snippet.ended {
        snippet.instruction();
    }
    let pad = REGION.saturating_sub(snippet.code.len());
    snippet.code.extend(std::iter::repeat_n(0xcc, pad));
    Region {
        code: snippet.code,
        loops: snippet.loops,
    }
}

impl Snippet<'_> {
    fn instruction(&mut self) {
        match self.random.below(20) {
            0..=4 => self.straight(),
            5..=7 => self.wild(),
            8 | 9 => self.rip_relative(),
            10..=12 => self.jcc(),
            13 => self.counted(),
            14 => self.jmp(),
            15 => self.indirect_jmp(),
            16 => self.stack(),
            17 => self.ret(),
            _ => self.call(),
        }
    }

    fn emit(&mut self, bytes: &[u8]) {
        self.code.extend_from_slice(bytes);
    }

    fn reg(&mut self) -> u8 {
        self.random.pick(&[0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    }

    /// Adds arithmetic on registers, with and without immediates, or an instruction that uses
    /// flags.
    fn straight(&mut self) {
        let (to, from) = (self.reg(), self.reg());
        let rex = 0x48 | (from >> 3) << 2 | to >> 3;
        let modrm = 0xc0 | (from & 7) << 3 | (to & 7);
        let value = self.random.next() as u8;
        match self.random.below(6) {
            0 => self.emit(&[rex, (value & 0x38) | 0x01, modrm]),
            1 => self.emit(&[rex, 0x83, modrm, value]),
            2 => self.emit(&[rex, 0x89, modrm]),
            3 => self.emit(&[rex, 0x0f, 0x40 | value & 15, modrm]),
            4 => self.emit(&[rex, 0x0f, 0x90 | value & 15, modrm]),
            _ => self.emit(&[rex, 0xc1, modrm & !0x10, value]),
        }
    }

    /// Adds random bytes that are an instruction without effect outside the mapping.
    fn wild(&mut self) {
        loop {
            let bytes = self.random.instruction();
            if let Ok(insn) = decode(&bytes, 0) {
                if insn.len <= 10 && is_harmless(&insn) {
                    self.emit(&bytes[..usize::from(insn.len)]);
                    return;
                }
            }
        }
    }

    /// The displacement from the end of the instruction, `ahead` bytes on, to `target`.
    fn displacement(&self, ahead: usize, target: usize) -> i32 {
        target as i32 - (START + self.code.len() + ahead) as i32
    }

    fn rip_relative(&mut self) {
        let at = DATA + 0x80 + self.random.below(0x700);
        let reg = self.reg();
        let modrm = (reg & 7) << 3 | 5;
        let rex = 0x48 | (reg >> 3) << 2;
        let value = self.random.next() as u8;
        let (head, tail): (Vec<u8>, &[u8]) = match self.random.below(7) {
            0 => (vec![rex, 0x8b, modrm], &[]),
            1 => (vec![rex, 0x89, modrm], &[]),
            2 => (vec![rex, 0x8d, modrm], &[]),
            3 => (vec![rex, (value & 0x38) | 0x03, modrm], &[]),
            4 => (vec![0x80, (value & 0x38) | 5], &[value]),
            5 => (vec![0x66, 0xc7, 0x05], &[0x34, 0x12]),
            _ => (vec![0x0f, 0x10, modrm & 0x3f], &[]),
        };
        let disp = self.displacement(head.len() + 4 + tail.len(), at);
        self.emit(&head);
        self.emit(&disp.to_le_bytes());
        self.emit(tail);
    }

    /// Adds a branch to a stub, or to the end of the region if the branch is last.
    fn branch(&mut self, short: &[u8], near: Option<&[u8]>) {
        let stub = self.random.below(if near.is_some() { 4 } else { 2 });
        if stub < 2 && (near.is_none() || self.random.next() & 1 == 0) {
            let rel = self.displacement(short.len() + 1, STUBS[stub]);
            self.emit(short);
            self.emit(&[rel as i8 as u8]);
        } else if let Some(near) = near {
            let rel = self.displacement(near.len() + 4, STUBS[stub]);
            self.emit(near);
            self.emit(&rel.to_le_bytes());
        }
    }

    fn jcc(&mut self) {
        let cond = self.random.next() as u8 & 15;
        if self.random.below(4) == 0 && self.code.len() >= REGION - 2 {
            // To the end of the region, which is the next instruction.
            self.emit(&[0x70 | cond, 0]);
            self.ended = true;
        } else {
            self.branch(&[0x70 | cond], Some(&[0x0f, 0x80 | cond]));
        }
    }

    /// Adds LOOP or JRCXZ to a stub, or back to the start of the region.
    fn counted(&mut self) {
        let opcode = 0xe0 | self.random.next() as u8 & 3;
        let prefix: &[u8] = if self.random.next() & 1 == 0 {
            &[]
        } else {
            &[0x67]
        };
        if opcode != 0xe3 && self.random.next() & 1 == 0 && self.counts_down() {
            self.loops = true;
            let rel = self.displacement(prefix.len() + 2, START);
            self.emit(&[prefix, &[opcode, rel as i8 as u8]].concat());
        } else {
            self.branch(&[prefix, &[opcode]].concat(), None);
        }
    }

    /// Whether no instruction so far writes RCX, so that a loop over the snippet ends.
    fn counts_down(&self) -> bool {
        self.code.is_empty() || self.code.iter().all(|byte| *byte == 0x90)
    }

    fn jmp(&mut self) {
        if self.random.below(4) == 0 {
            self.branch(&[0xeb], Some(&[0xe9]));
            self.ended = true;
        } else {
            self.emit(&[0x90]);
        }
    }

    fn indirect_jmp(&mut self) {
        if self.random.below(4) != 0 {
            return self.straight();
        }
        match self.random.below(3) {
            0 => self.emit(&[0x41, 0xff, 0xe0 | STUB_REG & 7]),
            1 => self.emit(&[0xff, 0x60 | DATA_REG, cell_disp8(STUB_CELL)]),
            _ => {
                let disp = self.displacement(6, STUB_CELL);
                self.emit(&[0xff, 0x25]);
                self.emit(&disp.to_le_bytes());
            }
        }
        self.ended = true;
    }

    fn stack(&mut self) {
        let reg = self.reg();
        match self.random.below(4) {
            0 => self.emit(&[0x41, 0x50 | reg & 7]),
            1 => self.emit(&[0x9c]),
            2 => self.emit(&[0x68, 0xd5, 0x08, 0, 0]),
            _ if self.depth > 0 && reg != RSP => {
                self.emit(&[0x40 | reg >> 3, 0x58 | reg & 7]);
                self.depth -= 2;
            }
            _ => self.emit(&[0x6a, reg]),
        }
        self.depth += 1;
    }

    /// The stack begins with the address of a stub.
    fn ret(&mut self) {
        if self.depth != 0 {
            return self.straight();
        }
        match self.random.below(4) {
            0 => self.emit(&[0xc3]),
            1 => self.emit(&[0xc2, 0x18, 0x00]),
            _ => return self.straight(),
        }
        self.ended = true;
    }

    /// Ends the region.
    fn call(&mut self) {
        if self.code.len() < 3 {
            return self.straight();
        }
        match self.random.below(4) {
            0 => {
                let rel = self.displacement(5, CALLEE);
                self.emit(&[0xe8]);
                self.emit(&rel.to_le_bytes());
            }
            1 => self.emit(&[0x41, 0xff, 0xd0 | CALLEE_REG & 7]),
            2 => self.emit(&[0xff, 0x50 | DATA_REG, cell_disp8(CALLEE_CELL)]),
            _ => {
                let disp = self.displacement(6, CALLEE_CELL);
                self.emit(&[0xff, 0x15]);
                self.emit(&disp.to_le_bytes());
            }
        }
        self.ended = true;
    }
}

/// The displacement of a cell from [`DATA_REG`].
fn cell_disp8(cell: usize) -> u8 {
    (cell as i32 - DATA as i32) as u8
}

/// Whether the instruction may run in this process with any operands, with an equal effect each
/// time.
fn is_harmless(insn: &Insn) -> bool {
    // If the operands are bytes, CH and BH have the numbers of RBP and RDI.
    let bytes = insn.map == OpcodeMap::Map0F || insn.opcode & 1 == 0;
    let writes_fixed = |reg: u8| {
        matches!(reg, RCX | DATA_REG | RSP) || reg >= CALLEE_REG || bytes && matches!(reg, 5 | 7)
    };
    // FS and GS lead to data of the test process.
    let segment = Prefixes::FS.with(Prefixes::GS);
    if insn.flow != Flow::Next || insn.disp.size > 1 || insn.prefixes.has(segment) {
        return false;
    }
    if insn.encoding != Encoding::Legacy || insn.casts_shadow() {
        return false;
    }
    let Some(modrm) = insn.modrm else {
        // Immediates to registers, sign extensions, flags; no POPF, no exchange.
        return insn.map == OpcodeMap::Primary
            && matches!(
                insn.opcode,
                0x98 | 0x99 | 0x9e | 0x9f | 0xb8..=0xbf | 0xf5 | 0xf8 | 0xf9
            )
            && !writes_fixed(insn.opcode & 7 | (insn.rex & 1) << 3);
    };
    let reg = (modrm >> 3) & 7 | (insn.rex & 4) << 1;
    let rm = modrm & 7 | (insn.rex & 1) << 3;
    // Code, cells and return addresses must not be written. RSP as an index means no index.
    let kept = |reg: u8| reg == DATA_REG || reg >= CALLEE_REG;
    let (base, index) = match insn.sib {
        Some(sib) => (
            sib & 7 | (insn.rex & 1) << 3,
            (sib >> 3) & 7 | (insn.rex & 2) << 2,
        ),
        None => (rm, 0),
    };
    if modrm >> 6 != 3 && (base == RSP || kept(base) || kept(index)) {
        return false;
    }
    if writes_fixed(reg) || writes_fixed(rm) && modrm >> 6 == 3 {
        return false;
    }
    match insn.map {
        OpcodeMap::Primary => {
            matches!(
                insn.opcode,
                0x00..=0x3b | 0x63 | 0x69 | 0x6b | 0x80..=0x8b | 0x8d | 0xc0 | 0xc1 | 0xd0..=0xd3
            ) && !matches!(insn.opcode, 0x86 | 0x87)
        }
        // SSE arithmetic and moves, CMOVcc, SETcc, shifts, bit tests, extensions.
        OpcodeMap::Map0F => matches!(
            insn.opcode,
            0x10..=0x17 | 0x28..=0x2f | 0x40..=0x6f | 0x90..=0x9f | 0xa3..=0xa5 | 0xab..=0xad
                | 0xaf | 0xb6 | 0xb7 | 0xba..=0xbf | 0xd0..=0xef
        ),
        _ => false,
    }
}
