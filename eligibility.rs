// SPDX-License-Identifier: GPL-2.0

//! Where a probe may stand, and where its breakpoint may become a jump.
//!
//! A function is decoded once, from its live bytes, into two bitmaps: where instructions begin
//! and where the function's own branches go. All questions about it are answered from these and
//! from the index of reserved text. Branches of its other pieces are added by the caller.
//!
//! # What a region must fulfil
//!
//! The region is the whole instructions that the five bytes of a jump cover. Nothing may come to
//! its inside, behind the first byte:
//!
//! - by a branch: of the function itself and of what the caller adds (bitmap), of other pieces, of jump
//!   labels and by exception fix-ups (index);
//! - by an indirect jump: the kernel is built without jump tables where it has retpolines or IBT, and
//!   with IBT all that is jumped to indirectly has an ENDBR, which no region may hold. A function
//!   in which there is a jump through a table all the same has no region of several instructions,
//!   and an address of the function's own text that an instruction computes counts as a target;
//! - by a return: a call may only come last, so that it returns to the region's end;
//! - by waking up: RCU-tasks waits for tasks that were preempted, not for those that sleep of their own
//!   accord, so nothing behind the first instruction may fault and sleep;
//! - in a way that is not known: behind a jump or return of the region only padding may stand.

pub mod hidden;
pub mod refusal;
pub mod reserved;

use crate::containers::search::next_of;
use crate::containers::slab::{Array, Arrays, NoMemory};
use crate::eligibility::refusal::{NotOptimizable, Refusal};
use crate::eligibility::reserved::{Index, Kind};
use crate::insn_decode::opcodes::{INT3, JMP_REL32, JUMP_LEN};
use crate::insn_decode::MAX_INSN_LEN;
use crate::insn_decode::{decode, decode_into, FlagsEffect, Flow, Insn, OpcodeMap, Prefixes};
use crate::optimizer::MAX_REGION;
use crate::out_of_line::emulate::Emulation;
use crate::out_of_line::relocate::{relocate, worst_copy_len};

// The optimizer knows no instructions, so its constant is a number.
const _: () = assert!(MAX_REGION == JUMP_LEN - 1 + MAX_INSN_LEN);

/// How many instructions are looked at for whether the flags are used.
const FLAGS_LINE: usize = 8;

/// The whole instructions that a jump covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its length in bytes, 5 to [`MAX_REGION`].
    pub len: u8,
    /// It is one instruction, so that it has no inside where a task could be.
    pub single: bool,
}

/// How far a function could be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// To its end.
    Whole,
    /// Up to bytes that are no instruction: what is behind may jump anywhere.
    Cut,
}

/// A set of byte offsets.
struct Offsets<A: Arrays>(A::Of<u64>);

impl<A: Arrays> Default for Offsets<A> {
    fn default() -> Self {
        Offsets(A::Of::default())
    }
}

impl<A: Arrays> Offsets<A> {
    /// Makes it empty, with room for offsets smaller than `bound`.
    fn clear(&mut self, bound: usize) -> Result<(), NoMemory> {
        let words = bound.div_ceil(64);
        grow(&mut self.0, words, 0)?;
        let words = self.0.as_mut_slice().get_mut(..words);
        words.ok_or(NoMemory)?.fill(0);
        Ok(())
    }

    fn insert(&mut self, offset: usize) {
        if let Some(word) = self.0.as_mut_slice().get_mut(offset / 64) {
            *word |= 1 << (offset % 64);
        }
    }

    /// Inserts the offset of `addr` from `start`, if that is within bounds.
    fn insert_address(&mut self, start: u64, addr: u64) {
        if let Ok(offset) = usize::try_from(addr.wrapping_sub(start)) {
            self.insert(offset);
        }
    }

    /// The 64 offsets from `offset` on, a bit for each. What is behind the bound that was given is
    /// left from before, or empty.
    fn window(&self, offset: usize) -> u64 {
        let words = self.0.as_slice().get(offset / 64..).unwrap_or(&[]);
        let word = |at: usize| words.get(at).copied().unwrap_or(0);
        let shift = offset % 64;
        let behind = word(1).checked_shl(64_u32.saturating_sub(shift as u32));
        word(0) >> shift | behind.unwrap_or(0)
    }

    fn has(&self, offset: usize) -> bool {
        let word = self.0.as_slice().get(offset / 64);
        word.is_some_and(|word| word >> (offset % 64) & 1 != 0)
    }
}

/// Gives `array` the length `len`, unless it is longer.
fn grow<T: Copy, V: Array<T>>(array: &mut V, len: usize, value: T) -> Result<(), NoMemory> {
    let missing = len.saturating_sub(array.as_slice().len());
    array.reserve(missing)?;
    for _ in 0..missing {
        array.push(value);
    }
    Ok(())
}

/// A decoded function. It keeps its memory from one function to the next.
pub struct DecodedFunction<A: Arrays> {
    start: u64,
    len: usize,
    /// The first `len` are the function's; what is behind is left from longer ones.
    buffer: A::Of<u8>,
    boundaries: Offsets<A>,
    targets: Offsets<A>,
    extent: Extent,
    table: bool,
}

impl<A: Arrays> Default for DecodedFunction<A> {
    fn default() -> Self {
        DecodedFunction {
            start: 0,
            len: 0,
            buffer: A::Of::default(),
            boundaries: Offsets::default(),
            targets: Offsets::default(),
            extent: Extent::Whole,
            table: false,
        }
    }
}

impl<A: Arrays> DecodedFunction<A> {
    /// Decodes the `len` bytes at `start`, which `fill` reads. The bytes are to be those of the
    /// function's owner: whoever fills them in puts back what probes have replaced.
    ///
    /// # Errors
    ///
    /// Without memory the function is empty, and has neither boundaries nor regions.
    pub fn analyse(
        &mut self,
        start: u64,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<(), NoMemory> {
        self.start = start;
        self.extent = Extent::Whole;
        self.table = false;
        if let Err(error) = self.make_room(len) {
            self.clear();
            return Err(error);
        }
        if let Some(bytes) = self.buffer.as_mut_slice().get_mut(..len) {
            fill(bytes);
        }
        self.len = len;
        self.decode_all();
        Ok(())
    }

    /// Notes that another piece of the same function branches to `target`.
    pub fn add_target(&mut self, target: u64) {
        self.targets.insert_address(self.start, target);
    }

    /// Notes that not all branches into the function are known: it has no regions.
    pub fn add_unknown(&mut self) {
        self.extent = Extent::Cut;
    }

    /// Forgets the function.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    fn make_room(&mut self, len: usize) -> Result<(), NoMemory> {
        self.boundaries.clear(len)?;
        self.targets.clear(len)?;
        grow(&mut self.buffer, len, 0)
    }

    fn decode_all(&mut self) {
        let bytes = self.buffer.as_slice().get(..self.len).unwrap_or(&[]);
        let mut at = 0_usize;
        let mut insn = Insn::NONE;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let addr = self.start.wrapping_add(at as u64);
            if decode_into(&mut insn, rest, addr).is_err() {
                self.extent = Extent::Cut;
                return;
            }
            self.boundaries.insert(at);
            self.table |= jumps_through_table(&insn);
            for target in [insn.target(), code_address(&insn)].into_iter().flatten() {
                self.targets.insert_address(self.start, target);
            }
            at = at.saturating_add(usize::from(insn.len));
        }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.as_slice().get(..self.len).unwrap_or(&[])
    }

    /// The first address.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The address behind the last byte.
    pub fn end(&self) -> u64 {
        self.start.wrapping_add(self.len as u64)
    }

    /// Whether `addr` is in the function.
    pub fn contains(&self, addr: u64) -> bool {
        self.start <= addr && addr < self.end()
    }

    /// The function's bytes from `addr` on.
    pub fn bytes_from(&self, addr: u64) -> &[u8] {
        let bytes = self.bytes();
        usize::try_from(addr.wrapping_sub(self.start))
            .ok()
            .and_then(|offset| bytes.get(offset..))
            .unwrap_or(&[])
    }

    /// Where instructions begin in the 64 bytes from `addr` on, a bit for each byte. The function's end is
    /// such a place as well.
    pub fn beginnings(&self, addr: u64) -> u64 {
        let Ok(offset) = usize::try_from(addr.wrapping_sub(self.start)) else {
            return 0;
        };
        let left = u32::try_from(self.len.saturating_sub(offset));
        let end = left.ok().and_then(|left| 1_u64.checked_shl(left));
        let end = end.unwrap_or(0);
        self.boundaries.window(offset) & end.wrapping_sub(1) | end
    }

    /// The instruction that begins at `addr`.
    pub fn instruction(&self, addr: u64) -> Result<Insn, Refusal> {
        if !self.contains(addr) {
            return Err(Refusal::OutsideFunction);
        }
        let offset = usize::try_from(addr.wrapping_sub(self.start));
        let offset = offset.map_err(|_| Refusal::OutsideFunction)?;
        if self.boundaries.has(offset) {
            return decode_at(self.bytes(), self.start, offset).ok_or(Refusal::Undecodable);
        }
        Err(match self.last_before(offset) {
            Some(insn) if insn.end() > addr => Refusal::InsideInstruction,
            _ => Refusal::Undecodable,
        })
    }

    /// The instruction that begins last before `offset`.
    fn last_before(&self, offset: usize) -> Option<Insn> {
        let first = offset.saturating_sub(MAX_INSN_LEN);
        let at = (first..offset).rev().find(|at| self.boundaries.has(*at))?;
        decode_at(self.bytes(), self.start, at)
    }

    /// The instructions, in order.
    pub fn instructions(&self) -> impl Iterator<Item = Insn> + '_ {
        let bytes = self.bytes();
        (0..bytes.len())
            .filter(|offset| self.boundaries.has(*offset))
            .filter_map(|offset| decode_at(bytes, self.start, offset))
    }

    /// The instruction at `addr`, if a breakpoint there is all right.
    pub fn probe(&self, addr: u64, index: &Index<A>) -> Result<Insn, Refusal> {
        let insn = self.instruction(addr);
        let end = insn.map_or(addr.saturating_add(1), |insn| insn.end());
        if let Some(kind) = index.reserved(addr, end) {
            return Err(Refusal::Reserved(kind));
        }
        let insn = insn?;
        if Emulation::of(&insn).is_none() {
            self.try_copy(addr, usize::from(insn.len))?;
        }
        Ok(insn)
    }

    /// Whether `len` bytes at `addr` can be copied to somewhere near.
    fn try_copy(
        &self,
        addr: u64,
        len: usize,
    ) -> Result<(), crate::out_of_line::relocate::CopyRefusal> {
        let bytes = self.bytes_from(addr).get(..len).unwrap_or(&[]);
        let mut copy = [0; worst_copy_len(MAX_REGION)];
        relocate(bytes, addr, addr, &mut copy).map(|_| ())
    }

    /// The region at `addr`, an address that [`DecodedFunction::probe`] allows, if it may be a jump.
    pub fn region(&self, addr: u64, index: &Index<A>) -> Result<Region, NotOptimizable> {
        let region = self.measure(addr)?;
        let end = addr.wrapping_add(u64::from(region.len));
        self.no_branch_inside(addr, end)?;
        let (target, reserved) = index.against_jump(addr, end);
        if let Some(kind) = target {
            return Err(match kind {
                Kind::JumpTarget => NotOptimizable::JumpLabelTargetInside,
                Kind::PieceTarget => NotOptimizable::JumpInside,
                _ => NotOptimizable::FixupInside,
            });
        }
        if let Some(kind) = reserved {
            return Err(NotOptimizable::Reserved(kind));
        }
        self.try_copy(addr, usize::from(region.len))?;
        if !region.single {
            self.inside_is_free(addr, end)?;
        }
        Ok(region)
    }

    /// Whether the arithmetic flags that an instruction finds are never used: on the straight line
    /// from `addr` on something overwrites all of them first. Text that others patch ends the line:
    /// a no-operation there may become a jump.
    pub fn flags_are_dead(&self, addr: u64, index: &Index<A>) -> bool {
        let mut at = addr;
        for _ in 0..FLAGS_LINE {
            let Ok(insn) = self.instruction(at) else {
                return false;
            };
            at = insn.end();
            match insn.flags() {
                FlagsEffect::Overwrites => return index.reserved(addr, at).is_none(),
                FlagsEffect::Neither => {}
                FlagsEffect::Reads => return false,
            }
        }
        false
    }

    /// The whole instructions that cover five bytes.
    fn measure(&self, addr: u64) -> Result<Region, NotOptimizable> {
        let mut end = addr;
        let mut count = 0_usize;
        while end.wrapping_sub(addr) < JUMP_LEN as u64 {
            let insn = self.instruction(end).map_err(|refusal| match refusal {
                Refusal::OutsideFunction => NotOptimizable::LeavesFunction,
                _ => NotOptimizable::Undecodable,
            })?;
            end = insn.end();
            count = count.saturating_add(1);
        }
        let len = u8::try_from(end.wrapping_sub(addr)).map_err(|_| NotOptimizable::TooLong)?;
        Ok(Region {
            len,
            single: count == 1,
        })
    }

    /// No branch of the function goes to the inside of `addr..end`.
    fn no_branch_inside(&self, addr: u64, end: u64) -> Result<(), NotOptimizable> {
        if self.extent == Extent::Cut {
            return Err(NotOptimizable::Undecodable);
        }
        let (from, to) = (addr.wrapping_sub(self.start), end.wrapping_sub(self.start));
        let mut inside = (from..to).skip(1).filter_map(|at| usize::try_from(at).ok());
        if inside.any(|offset| self.targets.has(offset)) {
            return Err(NotOptimizable::JumpInside);
        }
        Ok(())
    }

    /// Nothing can be at the inside of `addr..end`, or come there, without a branch that is known.
    fn inside_is_free(&self, addr: u64, end: u64) -> Result<(), NotOptimizable> {
        if self.table {
            return Err(NotOptimizable::JumpTable);
        }
        let mut at = addr;
        let mut reached = true;
        while at < end {
            let insn = self
                .instruction(at)
                .map_err(|_| NotOptimizable::Undecodable)?;
            if !reached && !is_padding(&insn) {
                return Err(NotOptimizable::UnknownEntry);
            }
            if at != addr && may_sleep(&insn) {
                return Err(NotOptimizable::MaySleep);
            }
            reached &= insn.flow.falls_through();
            at = insn.end();
        }
        Ok(())
    }
}

/// The instruction at `offset` of the bytes that are at `start`.
fn decode_at(bytes: &[u8], start: u64, offset: usize) -> Option<Insn> {
    let addr = start.wrapping_add(offset as u64);
    decode(bytes.get(offset..)?, addr).ok()
}

/// Where a jump table could be at work: a jump through memory with an index, or one that IBT is told
/// not to track.
fn jumps_through_table(insn: &Insn) -> bool {
    let indexed = insn.sib.is_some_and(|sib| {
        let index = (sib >> 3) & 7 | (insn.rex & 2) << 2;
        index != 4
    });
    match insn.flow {
        Flow::JmpMem => indexed || insn.prefixes.has(Prefixes::DS),
        Flow::JmpReg { .. } => insn.prefixes.has(Prefixes::DS),
        _ => false,
    }
}

/// An address that LEA makes from the instruction pointer, or an immediate that would be one.
fn code_address(insn: &Insn) -> Option<u64> {
    if insn.flow != Flow::Next || insn.map != OpcodeMap::Primary {
        return None;
    }
    match insn.opcode {
        0x8d => insn.rip_target(),
        _ if insn.imm.size >= 4 => Some(insn.imm_value as u64),
        _ => None,
    }
}

/// What compilers and the kernel fill gaps with.
fn is_padding(insn: &Insn) -> bool {
    insn.is_int3() || insn.is_nop()
}

/// May it fault, or trap, into something that sleeps? (Instructions that touch user memory have
/// exception-table entries, and are reserved text.)
fn may_sleep(insn: &Insn) -> bool {
    // INS and OUTS.
    insn.map == OpcodeMap::Primary && matches!(insn.opcode, 0x6c..=0x6f)
}

/// A branch that leaves its function or piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossBranch {
    /// Where it is.
    pub from: u64,
    /// Where it goes.
    pub to: u64,
    /// A call, which goes to a function's start unless it is in assembly.
    pub call: bool,
}

/// Tells `sink` where every jump in `bytes` that has a displacement of 32 bits would go, at whatever
/// byte it may begin: where the jumps go, and more. Nothing is decoded.
pub fn each_possible_jump(start: u64, bytes: &[u8], mut sink: impl FnMut(u64)) {
    // Of a Jcc, which is 0F 80 to 0F 8F.
    const ESCAPE: u8 = 0x0f;
    let mut from = 0_usize;
    while let Some(at) = next_of([JMP_REL32, ESCAPE], bytes, from) {
        from = at.wrapping_add(1);
        let behind = match bytes.get(at..) {
            Some([JMP_REL32, behind @ ..] | [ESCAPE, 0x80..=0x8f, behind @ ..]) => behind,
            _ => continue,
        };
        if let Some(displacement) = behind.first_chunk().copied() {
            // Behind the displacement.
            let next = bytes.len().wrapping_sub(behind.len()).wrapping_add(4);
            let next = start.wrapping_add(next as u64);
            sink(next.wrapping_add_signed(i32::from_le_bytes(displacement).into()));
        }
    }
}

/// Decodes a function or piece and tells `sink` of the direct branches that leave it. `false` if
/// its bytes do not decode to the end, where there may be fill: a symbol's size goes up to the next
/// one, in a module also across the end of a section.
pub fn collect_cross_branches(start: u64, bytes: &[u8], mut sink: impl FnMut(CrossBranch)) -> bool {
    let mut at = 0_usize;
    let mut insn = Insn::NONE;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if decode_into(&mut insn, rest, start.wrapping_add(at as u64)).is_err() {
            return rest.iter().all(|byte| matches!(*byte, 0x00 | INT3));
        }
        if let Some(to) = insn.target() {
            if to.wrapping_sub(start) >= bytes.len() as u64 {
                sink(CrossBranch {
                    from: insn.addr,
                    to,
                    call: matches!(insn.flow, Flow::Call { .. }),
                });
            }
        }
        at = at.saturating_add(usize::from(insn.len));
    }
    true
}
