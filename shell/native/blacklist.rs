// SPDX-License-Identifier: GPL-2.0

//! What native kprobes are refused besides what the kernel itself forbids: entries of ours in their
//! blacklist (kernel/kprobes.c:kprobe_blacklist).
//!
//! The kernel reads it under RCU when a native kprobe is registered, and changes it under
//! `kprobe_mutex` when a module comes or goes. An entry of ours is never taken for one of a module
//! that goes, which it would free (kernel/kprobes.c:kprobe_remove_area_blacklist): those begin in
//! text that is itself refused, where no site is, and ours have been unlinked by then, for our
//! module notifier runs first.

use crate::sys::ffi;
use crate::sys::locks::KprobeMutex;
use crate::sys::symbols;
use core::cell::UnsafeCell;
use core::ops::Range;
use core::ptr::addr_of_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A range of addresses that native kprobes are refused while it is linked. Changed under the
/// engine's lock.
pub(crate) struct Refused(UnsafeCell<ffi::rk_refused>);

impl Refused {
    /// One that is not linked.
    pub(crate) fn new(range: Range<usize>) -> Self {
        let refused = Self(UnsafeCell::default());
        refused.set(range);
        refused
    }

    /// Has it another range. Where it is linked, a native kprobe that is being registered sees the
    /// old or the new ends.
    pub(crate) fn set(&self, range: Range<usize>) {
        // SAFETY: inside of us; others only read it, and it is one word.
        unsafe { AtomicUsize::from_ptr(addr_of_mut!((*self.0.get()).start)) }
            .store(range.start, Ordering::Relaxed);
        self.set_end(range.end);
    }

    /// Refuses native kprobes the addresses of the range; nothing if it is linked already.
    ///
    /// # Safety
    ///
    /// It stays where it is until an RCU grace period after it was unlinked.
    pub(crate) unsafe fn link(&self, _held: &KprobeMutex) {
        let list = symbols::address(symbols::Data::Blacklist) as kernel::ffi::c_ulong;
        // SAFETY: `kprobe_mutex` is held, and by the contract the entry stays while others read it.
        unsafe { ffi::rk_refused_link(list, self.0.get()) };
    }

    /// Whether it is linked. The engine's lock is held.
    pub(crate) fn is_linked(&self) -> bool {
        // SAFETY: inside of us, changed under the lock that the caller holds.
        !unsafe { (*self.0.get()).prev }.is_null()
    }

    /// Moves the end of the range. A native kprobe that is being registered sees the old or the new
    /// one.
    pub(crate) fn set_end(&self, end: usize) {
        // SAFETY: inside of us; others only read it, and it is one word.
        unsafe { AtomicUsize::from_ptr(addr_of_mut!((*self.0.get()).end)) }
            .store(end, Ordering::Relaxed);
    }

    /// Lets native kprobes in again, if they are refused it. Who reads the list may still see it
    /// until a grace period is over.
    pub(crate) fn unlink(&self, _held: &KprobeMutex) {
        // SAFETY: `kprobe_mutex` is held.
        unsafe { ffi::rk_refused_unlink(self.0.get()) };
    }
}
