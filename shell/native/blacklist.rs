// SPDX-License-Identifier: GPL-2.0

//! Entries of this module in the blacklist of native kprobes (kernel/kprobes.c:kprobe_blacklist).
//!
//! The kernel reads the blacklist under RCU when a native kprobe is registered. It changes the blacklist
//! under `kprobe_mutex` when a module is loaded or unloaded. When it frees the entries of an unloaded
//! module (kernel/kprobes.c:kprobe_remove_area_blacklist), it frees none of these. Its own entries begin
//! in blacklisted text, where no site is. The entries of sites have been unlinked by then, because the
//! module notifier of rkprobes runs first.

use crate::sys::ffi;
use crate::sys::locks::KprobeMutex;
use crate::sys::symbols;
use core::cell::UnsafeCell;
use core::mem::ManuallyDrop;
use core::ops::Range;
use core::ptr::{
    addr_of_mut,
    NonNull, //
};
use core::sync::atomic::{
    AtomicUsize,
    Ordering, //
};
use kernel::prelude::*;

/// A range of addresses that native kprobes are refused while it is linked. It changes under the
/// engine's lock.
pub(crate) struct Refused(UnsafeCell<ffi::rk_refused>);

impl Refused {
    /// A range that is not linked.
    pub(crate) fn new(range: Range<usize>) -> Self {
        let refused = Self(UnsafeCell::default());
        refused.set(range);
        refused
    }

    /// Replaces the range. While it is linked, a native kprobe that is being registered sees the old or
    /// the new value of each end.
    pub(crate) fn set(&self, range: Range<usize>) {
        // SAFETY: The word is inside `self`, and the kernel only reads it.
        unsafe { AtomicUsize::from_ptr(addr_of_mut!((*self.0.get()).start)) }
            .store(range.start, Ordering::Relaxed);
        self.set_end(range.end);
    }

    /// Links the range, so that native kprobes are refused its addresses. Does nothing if it is linked.
    ///
    /// # Safety
    ///
    /// `self` stays where it is until an RCU grace period after it was unlinked.
    pub(crate) unsafe fn link(&self, _held: &KprobeMutex) {
        let list = symbols::address(symbols::Data::Blacklist) as kernel::ffi::c_ulong;
        // SAFETY: `kprobe_mutex` is held. By the contract the entry stays while the kernel reads it.
        unsafe { ffi::rk_refused_link(list, self.0.get()) };
    }

    /// Adds to `entries` the entry that can replace this one for ever. Adds nothing if the range is not
    /// linked.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn replacement(&self, held: &KprobeMutex, entries: &mut KVec<ForEver>) -> Result {
        if self.is_linked(held) {
            // SAFETY: The range changes under the engine's lock, which the caller holds.
            let (start, end) = unsafe { ((*self.0.get()).start, (*self.0.get()).end) };
            entries.push(ForEver::new(start..end)?, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Whether the range is linked.
    pub(crate) fn is_linked(&self, _held: &KprobeMutex) -> bool {
        // SAFETY: The pointer is inside `self`, and changes under `kprobe_mutex`, which is held.
        !unsafe { (*self.0.get()).prev }.is_null()
    }

    /// Moves the end of the range. A native kprobe that is being registered sees the old or the new end.
    pub(crate) fn set_end(&self, end: usize) {
        // SAFETY: The word is inside `self`, and the kernel only reads it.
        unsafe { AtomicUsize::from_ptr(addr_of_mut!((*self.0.get()).end)) }
            .store(end, Ordering::Relaxed);
    }

    /// Unlinks the range, if it is linked. Readers of the blacklist may still see it until an RCU grace
    /// period is over.
    pub(crate) fn unlink(&self, _held: &KprobeMutex) {
        // SAFETY: `kprobe_mutex` is held, which serializes all changes of the list.
        unsafe { ffi::rk_refused_unlink(self.0.get()) };
    }
}

/// An entry that the kernel keeps for ever after it is linked. Freed when it is dropped before.
pub(crate) struct ForEver(NonNull<kernel::ffi::c_void>);

impl ForEver {
    /// An entry that is not linked.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    fn new(range: Range<usize>) -> Result<Self> {
        // SAFETY: The function only allocates memory, and the caller may sleep.
        let entry = unsafe { ffi::rk_refused_for_ever(range.start, range.end) };
        Ok(Self(NonNull::new(entry).ok_or(ENOMEM)?))
    }

    /// Links the entry, and leaves it to the kernel.
    pub(crate) fn link(self, _held: &KprobeMutex) {
        let list = symbols::address(symbols::Data::Blacklist) as kernel::ffi::c_ulong;
        let entry = ManuallyDrop::new(self);
        // SAFETY: `kprobe_mutex` is held, and the list is the kernel's blacklist. Nothing frees the entry
        // but the kernel from now on.
        unsafe { ffi::rk_refuse_for_ever(list, entry.0.as_ptr()) };
    }
}

impl Drop for ForEver {
    fn drop(&mut self) {
        // SAFETY: `new` allocated the entry, and it is not linked: `link` consumes its owner.
        unsafe { ffi::rk_refused_free(self.0.as_ptr()) };
    }
}
