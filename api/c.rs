// SPDX-License-Identifier: GPL-2.0

//! The C interface of `include/rkprobes.h`, with the errnos of kprobes.
//!
//! All functions sleep, so none may be called from a handler. In a handler a function does nothing,
//! fails and counts the call.

use crate::eligibility::refusal::Refusal;
use crate::engine::{
    self,
    Engine,
    ProbePtr,
    Request, //
};
use crate::sys::ffi::{
    self,
    rkprobe, //
};
use crate::sys::stats;
use crate::sys::target::{
    resolve,
    Unresolved, //
};
use kernel::error::code::*;
use kernel::ffi::{
    c_int,
    c_uint,
    c_ulong, //
};
use kernel::prelude::*;
use kernel::str::CStrExt;

/// The engine, for a caller that may sleep.
///
/// # Errors
///
/// EDEADLK in a handler, ENODEV while the module is loaded or unloaded.
fn engine() -> Result<&'static Engine> {
    // SAFETY: Reads a per-CPU variable of this module; each value of it is an answer.
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

/// The pointers of an array. Empty if `probes` is NULL or `num` is not positive.
///
/// # Safety
///
/// `probes` is NULL or has `num` pointers.
unsafe fn array<'a>(probes: *mut *mut rkprobe, num: c_int) -> &'a [*mut rkprobe] {
    let len = usize::try_from(num).unwrap_or(0);
    if probes.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: The array is not NULL, so it has `num` pointers by the contract.
    unsafe { core::slice::from_raw_parts(probes, len) }
}

/// The address that a probe's structure asks for.
///
/// # Errors
///
/// `AlreadyRegistered`, `SymbolOrAddress`, those of [`resolve`].
///
/// # Safety
///
/// `probe` is alive, and its symbol is NULL or a string.
unsafe fn address_of(probe: *mut rkprobe) -> Result<usize, Refusal> {
    // SAFETY: The probe is alive by the contract. Its user does not register it twice at one time.
    let (symbol, addr, offset, registered) = unsafe {
        (
            (*probe).symbol_name,
            (*probe).addr as u64,
            u64::from((*probe).offset),
            (*probe).registered,
        )
    };
    if registered != 0 {
        return Err(Refusal::AlreadyRegistered);
    }
    if symbol.is_null() == (addr == 0) {
        return Err(Refusal::SymbolOrAddress);
    }
    resolve(&match symbol.is_null() {
        true => Unresolved::address(addr, offset),
        // SAFETY: The symbol is a string by the contract.
        false => Unresolved::name(unsafe { CStr::from_char_ptr(symbol) }, offset),
    })
}

/// Registers all probes or none.
///
/// # Safety
///
/// Each pointer is NULL or a probe as in [`register_rkprobe`].
unsafe fn register(engine: &Engine, probes: &[*mut rkprobe]) -> c_int {
    if probes.iter().any(|probe| probe.is_null()) {
        return EINVAL.to_errno();
    }
    let Ok(mut requests) = KVVec::with_capacity(probes.len(), GFP_KERNEL) else {
        return ENOMEM.to_errno();
    };
    for (tag, probe) in probes.iter().enumerate() {
        // SAFETY: No pointer is NULL, so all are probes by the contract.
        let (addr, probe) = unsafe { (address_of(*probe), ProbePtr::new(*probe)) };
        let request = Request::new(probe, addr, tag);
        let full = requests.push_within_capacity(request).is_err();
        // There is room for all of them.
        kernel::warn_on!(full);
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
/// `probe` is NULL or a probe that is not moved or freed until it is unregistered.
#[no_mangle]
pub(crate) unsafe extern "C" fn register_rkprobe(probe: *mut rkprobe) -> c_int {
    match engine() {
        // SAFETY: By the contract of this function.
        Ok(engine) => unsafe { register(engine, &[probe]) },
        Err(error) => error.to_errno(),
    }
}

/// Registers all probes of an array or none; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probes` has `num` pointers, each as in [`register_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn register_rkprobes(probes: *mut *mut rkprobe, num: c_int) -> c_int {
    // SAFETY: By the contract of this function.
    let probes = unsafe { array(probes, num) };
    match engine() {
        Ok(_) if probes.is_empty() => EINVAL.to_errno(),
        // SAFETY: By the contract of this function.
        Ok(engine) => unsafe { register(engine, probes) },
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
    // SAFETY: By the contract of this function.
    unsafe { unregister(&[probe]) };
}

/// Removes many probes; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probes` has `num` pointers, each as in [`unregister_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn unregister_rkprobes(probes: *mut *mut rkprobe, num: c_int) {
    // SAFETY: By the contract of this function.
    unsafe { unregister(array(probes, num)) };
}

/// Removes the probes that are not NULL.
///
/// # Safety
///
/// Each pointer is NULL or a probe as in [`register_rkprobe`].
unsafe fn unregister(probes: &[*mut rkprobe]) {
    if let Ok(engine) = engine() {
        let probes = probes.iter().filter(|probe| !probe.is_null());
        // SAFETY: The pointers are not NULL, so they are probes by the contract.
        engine.unregister(probes.map(|probe| unsafe { ProbePtr::new(*probe) }));
    }
}

/// The errno of what `change` does to a probe.
///
/// # Safety
///
/// `probe` is NULL or a probe as in [`register_rkprobe`].
unsafe fn change(
    probe: *mut rkprobe,
    change: impl FnOnce(&Engine, ProbePtr) -> Result<(), Refusal>,
) -> c_int {
    match engine() {
        Ok(_) if probe.is_null() => EINVAL.to_errno(),
        // SAFETY: The pointer is not NULL, so it is a probe by the contract.
        Ok(engine) => to_errno(change(engine, unsafe { ProbePtr::new(probe) })),
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
    // SAFETY: By the contract of this function.
    unsafe { change(probe, |engine, probe| engine.set_enabled(probe, true)) }
}

/// Disables a probe; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probe` is NULL or a probe as in [`register_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn disable_rkprobe(probe: *mut rkprobe) -> c_int {
    // SAFETY: By the contract of this function.
    unsafe { change(probe, |engine, probe| engine.set_enabled(probe, false)) }
}

/// Sets how many hits a second a probe may have; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probe` is NULL or a probe as in [`register_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn limit_rkprobe(probe: *mut rkprobe, hits: c_uint) -> c_int {
    // SAFETY: By the contract of this function.
    unsafe { change(probe, |engine, probe| engine.set_limit(probe, hits)) }
}

/// Waits for the optimizer; see `include/rkprobes.h`.
#[no_mangle]
pub(crate) extern "C" fn flush_rkprobes() -> c_int {
    match engine().and_then(|engine| Ok(engine.flush()?)) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// How often a probe was hit; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probe` is NULL or a probe as in [`register_rkprobe`]. It is not unregistered at the same time.
#[no_mangle]
pub(crate) unsafe extern "C" fn rkprobe_hits(probe: *const rkprobe) -> c_ulong {
    match engine() {
        Ok(engine) if !probe.is_null() => {
            // SAFETY: The pointer is not NULL, so it is a probe by the contract.
            let probe = unsafe { ProbePtr::new(probe.cast_mut()) };
            engine.hits(probe) as c_ulong
        }
        _ => 0,
    }
}
