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
use core::ptr::null;
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
/// `InHandler`, `NotReady`.
pub(super) fn engine() -> Result<&'static Engine, Refusal> {
    // SAFETY: Reads a per-CPU variable of this module; each value of it is an answer.
    if unsafe { ffi::rk_in_handler() } {
        stats::add(&stats::REFUSED_IN_HANDLERS, 1);
        return Err(Refusal::InHandler);
    }
    engine::engine().ok_or(Refusal::NotReady)
}

/// Why a batch was not registered: the first probe that was refused, and the reason.
pub(super) struct RefusedProbe {
    pub(super) index: usize,
    pub(super) refusal: Refusal,
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
    let (symbol, addr, found, offset, registered) = unsafe {
        (
            (*probe).symbol_name,
            (*probe).addr,
            (*probe).found,
            u64::from((*probe).offset),
            (*probe).registered,
        )
    };
    if registered != 0 {
        return Err(Refusal::AlreadyRegistered);
    }
    // An address that an earlier registration found for the symbol is not one that the user gives.
    let addr = match !symbol.is_null() && addr == found {
        true => 0,
        false => addr as u64,
    };
    if symbol.is_null() == (addr == 0) {
        return Err(Refusal::SymbolOrAddress);
    }
    resolve(&match symbol.is_null() {
        true => Unresolved::address(addr, offset),
        // SAFETY: The symbol is a string by the contract.
        false => Unresolved::name(unsafe { CStr::from_char_ptr(symbol) }, offset),
    })
}

/// Leaves the reason why a probe was refused in its structure, or clears it.
///
/// # Safety
///
/// `probe` is NULL or a probe that is alive.
unsafe fn set_reason(probe: *mut rkprobe, reason: Option<Refusal>) {
    let reason = reason.map_or(null(), |refusal| {
        refusal.c_text().to_bytes_with_nul().as_ptr()
    });
    if !probe.is_null() {
        // SAFETY: The probe is alive by the contract, and only its user reads this member.
        unsafe { (*probe).reason = reason.cast() };
    }
}

/// Registers all probes or none. Each probe that was refused has the reason in its structure.
///
/// # Safety
///
/// Each pointer is NULL or a probe as in [`register_rkprobe`].
pub(super) unsafe fn register(probes: &[*mut rkprobe]) -> Result<(), RefusedProbe> {
    for probe in probes {
        // SAFETY: By the contract of this function.
        unsafe { set_reason(*probe, None) };
    }
    // SAFETY: By the contract of this function.
    let refused = unsafe { register_all(probes) }.err();
    let Some(refused) = refused else {
        return Ok(());
    };
    if let Some(probe) = probes.get(refused.index) {
        // SAFETY: By the contract of this function.
        unsafe { set_reason(*probe, Some(refused.refusal)) };
    }
    Err(refused)
}

/// As [`register`], but the first probe that was refused has no reason in its structure if the batch
/// was refused as a whole.
///
/// # Safety
///
/// As [`register`].
unsafe fn register_all(probes: &[*mut rkprobe]) -> Result<(), RefusedProbe> {
    let all = |refusal| RefusedProbe { index: 0, refusal };
    let engine = engine().map_err(all)?;
    let index = probes.iter().position(|probe| probe.is_null());
    if let Some(index) = index.or(probes.is_empty().then_some(0)) {
        let refusal = Refusal::NoProbe;
        return Err(RefusedProbe { index, refusal });
    }
    let requests = KVVec::with_capacity(probes.len(), GFP_KERNEL);
    let mut requests = requests.map_err(|_| all(Refusal::NoMemory))?;
    for (tag, probe) in probes.iter().enumerate() {
        // SAFETY: No pointer is NULL, so all are probes by the contract.
        let (addr, probe) = unsafe { (address_of(*probe), ProbePtr::new(*probe)) };
        let request = Request::new(probe, addr, tag);
        let full = requests.push_within_capacity(request).is_err();
        // There is room for all of them.
        crate::sys::warning::warn_on(full);
    }
    engine.register(&mut requests);
    let failed = requests
        .iter()
        .filter_map(|request| Some((request, request.result.err()?)));
    for (request, refusal) in failed.clone() {
        // SAFETY: The caller's probes are alive for the call.
        unsafe { set_reason(request.probe.as_ptr(), Some(refusal)) };
    }
    let Some((first, refusal)) = failed.min_by_key(|(request, _)| request.tag) else {
        return Ok(());
    };
    let added = requests.iter().filter(|request| request.result.is_ok());
    engine.unregister(added.map(|request| request.probe));
    let index = first.tag;
    Err(RefusedProbe { index, refusal })
}

/// Registers one probe; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probe` is NULL or a probe that is not moved or freed until it is unregistered.
#[no_mangle]
pub(crate) unsafe extern "C" fn register_rkprobe(probe: *mut rkprobe) -> c_int {
    // SAFETY: By the contract of this function.
    to_errno(unsafe { register(&[probe]) }.map_err(|refused| refused.refusal))
}

/// Registers all probes of an array or none; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probes` has `num` pointers, each as in [`register_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn register_rkprobes(probes: *mut *mut rkprobe, num: c_int) -> c_int {
    // SAFETY: By the contract of this function.
    let refused = unsafe { register(array(probes, num)) };
    to_errno(refused.map_err(|refused| refused.refusal))
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
        Ok(_) if probe.is_null() => to_errno(Err(Refusal::NoProbe)),
        // SAFETY: The pointer is not NULL, so it is a probe by the contract.
        Ok(engine) => to_errno(change(engine, unsafe { ProbePtr::new(probe) })),
        Err(refusal) => to_errno(Err(refusal)),
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
    unsafe {
        change(probe, |engine, probe| {
            engine.set_enabled(core::iter::once(probe), true)
        })
    }
}

/// Disables a probe; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probe` is NULL or a probe as in [`register_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn disable_rkprobe(probe: *mut rkprobe) -> c_int {
    // SAFETY: By the contract of this function.
    unsafe {
        change(probe, |engine, probe| {
            engine.set_enabled(core::iter::once(probe), false)
        })
    }
}

/// Sets how many hits a second a probe may have; see `include/rkprobes.h`.
///
/// # Safety
///
/// `probe` is NULL or a probe as in [`register_rkprobe`].
#[no_mangle]
pub(crate) unsafe extern "C" fn limit_rkprobe(probe: *mut rkprobe, hits: c_uint) -> c_int {
    // SAFETY: By the contract of this function.
    unsafe {
        change(probe, |engine, probe| {
            engine.set_limit(core::iter::once(probe), hits)
        })
    }
}

/// Waits for the optimizer; see `include/rkprobes.h`.
#[no_mangle]
pub(crate) extern "C" fn flush_rkprobes() -> c_int {
    to_errno(engine().and_then(|engine| engine.flush()))
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
