// SPDX-License-Identifier: GPL-2.0

//! What the optimizer decides, done in the kernel.

pub(crate) mod counting;
pub(crate) mod ftrace_lane;
pub(crate) mod native;
pub(crate) mod slots;
pub(crate) mod text;
pub(crate) mod text_lane;

use crate::arch_x86::int3_table::{Retired, Table};
use crate::arch_x86::trap::Trap;
use crate::containers::slab::Arrays;
use crate::eligibility::refusal::NotOptimizable;
use crate::optimizer::{self, Backend, Delay, Foreign, Handlers, JumpTo, Poke, SiteLane};
use crate::shell::counting::Counter;
use crate::shell::ftrace_lane::FtraceLane;
use crate::shell::slots::Slots;
use crate::shell::text_lane::{TextPokeBatch, PATIENCE};
use crate::sys::ffi;
use crate::sys::growable::Growable;
use crate::sys::locks::{is_anybody_asking, JumpLabelMutex, KprobeMutex};
use crate::sys::stats;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use kernel::prelude::*;
use kernel::time::{delay::fsleep, Delta};

/// The delay of the optimizer, in jiffies; a module parameter.
pub(crate) static OPTIMIZE_DELAY: AtomicU32 = AtomicU32::new(5);
/// The delay before bytes of others are looked at again, in jiffies.
const RETRY_DELAY: u32 = 250;

/// How many copies of an instruction post_handlers need; see [`Trap::step`].
pub(crate) const STEPS: usize = 2;

/// The delayed work is pending with [`RETRY_DELAY`].
static LAZY: AtomicBool = AtomicBool::new(false);

/// What hits reach: the int3 table and the executable memory.
pub(crate) struct Memory {
    pub(crate) table: Table,
    pub(crate) slots: Slots,
}

impl Memory {
    const fn new() -> Self {
        Self {
            table: Table::new(),
            slots: Slots::new(),
        }
    }

    /// A slot for copies that post_handlers have made, and room for the int3s behind them.
    pub(crate) fn take_steps(&mut self) -> Result<usize> {
        self.table.reserve(STEPS)?;
        self.slots.take().inspect_err(|_| self.table.release(STEPS))
    }

    /// Gives both back.
    pub(crate) fn give_steps(&mut self, slot: usize) {
        self.table.release(STEPS);
        self.slots.give(slot);
    }
}

kernel::sync::global_lock! {
    // SAFETY: `init` is called first in the module's init.
    pub(crate) unsafe(uninit) static MEMORY: Mutex<Memory> = Memory::new();
}

/// What is kept for a site.
pub(crate) struct SiteMemory {
    pub(crate) trap: KBox<Trap>,
    /// What counts inline.
    pub(crate) counter: Counter,
    /// Why there can be no jump.
    pub(crate) reason: Option<NotOptimizable>,
    lane: SiteLane,
}

impl SiteMemory {
    /// Without a slot.
    pub(crate) fn new(lane: SiteLane, trap: KBox<Trap>, reason: Option<NotOptimizable>) -> Self {
        Self {
            trap,
            counter: Counter::default(),
            reason,
            lane,
        }
    }

    pub(crate) fn trap_ptr(&self) -> *mut Trap {
        let trap: &Trap = &self.trap;
        core::ptr::from_ref(trap).cast_mut()
    }
}

/// A user's probe; it stays where it is while it is registered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProbePtr(pub(crate) *mut ffi::rkprobe);

// SAFETY: a registered probe may be used by any task that holds the engine's lock.
unsafe impl Send for ProbePtr {}

impl ProbePtr {
    /// Whether it or one of its handlers is at an address that is `inside`. The engine's lock is
    /// held.
    pub(crate) fn rests_on(self, inside: impl Fn(usize) -> bool) -> bool {
        // SAFETY: the probe is registered, so it is alive; its handlers do not change.
        let (pre, post) = unsafe { ((*self.0).pre_handler, (*self.0).post_handler) };
        inside(self.0 as usize)
            || pre.is_some_and(|pre| inside(pre as usize))
            || post.is_some_and(|post| inside(post as usize))
    }

    /// Whether a flag is set. The engine's lock is held.
    pub(crate) fn has_flag(self, flag: u32) -> bool {
        // SAFETY: the probe is registered, so it is alive; `flags` is changed under the lock.
        unsafe { (*self.0).flags & flag != 0 }
    }

    /// What is called. The engine's lock is held.
    pub(crate) fn handlers(self) -> Handlers {
        // SAFETY: the probe is alive; its handlers do not change.
        match unsafe { ((*self.0).pre_handler, (*self.0).post_handler) } {
            (_, Some(_)) => Handlers::Post,
            (Some(_), None) => Handlers::Pre,
            (None, None) => Handlers::None,
        }
    }

    /// Whether its user wants it to run. The engine's lock is held.
    pub(crate) fn is_enabled(self) -> bool {
        // SAFETY: the probe is registered, so it is alive; the lock is what changes flags.
        unsafe { (*self.0).flags & ffi::RKPROBE_FLAG_DISABLED == 0 }
    }

    /// Sets or clears a flag. The engine's lock is held; handlers read the flags at the same time.
    pub(crate) fn set_flag(self, flag: u32, on: bool) {
        // SAFETY: the probe is registered, so it is alive; one volatile store.
        unsafe {
            let flags = core::ptr::addr_of_mut!((*self.0).flags);
            let old = flags.read_volatile();
            flags.write_volatile(if on { old | flag } else { old & !flag });
        }
    }
}

/// The optimizer's backend in the kernel.
pub(crate) struct Shell;

impl Arrays for Shell {
    type Of<T> = Growable<T>;
}

impl Backend for Shell {
    type Site = SiteMemory;
    type Probe = ProbePtr;
    type Locked<'a> = TextSection;

    fn lock(&self, lane: SiteLane) -> TextSection {
        match lane {
            SiteLane::Text => TextSection::Text(TextPokeBatch::lock()),
            SiteLane::Ftrace => TextSection::Ftrace(FtraceLane::begin()),
        }
    }

    fn let_others_finish(&self, lane: SiteLane) {
        // Who registers a native kprobe asks the blacklist with a lock held, and goes on asking others for
        // long before he comes to `kprobe_mutex` (kernel/kprobes.c:check_kprobe_address_safe). To sleep at
        // the lock would make it likely that he is preempted in between, when he wakes us.
        for _ in 0..PATIENCE {
            if lane != SiteLane::Text || !is_anybody_asking() {
                return;
            }
            fsleep(Delta::from_millis(1));
        }
        // So many ask, or one does not get on.
        drop(JumpLabelMutex::lock());
    }

    fn set_live(&self, site: &SiteMemory, live: bool) {
        site.trap.set_live(live);
        site.credit_all(live);
    }

    fn set_detour_hits(&self, site: &SiteMemory, on: bool) {
        site.trap.set_detour_hits(on);
        site.trap.expect_jump(on);
    }

    fn set_enabled(&self, probe: &ProbePtr, enabled: bool) {
        probe.set_flag(ffi::RKPROBE_FLAG_DISABLED, !enabled);
    }

    fn leave(&self, site: &SiteMemory, jump: bool) {
        if jump {
            site.trap.leave_jump();
        }
        // The kernel frees what of the blacklist begins in the blacklisted text of the module.
        site.trap.let_natives_in(&KprobeMutex::lock());
        if site.lane == SiteLane::Ftrace {
            // It failed with others; alone it may go. Else the filter would trace whoever is loaded
            // there next.
            let mut ip = site.trap.addr as kernel::ffi::c_ulong;
            // SAFETY: one address; the engine's lock is held.
            unsafe { ffi::rk_ftrace_filter(&mut ip, 1, true) };
        }
    }

    fn may_run(&self, site: &SiteMemory) -> bool {
        // What runs there was started before the module went, and is waited for before the kernel
        // says of the address that it is no module's any more (kernel/module/main.c: delete_module,
        // do_init_module). Text that came there since is not going.
        text::is_going(site.trap.addr)
    }

    fn forget(&self, site: &SiteMemory) {
        MEMORY.lock().table.remove(site.trap.addr, site.trap_ptr());
    }

    fn free(&self, site: SiteMemory) {
        let mut memory = MEMORY.lock();
        for end in site.trap.step_ends() {
            memory.table.remove(end, site.trap_ptr());
        }
        if let Some(steps) = site.trap.step(false) {
            memory.give_steps(steps);
        }
        memory.table.release(1);
        if site.trap.slot != 0 {
            memory.slots.give(site.trap.slot);
        }
    }

    fn kick(&self, delay: Delay) {
        match delay {
            Delay::Normal => {
                let sooner = LAZY.swap(false, Ordering::Relaxed);
                kick(OPTIMIZE_DELAY.load(Ordering::Relaxed), sooner);
            }
            Delay::Retry => {
                // What is pending already may be due sooner, and must not be put off.
                if kick(RETRY_DELAY, false) {
                    LAZY.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    fn synchronize_rcu_tasks(&self) {
        stats::add(&stats::GRACE_PERIODS, 1);
        // SAFETY: process context, and no lock is held that others need.
        unsafe { ffi::synchronize_rcu_tasks() };
        // RCU-tasks passes over idle tasks. Their code that can be probed runs with preemption off
        // and RCU watching, and so do int3 handlers that interrupt them: RCU waits for both.
        kernel::sync::rcu::synchronize_rcu();
    }
}

/// Says whether the work was not pending.
fn kick(ticks: u32, sooner: bool) -> bool {
    // SAFETY: the work queue exists from before the first probe until after the last.
    unsafe { ffi::rk_kick_optimizer(ticks, sooner) }
}

/// Starts a pass now.
pub(crate) fn hurry() {
    LAZY.store(false, Ordering::Relaxed);
    kick(0, true);
}

/// A pass begins: what is kicked from now on is the next one.
pub(crate) fn pass_begins() {
    LAZY.store(false, Ordering::Relaxed);
}

/// The tables that readers may still be in.
pub(crate) fn take_retired() -> Retired {
    MEMORY.lock().table.take_retired()
}

/// A section in which one lane's sites are changed.
pub(crate) enum TextSection {
    Text(TextPokeBatch),
    Ftrace(FtraceLane),
}

impl optimizer::LockedText for TextSection {
    type Site = SiteMemory;

    fn announce(&mut self, site: &SiteMemory) -> bool {
        match self {
            TextSection::Text(batch) => batch.announce(&site.trap),
            TextSection::Ftrace(_) => false,
        }
    }

    fn withdraw(&mut self, site: &SiteMemory) {
        MEMORY.lock().table.remove(site.trap.addr, site.trap_ptr());
        if let TextSection::Text(batch) = self {
            batch.withdraw(&site.trap);
        }
    }

    fn add(&mut self, poke: Poke, site: &SiteMemory, to: JumpTo) -> Result<(), Foreign> {
        if poke == Poke::Arm {
            // Before the int3 is in the text, or ftrace calls us, somebody must claim it.
            MEMORY.lock().table.insert(site.trap.addr, site.trap_ptr());
        }
        let added = match self {
            TextSection::Text(batch) => batch.add(poke, site, to),
            TextSection::Ftrace(lane) => lane.add(poke, site),
        };
        if added.is_err() {
            stats::add(&stats::FOREIGN_TEXT, 1);
        }
        added
    }

    fn finish(&mut self, poke: Poke) -> Result<(), Foreign> {
        match self {
            TextSection::Text(batch) => batch.finish(poke),
            TextSection::Ftrace(lane) => return lane.finish(poke),
        }
        Ok(())
    }

    fn done(&mut self, poke: Poke, site: &SiteMemory) {
        match poke {
            Poke::Arm | Poke::Optimize | Poke::Unoptimize => {}
            // The sync is over: no CPU can hit the int3 any more.
            Poke::Disarm => MEMORY.lock().table.remove(site.trap.addr, site.trap_ptr()),
        }
    }
}

/// Makes the optimizer's work queue. ENOMEM without memory.
pub(crate) fn start() -> Result {
    // SAFETY: once.
    kernel::error::to_result(unsafe { ffi::rk_start_optimizer() })
}

/// Waits until neither the optimizer nor a task that was preempted is in the module's text. There
/// are no sites any more, and the notifiers are gone.
pub(crate) fn stop() {
    // SAFETY: nobody kicks or attaches any more. The pair of waits is that of
    // kernel/trace/ftrace.c:ftrace_shutdown for text that is freed.
    unsafe {
        ffi::rk_stop_optimizer();
        ffi::rk_ftrace_stop();
        ffi::synchronize_rcu_tasks_rude();
        ffi::synchronize_rcu_tasks();
    }
}

/// Frees what hits reached. Nobody hits any more.
pub(crate) fn free_memory() {
    let memory = core::mem::replace(&mut *MEMORY.lock(), Memory::new());
    drop(memory);
}
