// SPDX-License-Identifier: GPL-2.0

//! The typed Rust interface: a handler is a type with state, a registration is an owned value.
//!
//! It uses the functions of `include/rkprobes.h` and has their errors. Generic code is compiled into
//! the module that uses it, and calls what this module exports.
//!
//! Soundness: the engine keeps pointers to a probe and to its handler's state while the probe is
//! registered. Both are pinned, so their memory is not reused before the drop of the registration has
//! removed the probe and waited for its handlers. A registration that is forgotten stays registered,
//! and its memory stays allocated. Handlers are `'static`, so nothing that they borrow ends earlier.
//! The text of the module that has the handler may be freed earlier: the engine removes the probes that
//! such a module has left behind.

use super::c;
use super::hit::Hit;
use crate::engine::{
    engine,
    ProbePtr, //
};
use crate::sys::ffi::rkprobe;
use crate::sys::target::{
    resolve,
    Unresolved, //
};
use core::marker::PhantomPinned;
use core::ptr::{
    addr_of,
    from_ref, //
};
use kernel::bindings::pt_regs;
use kernel::error::to_result;
use kernel::ffi::{
    c_int,
    c_ulong,
    c_void, //
};
use kernel::prelude::*;
use kernel::types::Opaque;

/// What is done when a probe is hit. The value is the handler's state.
///
/// Handlers run on all CPUs at one time, and see `&self`: the state is atomics or per-CPU data. A hit
/// inside a handler on the same CPU runs no handler and is counted as missed.
///
/// Both functions may be left out. A probe without any counts its hits. Its jump counts without a call
/// while no other probe on its address has a handler.
///
/// # Examples
///
/// ```ignore
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
/// let calls = Calls(Atomic::new(0));
/// let probe = KBox::pin_init(Registration::new(Target::symbol(c"vfs_read"), calls), GFP_KERNEL)?;
/// pr_info!("{} calls\n", probe.handler().0.load(Relaxed));
/// ```
#[vtable]
pub trait Handler: Send + Sync + 'static {
    /// Called before the probed instruction, in the context that [`Hit`] describes.
    fn pre(&self, _hit: &mut Hit<'_>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Called after the probed instruction, in the context that [`Hit`] describes.
    ///
    /// A probe whose handler has this function never becomes a jump.
    fn post(&self, _hit: &mut Hit<'_>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}

/// Only counts hits.
#[vtable]
impl Handler for () {}

/// Where a probe goes.
///
/// # Examples
///
/// ```ignore
/// use rust_kprobes::Target;
///
/// let entry = Target::symbol(c"vfs_read");
/// let inside = Target::symbol(c"ext4:ext4_file_open").offset(0x1d);
/// let at = Target::address(address);
/// ```
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
    /// The function `name`, or `module:name` for a function of a module.
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

    /// The instruction that begins `bytes` later in the function.
    pub const fn offset(mut self, bytes: usize) -> Self {
        self.offset = bytes;
        self
    }

    /// The target as the module resolves it.
    fn unresolved(&self) -> Unresolved<'a> {
        let offset = self.offset as u64;
        match self.base {
            Base::Symbol(name) => Unresolved::name(name, offset),
            Base::Address(addr) => Unresolved::address(addr as u64, offset),
        }
    }
}

/// One probe of a registration.
///
/// # Invariants
///
/// `raw` comes first. While the probe is registered, `state` points to the handler that its functions
/// are made for.
#[repr(C)]
pub struct Probe {
    raw: Opaque<rkprobe>,
    state: *const c_void,
    index: usize,
}

// SAFETY: The engine's lock protects what is changed, and the handler's state is `Send`.
unsafe impl Send for Probe {}
// SAFETY: The engine's lock protects what is changed, and the handler's state is `Sync`.
unsafe impl Sync for Probe {}

impl Probe {
    /// The probed address: that of the target, or of the instruction that follows an ENDBR there.
    pub fn address(&self) -> usize {
        // SAFETY: Only registering changes the address, before any handler or user sees the probe.
        unsafe { (*self.raw()).addr as usize }
    }

    /// How often the probe was hit, and its handler called. May sleep.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// let (hits, missed) = (probe.hits(), probe.missed());
    /// pr_info!("{:#x}: {hits} hits, {missed} missed\n", probe.address());
    /// ```
    pub fn hits(&self) -> usize {
        // SAFETY: Only the drop of its registration unregisters the probe.
        unsafe { c::rkprobe_hits(self.raw()) }
    }

    /// How often the probe was hit inside a handler, so that its own handler was not called. A hit of a
    /// jump that only counts is never missed.
    pub fn missed(&self) -> usize {
        // SAFETY: Hits change the counter at the same time, so it is read with one volatile load.
        unsafe { addr_of!((*self.raw()).nmissed).read_volatile() }
    }

    /// Lets the handler run again. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL if the text was unloaded, EBUSY if foreign bytes are there.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// probe.disable()?;
    /// probe.enable()?;
    /// ```
    pub fn enable(&self) -> Result {
        // SAFETY: The probe is pinned, so it is not moved or freed while it is registered.
        to_result(unsafe { c::enable_rkprobe(self.raw()) })
    }

    /// Keeps the handler from being called. A call that has begun may still be running. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL if the probe is not registered. A user has registered probes only.
    pub fn disable(&self) -> Result {
        // SAFETY: The probe is pinned, so it is not moved or freed while it is registered.
        to_result(unsafe { c::disable_rkprobe(self.raw()) })
    }

    /// Disables the probe when it has more than `hits` hits a second; 0 is no limit. May sleep.
    ///
    /// # Errors
    ///
    /// As [`Probe::disable`].
    ///
    /// # Examples
    ///
    /// ```ignore
    /// // Not more than 1,000 hits a second, until `enable` is called.
    /// registration.probe().limit(1000)?;
    /// ```
    pub fn limit(&self, hits: u32) -> Result {
        // SAFETY: The probe is pinned, so it is not moved or freed while it is registered.
        to_result(unsafe { c::limit_rkprobe(self.raw(), hits) })
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
        let addr = resolve(&target.unresolved())?;
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
/// The probes are not moved, and their state lives, until [`unregister`] has returned.
unsafe fn register(probes: &[Probe]) -> Result {
    let mut array = KVVec::with_capacity(probes.len(), GFP_KERNEL)?;
    for probe in probes {
        array.push(probe.raw(), GFP_KERNEL)?;
    }
    let num = c_int::try_from(array.len())?;
    // SAFETY: The array has `num` probes that are not moved, by the contract.
    to_result(unsafe { c::register_rkprobes(array.as_mut_ptr(), num) })
}

/// Removes `probes`, and waits until none of their handlers runs. It does not refuse to run in a
/// handler, because a drop cannot fail.
fn unregister(probes: &[Probe]) {
    if let Some(engine) = engine() {
        engine.unregister(probes.iter().map(|probe| {
            // SAFETY: The probes are pinned, and their owner waits here.
            unsafe { ProbePtr::new(probe.raw()) }
        }));
    }
}

/// Waits until a full pass of the optimizer that began after this call has ended. May sleep.
///
/// # Errors
///
/// EINTR if the task received a signal first.
///
/// # Examples
///
/// ```ignore
/// let probe = KBox::pin_init(Registration::new(target, ()), GFP_KERNEL)?;
/// rust_kprobes::flush()?;
/// // If it can be a jump, it is one now.
/// ```
pub fn flush() -> Result {
    to_result(c::flush_rkprobes())
}

type PreFunction = unsafe extern "C" fn(*mut rkprobe, *mut pt_regs) -> c_int;
type PostFunction = unsafe extern "C" fn(*mut rkprobe, *mut pt_regs, c_ulong);

/// What a hit calls for a type of handler.
#[derive(Clone, Copy)]
struct Functions {
    pre: Option<PreFunction>,
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

/// The handler and the hit, from the arguments of a C handler.
///
/// # Safety
///
/// Called for a hit of a registered [`Probe`] whose handler is an `H`.
#[inline(always)]
unsafe fn hit<'a, H: Handler>(probe: *mut rkprobe, regs: *mut pt_regs) -> (&'a H, Hit<'a>) {
    // SAFETY: `raw` comes first in a `Probe`, which is alive while its handlers run.
    let probe = unsafe { &*probe.cast::<Probe>() };
    // SAFETY: `state` points to an `H`, by the invariant of `Probe` and the contract.
    let handler = unsafe { &*probe.state.cast::<H>() };
    // SAFETY: Only the handler uses the registers while it runs.
    let regs = unsafe { &mut *regs };
    (handler, Hit::new(regs, probe.address(), probe.index))
}

/// The pre_handler of a probe.
///
/// # Safety
///
/// As [`hit`].
unsafe extern "C" fn pre<H: Handler>(probe: *mut rkprobe, regs: *mut pt_regs) -> c_int {
    // SAFETY: By the contract of this function, which is that of `hit`.
    let (handler, mut hit) = unsafe { hit::<H>(probe, regs) };
    handler.pre(&mut hit);
    0
}

/// The post_handler of a probe.
///
/// # Safety
///
/// As [`hit`].
unsafe extern "C" fn post<H: Handler>(probe: *mut rkprobe, regs: *mut pt_regs, _flags: c_ulong) {
    // SAFETY: By the contract of this function, which is that of `hit`.
    let (handler, mut hit) = unsafe { hit::<H>(probe, regs) };
    handler.post(&mut hit);
}

/// A probe that is registered for as long as this lives. Dropping it removes the probe and waits until
/// its handler runs on no CPU. May sleep.
///
/// # Examples
///
/// A module with one probe. Unloading the module drops the registration:
///
/// ```ignore
/// #[pin_data]
/// struct Module {
///     #[pin]
///     reads: Registration<Calls>,
/// }
///
/// impl kernel::InPlaceModule for Module {
///     fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
///         try_pin_init!(Self {
///             reads <- Registration::new(Target::symbol(c"vfs_read"), Calls(Atomic::new(0))),
///         })
///     }
/// }
/// ```
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
    /// ENOENT (no such symbol, text that is being unloaded), EADDRNOTAVAIL (the symbol is ambiguous),
    /// EINVAL (text that must not be probed), EILSEQ (no instruction begins there, or one that cannot be
    /// probed), EOPNOTSUPP (an instruction that cannot be executed elsewhere), EEXIST (a native kprobe is
    /// there), EBUSY (foreign bytes are there), ENOMEM.
    pub fn new<'a>(target: Target<'a>, handler: H) -> impl PinInit<Self, Error> + use<'a, H> {
        try_pin_init!(&this in Self {
            handler,
            probe: {
                // SAFETY: The address is inside the memory that is being initialized.
                let state = unsafe { addr_of!((*this.as_ptr()).handler) };
                Probe::new(&target, 0, state.cast(), Functions::of::<H>())?
            },
            _: {
                // SAFETY: The probe and the handler are pinned, and dropping removes the probe.
                unsafe { register(core::slice::from_ref(&*probe)) }?;
            },
        }? Error)
    }

    /// The handler's state.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// The probe, for its counts, and for enabling and disabling it.
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

/// Many probes with one handler, registered for as long as this lives. They are armed with one
/// synchronization of all CPUs, and removed with one grace period. [`Hit::index`] gives the target that
/// was hit.
///
/// # Examples
///
/// ```ignore
/// let targets = [c"vfs_read", c"vfs_write"].map(Target::symbol);
/// let probes = KBox::pin_init(Registrations::new(&targets, ()), GFP_KERNEL)?;
/// for probe in probes.probes() {
///     pr_info!("{:#x}: {} hits\n", probe.address(), probe.hits());
/// }
/// ```
#[pin_data(PinnedDrop)]
pub struct Registrations<H: Handler> {
    probes: KVVec<Probe>,
    handler: H,
    #[pin]
    _pinned: PhantomPinned,
}

impl<H: Handler> Registrations<H> {
    /// Puts probes on all `targets` and arms them, or fails and puts none. May sleep.
    ///
    /// # Errors
    ///
    /// The error of the first target that is refused, as for [`Registration::new`]. EINVAL if there is no
    /// target.
    pub fn new<'a>(
        targets: &'a [Target<'a>],
        handler: H,
    ) -> impl PinInit<Self, Error> + use<'a, H> {
        try_pin_init!(&this in Self {
            handler,
            probes: {
                // SAFETY: The address is inside the memory that is being initialized.
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
                // SAFETY: The handler is pinned, nothing reallocates the vector, and dropping removes the
                // probes.
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
