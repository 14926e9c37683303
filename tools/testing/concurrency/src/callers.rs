// SPDX-License-Identifier: GPL-2.0

//! What the engine and the shell do around the modelled files: the order of steps, and the grace periods.

use crate::arch_x86::int3_table::Table;
use crate::arch_x86::probe_list::ProbePtr;
use crate::cpu::synchronize_rcu;
use crate::scenarios::Site;
use crate::sys::ffi;
use crate::sys::locks::EngineHeld;

/// Unregisters a probe, whose user then frees it (engine/registration.rs). Here the site's `live` does
/// not change, so `unlink` alone must be enough.
pub(crate) fn unregister(site: &Site, held: &EngineHeld, probe: ProbePtr) {
    site.trap.unlink(held, probe);
    synchronize_rcu();
    // SAFETY: the probe stays allocated until the execution ends.
    let probe = unsafe { &*probe.as_ptr() };
    probe.data.end();
    probe.next.life.end();
}

/// Disables a probe, whose user then frees what its handler uses (engine/registration.rs).
pub(crate) fn disable(site: &Site, held: &EngineHeld, probe: ProbePtr) {
    probe.set_flag(held, ffi::RKPROBE_FLAG_DISABLED, true);
    site.trap.set_live(held, true);
    synchronize_rcu();
    // SAFETY: the probe stays allocated until the execution ends.
    unsafe { &*probe.as_ptr() }.data.end();
}

/// Silences a site. After that no handler of it runs.
pub(crate) fn silence(site: &Site, held: &EngineHeld, probe: ProbePtr) {
    site.trap.set_live(held, false);
    synchronize_rcu();
    // SAFETY: the probe stays allocated until the execution ends.
    unsafe { &*probe.as_ptr() }.data.end();
}

/// Frees a site whose address is not in the table any more (optimizer/pass.rs).
pub(crate) fn free_site(site: &Site) {
    synchronize_rcu();
    site.life.end();
}

/// Frees the tables that were replaced, if there are any (engine/passes.rs).
pub(crate) fn free_retired(table: &mut Table) -> bool {
    let retired = table.take_retired();
    let any = !retired.is_empty();
    if any {
        synchronize_rcu();
    }
    drop(retired);
    any
}
