// SPDX-License-Identifier: GPL-2.0

//! The typed Rust interface: a handler is a type with state, a registration is an owned value.
//!
//! The errors are those of the functions of `include/rkprobes.h`. Generic code is compiled into the
//! module that uses it, and calls what this module exports. `registration.rs` has the owners of probes,
//! and says why they are sound.

use super::c;
use super::error::RegisterError;
use super::hit::Hit;
use crate::sys::ffi::rkprobe;
use crate::sys::target::{
    resolve,
    Unresolved, //
};
use core::ptr::{
    addr_of,
    from_ref,
    null, //
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
/// let calls = Calls(Atomic::new(0));
/// let probe = Registration::new(Target::symbol(c"vfs_read"), calls)?;
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
/// ```
/// use rust_kprobes::Target;
///
/// let entry = Target::symbol(c"vfs_read");
/// let inside = Target::symbol(c"ext4:ext4_file_open").offset(0x1d);
/// # let address = entry_of_a_function();
/// let at = Target::address(address);
/// # let _ = (entry, inside, at);
/// # fn entry_of_a_function() -> usize { 0 }
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
    /// ```
    /// # use rust_kprobes::{Registration, Target};
    /// # let registration = Registration::new(Target::symbol(c"vfs_read"), ())?;
    /// let probe = registration.probe();
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
    /// ```
    /// # use rust_kprobes::{Registration, Target};
    /// # let registration = Registration::new(Target::symbol(c"vfs_read"), ())?;
    /// registration.probe().disable()?;
    /// registration.probe().enable()?;
    /// ```
    pub fn enable(&self) -> Result {
        // SAFETY: The probe is not moved or freed while it is registered.
        to_result(unsafe { c::enable_rkprobe(self.raw()) })
    }

    /// Keeps the handler from being called. A call that has begun may still be running. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL if the probe is not registered. A user has registered probes only.
    pub fn disable(&self) -> Result {
        // SAFETY: The probe is not moved or freed while it is registered.
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
    /// ```
    /// # use rust_kprobes::{Registration, Target};
    /// # let registration = Registration::new(Target::symbol(c"vfs_read"), ())?;
    /// // Not more than 1,000 hits a second, until `enable` is called.
    /// registration.probe().limit(1000)?;
    /// ```
    pub fn limit(&self, hits: u32) -> Result {
        // SAFETY: The probe is not moved or freed while it is registered.
        to_result(unsafe { c::limit_rkprobe(self.raw(), hits) })
    }

    pub(super) fn raw(&self) -> *mut rkprobe {
        from_ref(self).cast_mut().cast()
    }

    /// An unregistered probe. Its handler has no state yet.
    pub(super) fn new(
        target: &Target<'_>,
        index: usize,
        functions: Functions,
    ) -> Result<Self, RegisterError> {
        let addr =
            resolve(&target.unresolved()).map_err(|refusal| RegisterError::new(index, refusal))?;
        Ok(Self {
            raw: Opaque::new(rkprobe {
                addr: addr as *mut c_void,
                pre_handler: functions.pre,
                post_handler: functions.post,
                ..Default::default()
            }),
            state: null(),
            index,
        })
    }

    /// Sets the state of the handler, before the probe is registered.
    pub(super) fn set_state(&mut self, state: *const c_void) {
        self.state = state;
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
/// ```
/// # use rust_kprobes::{Registration, Target};
/// # let target = Target::symbol(c"vfs_read").offset(9);
/// let counted = Registration::new(target, ())?;
/// rust_kprobes::flush()?;
/// // If it can be a jump, it is one now.
/// pr_info!("{} hits\n", counted.probe().hits());
/// ```
pub fn flush() -> Result {
    to_result(c::flush_rkprobes())
}

type PreFunction = unsafe extern "C" fn(*mut rkprobe, *mut pt_regs) -> c_int;
type PostFunction = unsafe extern "C" fn(*mut rkprobe, *mut pt_regs, c_ulong);

/// What a hit calls for a type of handler.
#[derive(Clone, Copy)]
pub(super) struct Functions {
    pre: Option<PreFunction>,
    post: Option<PostFunction>,
}

impl Functions {
    pub(super) const fn of<H: Handler>() -> Self {
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
