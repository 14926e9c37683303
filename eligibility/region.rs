// SPDX-License-Identifier: GPL-2.0

//! The questions about an address of a decoded function: whether a probe may be there, and whether
//! its breakpoint may become a jump.

use super::function::{
    DecodedFunction,
    Extent, //
};
use super::kind::Kind;
use super::refusal::{
    NotOptimizable,
    Refusal, //
};
use super::reserved::Index;
use crate::containers::slab::Arrays;
use crate::insn_decode::opcodes::JUMP_LEN;
use crate::insn_decode::{
    FlagsEffect,
    Insn,
    OpcodeMap,
    MAX_INSN_LEN, //
};
use crate::optimizer::MAX_REGION;
use crate::out_of_line::emulate::Emulation;
use crate::out_of_line::relocate::{
    relocate,
    worst_copy_len,
    CopyRefusal, //
};

// The optimizer does not use the decoder, so its constant is a number.
const _: () = assert!(MAX_REGION == JUMP_LEN - 1 + MAX_INSN_LEN);

/// How many instructions are examined for a use of the flags.
const FLAGS_LINE: usize = 8;

/// The whole instructions that a jump covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its length in bytes, 5 to [`MAX_REGION`].
    pub len: u8,
    /// It is one instruction, so no task can be inside of it.
    pub single: bool,
}

impl<A: Arrays> DecodedFunction<A> {
    /// The instruction at `addr`, if a probe may be there.
    ///
    /// # Errors
    ///
    /// Why no probe may be there.
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

    /// Tries to copy `len` bytes at `addr` to a place near them.
    ///
    /// # Errors
    ///
    /// Why they cannot be copied.
    fn try_copy(&self, addr: u64, len: usize) -> Result<(), CopyRefusal> {
        let bytes = self.bytes_from(addr).get(..len).unwrap_or(&[]);
        if self.has_quiescent_store(addr, len) {
            return Err(CopyRefusal::QuiescentStore);
        }
        let mut copy = [0; worst_copy_len(MAX_REGION)];
        relocate(bytes, addr, addr, &mut copy).map(|_| ())
    }

    /// Whether one of the instructions in the `len` bytes at `addr` tells RCU-tasks that its task is
    /// quiescent.
    fn has_quiescent_store(&self, addr: u64, len: usize) -> bool {
        let end = addr.saturating_add(len as u64);
        let mut at = addr;
        while at < end {
            let Ok(insn) = self.instruction(at) else {
                return false;
            };
            if stores_at(&insn, self.quiescent) {
                return true;
            }
            at = insn.end();
        }
        false
    }

    /// The region at `addr`, if it may be a jump. [`DecodedFunction::probe`] must allow the
    /// address.
    ///
    /// # Errors
    ///
    /// Why it may not be a jump.
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

    /// Whether the values of the arithmetic flags at `addr` are never used: an instruction on the
    /// straight line from `addr` overwrites all of them before a use. Text that the kernel patches
    /// ends the line, because a NOP there may become a jump.
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

    /// Checks that no branch of the function goes to the inside of `addr..end`.
    fn no_branch_inside(&self, addr: u64, end: u64) -> Result<(), NotOptimizable> {
        if self.extent == Extent::Cut {
            return Err(NotOptimizable::Undecodable);
        }
        let (from, to) = (
            addr.wrapping_sub(self.start()),
            end.wrapping_sub(self.start()),
        );
        let mut inside = (from..to).skip(1).filter_map(|at| usize::try_from(at).ok());
        if inside.any(|offset| self.targets.has(offset)) {
            return Err(NotOptimizable::JumpInside);
        }
        Ok(())
    }

    /// Checks that no task can be at the inside of `addr..end`, or reach it, except by a known
    /// branch.
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

/// Whether compilers and the kernel fill gaps with the instruction.
fn is_padding(insn: &Insn) -> bool {
    insn.is_int3() || insn.is_nop()
}

/// Whether the instruction may fault or trap into code that sleeps. (Instructions that access user
/// memory have exception-table entries, and are reserved text.)
fn may_sleep(insn: &Insn) -> bool {
    // INS and OUTS.
    insn.map == OpcodeMap::Primary && matches!(insn.opcode, 0x6c..=0x6f)
}

/// Whether the instruction is a MOV of one byte to memory `offset` bytes from a register; never for 0.
fn stores_at(insn: &Insn, offset: i32) -> bool {
    let is_mov = insn.map == OpcodeMap::Primary && matches!(insn.opcode, 0x88 | 0xc6);
    is_mov
        && offset != 0
        && insn.disp.size != 0
        && insn.disp_value == offset
        && !insn.is_rip_relative()
}
