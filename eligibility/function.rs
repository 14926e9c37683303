// SPDX-License-Identifier: GPL-2.0

//! A decoded function: its bytes, where its instructions begin and where its branches go.

use super::kind::Kind;
use super::offsets::{
    grow,
    Offsets, //
};
use super::refusal::Refusal;
use super::reserved::Index;
use crate::containers::slab::{
    Array,
    Arrays,
    NoMemory, //
};
use crate::insn_decode::{
    decode,
    decode_into,
    Flow,
    Insn,
    OpcodeMap,
    Prefixes,
    MAX_INSN_LEN, //
};

/// The part of a function that was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// The part before bytes that are not an instruction. The rest may jump anywhere.
    Cut,
}

/// Where an instruction is in its basic block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockPlace {
    /// It begins the block.
    First,
    /// It follows the first.
    Inside,
    /// It is in no block: a nop or an int3 after the end of one, where no jump goes.
    Padding,
}

/// A decoded function. The memory is reused for the next function.
pub struct DecodedFunction<A: Arrays> {
    start: u64,
    len: usize,
    /// The first `len` bytes are the function's. The others are left from longer functions.
    buffer: A::Of<u8>,
    boundaries: Offsets<A>,
    pub(super) targets: Offsets<A>,
    pub(super) extent: Extent,
    /// An instruction may use a jump table.
    pub(super) table: bool,
    /// The displacement of a store that tells RCU-tasks that its task is quiescent; 0 if unknown.
    pub(super) quiescent: i32,
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
            quiescent: 0,
        }
    }
}

impl<A: Arrays> DecodedFunction<A> {
    /// Decodes the `len` bytes at `start`, which `fill` reads. The bytes must be those of the
    /// function's owner, so `fill` puts back the bytes that probes have replaced.
    ///
    /// # Errors
    ///
    /// No memory. The function is empty, and has neither instructions nor regions.
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

    /// Forbids copies of stores `offset` bytes from a register. 0 forbids none.
    ///
    /// RCU-tasks takes a task for quiescent when the task clears its `rcu_tasks_holdout`, which is
    /// `offset` bytes from the beginning of the task (include/linux/rcupdate.h:rcu_tasks_classic_qs).
    /// After a copy of this store the task is still in the copy. If it is preempted there, RCU-tasks
    /// does not wait for it, and the copy may be freed.
    pub fn forbid_quiescent_stores(&mut self, offset: i32) {
        self.quiescent = offset;
    }

    /// Notes that another piece of the function branches to `target`.
    pub fn add_target(&mut self, target: u64) {
        self.targets.insert_address(self.start, target);
    }

    /// Notes that branches into the function are unknown. The function then has no regions.
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

    /// The address after the last byte.
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

    /// Where instructions begin in the 64 bytes from `addr` on, a bit for each byte. The bit of the
    /// function's end is set, too.
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
    ///
    /// # Errors
    ///
    /// `OutsideFunction`, `InsideInstruction`, and `Undecodable` after bytes that are not an
    /// instruction.
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

    /// The last instruction that begins before `offset`.
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

    /// The first instruction of each basic block, in order.
    ///
    /// A block begins where a jump goes, or the exception table, or a jump label when it is switched
    /// on, and after an instruction that jumps or is a jump label. A call does not end a block.
    pub fn blocks<'a>(&'a self, index: &'a Index<A>) -> impl Iterator<Item = Insn> + 'a {
        let places = self.with_places(index);
        places.filter_map(|(insn, place)| (place == BlockPlace::First).then_some(insn))
    }

    /// The instructions of all basic blocks, in order: all but the padding between them.
    pub fn instructions_of_blocks<'a>(
        &'a self,
        index: &'a Index<A>,
    ) -> impl Iterator<Item = Insn> + 'a {
        let places = self.with_places(index);
        places.filter_map(|(insn, place)| (place != BlockPlace::Padding).then_some(insn))
    }

    fn with_places<'a>(
        &'a self,
        index: &'a Index<A>,
    ) -> impl Iterator<Item = (Insn, BlockPlace)> + 'a {
        let mut is_after_end = true;
        self.instructions().map(move |insn| {
            let mut is_target = insn.addr == self.start || self.is_target(insn.addr);
            let mut is_label = false;
            for entry in index.within(insn.addr, insn.end()) {
                is_target |= entry.kind.is_target() && entry.start == insn.addr;
                is_label |= entry.kind == Kind::JumpLabel;
            }
            let is_padding = insn.is_int3() || insn.is_nop() && !is_label;
            let place = match (is_target, is_after_end) {
                (true, _) => BlockPlace::First,
                (false, true) if is_padding => BlockPlace::Padding,
                (false, true) => BlockPlace::First,
                (false, false) => BlockPlace::Inside,
            };
            is_after_end = ends_block(insn.flow) || is_label || place == BlockPlace::Padding;
            (insn, place)
        })
    }

    fn is_target(&self, addr: u64) -> bool {
        let offset = usize::try_from(addr.wrapping_sub(self.start));
        offset.is_ok_and(|offset| self.targets.has(offset))
    }
}

/// Whether execution may continue at another place than the next instruction, or does not continue. A
/// call is no such instruction, because it returns to the next one.
fn ends_block(flow: Flow) -> bool {
    matches!(
        flow,
        Flow::Jmp { .. }
            | Flow::Jcc { .. }
            | Flow::Loop { .. }
            | Flow::JmpReg { .. }
            | Flow::JmpMem
            | Flow::Apx
            | Flow::Ret { .. }
            | Flow::Far
            | Flow::ReturnFromEvent
    )
}

/// The instruction at `offset` of `bytes`, whose first byte has the address `start`.
fn decode_at(bytes: &[u8], start: u64, offset: usize) -> Option<Insn> {
    let addr = start.wrapping_add(offset as u64);
    decode(bytes.get(offset..)?, addr).ok()
}

/// Whether an instruction in `bytes`, whose first byte has the address `start`, names another place in
/// text: a branch, a call, an address for which `is_text` is true, a jump through a table. Also true
/// where no instruction decodes.
pub fn leads_elsewhere(bytes: &[u8], start: u64, is_text: impl Fn(u64) -> bool) -> bool {
    let mut at = 0_usize;
    while at < bytes.len() {
        let Some(insn) = decode_at(bytes, start, at) else {
            return true;
        };
        let leads = insn.target().is_some() || code_address(&insn).is_some_and(&is_text);
        if leads || jumps_through_table(&insn) {
            return true;
        }
        at = at.saturating_add(usize::from(insn.len));
    }
    false
}

/// Whether the instruction may use a jump table: a jump through memory with an index, or a jump
/// with the prefix that stops IBT from tracking it.
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

/// The address that LEA computes from the instruction pointer, or an immediate that may be an
/// address.
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
