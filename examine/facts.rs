// SPDX-License-Identifier: GPL-2.0

//! What an address allows: a probe, and a jump.

use super::original::{
    Examiner,
    Session, //
};
use crate::eligibility::hidden::{
    Hidden,
    FAR, //
};
use crate::eligibility::refusal::{
    NotOptimizable,
    Refusal, //
};
use crate::eligibility::reserved::Kind;
use crate::eligibility::Region;
use crate::insn_decode::opcodes::ENDBR_LEN;
use crate::insn_decode::{
    decode,
    Insn, //
};
use crate::optimizer::{
    Optimizer,
    Site,
    SiteLane, //
};
use crate::shell::module_text::check as check_text;
use crate::shell::native::lookup::check_natives;
use crate::shell::site::SiteMemory;
use crate::shell::text::live;
use crate::shell::Shell;
use crate::sys::ffi;
use core::ops::Range;

/// What an address allows.
pub(crate) struct Facts {
    pub(super) insn: Insn,
    /// The region of a jump, or why there can be none. `None` where the function tracer does the
    /// poking.
    pub(crate) region: Option<Result<Region, NotOptimizable>>,
}

/// Whether a site at `addr` has an int3 or a jump.
fn is_armed(optimizer: &Optimizer<Shell>, addr: usize) -> bool {
    let site = optimizer.find(addr).and_then(|id| optimizer.site(id));
    site.is_some_and(|site| site.state().in_text())
}

impl Session<'_> {
    /// Whether probes may be added to `site`.
    ///
    /// # Errors
    ///
    /// Why the site takes no new probe.
    pub(crate) fn check_site(&self, site: &Site<SiteMemory>) -> Result<(), Refusal> {
        check_text(site.addr)?;
        // As in `facts`.
        if site.lane == SiteLane::Text && !site.state().in_text() {
            check_natives(&self.locks, site.addr, site.payload.trap().insn_end())?;
        }
        Ok(())
    }

    /// The address of a probe on `addr`. An ENDBR is never overwritten, so a probe on an ENDBR goes
    /// to the instruction that follows it.
    pub(crate) fn entry(&self, addr: usize) -> usize {
        // What follows the end of a module's text may not be mapped.
        let last = addr.saturating_add(ENDBR_LEN - 1);
        if check_text(addr).is_err() || check_text(last).is_err() {
            return addr;
        }
        // SAFETY: Both ends of the bytes are in text.
        let bytes = unsafe { live::<ENDBR_LEN>(addr) };
        match decode(&bytes, addr as u64) {
            Ok(insn) if insn.is_endbr() => insn.end() as usize,
            _ => addr,
        }
    }

    /// Finds out what `addr` allows. Makes nothing, and reserves nothing.
    ///
    /// # Errors
    ///
    /// Why there can be no probe.
    pub(crate) fn facts(
        &mut self,
        optimizer: &Optimizer<Shell>,
        addr: usize,
    ) -> Result<Facts, Refusal> {
        if check_text(addr)? {
            self.examiner.reserved.learn_module(&self.locks, addr)?;
        }
        self.load(optimizer, addr)?;
        let Examiner {
            function, reserved, ..
        } = &*self.examiner;
        let insn = function.probe(addr as u64, reserved.index())?;
        let region = match traced_in(addr..insn.end() as usize) {
            Some(entry) if entry == addr && self.is_attachable(entry) => None,
            Some(_) => return Err(Refusal::Reserved(Kind::Ftrace)),
            None => Some(self.region(addr)),
        };
        // The native kprobes near an armed site were registered after it. An ftrace entry needs no int3.
        if region.is_some() && !is_armed(optimizer, addr) {
            check_natives(&self.locks, addr, insn.end() as usize)?;
        }
        Ok(Facts { insn, region })
    }

    /// What native kprobes do not see while there is a site at `addr`. `None` if that is unknown,
    /// and where it depends on other bytes that change: those of another site, or of the tracer.
    pub(super) fn hidden(
        &self,
        optimizer: &Optimizer<Shell>,
        addr: usize,
        facts: &Facts,
    ) -> Option<Hidden> {
        let Examiner {
            function, reserved, ..
        } = &*self.examiner;
        let region = facts.region?.map_or(0, |region| region.len);
        let hidden = function.hidden(addr as u64, facts.insn.len, region, reserved.index())?;
        let end = addr.wrapping_add(usize::from(hidden.stretch.jump));
        if traced_in(addr.wrapping_add(1)..end).is_some() {
            return None;
        }
        if !self.examiner.shared {
            return Some(hidden);
        }
        let near = optimizer.range(addr.saturating_sub(usize::from(FAR)), end);
        let mut others = near.iter().filter_map(|id| optimizer.site(*id));
        let meets = others.any(|other| match addr.checked_sub(other.addr) {
            None => hidden
                .stretch
                .runs_over(usize::from(region), other.addr.wrapping_sub(addr)),
            Some(distance) => other
                .payload
                .fence()
                .stretch()
                .is_some_and(|stretch| stretch.runs_over(other.region(), distance)),
        });
        (!meets).then_some(hidden)
    }

    /// Whether the instructions from `addr` on use the flags. The function at `addr` is decoded.
    pub(super) fn uses_flags(&self, addr: usize) -> bool {
        let Examiner {
            function, reserved, ..
        } = &*self.examiner;
        !function.flags_are_dead(addr as u64, reserved.index())
    }

    /// Whether ftrace attaches to an entry: it ignores an entry that is not at the beginning of a
    /// symbol, because a weak function may have left it (kernel/trace/ftrace.c:test_for_valid_rec).
    /// The function with the entry is decoded.
    fn is_attachable(&self, entry: usize) -> bool {
        let start = self.examiner.function.start() as usize;
        entry.wrapping_sub(start) <= ENDBR_LEN
    }

    fn region(&self, addr: usize) -> Result<Region, NotOptimizable> {
        let Examiner {
            function, reserved, ..
        } = &*self.examiner;
        let region = function.region(addr as u64, reserved.index())?;
        let end = addr.wrapping_add(usize::from(region.len));
        match traced_in(addr..end) {
            Some(_) => Err(NotOptimizable::Reserved(Kind::Ftrace)),
            None => Ok(region),
        }
    }
}

/// Where the call of the tracer begins, if bytes of such a call are in `text`. In a module without
/// local symbols one symbol stands for several functions, and each of them may have such a call. So
/// ftrace is asked for the bytes, and not for the symbol.
fn traced_in(text: Range<usize>) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    // SAFETY: Ftrace searches its own tables for the range; any range is allowed.
    let entry = unsafe { ffi::rk_ftrace_location_range(text.start, text.end.wrapping_sub(1)) };
    (entry != 0).then_some(entry)
}
