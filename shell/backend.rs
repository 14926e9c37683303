// SPDX-License-Identifier: GPL-2.0

//! The optimizer's backend.

use crate::arch_x86::probe_list::ProbePtr;
use crate::containers::slab::Arrays;
use crate::eligibility::leads_elsewhere;
use crate::optimizer::{
    Backend,
    Delay,
    Quiescence,
    SiteLane, //
};
use crate::shell::ftrace_lane::FtraceLane;
use crate::shell::memory::MEMORY;
use crate::shell::module_text;
use crate::shell::section::TextSection;
use crate::shell::site::SiteMemory;
use crate::shell::text_lane::{
    TextPokeBatch,
    PATIENCE, //
};
use crate::shell::work;
use crate::sys::ffi;
use crate::sys::growable::Growable;
use crate::sys::locks::{
    wait_for_handlers,
    EngineHeld,
    JumpLabelMutex,
    KprobeMutex, //
};
use crate::sys::{
    registering,
    stats, //
};
use core::mem::ManuallyDrop;
use kernel::time::delay::fsleep;
use kernel::time::Delta;

/// The optimizer's backend in the kernel. It is inside the engine's lock, with the proof of that.
pub(crate) struct Shell {
    held: EngineHeld,
}

impl Shell {
    /// The backend of the optimizer that the engine's lock protects.
    pub(crate) const fn new(held: EngineHeld) -> Self {
        Self { held }
    }

    /// The proof that the engine's lock is held.
    pub(crate) fn held(&self) -> &EngineHeld {
        &self.held
    }
}

/// How often [`Backend::settle`] keeps new native kprobes away to let the others finish.
const ROUNDS: u32 = 8;

/// Waits until no task is registering a native kprobe that has asked the blacklist before this call.
/// Returns whether that was seen.
///
/// It does not sleep at `jump_label_mutex`: the holder would wake this task when it unlocks, and would
/// lose its CPU to this task between the two mutexes.
fn wait_for_idle() -> bool {
    (0..PATIENCE).any(|_| {
        let idle = !registering::is_possible();
        if !idle {
            fsleep(Delta::from_millis(1));
        }
        idle
    })
}

/// Keeps tasks from checking addresses for a moment, so that a task that registers and removes native
/// kprobes without a pause cannot hide the end of the others. Returns whether all others have ended.
/// Static keys cannot change meanwhile, so the time is short. Nothing is locked inside, so
/// the order of the mutexes is kept.
fn wait_without_new() -> bool {
    // The native optimizer holds it for long.
    drop(KprobeMutex::lock());
    let _closed = JumpLabelMutex::lock();
    (0..PATIENCE / 2).any(|_| {
        // First, because the task that has just released the mutex takes `kprobe_mutex` next.
        fsleep(Delta::from_millis(1));
        !registering::is_preparing()
    })
}

impl Arrays for Shell {
    type Of<T> = Growable<T>;
}

impl Backend for Shell {
    type Site = SiteMemory;
    type Probe = ProbePtr;
    type Locked<'a> = TextSection;

    fn lock(&self, lane: SiteLane, settled: bool) -> TextSection {
        match lane {
            SiteLane::Text => TextSection::Text(TextPokeBatch::lock(settled)),
            SiteLane::Ftrace => TextSection::Ftrace(FtraceLane::begin()),
        }
    }

    fn settle(&self, lane: SiteLane) -> bool {
        lane != SiteLane::Text || wait_for_idle() || (0..ROUNDS).any(|_| wait_without_new())
    }

    fn set_live(&self, site: &SiteMemory, live: bool) {
        let changed = site.trap().is_live() != live;
        site.trap().set_live(&self.held, live);
        if changed {
            site.credit_all(&self.held);
        }
    }

    fn set_detour_hits(&self, site: &SiteMemory, on: bool) {
        site.trap().set_detour_hits(on);
        site.fence().expect_jump(site.trap(), on);
    }

    fn set_enabled(&self, probe: &ProbePtr, enabled: bool) {
        probe.set_flag(&self.held, ffi::RKPROBE_FLAG_DISABLED, !enabled);
    }

    fn leave(&self, site: &SiteMemory, jump: bool) {
        if jump {
            site.trap().leave_jump();
        }
        // The kernel frees the entries of its blacklist that begin in the module's blacklisted text.
        site.fence().unlink(&KprobeMutex::lock());
        if site.lane == SiteLane::Ftrace {
            // Removing the batch failed; this entry alone may be removed. Else ftrace would trace the
            // module that is loaded there next.
            let mut ip = site.trap().addr as kernel::ffi::c_ulong;
            // SAFETY: The array has one address, and the engine's lock is held.
            unsafe { ffi::rk_ftrace_filter(&mut ip, 1, true) };
        }
    }

    fn may_run(&self, site: &SiteMemory) -> bool {
        // A task that runs there began before the module was unloaded. The kernel waits for such tasks
        // before it says that the address belongs to no module any more (kernel/module/main.c:
        // delete_module, do_init_module). A module that was loaded there since is not going.
        module_text::is_going(site.trap().addr)
    }

    fn forget(&self, site: &SiteMemory) {
        MEMORY
            .lock()
            .table
            .remove(site.trap().addr, site.trap_ptr());
    }

    fn free(&self, site: SiteMemory) {
        let mut memory = MEMORY.lock();
        for end in site.trap().step_ends() {
            memory.table.remove(end, site.trap_ptr());
        }
        if let Some(steps) = site.trap().step(false) {
            memory.give_steps(steps);
        }
        memory.table.release(1);
        if site.trap().slot != 0 {
            memory.slots.give(site.trap().slot);
        }
    }

    fn detach(&self, site: &SiteMemory) -> bool {
        let trap = site.trap();
        // The jump hides these instructions. A later load of this module would not see where they lead
        // to, and would write over that place.
        let is_text = |addr| module_text::check(addr as usize).is_ok();
        if leads_elsewhere(trap.original(), trap.addr as u64, is_text) {
            return false;
        }
        let slot = trap.slot;
        let mut text = TextPokeBatch::lock(false);
        if !site.fence().hand_over(text.kprobes()) || !text.take_call_out(slot) {
            return false;
        }
        MEMORY.lock().slots.keep(slot);
        true
    }

    fn abandon(&self, site: SiteMemory) {
        // A jump that counts adds to the site's counter for ever. Hits that are in the detour's call now
        // use the trap.
        let _ = ManuallyDrop::new(site);
    }

    fn kick(&self, delay: Delay) {
        work::kick(delay);
    }
}

/// The wait of a pass.
pub(crate) struct RcuTasks;

impl Quiescence for RcuTasks {
    fn synchronize_rcu_tasks(&self) {
        stats::add(&stats::GRACE_PERIODS, 1);
        // SAFETY: The pass waits in process context, and holds no lock.
        unsafe { ffi::synchronize_rcu_tasks() };
        // RCU-tasks does not wait for idle tasks. Their code that can be probed runs with preemption
        // off, and either RCU watches the CPU or a hotplug operation for it has begun. This waits for
        // such code, and for int3 handlers that interrupt it.
        wait_for_handlers();
    }
}
