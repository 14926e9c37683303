// SPDX-License-Identifier: GPL-2.0

//! Opcode tables of the decoder: the operands of each opcode, and which opcodes exist.
//!
//! One character per opcode, sixteen in a row, stands for the bytes after it:
//!
//! | character | follows |
//! |---|---|
//! | `.` | nothing |
//! | `m` `r` | ModRM with its SIB and displacement; ModRM that always names registers |
//! | `b` `w` `e` | imm8; imm16; imm16 and imm8 |
//! | `z` `v` `a` | imm16 or imm32; imm16, imm32 or imm64; an absolute address |
//! | `B` `Z` `D` | ModRM and imm8; ModRM and imm16 or imm32; ModRM and imm32 |
//! | `g` `G` | ModRM and, for /0 and /1 (TEST), imm8; imm16 or imm32 |
//! | `q` | ModRM and, with the prefix 66 or F2, two imm8 (EXTRQ and INSERTQ) |
//! | `j` `J` | rel8; rel32 |
//! | `3` | ModRM and the 3DNow! opcode as imm8 |
//! | `p` | prefix |
//! | `x` | no such opcode in 64-bit mode, or an escape that is handled elsewhere |

use super::insn::{
    Encoding,
    OpcodeMap, //
};

/// The one-byte opcodes.
#[rustfmt::skip]
static PRIMARY: [u8; 256] = *b"\
mmmmbzxxmmmmbzxx\
mmmmbzxxmmmmbzxx\
mmmmbzpxmmmmbzpx\
mmmmbzpxmmmmbzpx\
pppppppppppppppp\
................\
xxxmppppzZbB....\
jjjjjjjjjjjjjjjj\
BZxBmmmmmmmmmmmm\
..........x.....\
aaaa....bz......\
bbbbbbbbvvvvvvvv\
BBw.xxBZe.w..bx.\
mmmmxx..mmmmmmmm\
jjjjbbbbJJxj....\
p.pp..gG......mm";

/// The opcodes after `0F`.
#[rustfmt::skip]
static ESCAPE_0F: [u8; 256] = *b"\
mmmmx.....x.xm.3\
mmmmmmmmmmmmmmmm\
rrrrxxxxmmmmmmmm\
......x.xxxxxxxx\
mmmmmmmmmmmmmmmm\
mmmmmmmmmmmmmmmm\
mmmmmmmmmmmmmmmm\
BBBBmmm.qmxxmmmm\
JJJJJJJJJJJJJJJJ\
mmmmmmmmmmmmmmmm\
...mBmmm...mBmmm\
mmmmmmmmmmBmmmmm\
mmBmBBBm........\
mmmmmmmmmmmmmmmm\
mmmmmmmmmmmmmmmm\
mmmmmmmmmmmmmmmm";

/// EVEX map 4: the legacy instructions that APX promotes.
#[rustfmt::skip]
static EVEX_MAP4: [u8; 256] = *b"\
mmmmxxxxmmmmxxxx\
mmmmxxxxmmmmxxxx\
mmmmBxxxmmmmBxxx\
mmmmxxxxmmmmxxxx\
mmmmmmmmmmmmmmmm\
xxxxxxxxxxxxxxxx\
mmxxxmmxxZxBxxxx\
xxxxxxxxxxxxxxxx\
BZxBmmxxmxxxxxxm\
xxxxxxxxxxxxxxxx\
xxxxxmxxxxxxxmxm\
xxxxxxxxxxxxxxxx\
BBxxxxxxxxxxxxxx\
mmmmxxxxxxxxxxxx\
xxxxxxxxxxxxxxxx\
mmmxmmgGmmxxxxmm";

/// A set of opcodes: sixteen opcodes in a word, the lowest in the highest bit.
pub(super) struct Opcodes(pub(super) [u16; 16]);

impl Opcodes {
    /// No opcode at all.
    const NONE: Opcodes = Opcodes([0; 16]);

    pub(super) fn has(&self, opcode: u8) -> bool {
        // In bounds for every u8: four bits of row, four bits of column.
        self.0[usize::from(opcode >> 4)] & (0x8000 >> (opcode & 15)) != 0
    }
}

#[rustfmt::skip]
static LEGACY_0F38: Opcodes = Opcodes([
    0xfff0, 0x8d0e, 0xfcf0, 0xfdff, 0xc000, 0x0000, 0x0000, 0x0000,
    0xe000, 0x0000, 0x0000, 0x0000, 0x00fd, 0x009f, 0x0000, 0xc6f8,
]);
#[rustfmt::skip]
static LEGACY_0F3A: Opcodes = Opcodes([
    0x00ff, 0x0f00, 0xe000, 0x0000, 0xe800, 0x0000, 0xf000, 0x0000,
    0x0000, 0x0000, 0x0000, 0x0000, 0x000b, 0x0001, 0x0000, 0x8000,
]);
#[rustfmt::skip]
static VEX_0F: Opcodes = Opcodes([
    0x0000, 0xff00, 0x00ff, 0x0000, 0x6f30, 0xffff, 0xffff, 0xff0f,
    0x0000, 0xf0c0, 0x0002, 0x0000, 0x2e00, 0xffff, 0xffff, 0xfffe,
]);
#[rustfmt::skip]
static VEX_0F38: Opcodes = Opcodes([
    0xffff, 0x13ee, 0xfcff, 0xffff, 0xc750, 0xf0ea, 0x0008, 0x20c0,
    0x000a, 0xf3ff, 0x03ff, 0xcfff, 0x001d, 0x303f, 0xffff, 0x3700,
]);
#[rustfmt::skip]
static VEX_0F3A: Opcodes = Opcodes([
    0xeeff, 0x0fc4, 0xe000, 0xf0c0, 0xeaf8, 0x000f, 0xf0ff, 0x00ff,
    0x0000, 0x0000, 0x0000, 0x0000, 0x0003, 0x0003, 0x0000, 0x8000,
]);
#[rustfmt::skip]
static VEX_MAP7: Opcodes = Opcodes([
    0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000,
    0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0080,
]);
#[rustfmt::skip]
static EVEX_0F: Opcodes = Opcodes([
    0x0000, 0xff00, 0x00ff, 0x0000, 0x0000, 0x4fff, 0xffff, 0xfef3,
    0x0000, 0x0000, 0x0000, 0x0000, 0x2e00, 0x7eff, 0xffff, 0x7efe,
]);
#[rustfmt::skip]
static EVEX_0F38: Opcodes = Opcodes([
    0x881c, 0xfeff, 0xfffc, 0xffff, 0xbf0f, 0xfcf0, 0x3e80, 0xf7ff,
    0x10f5, 0xf3ff, 0xf3ff, 0x0fff, 0x0bbd, 0x000f, 0x0000, 0x0000,
]);
#[rustfmt::skip]
static EVEX_0F3A: Opcodes = Opcodes([
    0xdcf1, 0x0ff7, 0xf700, 0x00f3, 0x3800, 0xcf00, 0x0300, 0xf000,
    0x0000, 0x0000, 0x0000, 0x0000, 0x2003, 0x0000, 0x0000, 0x0000,
]);
#[rustfmt::skip]
static EVEX_MAP5: Opcodes = Opcodes([
    0x0000, 0xc004, 0x002f, 0x0000, 0x0000, 0x40ff, 0x0002, 0x00fe,
    0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000,
]);
#[rustfmt::skip]
static EVEX_MAP6: Opcodes = Opcodes([
    0x0000, 0x1000, 0x000c, 0x0000, 0x300f, 0x0300, 0x0000, 0x0000,
    0x0000, 0x03ff, 0x03ff, 0x03ff, 0x0000, 0x0300, 0x0000, 0x0000,
]);
#[rustfmt::skip]
static XOP_MAP8: Opcodes = Opcodes([
    0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000,
    0x0703, 0x0703, 0x3200, 0x0200, 0xf00f, 0x0000, 0x000f, 0x0000,
]);
#[rustfmt::skip]
static XOP_MAP9: Opcodes = Opcodes([
    0x6000, 0x2000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000,
    0xf000, 0xfff0, 0x0000, 0x0000, 0x7310, 0x7310, 0x7000, 0x0000,
]);
#[rustfmt::skip]
static XOP_MAP10: Opcodes = Opcodes([
    0x0000, 0xa000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000,
    0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000,
]);

/// The opcodes of a map without a table of characters.
fn defined(encoding: Encoding, map: OpcodeMap) -> &'static Opcodes {
    use {Encoding::*, OpcodeMap::*};
    match (encoding, map) {
        (Legacy, Map0F38) => &LEGACY_0F38,
        (Legacy, Map0F3A) => &LEGACY_0F3A,
        (Vex, Map0F) => &VEX_0F,
        (Vex, Map0F38) => &VEX_0F38,
        (Vex, Map0F3A) => &VEX_0F3A,
        (Vex, Map7) => &VEX_MAP7,
        (Evex, Map0F) => &EVEX_0F,
        (Evex, Map0F38) => &EVEX_0F38,
        (Evex, Map0F3A) => &EVEX_0F3A,
        (Evex, Map5) => &EVEX_MAP5,
        (Evex, Map6) => &EVEX_MAP6,
        (Xop, Map8) => &XOP_MAP8,
        (Xop, Map9) => &XOP_MAP9,
        (Xop, Map10) => &XOP_MAP10,
        _ => &Opcodes::NONE,
    }
}

/// Whether `byte` is a legacy prefix or REX, at a place where an instruction may have one.
#[inline(always)]
pub(super) fn is_prefix(byte: u8) -> bool {
    PRIMARY[usize::from(byte)] == b'p'
}

/// The character of an opcode that does not exist.
pub(super) const NOTHING: u8 = b'x';

/// What a character of the tables says without the prefixes and the ModRM.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    /// ModRM, SIB and displacement follow.
    pub(super) modrm: bool,
    /// The size of the immediate; `None` if it depends on more.
    pub(super) immediate: Option<u8>,
}

static OPERANDS: [Operands; 128] = {
    let mut all = [Operands {
        modrm: false,
        immediate: None,
    }; 128];
    let mut character = 0_usize;
    while character < all.len() {
        let byte = character as u8;
        all[character] = Operands {
            modrm: matches!(byte, b'm' | b'B' | b'Z' | b'D' | b'g' | b'G' | b'q' | b'3'),
            immediate: match byte {
                b'.' | b'm' => Some(0),
                b'b' | b'B' | b'j' => Some(1),
                b'w' => Some(2),
                b'e' => Some(3),
                b'J' | b'D' => Some(4),
                _ => None,
            },
        };
        character += 1;
    }
    all
};

/// What the character `follows` says without the prefixes and the ModRM.
#[inline(always)]
pub(super) fn operands(follows: u8) -> Operands {
    // In bounds: all characters are ASCII.
    OPERANDS[usize::from(follows & 127)]
}

/// The character of `opcode` in `map`.
#[inline(always)]
pub(super) fn follows(encoding: Encoding, map: OpcodeMap, opcode: u8) -> u8 {
    let index = usize::from(opcode);
    match (encoding, map) {
        (Encoding::Legacy, OpcodeMap::Primary) => PRIMARY[index],
        (Encoding::Legacy, OpcodeMap::Map0F) => ESCAPE_0F[index],
        _ => follows_rare(encoding, map, opcode),
    }
}

fn follows_rare(encoding: Encoding, map: OpcodeMap, opcode: u8) -> u8 {
    match (encoding, map) {
        (Encoding::Rex2, OpcodeMap::Primary) => rex2_primary(opcode),
        (Encoding::Rex2, OpcodeMap::Map0F) => match opcode {
            // No WRMSR row and no Jcc, no escape to the longer maps.
            0x0f | 0x30..=0x3f | 0x80..=0x8f => b'x',
            _ => ESCAPE_0F[usize::from(opcode)],
        },
        (Encoding::Evex, OpcodeMap::Map4) => EVEX_MAP4[usize::from(opcode)],
        _ if !defined(encoding, map).has(opcode) => b'x',
        (Encoding::Vex, OpcodeMap::Map7) => b'D',
        (Encoding::Xop, OpcodeMap::Map10) => b'D',
        (Encoding::Xop, OpcodeMap::Map8) | (_, OpcodeMap::Map0F3A) => b'B',
        (Encoding::Vex, OpcodeMap::Map0F) if opcode == 0x77 => b'.',
        (_, OpcodeMap::Map0F) if matches!(opcode, 0x70..=0x73 | 0xc2 | 0xc4..=0xc6) => b'B',
        _ => b'm',
    }
}

/// The one-byte opcodes that REX2 may precede: no relative branch, no string or port
/// instruction, no second prefix; `A1` is a jump to an absolute address there.
fn rex2_primary(opcode: u8) -> u8 {
    match opcode {
        0xa1 => b'a',
        0x0f | 0x70..=0x7f | 0xa0..=0xaf | 0xe0..=0xef => b'x',
        _ => match PRIMARY[usize::from(opcode)] {
            b'p' => b'x',
            other => other,
        },
    }
}
