// SPDX-License-Identifier: GPL-2.0

//! Limits of hits a second. A delayed work disables probes that are over their limit. It runs while
//! there are probes with a limit.

use super::state::{
    engine,
    Core,
    Engine, //
};
use crate::arch_x86::probe_list::ProbePtr;
use crate::eligibility::refusal::Refusal;
use crate::optimizer::rate::pause;
use crate::optimizer::ProbeId;
use crate::shell::window;
use crate::sys::ffi;
use crate::sys::symbols::Place;
use kernel::ffi::c_uint;
use kernel::prelude::*;
use kernel::time::{
    Instant,
    Monotonic, //
};

/// How many probes that one check has disabled are named in the log.
const REPORTED: usize = 8;

impl Engine {
    /// Sets how many hits a second each of the probes may have; 0 is no limit.
    ///
    /// # Errors
    ///
    /// `NotRegistered`: none of them is registered.
    pub(crate) fn set_limit(
        &self,
        probes: impl Iterator<Item = ProbePtr>,
        limit: u32,
    ) -> Result<(), Refusal> {
        self.change(|core| {
            let mut set = Err(Refusal::NotRegistered);
            for probe in probes {
                if core.knows(probe) {
                    window::set_limit(core.held(), probe, limit);
                    set = Ok(());
                }
            }
            set
        })
    }
}

/// The delayed work. Returns after how many milliseconds it is to be called again, 0 for never.
///
/// # Safety
///
/// Called by the work queue only.
#[no_mangle]
unsafe extern "C" fn rk_check_limits() -> c_uint {
    let Some(engine) = engine() else {
        return 0;
    };
    // Waiting for the engine's lock costs no CPU.
    let mut disabled = KVVec::new();
    let (more, took) = engine.change(|core| {
        let begin = Instant::<Monotonic>::now();
        (check(core, &mut disabled), begin.elapsed().as_micros_ceil())
    });
    report(&disabled);
    match more {
        true => c_uint::try_from(pause(u64::try_from(took).unwrap_or(0))).unwrap_or(c_uint::MAX),
        false => 0,
    }
}

/// Disables the probes that are over their limit, and notes their addresses. Returns whether other
/// probes have a limit.
fn check(core: &mut Core, disabled: &mut KVVec<usize>) -> bool {
    let mut over: KVVec<ProbeId> = KVVec::new();
    let mut more = false;
    let now = window::now();
    let held = core.held();
    let enabled = core.optimizer.probes().filter(|(_, probe)| probe.enabled());
    for (id, probe) in enabled.filter(|(_, probe)| window::limit_of(held, probe.payload) != 0) {
        // Without memory the probe stays enabled, and the next call finds it again.
        let taken = window::is_over(held, probe.payload, now) && over.push(id, GFP_KERNEL).is_ok();
        more |= !taken;
    }
    for addr in over.iter().filter_map(|id| disable(core, *id)) {
        // Without memory the log names fewer of them.
        let _ = disabled.push(addr, GFP_KERNEL);
    }
    more
}

/// Disables a probe. Returns its address.
fn disable(core: &mut Core, id: ProbeId) -> Option<usize> {
    let probe = core.optimizer.probe(id)?;
    probe
        .payload
        .set_flag(core.held(), ffi::RKPROBE_FLAG_LIMITED, true);
    let site = core.optimizer.site(probe.site);
    crate::sys::warning::warn_on(site.is_none());
    let addr = site.map(|site| site.addr);
    core.set_enabled(id, false);
    addr
}

/// Names the first of the disabled probes in the log, without the engine's lock: a console is slow.
fn report(disabled: &[usize]) {
    for addr in disabled.iter().take(REPORTED) {
        let place = Place(*addr);
        pr_warn!("more hits a second than its limit: disabled the probe at {place}\n");
    }
    if let more @ 1.. = disabled.len().saturating_sub(REPORTED) {
        pr_warn!("more hits a second than their limit: disabled {more} more probes\n");
    }
}
