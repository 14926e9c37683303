// SPDX-License-Identifier: GPL-2.0

//! The delayed work that runs the optimizer's passes.

use crate::optimizer::Delay;
use crate::sys::ffi;
use crate::sys::locks::wait_for_handlers;
use core::sync::atomic::{
    AtomicBool,
    AtomicU32,
    Ordering, //
};
use kernel::prelude::*;

/// The delay of the optimizer, in jiffies; a module parameter.
pub(crate) static OPTIMIZE_DELAY: AtomicU32 = AtomicU32::new(5);

/// The delay before foreign bytes are looked at again, in jiffies.
const RETRY_DELAY: u32 = 250;

/// The delayed work is pending with [`RETRY_DELAY`].
static LAZY: AtomicBool = AtomicBool::new(false);

/// Starts a pass after a delay. If the work is pending already, the shorter delay counts.
pub(crate) fn kick(delay: Delay) {
    match delay {
        Delay::Normal => {
            let sooner = LAZY.swap(false, Ordering::Relaxed);
            queue(OPTIMIZE_DELAY.load(Ordering::Relaxed), sooner);
        }
        Delay::Retry => {
            // Work that is pending already may be due sooner, and must not be delayed.
            if queue(RETRY_DELAY, false) {
                LAZY.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Queues the work after so many `ticks`. Returns whether it was not pending.
fn queue(ticks: u32, sooner: bool) -> bool {
    // SAFETY: The work queue exists from before the first probe until after the last.
    unsafe { ffi::rk_kick_optimizer(ticks, sooner) }
}

/// Starts a pass now.
pub(crate) fn hurry() {
    LAZY.store(false, Ordering::Relaxed);
    queue(0, true);
}

/// Notes that a pass begins: a later kick is for the next pass.
pub(crate) fn pass_begins() {
    LAZY.store(false, Ordering::Relaxed);
}

/// Makes the work queue.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn start() -> Result {
    // SAFETY: The module's init function calls this once.
    kernel::error::to_result(unsafe { ffi::rk_start_optimizer() })
}

/// Waits until neither the optimizer nor a task that was preempted is in the module's text. There are no
/// sites any more, and the notifiers are unregistered.
pub(crate) fn stop() {
    // SAFETY: Nothing queues the work or attaches to ftrace any more. The pair of waits is that of
    // kernel/trace/ftrace.c:ftrace_shutdown for text that is freed.
    unsafe {
        ffi::rk_stop_optimizer();
        ffi::rk_ftrace_stop();
        ffi::synchronize_rcu_tasks_rude();
        ffi::synchronize_rcu_tasks();
    }
    // Unregistering the int3 notifier waited for RCU only.
    wait_for_handlers();
}
