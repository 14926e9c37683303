// SPDX-License-Identifier: GPL-2.0

//! The owners of probes: a registration is a value, and dropping it removes its probes.
//!
//! Soundness: the engine keeps pointers to a probe and to its handler's state while the probe is
//! registered. Both are in memory that the registration allocates. Nothing makes an exclusive
//! reference to that memory while a probe is registered, and it is freed only after the probes were
//! removed and their handlers have ended. So
//!
//! - moving a registration moves neither;
//! - a registration that is forgotten stays registered, and its memory stays allocated;
//! - a registration that is dropped inside a handler, which cannot wait for handlers, gives its memory
//!   up. A pass removes its probes later.
//!
//! Handlers are `'static`, so nothing that they borrow ends earlier. The text of the module that has
//! the handler may be freed earlier: the engine removes the probes that such a module has left behind.

use super::c;
use super::error::RegisterError;
use super::probe::{
    Functions,
    Handler,
    Probe,
    Target, //
};
use crate::eligibility::refusal::Refusal;
use crate::engine::{
    abandon,
    engine,
    ProbePtr, //
};
use crate::sys::ffi;
use core::ptr::{
    addr_of,
    NonNull, //
};
use core::slice::{
    from_mut,
    from_ref, //
};
use kernel::prelude::*;

/// The refusal of a whole batch without memory.
fn no_memory() -> RegisterError {
    RegisterError::new(0, Refusal::NoMemory)
}

/// Registers all of `probes` or none.
///
/// # Safety
///
/// The probes are not moved, and their state lives, until [`remove`] has returned true.
#[inline(never)]
unsafe fn register(probes: &[Probe]) -> Result<(), RegisterError> {
    let mut array = KVVec::with_capacity(probes.len(), GFP_KERNEL).map_err(|_| no_memory())?;
    for probe in probes {
        array
            .push(probe.raw(), GFP_KERNEL)
            .map_err(|_| no_memory())?;
    }
    // SAFETY: These are probes that are not moved, by the contract.
    unsafe { c::register(&array) }
        .map_err(|refused| RegisterError::new(refused.index, refused.refusal))
}

/// Fails in a handler, before anything is allocated.
#[inline(never)]
fn may_register() -> Result<(), RegisterError> {
    match c::engine() {
        Ok(_) => Ok(()),
        Err(refusal) => Err(RegisterError::new(0, refusal)),
    }
}

/// Removes `probes`, waits until none of their handlers runs, and returns true. In a handler it cannot
/// wait: a pass removes the probes later, and it returns false.
///
/// # Safety
///
/// The probes are not used by their owner any more. If this returns false, the probes and the state of
/// their handlers stay allocated for ever.
#[inline(never)]
unsafe fn remove(probes: &[Probe]) -> bool {
    // SAFETY: Reads a per-CPU variable of this module; each value of it is an answer.
    if unsafe { ffi::rk_in_handler() } {
        for probe in probes {
            // SAFETY: The probe stays allocated, by the contract, and its owner gives it up once.
            unsafe { abandon(probe.raw()) };
        }
        return false;
    }
    if let Some(engine) = engine() {
        engine.unregister(probes.iter().map(|probe| {
            // SAFETY: The probes do not move, and their owner waits here.
            unsafe { ProbePtr::new(probe.raw()) }
        }));
    }
    true
}

/// One probe, or many.
trait Probes {
    fn all(&self) -> &[Probe];
    fn all_mut(&mut self) -> &mut [Probe];
}

impl Probes for Probe {
    fn all(&self) -> &[Probe] {
        from_ref(self)
    }

    fn all_mut(&mut self) -> &mut [Probe] {
        from_mut(self)
    }
}

impl Probes for KVVec<Probe> {
    fn all(&self) -> &[Probe] {
        self
    }

    fn all_mut(&mut self) -> &mut [Probe] {
        self
    }
}

/// What a registration allocates.
struct Content<P, H> {
    probes: P,
    handler: H,
}

/// Probes that are registered, and the state of their handler.
///
/// # Invariants
///
/// The pointer came from [`KBox::into_raw`], and this value owns the memory. All references to the
/// memory are shared ones. The probes are registered.
struct Owned<P: Probes, H>(NonNull<Content<P, H>>);

impl<P: Probes, H> Owned<P, H> {
    /// Registers `probes`.
    fn new(probes: P, handler: H) -> Result<Self, RegisterError> {
        let content = KBox::new(Content { probes, handler }, GFP_KERNEL);
        let raw = KBox::into_raw(content.map_err(|_| no_memory())?);
        // SAFETY: The memory is allocated, and no probe is registered yet, so this is the only
        // reference.
        let probes = unsafe { &mut (*raw).probes };
        for probe in probes.all_mut() {
            // SAFETY: The memory is allocated. Handlers and users read the state only.
            probe.set_state(unsafe { addr_of!((*raw).handler) }.cast());
        }
        // SAFETY: The memory is allocated, and stays so until `remove` returns true.
        if let Err(refused) = unsafe { register((*raw).probes.all()) } {
            // SAFETY: `raw` came from `into_raw` above. No probe is registered.
            drop(unsafe { KBox::from_raw(raw) });
            return Err(refused);
        }
        // INVARIANT: The probes were registered above.
        // SAFETY: The address of an allocation is not NULL.
        Ok(Self(unsafe { NonNull::new_unchecked(raw) }))
    }

    fn content(&self) -> &Content<P, H> {
        // SAFETY: The memory lives as long as this value, by the invariant.
        unsafe { self.0.as_ref() }
    }
}

impl<P: Probes, H> Drop for Owned<P, H> {
    fn drop(&mut self) {
        // SAFETY: This value is not used any more, and the memory is freed only after true.
        if unsafe { remove(self.content().probes.all()) } {
            // SAFETY: The pointer came from `into_raw`. No handler runs, and none will.
            drop(unsafe { KBox::from_raw(self.0.as_ptr()) });
        }
    }
}

// SAFETY: `Probe` is `Send`, and a handler's state is `Send` and `Sync`.
unsafe impl<P: Probes + Send, H: Handler> Send for Owned<P, H> {}
// SAFETY: `Probe` is `Sync`, and a handler's state is `Sync`.
unsafe impl<P: Probes + Sync, H: Handler> Sync for Owned<P, H> {}

/// A probe that is registered for as long as this lives. Dropping it removes the probe and waits until
/// its handler runs on no CPU. May sleep.
///
/// A handler cannot wait for handlers. If one drops a registration, its own or another, the probe is
/// removed soon after. The memory of the registration is lost, the handler's state is not dropped, and
/// the log has a line. A handler that wants to remove a probe queues an irq_work that queues a work
/// item.
///
/// # Examples
///
/// A module with one probe. Unloading the module drops the registration:
///
/// ```
/// use kernel::sync::atomic::{Atomic, Relaxed};
/// use rust_kprobes::{Handler, Hit, Registration, Target};
///
/// struct Calls(Atomic<u64>);
///
/// #[vtable]
/// impl Handler for Calls {
///     fn pre(&self, _hit: &mut Hit<'_>) {
///         self.0.add(1, Relaxed);
///     }
/// }
///
/// struct Module {
///     _reads: Registration<Calls>,
/// }
///
/// impl kernel::Module for Module {
///     fn init(_module: &'static ThisModule) -> Result<Self> {
///         let calls = Calls(Atomic::new(0));
///         Ok(Self {
///             _reads: Registration::new(Target::symbol(c"vfs_read"), calls)?,
///         })
///     }
/// }
/// ```
pub struct Registration<H: Handler>(Owned<Probe, H>);

impl<H: Handler> Registration<H> {
    /// Puts a probe on `target` and arms it. May sleep.
    ///
    /// # Errors
    ///
    /// The reason is in [`RegisterError`]. The errnos: ENOENT (no such symbol, text that is being unloaded),
    /// EADDRNOTAVAIL (the symbol is ambiguous), EINVAL (text that must not be probed), EILSEQ (no
    /// instruction begins there, or one that cannot be probed), EOPNOTSUPP (an instruction that cannot
    /// be executed elsewhere), EEXIST (a native kprobe is there), EBUSY (foreign bytes are there),
    /// EDEADLK (the caller is a handler), ENOMEM.
    pub fn new(target: Target<'_>, handler: H) -> Result<Self, RegisterError> {
        may_register()?;
        let probe = Probe::new(&target, 0, Functions::of::<H>())?;
        Ok(Self(Owned::new(probe, handler)?))
    }

    /// The handler's state.
    pub fn handler(&self) -> &H {
        &self.0.content().handler
    }

    /// The probe, for its counts, and for enabling and disabling it.
    pub fn probe(&self) -> &Probe {
        &self.0.content().probes
    }
}

/// Many probes with one handler, registered for as long as this lives. They are armed with one
/// synchronization of all CPUs, and removed with one grace period. [`Hit::index`](crate::Hit::index)
/// gives the target that was hit. Dropping it inside a handler is as for [`Registration`].
///
/// # Examples
///
/// ```
/// use rust_kprobes::{Registrations, Target};
///
/// let targets = [c"vfs_read", c"vfs_write"].map(Target::symbol);
/// let probes = Registrations::new(&targets, ())?;
/// for probe in probes.probes() {
///     pr_info!("{:#x}: {} hits\n", probe.address(), probe.hits());
/// }
/// ```
pub struct Registrations<H: Handler>(Owned<KVVec<Probe>, H>);

impl<H: Handler> Registrations<H> {
    /// Puts probes on all `targets` and arms them, or fails and puts none. May sleep.
    ///
    /// # Errors
    ///
    /// The first target that is refused, and why, as for [`Registration::new`]. EINVAL if there is no
    /// target.
    pub fn new(targets: &[Target<'_>], handler: H) -> Result<Self, RegisterError> {
        may_register()?;
        let probes = KVVec::with_capacity(targets.len(), GFP_KERNEL);
        let mut probes: KVVec<Probe> = probes.map_err(|_| no_memory())?;
        for (index, target) in targets.iter().enumerate() {
            let probe = Probe::new(target, index, Functions::of::<H>())?;
            probes.push(probe, GFP_KERNEL).map_err(|_| no_memory())?;
        }
        Ok(Self(Owned::new(probes, handler)?))
    }

    /// The handler's state.
    pub fn handler(&self) -> &H {
        &self.0.content().handler
    }

    /// The probes, in the order of their targets.
    pub fn probes(&self) -> &[Probe] {
        &self.0.content().probes
    }
}
