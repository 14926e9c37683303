// SPDX-License-Identifier: GPL-2.0

//! The instructions and branches that an int3 or a jump of ours hides from native kprobes.
//!
//! Native kprobes decode the live text from the function's start
//! (arch/x86/kernel/kprobes/core.c:can_probe, opt.c:can_optimize), and know the original bytes only
//! where they have a kprobe themselves. For their decoder a foreign int3 is an instruction of one
//! byte, a foreign jump one of five bytes. It continues after these bytes, maybe in the middle of
//! an instruction, until it reaches the beginning of an instruction and is *in step* again. In the
//! stretch before that place
//!
//! - it takes addresses inside instructions for instructions, and a native kprobe there would write
//!   into the middle of an instruction;
//! - it misses branches: the one that our bytes replace, and those whose first bytes it takes for
//!   the end of another instruction. A native kprobe less than five bytes before the target of such
//!   a branch may become a jump. The branch would then go to the middle of that jump.
//!
//! shell/native/fence.rs refuses both to native kprobes. The stretch is computed from the original
//! bytes, so it must not have bytes that may change: reserved text, or bytes that another probe
//! replaces. Where it has such bytes, and where the kernel's decoder may give an instruction
//! another length than ours, the stretch is unknown, and native kprobes are refused in the whole
//! function.

use super::function::DecodedFunction;
use super::reserved::Index;
use crate::containers::slab::Arrays;
use crate::insn_decode::opcodes::JUMP_LEN;
use crate::insn_decode::{
    decode,
    Encoding,
    Flow,
    Insn,
    OpcodeMap,
    Prefixes, //
};

/// The longest stretch that is computed, in bytes.
pub const FAR: u8 = 63;
/// The most ranges before targets that a site can have.
pub const MAX_RANGES: usize = 4;
/// Bytes of a native jump after its first byte.
const TAIL: u64 = 4;

/// A range of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first address.
    pub start: u64,
    /// The address after the last one.
    pub end: u64,
}

/// The distance from a site to the place where the native decoder is in step again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// In bytes from the site's address, while the site is an int3.
    pub int3: u8,
    /// In bytes from the site's address, while the site is an int3 or a jump. Not smaller than
    /// `int3`.
    pub jump: u8,
}

impl Stretch {
    /// Whether the stretch has, or may have later, bytes of another site `distance` bytes after
    /// this one. A site inside the `region` of this one is at most an int3 while this one is a
    /// jump.
    pub fn runs_over(self, region: usize, distance: usize) -> bool {
        let after = distance >= region && distance < usize::from(self.jump);
        distance < usize::from(self.int3) || after
    }
}

/// The text that one site hides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Where the native decoder takes addresses inside instructions for instructions.
    pub stretch: Stretch,
    ranges: [Span; MAX_RANGES],
    count: u8,
}

impl Hidden {
    /// Where no native kprobe may become a jump besides the stretch: before the targets of hidden
    /// branches.
    pub fn ranges(&self) -> &[Span] {
        self.ranges.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// Adds a range, or joins it with a range that it touches. Returns `None` if there are too
    /// many.
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
    /// The text that a site at `addr` hides; `None` if it is unknown. The instruction there has
    /// `insn` bytes. A jump would cover `region` bytes; 0 if the site cannot be a jump.
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
        // The caller knows that the bytes of the site itself are not reserved.
        let covered = insn.max(region);
        if covered < jump {
            let after = |bytes: u8| addr.wrapping_add(u64::from(bytes));
            if index.reserved(after(covered), after(jump)).is_some() {
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
                // Native kprobes make no jump at the site itself, and the stretch after it is
                // refused already.
                if range.start < addr || range.end > addr.wrapping_add(u64::from(int3)) {
                    hidden.add(range)?;
                }
            }
        }
        Some(hidden)
    }

    /// Where no native kprobe may become a jump if the branch at `addr` is hidden. `None` if the
    /// branch leaves the function, and for a call, because native kprobes do not check the targets
    /// of calls.
    fn in_front(&self, addr: u64) -> Option<Span> {
        let branch = self.instruction(addr).ok()?;
        let end = branch.target().filter(|target| self.contains(*target))?;
        let start = end.saturating_sub(TAIL).max(self.start());
        let is_call = matches!(branch.flow, Flow::Call { .. });
        (!is_call && start < end).then_some(Span { start, end })
    }
}

/// The first place in `bytes` where the kernel's decoder, continuing at `from`, meets the beginning
/// of an instruction. `beginnings` has a bit for each beginning.
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

/// Whether the opcode of the instruction in `bytes` may be that of a branch.
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

/// The bytes that the kernel's decoder reads after a one-byte opcode. It distinguishes few opcodes:
/// `.` nothing, `m` ModRM, `b` a byte, `z` four bytes, `w` two, `e` three, `o` eight, `B` and `Z`
/// ModRM and a byte or four bytes, `g` and `G` ModRM and, for two of the group, a byte or four
/// bytes. For `?` our decoder gives the length, or it is unknown.
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

/// The length that the kernel's decoder (arch/x86/lib/insn.c) gives the beginning of `bytes`;
/// `None` if it is unknown. That decoder accepts many bytes that are not an instruction.
pub fn their_length(bytes: &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    let mut opcode = *first;
    let mut after = rest;
    let mut len = 1_u8;
    if let (0x40..=0x4f, [next, operands @ ..]) = (first, rest) {
        // The byte after REX is the opcode. A prefix there is an opcode without operands.
        if is_prefix(*next) {
            return Some(2);
        }
        // The wide form of MOV has an immediate of eight bytes.
        if *first & 8 != 0 && *next & 0xf8 == 0xb8 {
            return (operands.len() >= 8).then_some(10);
        }
        (opcode, after, len) = (*next, operands, 2);
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
        b'g' => (true, if is_test(after) { 1 } else { 0 }),
        b'G' => (true, if is_test(after) { 4 } else { 0 }),
        _ => return ours(bytes),
    };
    let operands = if modrm { modrm_length(after)? } else { 0 };
    let operands = operands.saturating_add(more);
    // The length of an instruction that is not whole is unknown.
    (after.len() >= usize::from(operands)).then_some(len.saturating_add(operands))
}

/// Whether the instruction is TEST, which has an immediate, and not another one of its group.
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

/// The length of an instruction that both decoders decode alike.
fn ours(bytes: &[u8]) -> Option<u8> {
    let insn = decode(bytes, 0).ok()?;
    is_same(&insn, bytes).then_some(insn.len)
}

/// Opcodes after `0F` to which the kernel's decoder gives no operands, in some or all forms.
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

/// Whether the kernel's decoder gives the instruction the length that ours gives.
fn is_same(insn: &Insn, bytes: &[u8]) -> bool {
    let prefixes = match (insn.encoding, insn.map) {
        (Encoding::Legacy, OpcodeMap::Primary) => insn.opcode_at,
        (Encoding::Legacy, OpcodeMap::Map0F) => {
            // The kernel's decoder selects the operands by the prefix, too.
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
    // The kernel's decoder accepts REX only immediately before the opcode.
    let before = usize::from(prefixes.saturating_sub(1));
    prefixes <= 3 && bytes.iter().take(before).all(|byte| byte & 0xf0 != 0x40)
}
