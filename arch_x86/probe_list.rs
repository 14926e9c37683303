// SPDX-License-Identifier: GPL-2.0

//! The probes of a site: a linked list that handlers walk while probes are added and removed.
//!
//! The engine's lock serializes all changes. Handlers read the list without a lock and with
//! interrupts off, so `wait_for_handlers()` waits until they have left a probe that was unlinked.

use crate::optimizer::Handlers;
use crate::sys::ffi;
use crate::sys::locks::EngineHeld;
use core::ptr::{
    addr_of,
    addr_of_mut,
    null_mut, //
};
use core::sync::atomic::{
    AtomicPtr,
    Ordering, //
};

/// A user's probe, by its address.
///
/// # Invariants
///
/// The probe is alive, and stays where it is, for as long as this value is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProbePtr(*mut ffi::rkprobe);

// SAFETY: A task that has the engine's lock, or owns the probe, may use it on any CPU.
unsafe impl Send for ProbePtr {}

impl ProbePtr {
    /// The probe at `probe`.
    ///
    /// # Safety
    ///
    /// The probe is alive, and stays where it is, until the last use of the value and of its copies:
    /// until it is unregistered, or until the call ends that got it from its user.
    pub(crate) const unsafe fn new(probe: *mut ffi::rkprobe) -> Self {
        Self(probe)
    }

    /// The probe's address.
    pub(crate) const fn as_ptr(self) -> *mut ffi::rkprobe {
        self.0
    }

    /// Whether the probe or one of its handlers is at an address that is `inside`.
    pub(crate) fn rests_on(self, _held: &EngineHeld, inside: impl Fn(usize) -> bool) -> bool {
        // SAFETY: The probe is alive by the invariant. Its handlers do not change.
        let (pre, post) = unsafe { ((*self.0).pre_handler, (*self.0).post_handler) };
        inside(self.0 as usize)
            || pre.is_some_and(|pre| inside(pre as usize))
            || post.is_some_and(|post| inside(post as usize))
    }

    /// Whether a flag is set.
    pub(crate) fn has_flag(self, _held: &EngineHeld, flag: u32) -> bool {
        // SAFETY: The probe is alive by the invariant. Only holders of the lock change `flags`.
        unsafe { (*self.0).flags & flag != 0 }
    }

    /// Which handlers the probe has.
    pub(crate) fn handlers(self) -> Handlers {
        // SAFETY: The probe is alive by the invariant. Its handlers do not change.
        match unsafe { ((*self.0).pre_handler, (*self.0).post_handler) } {
            (_, Some(_)) => Handlers::Post,
            (Some(_), None) => Handlers::Pre,
            (None, None) => Handlers::None,
        }
    }

    /// Whether the user has not disabled the probe.
    pub(crate) fn is_enabled(self, held: &EngineHeld) -> bool {
        !self.has_flag(held, ffi::RKPROBE_FLAG_DISABLED)
    }

    /// Sets or clears a flag. Handlers may read the flags meanwhile.
    pub(crate) fn set_flag(self, _held: &EngineHeld, flag: u32, on: bool) {
        // SAFETY: The probe is alive by the invariant. One volatile store changes the flags, so a
        // handler reads the old or the new ones.
        unsafe {
            let flags = addr_of_mut!((*self.0).flags);
            let old = flags.read_volatile();
            flags.write_volatile(if on { old | flag } else { old & !flag });
        }
    }

    /// The link to the next probe of the list.
    fn next<'a>(self) -> &'a AtomicPtr<ffi::rkprobe> {
        // SAFETY: The probe is alive by the invariant, and `next` is only used through this.
        unsafe { AtomicPtr::from_ptr(addr_of_mut!((*self.0).next)) }
    }
}

/// The probes of a site. The probe that was registered last comes first, as with kprobes
/// (kernel/kprobes.c:add_new_kprobe).
#[repr(transparent)]
pub(crate) struct ProbeList(AtomicPtr<ffi::rkprobe>);

impl ProbeList {
    /// A list without probes.
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// Adds a probe, which becomes the first one.
    pub(crate) fn link(&self, _held: &EngineHeld, probe: ProbePtr) {
        let first = self.0.load(Ordering::Relaxed);
        probe.next().store(first, Ordering::Relaxed);
        self.0.store(probe.0, Ordering::Release);
    }

    /// Takes a probe off the list. Its own link stays, because a handler that has reached the probe
    /// goes on from it until a grace period is over. The list is searched for it: the probe's user may
    /// have overwritten it, and a place that it names may be free memory.
    pub(crate) fn unlink(&self, held: &EngineHeld, probe: ProbePtr) {
        let mut link = &self.0;
        for linked in self.all(held) {
            if linked == probe {
                let next = linked.next().load(Ordering::Relaxed);
                link.store(next, Ordering::Release);
                return;
            }
            link = linked.next();
        }
    }

    /// Every probe, disabled ones included.
    pub(crate) fn all<'a>(&'a self, _held: &'a EngineHeld) -> impl Iterator<Item = ProbePtr> + 'a {
        let mut link = &self.0;
        core::iter::from_fn(move || {
            let probe = link.load(Ordering::Acquire);
            if probe.is_null() {
                return None;
            }
            // INVARIANT: A probe on the list is alive, because only a holder of the lock unlinks it.
            let probe = ProbePtr(probe);
            link = probe.next();
            Some(probe)
        })
    }

    /// The one probe of the list, if there is exactly one and it is enabled; else null.
    pub(crate) fn only(&self, held: &EngineHeld) -> *mut ffi::rkprobe {
        let mut all = self.all(held);
        match (all.next(), all.next()) {
            (Some(probe), None) if probe.is_enabled(held) => probe.0,
            _ => null_mut(),
        }
    }

    /// The enabled probes, as a handler sees them. Interrupts are off.
    #[inline(always)]
    pub(crate) fn enabled(&self) -> EnabledProbes {
        EnabledProbes(self.0.load(Ordering::Acquire))
    }
}

/// The enabled probes of a list, as a handler sees them.
pub(crate) struct EnabledProbes(*mut ffi::rkprobe);

impl Iterator for EnabledProbes {
    type Item = *mut ffi::rkprobe;

    #[inline(always)]
    fn next(&mut self) -> Option<*mut ffi::rkprobe> {
        loop {
            let probe = self.0;
            if probe.is_null() {
                return None;
            }
            // SAFETY: Interrupts are off, so no probe that the list had is freed meanwhile.
            let next = unsafe { AtomicPtr::from_ptr(addr_of_mut!((*probe).next)) };
            // The probes that follow were registered earlier, so a CPU that sees this probe sees them.
            self.0 = next.load(Ordering::Relaxed);
            // SAFETY: The probe is alive for the reason above. One store changes `flags`.
            let flags = unsafe { addr_of!((*probe).flags).read_volatile() };
            if flags & ffi::RKPROBE_FLAG_DISABLED == 0 {
                return Some(probe);
            }
        }
    }
}
