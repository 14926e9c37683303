// SPDX-License-Identifier: GPL-2.0

//! What a probe at an address would be, for `explain`.

use super::state::Engine;
use crate::eligibility::refusal::{
    NotOptimizable,
    Refusal, //
};
use crate::eligibility::Region;
use crate::examine::{
    Facts,
    Session, //
};
use crate::insn_decode::opcodes::JUMP_LEN;
use crate::insn_decode::MAX_INSN_LEN;
use crate::optimizer::Optimizer;
use crate::shell::Shell;
use kernel::prelude::*;

/// An instruction that a jump would cover.
pub(crate) struct CoveredInsn {
    pub(crate) addr: usize,
    len: u8,
    bytes: [u8; MAX_INSN_LEN],
}

impl CoveredInsn {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        let len = usize::from(self.len);
        self.bytes.get(..len).unwrap_or(&self.bytes)
    }
}

/// What a probe at an address would be, or why there can be none.
pub(crate) struct Examination {
    /// Where the probe would be: never on an ENDBR.
    pub(crate) addr: usize,
    /// As [`Facts::region`].
    pub(crate) region: Result<Option<Result<Region, NotOptimizable>>, Refusal>,
    pub(crate) insns: KVec<CoveredInsn>,
}

impl Examination {
    fn of(session: &mut Session<'_>, optimizer: &Optimizer<Shell>, addr: usize) -> Self {
        let found = session.facts(optimizer, addr);
        let mut examination = Self {
            addr,
            region: found.map(|Facts { region, .. }| region),
            insns: KVec::new(),
        };
        if examination.add_insns(session).is_err() {
            examination.region = Err(Refusal::NoMemory);
        }
        examination
    }

    /// Adds the instructions, and the instruction that `addr` may be inside.
    fn add_insns(&mut self, session: &Session<'_>) -> Result {
        let function = session.function();
        let start = self.addr as u64;
        let end = start.wrapping_add(JUMP_LEN as u64);
        for insn in function.instructions() {
            if insn.end() > start && insn.addr < end {
                let mut bytes = [0; MAX_INSN_LEN];
                for (to, from) in bytes.iter_mut().zip(function.bytes_from(insn.addr)) {
                    *to = *from;
                }
                let covered = CoveredInsn {
                    addr: insn.addr as usize,
                    len: insn.len,
                    bytes,
                };
                self.insns.push(covered, GFP_KERNEL)?;
            }
        }
        Ok(())
    }
}

impl Engine {
    /// What a probe at `addr` would be. Changes nothing.
    pub(crate) fn examine(&self, addr: usize) -> Examination {
        let core = &mut *self.core.lock();
        let mut session = core.examiner.begin();
        let addr = session.entry(addr);
        Examination::of(&mut session, &core.optimizer, addr)
    }
}
