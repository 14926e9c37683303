// SPDX-License-Identifier: GPL-2.0

//! Probes that have more hits a second than their users allow are disabled, by a delayed work that
//! runs while there are such limits.

use crate::eligibility::refusal::Refusal;
use crate::engine::{engine, Core, Engine};
use crate::optimizer::rate::{RateWindow, PERIOD};
use crate::optimizer::ProbeId;
use crate::shell::counting;
use crate::shell::{ProbePtr, Shell};
use crate::sys::ffi;
use crate::sys::symbols;
use kernel::ffi::c_uint;
use kernel::prelude::*;

/// Sets how many hits a second a probe may have; 0 is no limit.
///
/// # Errors
///
/// `NotRegistered`.
pub(crate) fn set(engine: &Engine, probe: ProbePtr, limit: u32) -> Result<(), Refusal> {
    engine.change(|core| {
        if !core.knows(probe) {
            return Err(Refusal::NotRegistered);
        }
        // SAFETY: it is registered, so it is alive; the engine's lock is held.
        unsafe { (*probe.0).limit = limit };
        count_from_now(probe);
        Ok(())
    })
}

/// The probe begins to run. The engine's lock is held.
pub(crate) fn begin(probe: ProbePtr) {
    probe.set_flag(ffi::RKPROBE_FLAG_LIMITED, false);
    count_from_now(probe);
}

/// The probe's limit, 0 if there is none. The engine's lock is held.
pub(crate) fn limit_of(probe: ProbePtr) -> u32 {
    // SAFETY: it is registered, so it is alive.
    unsafe { (*probe.0).limit }
}

fn now() -> u64 {
    // SAFETY: reads a clock.
    unsafe { ffi::rk_now_ms() }
}

fn hits_of(probe: ProbePtr) -> u64 {
    counting::hits(probe) as u64
}

fn window_of(probe: ProbePtr) -> RateWindow {
    // SAFETY: it is registered, so it is alive; the engine's lock protects these two.
    let (begin, hits) = unsafe { ((*probe.0).window_begin, (*probe.0).window_hits) };
    RateWindow { begin, hits }
}

fn set_window(probe: ProbePtr, window: RateWindow) {
    // SAFETY: as in `window_of`.
    unsafe {
        (*probe.0).window_begin = window.begin;
        (*probe.0).window_hits = window.hits;
    }
}

/// What was before does not count.
fn count_from_now(probe: ProbePtr) {
    let (begin, hits) = (now(), hits_of(probe));
    set_window(probe, RateWindow { begin, hits });
    if limit_of(probe) != 0 {
        // SAFETY: the work queue exists from before the first probe until after the last.
        unsafe { ffi::rk_watch_limits(PERIOD as c_uint) };
    }
}

/// Whether the probe is over its limit.
fn is_over(probe: ProbePtr, now: u64) -> bool {
    let mut window = window_of(probe);
    let over = window.exceeded(limit_of(probe), now, hits_of(probe));
    set_window(probe, window);
    over
}

/// The delayed work: says in how many milliseconds it wants to be called again, 0 for never.
///
/// # Safety
///
/// Called by the work queue only.
#[no_mangle]
unsafe extern "C" fn rk_check_limits() -> c_uint {
    match engine().is_some_and(|engine| engine.change(check)) {
        true => PERIOD as c_uint,
        false => 0,
    }
}

/// Disables the probes that are over their limit; says whether others have one.
fn check(core: &mut Core) -> bool {
    let mut over: KVVec<ProbeId> = KVVec::new();
    let mut more = false;
    let now = now();
    let enabled = core.optimizer.probes().filter(|(_, probe)| probe.enabled());
    for (id, probe) in enabled.filter(|(_, probe)| limit_of(probe.payload) != 0) {
        // Without memory the next look will find it again.
        let taken = is_over(probe.payload, now) && over.push(id, GFP_KERNEL).is_ok();
        more |= !taken;
    }
    for id in &over {
        disable(core, *id);
    }
    more
}

fn disable(core: &mut Core, id: ProbeId) {
    let Some(probe) = core.optimizer.probe(id) else {
        return;
    };
    probe.payload.set_flag(ffi::RKPROBE_FLAG_LIMITED, true);
    let addr = core.optimizer.site(probe.site).map_or(0, |site| site.addr);
    core.optimizer.set_enabled(&Shell, id, false);
    if let Some(function) = symbols::function(addr) {
        let (name, offset) = (function.name(), addr.wrapping_sub(function.start));
        pr_warn!("more hits a second than its limit: disabled the probe at {name}+{offset:#x}\n");
    }
}
