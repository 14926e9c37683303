// SPDX-License-Identifier: GPL-2.0

//! The optimizer's passes: the delayed work, and waiting for it.

use super::state::{
    engine,
    Core,
    Engine, //
};
use crate::arch_x86::int3_table::Retired;
use crate::eligibility::refusal::Refusal;
use crate::optimizer::{
    Grace,
    SiteLane, //
};
use crate::shell::native::lookup::handler_in;
use crate::shell::{
    memory,
    work,
    RcuTasks, //
};
use crate::sys::locks::{
    wait_for_handlers,
    KprobeMutex, //
};
use crate::sys::symbols::Place;
use kernel::prelude::*;

impl Engine {
    /// Arms or disarms all probes. Returns when that is done.
    ///
    /// # Errors
    ///
    /// `Interrupted`: the task received a signal. The change takes effect all the same.
    pub(crate) fn set_all_armed(&self, armed: bool) -> Result<(), Refusal> {
        self.change(|core| core.optimizer.set_all_armed(armed));
        match armed {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Allows or forbids jumps. When it forbids them, it returns after the last jump was removed.
    ///
    /// # Errors
    ///
    /// `Interrupted`: the task received a signal. The change takes effect all the same.
    pub(crate) fn set_optimization(&self, allowed: bool) -> Result<(), Refusal> {
        self.change(|core| core.optimizer.set_optimization(allowed));
        match allowed {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Waits until a full pass that began after this call has ended (rule 6).
    ///
    /// # Errors
    ///
    /// `Interrupted`: the task received a signal.
    pub(crate) fn flush(&self) -> Result<(), Refusal> {
        let mut core = self.core.lock();
        let target = core.optimizer.begun().saturating_add(1);
        work::hurry();
        while core.optimizer.ended() < target {
            if self.passed.wait_interruptible(&mut core) {
                return Err(Refusal::Interrupted);
            }
        }
        Ok(())
    }

    /// One pass of the optimizer. Only one runs at a time.
    fn pass(&self) {
        work::pass_begins();
        self.remove_abandoned();
        let (grace, retired): (Grace, Retired) = {
            let core = &mut *self.core.lock();
            let grace = core.optimizer.begin_pass(&core.shell);
            (grace, memory::take_retired())
        };
        if !retired.is_empty() && !grace.needed() {
            wait_for_handlers();
        }
        let quiesced = grace.wait(&RcuTasks);
        drop(retired);
        {
            let core = &mut *self.core.lock();
            core.optimizer.end_pass(&core.shell, quiesced);
        }
        self.passed.notify_all();
    }

    /// Removes the probes that are left, takes our bytes out of the text and frees all sites. A jump that
    /// another tool keeps in the text for longer than a second is left behind, with the memory that it
    /// leads to. Where another tool keeps an int3 or an ftrace entry of ours, this waits for the tool,
    /// because both need the module. It waits too where the jump replaces an instruction that leads
    /// elsewhere, because the module would not see the instruction when it is loaded again.
    pub(crate) fn drain(&self) {
        // A probe may be left whose module was unloaded and whose memory was leaked. That memory is
        // still allocated.
        self.owner_gone(|_| true);
        let mut told = false;
        loop {
            let mut core = self.core.lock();
            if core.optimizer.sites().next().is_none() {
                return;
            }
            if core.optimizer.foreign() > 0 && told && core.leave_jumps() {
                continue;
            }
            if core.optimizer.foreign() > 0 && !told {
                core.tell_foreign();
                told = true;
            }
            let target = core.optimizer.begun().saturating_add(1);
            if !told {
                work::hurry();
            }
            while core.optimizer.ended() < target && core.optimizer.sites().next().is_some() {
                self.passed.wait(&mut core);
            }
        }
    }
}

impl Core {
    /// Names the sites whose text other tools keep, and the tools.
    fn tell_foreign(&self) {
        let sites = self.optimizer.sites();
        for (_, site) in sites.filter(|(_, site)| site.foreign().is_some()) {
            let end = site.addr.saturating_add(site.region().max(1));
            let handler = handler_in(&KprobeMutex::lock(), site.addr, end);
            let ours = match site.state() {
                state if state.is_jump() => "jump",
                _ if site.lane == SiteLane::Ftrace => "ftrace entry",
                _ => "int3",
            };
            let at = Place(site.addr);
            match handler {
                0 => pr_warn!("our {ours} at {at} cannot be removed: another tool has changed it\n"),
                _ => pr_warn!(
                    "our {ours} at {at} cannot be removed: a native kprobe with the handler {} is there\n",
                    Place(handler)
                ),
            }
        }
    }

    /// Leaves the jumps behind that other tools keep in the text. Returns whether there were any.
    fn leave_jumps(&mut self) -> bool {
        let left = self.optimizer.abandon_jumps(&self.shell);
        if left > 0 {
            let kept = memory::MEMORY.lock().slots.kept();
            pr_warn!(
                "left {left} jumps in the text for good, with {kept} bytes of memory that they go through\n"
            );
        }
        left > 0
    }
}

/// The delayed work.
///
/// # Safety
///
/// Called by the work queue only, which runs one call at a time.
#[no_mangle]
unsafe extern "C" fn rk_optimizer_pass() {
    if let Some(engine) = engine() {
        engine.pass();
    }
}
