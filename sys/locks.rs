// SPDX-License-Identifier: GPL-2.0

//! The kernel's text locks, as types, and the order of all locks that the module takes.
//!
//! # Lock order, outermost first
//!
//! 1. the registry of named probes (debugfs/named.rs), which the notifier of waiting probes takes inside
//!    the lock of the chain of module notifiers, then `event_mutex`, which the tracing also holds when it
//!    adds or removes a consumer of an event, then the lock of one probe's sites (trace/sites.rs),
//! 2. the engine's lock, of which [`EngineHeld`] is the proof,
//! 3. for the ftrace lane: the locks that `ftrace_set_filter_ips` takes; alone, never nested with
//!    4 to 7,
//! 4. `kprobe_mutex`,
//! 5. `cpus_read_lock`,
//! 6. `jump_label_mutex`; alone, never nested with 3, 4, 5 and 7,
//! 7. `text_mutex`,
//! 8. the lock of the int3 table and the slots (shell/memory.rs), inside of which none is taken.
//!
//! `module_mutex` is taken where the symbols of a module are searched by name. It comes after the
//! engine's lock and is nested with none of 3 to 8, because the kernel holds it over
//! `synchronize_rcu()` when it frees a module.
//!
//! Locks 4 to 7 have the order that the kernel has for them. The texts of `errors` and `explain`
//! have locks of their own (debugfs.rs), inside of which none is taken. No lock is held over a
//! grace period, with one exception: a removal of events waits for hits and empties traces with the
//! registry and `event_mutex` locked. The tracing holds `event_mutex` over grace periods too, and no
//! RCU reader takes one of the two. Documentation/design.rst has the reasons.

use crate::sys::{
    compat,
    ffi,
    symbols, //
};
use core::marker::PhantomData;
use kernel::bindings;
use kernel::types::NotThreadSafe;

/// Proof that the engine's lock is held.
///
/// The one value is inside the engine's mutex, so a reference to it lives no longer than the lock's
/// guard. Functions that rely on the lock take such a reference.
pub(crate) struct EngineHeld(());

impl EngineHeld {
    /// Makes the proof.
    ///
    /// # Safety
    ///
    /// The value is kept inside the engine's mutex, and no other value exists.
    pub(crate) const unsafe fn new() -> Self {
        Self(())
    }
}

/// Takes a mutex of the kernel. May sleep.
fn lock(mutex: symbols::Data) {
    // SAFETY: This is the address of the kernel's mutex, looked up when the module was loaded.
    unsafe { bindings::mutex_lock(symbols::data(mutex)) };
}

/// Releases a mutex of the kernel.
///
/// # Safety
///
/// The calling task holds it.
unsafe fn unlock(mutex: symbols::Data) {
    // SAFETY: This is the address of the kernel's mutex, and the calling task holds it.
    unsafe { bindings::mutex_unlock(symbols::data(mutex)) };
}

/// `text_mutex` is held: no other task writes text, so text that is read has no half-done poke.
pub(crate) struct TextMutex(NotThreadSafe);

impl TextMutex {
    /// Takes `text_mutex`. May sleep.
    pub(crate) fn lock() -> Self {
        lock(symbols::Data::TextMutex);
        Self(PhantomData)
    }
}

impl Drop for TextMutex {
    fn drop(&mut self) {
        // SAFETY: This task took the lock in `lock`, because the guard does not move to another task.
        unsafe { unlock(symbols::Data::TextMutex) };
    }
}

/// `kprobe_mutex` is held: no native kprobe is prepared, armed, optimized or removed.
///
/// A native kprobe is prepared in one `text_mutex` section and armed in another, so `text_mutex`
/// alone would allow it in bytes that a site has just been poked into.
pub(crate) struct KprobeMutex(NotThreadSafe);

impl KprobeMutex {
    /// Takes `kprobe_mutex`. May sleep for a grace period of the native optimizer.
    pub(crate) fn lock() -> Self {
        lock(symbols::Data::KprobeMutex);
        Self(PhantomData)
    }
}

impl KprobeMutex {
    /// Whether another task waits for the mutex, for example to register a native kprobe.
    pub(crate) fn is_awaited(&self) -> bool {
        // SAFETY: This is the address of the kernel's mutex, as in `lock`.
        unsafe { ffi::rk_mutex_has_waiters(symbols::data(symbols::Data::KprobeMutex)) }
    }
}

impl Drop for KprobeMutex {
    fn drop(&mut self) {
        // SAFETY: This task took the lock in `lock`, because the guard does not move to another task.
        unsafe { unlock(symbols::Data::KprobeMutex) };
    }
}

/// `jump_label_mutex` is held: no task checks an address for a native kprobe.
pub(crate) struct JumpLabelMutex(NotThreadSafe);

impl JumpLabelMutex {
    /// Takes `jump_label_mutex`. The caller holds no text lock, because this mutex is taken before
    /// `text_mutex`. May sleep.
    pub(crate) fn lock() -> Self {
        lock(symbols::Data::JumpLabelMutex);
        Self(PhantomData)
    }
}

impl Drop for JumpLabelMutex {
    fn drop(&mut self) {
        // SAFETY: This task took the lock in `lock`, because the guard does not move to another task.
        unsafe { unlock(symbols::Data::JumpLabelMutex) };
    }
}

/// No CPU goes online or offline.
pub(crate) struct CpusHeld(NotThreadSafe);

impl CpusHeld {
    /// Takes the CPU hotplug lock for reading. May sleep.
    pub(crate) fn lock() -> Self {
        // SAFETY: The function has no condition but process context.
        unsafe { ffi::cpus_read_lock() };
        Self(PhantomData)
    }
}

impl Drop for CpusHeld {
    fn drop(&mut self) {
        // SAFETY: This task took the lock in `lock`, because the guard does not move to another task.
        unsafe { ffi::cpus_read_unlock() };
    }
}

/// Waits until all running handlers and all readers of the int3 table have ended. What the caller
/// made unreachable for them before the call may then be freed. May sleep for a grace period.
///
/// RCU waits for handlers, because they run with interrupts off. But RCU does not wait for a CPU
/// that it counts as offline, and such a CPU still runs kernel text: a CPU that goes offline, after
/// kernel/cpu.c:cpuhp_report_idle_dead has told RCU, and a CPU that starts, before
/// kernel/cpu.c:notify_cpu_starting tells RCU. The lock waits for the hotplug operation that has
/// begun, and therefore for a handler on its CPU. In an operation that begins later, a CPU that
/// goes offline ends its handlers before it tells RCU, and a CPU that starts sees what the caller
/// has written.
///
/// The caller is not in a callback of CPU hotplug, and holds neither `cpus_read_lock` nor a lock
/// that is taken under it.
pub(crate) fn wait_for_handlers() {
    drop(CpusHeld::lock());
    compat::synchronize_rcu();
}

/// The locks that are held over a poke. They are released in the reverse order.
pub(crate) struct TextLocks {
    text: TextMutex,
    _cpus: CpusHeld,
    kprobes: KprobeMutex,
}

impl TextLocks {
    /// Takes all of them. May sleep.
    pub(crate) fn lock() -> Self {
        let kprobes = KprobeMutex::lock();
        let cpus = CpusHeld::lock();
        Self {
            text: TextMutex::lock(),
            _cpus: cpus,
            kprobes,
        }
    }

    /// Whether another task waits for one of the mutexes.
    pub(crate) fn are_awaited(&self) -> bool {
        // SAFETY: This is the address of the kernel's mutex, looked up when the module was loaded.
        let text = unsafe { ffi::rk_mutex_has_waiters(symbols::data(symbols::Data::TextMutex)) };
        text || self.kprobes.is_awaited()
    }

    /// Runs `work` without the locks: they are released before it and taken again after it. What was
    /// read of text before may be old afterwards. May sleep.
    pub(crate) fn released<R>(&mut self, work: impl FnOnce() -> R) -> R {
        // SAFETY: `self` holds the three locks. It is borrowed until they are taken again, so no proof
        // that one of them is held can be used meanwhile.
        unsafe {
            unlock(symbols::Data::TextMutex);
            ffi::cpus_read_unlock();
            unlock(symbols::Data::KprobeMutex);
        }
        let result = work();
        lock(symbols::Data::KprobeMutex);
        // SAFETY: The function has no condition but process context.
        unsafe { ffi::cpus_read_lock() };
        lock(symbols::Data::TextMutex);
        result
    }

    /// The proof that `text_mutex` is held.
    pub(crate) fn text(&self) -> &TextMutex {
        &self.text
    }

    /// The proof that `kprobe_mutex` is held.
    pub(crate) fn kprobes(&self) -> &KprobeMutex {
        &self.kprobes
    }
}
