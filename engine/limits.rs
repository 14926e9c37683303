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
use crate::sys::{
    ffi,
    symbols, //
};
use kernel::ffi::c_uint;
use kernel::prelude::*;
use kernel::time::{
    Instant,
    Monotonic, //
};

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
    let (more, took) = engine.change(|core| {
        let begin = Instant::<Monotonic>::now();
        (check(core), begin.elapsed().as_micros_ceil())
    });
    match more {
        true => c_uint::try_from(pause(u64::try_from(took).unwrap_or(0))).unwrap_or(c_uint::MAX),
        false => 0,
    }
}

/// Disables the probes that are over their limit. Returns whether other probes have a limit.
fn check(core: &mut Core) -> bool {
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
    for id in &over {
        disable(core, *id);
    }
    more
}

fn disable(core: &mut Core, id: ProbeId) {
    let Some(probe) = core.optimizer.probe(id) else {
        return;
    };
    probe
        .payload
        .set_flag(core.held(), ffi::RKPROBE_FLAG_LIMITED, true);
    let site = core.optimizer.site(probe.site);
    crate::sys::warning::warn_on(site.is_none());
    let addr = site.map_or(0, |site| site.addr);
    core.set_enabled(id, false);
    if let Some(function) = symbols::function(addr) {
        let (name, offset) = (function.name(), addr.wrapping_sub(function.start));
        pr_warn!("more hits a second than its limit: disabled the probe at {name}+{offset:#x}\n");
    }
}
