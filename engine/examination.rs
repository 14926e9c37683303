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
use crate::sys::symbols;
use crate::sys::task::is_dying;
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

/// As [`Facts::region`], or why there can be no probe.
pub(crate) type Verdict = Result<Option<Result<Region, NotOptimizable>>, Refusal>;

/// What a probe at an address would be, or why there can be none.
pub(crate) struct Examination {
    /// Where the probe would be: never on an ENDBR.
    pub(crate) addr: usize,
    pub(crate) region: Verdict,
    pub(crate) insns: KVec<CoveredInsn>,
}

/// What a probe on one instruction would be.
#[derive(Clone, Copy)]
pub(crate) struct InsnVerdict {
    pub(crate) addr: usize,
    pub(crate) len: u8,
    pub(crate) verdict: Verdict,
}

/// How many instructions are examined before the locks are given back.
const PORTION: usize = 64;

/// What a probe on each instruction of a function would be.
pub(crate) struct FunctionSurvey {
    /// The first address.
    pub(crate) start: usize,
    pub(crate) insns: KVVec<InsnVerdict>,
}

impl FunctionSurvey {
    /// Adds the next instructions. Returns whether there may be more.
    ///
    /// # Errors
    ///
    /// `NoMemory`, or why there can be no probe in the function.
    fn extend(
        &mut self,
        session: &mut Session<'_>,
        optimizer: &Optimizer<Shell>,
    ) -> Result<bool, Refusal> {
        // It decodes the function. The instructions have the answers about their own addresses.
        let first = session.facts(optimizer, self.start).err();
        let function = session.function();
        if !function.contains(self.start as u64) {
            return Err(first.unwrap_or(Refusal::NotText));
        }
        let done = self.insns.len();
        let last = self.insns.last();
        let next = last.map_or(function.start(), |last| {
            (last.addr as u64).saturating_add(u64::from(last.len))
        });
        let insns = function.instructions();
        for insn in insns.filter(|insn| insn.addr >= next).take(PORTION) {
            let pushed = InsnVerdict {
                addr: insn.addr as usize,
                len: insn.len,
                verdict: Err(Refusal::NoMemory),
            };
            self.insns
                .push(pushed, GFP_KERNEL_ACCOUNT)
                .map_err(|_| Refusal::NoMemory)?;
        }
        let added = self.insns.get_mut(done..).unwrap_or(&mut []);
        for insn in added.iter_mut() {
            let addr = session.entry(insn.addr);
            insn.verdict = session.facts(optimizer, addr).map(|facts| facts.region);
        }
        Ok(added.len() == PORTION)
    }
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

    /// What a probe on each instruction of the function at `addr` would be. Changes nothing. The locks
    /// are given back from time to time, because a function may have hundreds of thousands of
    /// instructions. If text of a module is freed meanwhile, another function may be at `addr` then, so
    /// the survey begins again.
    ///
    /// # Errors
    ///
    /// `NoMemory`, `NoFunction`, `Interrupted` by a signal that will end the task, or why there can be no
    /// probe in the function.
    pub(crate) fn survey(&self, addr: usize) -> Result<FunctionSurvey, Refusal> {
        let mut survey = FunctionSurvey {
            start: addr,
            insns: KVVec::new(),
        };
        let mut valid_for = None;
        loop {
            if is_dying() {
                return Err(Refusal::Interrupted);
            }
            let core = &mut *self.core.lock();
            let forgotten = core.examiner.forgotten();
            if valid_for != Some(forgotten) {
                valid_for = Some(forgotten);
                survey.insns.clear();
                survey.start = symbols::bounds(addr).ok_or(Refusal::NoFunction)?.start;
            }
            let more = survey.extend(&mut core.examiner.begin(), &core.optimizer)?;
            if !more {
                return Ok(survey);
            }
        }
    }
}
