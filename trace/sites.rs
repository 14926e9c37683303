// SPDX-License-Identifier: GPL-2.0

//! The probes that one line made: one for each of its sites.

use crate::eligibility::refusal::Refusal;
use crate::engine::ProbePtr;
use crate::sys::ffi::{
    rk_event,
    rk_event_probe,
    rkprobe, //
};
use core::ptr::{
    addr_of,
    addr_of_mut,
    null_mut, //
};
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::types::Opaque;

/// Probes with one handler and one event, in memory that stays where it is.
///
/// They must be unregistered before this is dropped.
pub(crate) struct Sites(KVVec<Opaque<rk_event_probe>>);

// SAFETY: A probe is changed while the engine's lock is held, or before and after another task can
// reach it.
unsafe impl Send for Sites {}
// SAFETY: Shared access reads the probes through the engine, or one counter that is volatile.
unsafe impl Sync for Sites {}

impl Sites {
    /// `count` probes that are not registered. `probe` makes each of them.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn new(count: usize, probe: impl Fn() -> rkprobe) -> Result<Arc<Self>, Refusal> {
        let mut probes =
            KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT).map_err(|_| Refusal::NoMemory)?;
        for _ in 0..count {
            let probe = Opaque::new(rk_event_probe {
                probe: probe(),
                event: null_mut(),
            });
            let pushed = probes.push_within_capacity(probe);
            pushed.map_err(|_| Refusal::NoMemory)?;
        }
        Arc::new(Self(probes), GFP_KERNEL_ACCOUNT).map_err(|_| Refusal::NoMemory)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The probes, for the engine.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ProbePtr> + Clone + '_ {
        self.0.iter().map(|probe| {
            // SAFETY: The probe stays where it is, and is unregistered before it is freed. The field
            // is that of an allocated structure.
            unsafe { ProbePtr::new(addr_of_mut!((*probe.get()).probe)) }
        })
    }

    /// Gives the probes their event.
    ///
    /// # Safety
    ///
    /// None of the probes is registered.
    pub(crate) unsafe fn set_event(&self, event: *mut rk_event) {
        for probe in &self.0 {
            // SAFETY: No hit reads the pointer, by the contract.
            unsafe { (*probe.get()).event = event };
        }
    }
}

/// How often a probe's handler was not called, because the hit was inside a handler.
pub(crate) fn missed(probe: ProbePtr) -> u64 {
    // SAFETY: The probe is alive, by the invariant. Hits change the counter at the same time, so it is
    // read with one volatile load.
    unsafe { addr_of!((*probe.as_ptr()).nmissed).read_volatile() as u64 }
}
