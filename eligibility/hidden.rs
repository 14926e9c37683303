// SPDX-License-Identifier: GPL-2.0

//! What native kprobes do not see of a function while an int3 or a jump of ours is in it.
//!
//! They decode the text as it is, from the function's start (arch/x86/kernel/kprobes/core.c:can_probe,
//! opt.c:can_optimize), and know the original bytes of their own kprobes only. An int3 of somebody
//! else is an instruction of one byte to them, a jump one of five, and they go on behind it: in the
//! middle of an instruction, maybe, until they come to where one begins and are *in step* again.
//! In that stretch
//!
//! - they take addresses for instructions that are none: a native kprobe there would write into the
//!   middle of one;
//! - they miss branches, ours and those whose beginning they have swallowed: a native kprobe less
//!   than five bytes in front of where such a branch goes may become a jump, and the branch would
//!   then go into the middle of that.
//!
//! Both is refused them, see natives.rs. The stretch is told from the original bytes, so it must not
//! have bytes that may be others at another time: reserved text, or what another probe replaces. Where
//! it has, and where their decoder may go on in another way than ours, nothing is told, and they are
//! refused the whole function.

use crate::containers::slab::Arrays;
use crate::eligibility::reserved::Index;
use crate::eligibility::DecodedFunction;
use crate::insn_decode::opcodes::JUMP_LEN;
use crate::insn_decode::{decode, Encoding, Flow, Insn, OpcodeMap, Prefixes};

/// The longest stretch that is told, in bytes.
pub const FAR: u8 = 63;
/// How many ranges in front of targets are told.
pub const MAX_RANGES: usize = 4;
/// A native jump has this many bytes behind its first one.
const TAIL: u64 = 4;

/// A range of addresses, its end not included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first address.
    pub start: u64,
    /// The address behind the last one.
    pub end: u64,
}

/// How far behind a site they are in step again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// In bytes from the site's address, while there is an int3.
    pub int3: u8,
    /// The same while there is an int3 or a jump: not smaller.
    pub jump: u8,
}

impl Stretch {
    /// Whether it has another site's bytes, or may have them at another time: one that is `distance`
    /// bytes behind. The other one is an int3 at most while there is a jump here of which the
    /// `region` has it.
    pub fn runs_over(self, region: usize, distance: usize) -> bool {
        let behind = distance >= region && distance < usize::from(self.jump);
        distance < usize::from(self.int3) || behind
    }
}

/// What is hidden by one site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Where addresses are taken for instructions that are none.
    pub stretch: Stretch,
    ranges: [Span; MAX_RANGES],
    count: u8,
}

impl Hidden {
    /// Where else no native kprobe may become a jump: in front of the targets of hidden branches.
    pub fn ranges(&self) -> &[Span] {
        self.ranges.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// Adds a range, or joins it with one that it touches. `None` when there are too many.
    fn add(&mut self, range: Span) -> Option<()> {
        let count = usize::from(self.count);
        let mut known = self.ranges.iter_mut().take(count);
        if let Some(known) =
            known.find(|known| known.start <= range.end && range.start <= known.end)
        {
            known.start = known.start.min(range.start);
            known.end = known.end.max(range.end);
            return Some(());
        }
        *self.ranges.get_mut(count)? = range;
        self.count = self.count.saturating_add(1);
        Some(())
    }
}

impl<A: Arrays> DecodedFunction<A> {
    /// What a site at `addr` hides, where an instruction of `insn` bytes is and a jump would cover
    /// `region` bytes, or 0 if there can be none. `None` if that cannot be told.
    pub fn hidden(&self, addr: u64, insn: u8, region: u8, index: &Index<A>) -> Option<Hidden> {
        let (bytes, beginnings) = (self.bytes_from(addr), self.beginnings(addr));
        let int3 = in_step(bytes, beginnings, 1)?;
        let jump = match region {
            0 => int3,
            _ => in_step(bytes, beginnings, JUMP_LEN as u8)?.max(int3),
        };
        let mut hidden = Hidden {
            stretch: Stretch { int3, jump },
            ..Hidden::default()
        };
        // What the site itself covers is known not to be reserved.
        let covered = insn.max(region);
        if covered < jump {
            let behind = |bytes: u8| addr.wrapping_add(u64::from(bytes));
            if index.reserved(behind(covered), behind(jump)).is_some() {
                return None;
            }
        }
        let mut places = beginnings;
        while places.trailing_zeros() < u32::from(jump) {
            let at = places.trailing_zeros();
            places &= places.wrapping_sub(1);
            if !may_branch(bytes.get(at as usize..).unwrap_or(&[])) {
                continue;
            }
            if let Some(range) = self.in_front(addr.wrapping_add(u64::from(at))) {
                // On the site itself they make no jump, and what is behind it is refused anyway.
                if range.start < addr || range.end > addr.wrapping_add(u64::from(int3)) {
                    hidden.add(range)?;
                }
            }
        }
        Some(hidden)
    }

    /// Where no native kprobe may become a jump if the branch at `addr` is hidden. Nothing for one that
    /// leaves the function, and for what they do not look for: calls.
    fn in_front(&self, addr: u64) -> Option<Span> {
        let branch = self.instruction(addr).ok()?;
        let end = branch.target().filter(|target| self.contains(*target))?;
        let start = end.saturating_sub(TAIL).max(self.start());
        let is_call = matches!(branch.flow, Flow::Call { .. });
        (!is_call && start < end).then_some(Span { start, end })
    }
}

/// Where in `bytes` an instruction begins that a decoder comes to which goes on at `from`. `beginnings`
/// has a bit for each.
fn in_step(bytes: &[u8], beginnings: u64, from: u8) -> Option<u8> {
    let mut at = from;
    while at <= FAR {
        if beginnings >> (at % 64) & 1 != 0 {
            return Some(at);
        }
        at = at.saturating_add(their_length(bytes.get(usize::from(at)..)?)?);
    }
    None
}

/// Whether what begins with `bytes` could be a branch, by its opcode.
fn may_branch(mut bytes: &[u8]) -> bool {
    while let Some((_, rest)) = bytes.split_first().filter(|(first, _)| is_prefix(**first)) {
        bytes = rest;
    }
    match bytes {
        [0x70..=0x7f | 0xe0..=0xe3 | 0xe9 | 0xeb, ..] => true,
        [0x0f, second, ..] => second & 0xf0 == 0x80,
        _ => false,
    }
}

/// What is behind a one-byte opcode for the kernel's decoder, which looks at few of them more closely:
/// `.` nothing, `m` ModRM, `b` a byte, `z` four bytes, `w` two, `e` three, `o` eight, `B` and `Z` ModRM and
/// these, `g` and `G` the same for two of a group. `?` is told by our decoder, or not at all.
const OPERANDS: [&[u8; 16]; 16] = [
    b"mmmmbz..mmmmbz.?",
    b"mmmmbz..mmmmbz..",
    b"mmmmbz?.mmmmbz?.",
    b"mmmmbz?.mmmmbz?.",
    b"????????????????",
    b"................",
    b"..?m????zZbB....",
    b"bbbbbbbbbbbbbbbb",
    b"BZ.Bmmmmmmmmmmm?",
    b"................",
    b"oooo....bz......",
    b"bbbbbbbbzzzzzzzz",
    b"BBw.??BZe.w..b..",
    b"mmmm.?..mmmmmmmm",
    b"bbbbbbbbzz.b....",
    b"?.??..gG......mm",
];

/// The length that the kernel's decoder (arch/x86/lib/insn.c) gives what `bytes` begin with, where
/// that is known: it takes much for instructions that is none.
pub fn their_length(bytes: &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    let mut opcode = *first;
    let mut behind = rest;
    let mut len = 1_u8;
    if let (0x40..=0x4f, [next, operands @ ..]) = (first, rest) {
        // What is behind REX is the opcode, and a prefix is one without operands.
        if is_prefix(*next) {
            return Some(2);
        }
        // The wide form of MOV has an immediate of eight bytes.
        if *first & 8 != 0 && *next & 0xf8 == 0xb8 {
            return (operands.len() >= 8).then_some(10);
        }
        (opcode, behind, len) = (*next, operands, 2);
    }
    let row = OPERANDS.get(usize::from(opcode / 16))?;
    let (modrm, more) = match row.get(usize::from(opcode % 16))? {
        b'.' => (false, 0),
        b'm' => (true, 0),
        b'b' => (false, 1),
        b'w' => (false, 2),
        b'e' => (false, 3),
        b'z' => (false, 4),
        b'o' => (false, 8),
        b'B' => (true, 1),
        b'Z' => (true, 4),
        b'g' => (true, if is_test(behind) { 1 } else { 0 }),
        b'G' => (true, if is_test(behind) { 4 } else { 0 }),
        _ => return ours(bytes),
    };
    let operands = if modrm { modrm_length(behind)? } else { 0 };
    let operands = operands.saturating_add(more);
    // What is not there cannot be told.
    (behind.len() >= usize::from(operands)).then_some(len.saturating_add(operands))
}

/// TEST, which has an immediate, among the other instructions of its group.
fn is_test(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|modrm| modrm & 0x30 == 0)
}

/// The length of ModRM, SIB and displacement.
fn modrm_length(bytes: &[u8]) -> Option<u8> {
    let modrm = *bytes.first()?;
    let (mode, rm) = (modrm >> 6, modrm & 7);
    let (sib, base) = match (mode, rm) {
        (3, _) => return Some(1),
        (_, 4) => (1, bytes.get(1)? & 7),
        _ => (0, rm),
    };
    let displacement = match mode {
        0 if base == 5 => 4,
        0 => 0,
        1 => 1,
        _ => 4,
    };
    Some(1 + sib + displacement)
}

fn is_prefix(byte: u8) -> bool {
    matches!(
        byte,
        0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3
    )
}

/// The length of what both decoders take for the same instruction.
fn ours(bytes: &[u8]) -> Option<u8> {
    let insn = decode(bytes, 0).ok()?;
    is_same(&insn, bytes).then_some(insn.len)
}

/// Second opcode bytes behind `0F` that the kernel's decoder gives no operands in some or all forms.
const GAPS: [u32; 8] = [
    0x2200_0000, // 19 1d
    0x0000_000f, // 20-23
    0,
    0x310e_3000, // 6c 6d 71-73 78 7c 7d
    0,
    0x0100_0000, // b8
    0x0041_0000, // d0 d6
    0x8001_0040, // e6 f0 ff
];

/// Whether the kernel's decoder gives an instruction the length that ours gives it.
fn is_same(insn: &Insn, bytes: &[u8]) -> bool {
    let prefixes = match (insn.encoding, insn.map) {
        (Encoding::Legacy, OpcodeMap::Primary) => insn.opcode_at,
        (Encoding::Legacy, OpcodeMap::Map0F) => {
            // It looks for operands by the prefix, too.
            let select = Prefixes::REP
                .with(Prefixes::REPNE)
                .with(Prefixes::OPERAND_SIZE);
            if insn.prefixes.has(select) {
                return false;
            }
            let word = GAPS.get(usize::from(insn.opcode / 32)).copied();
            if word.unwrap_or(!0) >> (insn.opcode % 32) & 1 != 0 {
                return false;
            }
            insn.opcode_at.saturating_sub(1)
        }
        _ => return false,
    };
    // It takes REX for one right before the opcode only.
    let before = usize::from(prefixes.saturating_sub(1));
    prefixes <= 3 && bytes.iter().take(before).all(|byte| byte & 0xf0 != 0x40)
}
