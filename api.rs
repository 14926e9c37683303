// SPDX-License-Identifier: GPL-2.0

//! The C interface of `include/rkprobes.h`, with the errnos of kprobes.
//!
//! All of it sleeps, so none of it may be called from a handler. There it refuses, without touching
//! anything, and counts that.

mod hit;
mod probe;

pub use probe::{flush, Handler, Hit, Lane, Probe, Registers, Registration, Registrations, Target};

use crate::arch_x86::probe_list::ProbePtr;
use crate::eligibility::refusal::Refusal;
use crate::engine::limits;
use crate::engine::{self, Engine, Request};
use crate::sys::ffi::{self, rkprobe};
use crate::sys::stats;
use kernel::error::code::*;
use kernel::ffi::{c_int, c_uint, c_ulong};
use kernel::prelude::*;

/// The engine, for a caller that may sleep.
///
/// # Errors
///
/// EDEADLK in a handler, ENODEV while the module is loaded or unloaded.
fn engine() -> Result<&'static Engine> {
    // SAFETY: looks at this CPU.
    if unsafe { ffi::rk_in_handler() } {
        stats::add(&stats::REFUSED_IN_HANDLERS, 1);
        return Err(EDEADLK);
    }
    engine::engine().ok_or(ENODEV)
}

fn to_errno(result: Result<(), Refusal>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(refusal) => refusal.errno().wrapping_neg(),
    }
}

/// The probes of an array that are no NULLs.
///
/// # Safety
///
/// `probes` has `num` pointers.
unsafe fn array<'a>(probes: *mut *mut rkprobe, num: c_int) -> &'a [*mut rkprobe] {
    let len = usize::try_from(num).unwrap_or(0);
    if probes.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: by the contract.
    unsafe { core::slice::from_raw_parts(probes, len) }
}

fn register(engine: &Engine, probes: &[*mut rkprobe]) -> c_int {
    if probes.iter().any(|probe| probe.is_null()) {
        return EINVAL.to_errno();
    }
    let Ok(mut requests) = KVVec::with_capacity(probes.len(), GFP_KERNEL) else {
        return ENOMEM.to_errno();
    };
    for (tag, probe) in probes.iter().enumerate() {
        let _ = requests.push_within_capacity(Request::new(known(*probe), tag));
    }
    engine.register(&mut requests);
    let failed = requests.iter().filter(|request| request.result.is_err());
    let Some(first) = failed.min_by_key(|request| request.tag) else {
        return 0;
    };
    let added = requests.iter().filter(|request| request.result.is_ok());
    engine.unregister(added.map(|request| request.probe));
    to_errno(first.result)
}

/// Registers one probe; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probe` is NULL or a probe that stays where it is until it is unregistered.
#[no_mangle]
pub(crate) unsafe extern "C" fn register_rkprobe(probe: *mut rkprobe) -> c_int {
    match engine() {
        Ok(engine) => register(engine, &[probe]),
        Err(error) => error.to_errno(),
    }
}

/// Registers many probes, or none; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probes` has `num` pointers as in [`register_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn register_rkprobes(probes: *mut *mut rkprobe, num: c_int) -> c_int {
    // SAFETY: by the contract.
    let probes = unsafe { array(probes, num) };
    match engine() {
        Ok(_) if probes.is_empty() => EINVAL.to_errno(),
        Ok(engine) => register(engine, probes),
        Err(error) => error.to_errno(),
    }
}

/// Removes one probe; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probe` is NULL or a probe as in [`register_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn unregister_rkprobe(probe: *mut rkprobe) {
    unregister(&[probe]);
}

/// Removes many probes; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probes` has `num` pointers as in [`unregister_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn unregister_rkprobes(probes: *mut *mut rkprobe, num: c_int) {
    // SAFETY: by the contract.
    unregister(unsafe { array(probes, num) });
}

fn unregister(probes: &[*mut rkprobe]) {
    if let Ok(engine) = engine() {
        let probes = probes.iter().filter(|probe| !probe.is_null());
        engine.unregister(probes.map(|probe| known(*probe)));
    }
}

/// A probe that a caller hands in.
fn known(probe: *mut rkprobe) -> ProbePtr {
    // SAFETY: by the contract of this interface, callers keep their probes in place until they have
    // unregistered them, and until the call has returned.
    unsafe { ProbePtr::new(probe) }
}

fn set_enabled(probe: *mut rkprobe, enabled: bool) -> c_int {
    match engine() {
        Ok(_) if probe.is_null() => EINVAL.to_errno(),
        Ok(engine) => to_errno(engine.set_enabled(known(probe), enabled)),
        Err(error) => error.to_errno(),
    }
}

/// Enables a probe; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probe` is NULL or a probe as in [`register_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn enable_rkprobe(probe: *mut rkprobe) -> c_int {
    set_enabled(probe, true)
}

/// Disables a probe; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probe` is NULL or a probe as in [`register_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn disable_rkprobe(probe: *mut rkprobe) -> c_int {
    set_enabled(probe, false)
}

/// Sets how many hits a second a probe may have; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probe` is NULL or a probe as in [`register_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn limit_rkprobe(probe: *mut rkprobe, hits: c_uint) -> c_int {
    match engine() {
        Ok(_) if probe.is_null() => EINVAL.to_errno(),
        Ok(engine) => to_errno(limits::set(engine, known(probe), hits)),
        Err(error) => error.to_errno(),
    }
}

/// Waits for the optimizer; see `include/rkprobes.h`.
#[no_mangle]
pub(crate) extern "C" fn flush_rkprobes() -> c_int {
    match engine().and_then(Engine::flush) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// How often a probe was hit; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probe` is NULL or a probe as in [`register_rkprobe`], not unregistered at the same time.
#[no_mangle]
pub(crate) unsafe extern "C" fn rkprobe_hits(probe: *const rkprobe) -> c_ulong {
    match engine() {
        Ok(engine) if !probe.is_null() => engine.hits(known(probe.cast_mut())) as c_ulong,
        _ => 0,
    }
}
