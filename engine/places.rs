// SPDX-License-Identifier: GPL-2.0

//! The instructions and the basic blocks of a function.

use super::state::Engine;
use crate::eligibility::refusal::Refusal;
use crate::insn_decode::Insn;
use crate::sys::symbols;
use kernel::prelude::*;

/// Which instructions of a function are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FunctionPart {
    /// All instructions, without the padding between basic blocks.
    Instructions,
    /// The first instruction of each basic block.
    Blocks,
}

impl Engine {
    /// The instructions of a part of the function at `addr`, in order. Probes may be refused on some.
    ///
    /// # Errors
    ///
    /// `NoMemory`, `NoFunction`, or why there can be no probe in the function.
    pub(crate) fn places(&self, addr: usize, part: FunctionPart) -> Result<KVVec<usize>, Refusal> {
        let start = symbols::bounds(addr).ok_or(Refusal::NoFunction)?.start;
        let mut places = KVVec::new();
        let core = &mut *self.core.lock();
        let mut session = core.examiner.begin();
        // It decodes the function. The instructions have the answers about their own addresses.
        let first = session.facts(&core.optimizer, start).err();
        let function = session.function();
        if !function.contains(start as u64) {
            return Err(first.unwrap_or(Refusal::NotText));
        }
        let mut push = |insn: Insn| places.push(insn.addr as usize, GFP_KERNEL_ACCOUNT);
        let pushed = match part {
            FunctionPart::Instructions => function
                .instructions_of_blocks(session.index())
                .try_for_each(&mut push),
            FunctionPart::Blocks => function.blocks(session.index()).try_for_each(&mut push),
        };
        pushed.map_err(|_| Refusal::NoMemory)?;
        match places.is_empty() {
            true => Err(first.unwrap_or(Refusal::Undecodable)),
            false => Ok(places),
        }
    }

    /// Changes addresses to those of probes there: a probe on an ENDBR is at the next instruction.
    /// May sleep.
    pub(crate) fn to_entries<'a>(&self, addrs: impl Iterator<Item = &'a mut usize>) {
        let core = &mut *self.core.lock();
        let mut session = core.examiner.begin();
        for addr in addrs {
            session.next_address();
            *addr = session.entry(*addr);
        }
    }
}
