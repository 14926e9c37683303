// SPDX-License-Identifier: GPL-2.0

//! The typed Rust interface: a handler is a type with state, a registration is an owned value.
//!
//! It stands on the functions of `include/rkprobes.h` and has the same errors. What is generic
//! is compiled into the module that uses it, and calls what this module exports.
//!
//! Soundness: the core keeps pointers to a probe and to its handler's state while the probe is
//! registered. Both are pinned, so their memory is not reused before the registration's drop has
//! removed the probe and waited; a registration that is forgotten stays registered, and its memory
//! stays. Handlers are `'static`, so nothing that they borrow ends earlier either. What does end
//! is the text of the module that has the handler: the engine removes what such a module left.

use crate::api;
use crate::arch_x86::probe_list::ProbePtr;
use crate::eligibility::refusal::Refusal;
use crate::engine::engine;
use crate::sys::ffi::rkprobe;
use crate::sys::target;
use core::marker::PhantomPinned;
use core::ptr::{addr_of, from_ref};
use kernel::bindings::pt_regs;
use kernel::error::to_result;
use kernel::ffi::{c_int, c_ulong, c_void};
use kernel::prelude::*;
use kernel::types::Opaque;

pub use super::hit::{Hit, Lane, Registers};

/// What is done when a probe is hit; the value is its state.
///
/// Handlers run on all CPUs at once, and see `&self`: state is atomics or per-CPU data. On one
/// CPU, what is hit inside a handler is counted as missed and runs none.
///
/// Both functions may be left out; a probe without any counts its hits all the same, and its jump
/// does that without a call while no other probe on its address has a handler.
#[vtable]
pub trait Handler: Send + Sync + 'static {
    /// Called before the probed instruction, in the context that [`Hit`] has.
    fn pre(&self, _hit: &mut Hit<'_>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Called behind the probed instruction, in the context that [`Hit`] has.
    ///
    /// A probe whose handler has this function never becomes a jump.
    fn post(&self, _hit: &mut Hit<'_>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}

/// Only counts.
#[vtable]
impl Handler for () {}

/// Where to put a probe.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    base: Base<'a>,
    offset: usize,
}

#[derive(Clone, Copy)]
enum Base<'a> {
    Symbol(&'a CStr),
    Address(usize),
}

impl<'a> Target<'a> {
    /// The function `name`, or `module:name` for one of a module.
    pub const fn symbol(name: &'a CStr) -> Self {
        Self {
            base: Base::Symbol(name),
            offset: 0,
        }
    }

    /// The instruction at `addr`.
    pub const fn address(addr: usize) -> Self {
        Self {
            base: Base::Address(addr),
            offset: 0,
        }
    }

    /// The instruction that begins `bytes` behind, in the same function.
    pub const fn offset(mut self, bytes: usize) -> Self {
        self.offset = bytes;
        self
    }

    fn locate(&self) -> Result<usize, Refusal> {
        let base = match self.base {
            Base::Symbol(name) => target::symbol(name)?,
            Base::Address(addr) => addr,
        };
        target::in_function(base, self.offset)
    }
}

/// One probe of a registration.
///
/// # Invariants
///
/// `raw` comes first. While it is registered, `state` points to the handler that its functions
/// are made for.
#[repr(C)]
pub struct Probe {
    raw: Opaque<rkprobe>,
    state: *const c_void,
    index: usize,
}

// SAFETY: the core's lock protects what is changed; handlers' state is `Send` and `Sync`.
unsafe impl Send for Probe {}
// SAFETY: as above.
unsafe impl Sync for Probe {}

impl Probe {
    /// Its address: the target's, but never that of an ENDBR.
    pub fn address(&self) -> usize {
        // SAFETY: changed only while it is being registered.
        unsafe { (*self.raw()).addr as usize }
    }

    /// How often it was hit, and its handler called. May sleep.
    pub fn hits(&self) -> usize {
        // SAFETY: only the drop of its registration unregisters it.
        unsafe { api::rkprobe_hits(self.raw()) }
    }

    /// How often it was hit inside a handler, and its own handler therefore not called. A jump that
    /// only counts is not missed there.
    pub fn missed(&self) -> usize {
        // SAFETY: hits count it up at the same time; one volatile load.
        unsafe { addr_of!((*self.raw()).nmissed).read_volatile() }
    }

    /// Lets the handler run again. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL when the text is gone, EBUSY when somebody else's bytes are there.
    pub fn enable(&self) -> Result {
        // SAFETY: the probe stays where it is.
        to_result(unsafe { api::enable_rkprobe(self.raw()) })
    }

    /// Keeps the handler from being called; a call that has begun may still be running. May sleep.
    ///
    /// # Errors
    ///
    /// None while it is registered, which it always is for its user.
    pub fn disable(&self) -> Result {
        // SAFETY: the probe stays where it is.
        to_result(unsafe { api::disable_rkprobe(self.raw()) })
    }

    /// Has it disabled when it has more than `hits` a second; 0 is no limit. May sleep.
    ///
    /// # Errors
    ///
    /// As [`Probe::disable`].
    pub fn limit(&self, hits: u32) -> Result {
        // SAFETY: the probe stays where it is.
        to_result(unsafe { api::limit_rkprobe(self.raw(), hits) })
    }

    fn raw(&self) -> *mut rkprobe {
        from_ref(self).cast_mut().cast()
    }

    /// An unregistered probe.
    fn new(
        target: &Target<'_>,
        index: usize,
        state: *const c_void,
        functions: Functions,
    ) -> Result<Self> {
        let addr = target
            .locate()
            .map_err(|refusal| Error::from_errno(refusal.errno().wrapping_neg()))?;
        Ok(Self {
            raw: Opaque::new(rkprobe {
                addr: addr as *mut c_void,
                pre_handler: functions.pre,
                post_handler: functions.post,
                ..Default::default()
            }),
            state,
            index,
        })
    }
}

/// Registers all of `probes` or none.
///
/// # Safety
///
/// They stay where they are, and their state lives, until [`unregister`] has returned.
unsafe fn register(probes: &[Probe]) -> Result {
    let mut array = KVVec::with_capacity(probes.len(), GFP_KERNEL)?;
    for probe in probes {
        array.push(probe.raw(), GFP_KERNEL)?;
    }
    let num = c_int::try_from(array.len())?;
    // SAFETY: by the contract.
    to_result(unsafe { api::register_rkprobes(array.as_mut_ptr(), num) })
}

/// Removes `probes`, and waits until none of their handlers runs. Cannot fail.
fn unregister(probes: &[Probe]) {
    if let Some(engine) = engine() {
        engine.unregister(probes.iter().map(|probe| {
            // SAFETY: the probes are pinned, and their owner waits here.
            unsafe { ProbePtr::new(probe.raw()) }
        }));
    }
}

/// Waits until a full pass of the optimizer that began after this call has ended. May sleep.
///
/// # Errors
///
/// EINTR when a signal came first.
pub fn flush() -> Result {
    to_result(api::flush_rkprobes())
}

type Function = unsafe extern "C" fn(*mut rkprobe, *mut pt_regs) -> c_int;
type PostFunction = unsafe extern "C" fn(*mut rkprobe, *mut pt_regs, c_ulong);

/// What the core calls for a type of handler.
#[derive(Clone, Copy)]
struct Functions {
    pre: Option<Function>,
    post: Option<PostFunction>,
}

impl Functions {
    const fn of<H: Handler>() -> Self {
        Self {
            pre: if H::HAS_PRE { Some(pre::<H>) } else { None },
            post: if H::HAS_POST { Some(post::<H>) } else { None },
        }
    }
}

/// The handler and the hit, from what the core hands over.
///
/// # Safety
///
/// Called by the core, for a registered [`Probe`] whose handler is an `H`.
#[inline(always)]
unsafe fn hit<'a, H: Handler>(probe: *mut rkprobe, regs: *mut pt_regs) -> (&'a H, Hit<'a>) {
    // SAFETY: `raw` comes first in a `Probe`, which is alive while handlers run.
    let probe = unsafe { &*probe.cast::<Probe>() };
    // SAFETY: the invariant of `Probe`.
    let handler = unsafe { &*probe.state.cast::<H>() };
    // SAFETY: the registers are the handler's alone while it runs.
    let regs = unsafe { &mut *regs };
    (handler, Hit::new(regs, probe.address(), probe.index))
}

/// # Safety
///
/// As [`hit`].
unsafe extern "C" fn pre<H: Handler>(probe: *mut rkprobe, regs: *mut pt_regs) -> c_int {
    // SAFETY: by the contract.
    let (handler, mut hit) = unsafe { hit::<H>(probe, regs) };
    handler.pre(&mut hit);
    0
}

/// # Safety
///
/// As [`hit`].
unsafe extern "C" fn post<H: Handler>(probe: *mut rkprobe, regs: *mut pt_regs, _flags: c_ulong) {
    // SAFETY: by the contract.
    let (handler, mut hit) = unsafe { hit::<H>(probe, regs) };
    handler.post(&mut hit);
}

/// A probe that is registered for as long as this lives. Dropping it removes the probe and waits
/// until its handler runs nowhere; may sleep.
#[pin_data(PinnedDrop)]
pub struct Registration<H: Handler> {
    #[pin]
    probe: Probe,
    handler: H,
}

impl<H: Handler> Registration<H> {
    /// Puts a probe on `target` and arms it. May sleep.
    ///
    /// # Errors
    ///
    /// ENOENT (no such symbol, text that is going away), EADDRNOTAVAIL (the symbol is ambiguous),
    /// EINVAL (text that must not be probed), EILSEQ (no instruction begins there, or one that
    /// cannot be probed), EOPNOTSUPP (an instruction that cannot be executed elsewhere), EEXIST (a
    /// native kprobe is there), EBUSY (somebody else's bytes are there), ENOMEM.
    pub fn new<'a>(target: Target<'a>, handler: H) -> impl PinInit<Self, Error> + use<'a, H> {
        try_pin_init!(&this in Self {
            handler,
            probe: {
                // SAFETY: only computes an address inside the slot.
                let state = unsafe { addr_of!((*this.as_ptr()).handler) };
                Probe::new(&target, 0, state.cast(), Functions::of::<H>())?
            },
            _: {
                // SAFETY: both are pinned, and dropping removes the probe.
                unsafe { register(core::slice::from_ref(&*probe)) }?;
            },
        }? Error)
    }

    /// The handler's state.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// The probe: its counts, and whether it runs.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }
}

#[pinned_drop]
impl<H: Handler> PinnedDrop for Registration<H> {
    fn drop(self: Pin<&mut Self>) {
        unregister(core::slice::from_ref(&self.probe));
    }
}

/// Many probes with one handler, registered for as long as this lives: with one sync of all CPUs,
/// and removed with one grace period. [`Hit::index`] tells which one was hit.
#[pin_data(PinnedDrop)]
pub struct Registrations<H: Handler> {
    probes: KVVec<Probe>,
    handler: H,
    #[pin]
    _pinned: PhantomPinned,
}

impl<H: Handler> Registrations<H> {
    /// Puts probes on all `targets` and arms them, or does nothing. May sleep.
    ///
    /// # Errors
    ///
    /// Those of the first target that is refused, as for [`Registration::new`]; EINVAL when there
    /// is no target.
    pub fn new<'a>(
        targets: &'a [Target<'a>],
        handler: H,
    ) -> impl PinInit<Self, Error> + use<'a, H> {
        try_pin_init!(&this in Self {
            handler,
            probes: {
                // SAFETY: only computes an address inside the slot.
                let state = unsafe { addr_of!((*this.as_ptr()).handler) };
                let mut probes = KVVec::with_capacity(targets.len(), GFP_KERNEL)?;
                for (index, target) in targets.iter().enumerate() {
                    let probe = Probe::new(target, index, state.cast(), Functions::of::<H>())?;
                    probes.push(probe, GFP_KERNEL)?;
                }
                probes
            },
            _pinned: PhantomPinned,
            _: {
                // SAFETY: the handler is pinned, nothing moves the vector's memory, and dropping
                // removes the probes.
                unsafe { register(probes) }?;
            },
        }? Error)
    }

    /// The handler's state.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// The probes, in the order of their targets.
    pub fn probes(&self) -> &[Probe] {
        &self.probes
    }
}

#[pinned_drop]
impl<H: Handler> PinnedDrop for Registrations<H> {
    fn drop(self: Pin<&mut Self>) {
        unregister(&self.probes);
    }
}
