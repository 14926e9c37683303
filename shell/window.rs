// SPDX-License-Identifier: GPL-2.0

//! The window of time in which the hits of a probe are compared with its limit.

use crate::arch_x86::probe_list::ProbePtr;
use crate::optimizer::rate::{
    RateWindow,
    PERIOD, //
};
use crate::shell::site;
use crate::sys::ffi;
use crate::sys::locks::EngineHeld;
use kernel::ffi::c_uint;

/// The probe's limit in hits a second; 0 if it has none.
pub(crate) fn limit_of(_held: &EngineHeld, probe: ProbePtr) -> u32 {
    // SAFETY: The probe is alive by the invariant of `ProbePtr`, and the lock protects the member.
    unsafe { (*probe.as_ptr()).limit }
}

/// Sets the probe's limit in hits a second; 0 for none. Earlier hits do not count.
pub(crate) fn set_limit(held: &EngineHeld, probe: ProbePtr, limit: u32) {
    // SAFETY: The probe is alive by the invariant of `ProbePtr`, and the lock protects the member.
    unsafe { (*probe.as_ptr()).limit = limit };
    count_from_now(held, probe);
}

/// Begins a window, because the probe begins to run.
pub(crate) fn begin(held: &EngineHeld, probe: ProbePtr) {
    probe.set_flag(held, ffi::RKPROBE_FLAG_LIMITED, false);
    count_from_now(held, probe);
}

/// The time in milliseconds.
pub(crate) fn now() -> u64 {
    // SAFETY: The function reads a clock.
    unsafe { ffi::rk_now_ms() }
}

/// Whether the probe had more hits than its limit allows.
pub(crate) fn is_over(held: &EngineHeld, probe: ProbePtr, now: u64) -> bool {
    // SAFETY: The probe is alive by the invariant of `ProbePtr`, and the lock protects the members.
    let (begin, hits) = unsafe {
        let probe = probe.as_ptr();
        ((*probe).window_begin, (*probe).window_hits)
    };
    let mut window = RateWindow { begin, hits };
    let over = window.exceeded(limit_of(held, probe), now, hits_of(held, probe));
    set(held, probe, window);
    over
}

fn hits_of(held: &EngineHeld, probe: ProbePtr) -> u64 {
    site::hits(held, probe) as u64
}

fn set(_held: &EngineHeld, probe: ProbePtr, window: RateWindow) {
    let probe = probe.as_ptr();
    // SAFETY: The probe is alive by the invariant of `ProbePtr`, and the lock protects the members.
    unsafe {
        (*probe).window_begin = window.begin;
        (*probe).window_hits = window.hits;
    }
}

/// Begins a window, in which earlier hits do not count.
fn count_from_now(held: &EngineHeld, probe: ProbePtr) {
    let (begin, hits) = (now(), hits_of(held, probe));
    set(held, probe, RateWindow { begin, hits });
    if limit_of(held, probe) != 0 {
        // SAFETY: The work queue exists from before the first probe until after the last.
        unsafe { ffi::rk_watch_limits(PERIOD as c_uint) };
    }
}
