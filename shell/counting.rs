// SPDX-License-Identifier: GPL-2.0

//! Hits that are counted inline: the jump of a site without handlers goes to a part of its slot that
//! adds one to a per-CPU counter and calls nobody (detour.rs).
//!
//! That counter is the site's. A task that was preempted in the detour may count when the last probe
//! is long gone, so the counter is freed with the slot; and several probes share one increment. The
//! hits of a probe are those that its own counter has, from the int3, the function tracer and the
//! detour that calls, and what the site's counter grew by while hits were credited to the probe:
//! while it was there, enabled, without handlers, and its site live.

use crate::eligibility::refusal::Refusal;
use crate::insn_decode::opcodes::JUMP_LEN;
use crate::optimizer::{Foreign, Handlers, JumpTo};
use crate::out_of_line::slot_image::{jump, Image};
use crate::shell::{ProbePtr, SiteMemory};
use crate::sys::ffi;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// The per-CPU counter of one site; NULL until the first probe without handlers comes. Changed under
/// the engine's lock.
#[derive(Default)]
pub(crate) struct Counter(AtomicPtr<usize>);

impl Drop for Counter {
    fn drop(&mut self) {
        // SAFETY: nobody is in the slot any more, and no probe is on the site; NULL is passed over.
        unsafe { ffi::free_percpu((*self.0.get_mut()).cast()) };
    }
}

impl SiteMemory {
    /// Whether a jump is possible that does not count inline.
    pub(crate) fn lacks_counter(&self) -> bool {
        self.trap.has_detour() && self.trap.count.load(Relaxed) == 0
    }

    /// Appends what counts to the image of the slot. Where there is no room for it the detour that
    /// calls serves.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn add_counter(&self, image: &mut Image, keep_flags: bool) -> Result<(), Refusal> {
        if self.counter.0.load(Relaxed).is_null() {
            // SAFETY: allocates.
            let hits = unsafe { ffi::rk_alloc_hits() };
            if hits.is_null() {
                return Err(Refusal::NoMemory);
            }
            self.counter.0.store(hits, Relaxed);
        }
        let hits = self.counter.0.load(Relaxed) as u64;
        let count = image.count(hits, keep_flags, self.trap.region_copy());
        let in_reach = |count: &usize| jump(self.trap.addr, *count).is_ok();
        if let Some(count) = count.ok().filter(in_reach) {
            let at = count.wrapping_sub(self.trap.slot);
            self.trap.count.store(at as u8, Relaxed);
        }
        Ok(())
    }

    /// Where a jump goes.
    pub(crate) fn target(&self, to: JumpTo) -> usize {
        match (to, self.trap.count.load(Relaxed)) {
            (JumpTo::Detour, _) | (JumpTo::Count, 0) => self.trap.detour(),
            (JumpTo::Count, at) => self.trap.at_slot(at),
        }
    }

    /// The jump.
    ///
    /// # Errors
    ///
    /// None for a site that can have one.
    pub(crate) fn jump(&self, to: JumpTo) -> Result<[u8; JUMP_LEN], Foreign> {
        jump(self.trap.addr, self.target(to)).map_err(|_| Foreign::Bytes)
    }

    /// What the site's counter has from now on are hits of `probe`, or are none. The engine's lock is
    /// held.
    pub(crate) fn credit(&self, probe: ProbePtr, on: bool) {
        let to = match on {
            true => self.counter.0.load(Relaxed),
            false => null_mut(),
        };
        // SAFETY: the probe is registered, so it is alive, and these members change under the lock.
        // Both counters are this site's, which lives as long as the probe is on it, or NULL.
        unsafe {
            let probe = probe.0;
            let from = (*probe).counting;
            if from != to {
                let grown = ffi::rk_sum_hits(from).wrapping_sub(ffi::rk_sum_hits(to));
                (*probe).counted = (*probe).counted.wrapping_add(grown);
                (*probe).counting = to;
            }
        }
    }

    /// The same for all probes of the site: to those that are to be hit, if the site is live.
    pub(crate) fn credit_all(&self, live: bool) {
        self.trap.each_probe(|probe| {
            let probe = ProbePtr(probe);
            let counts = probe.handlers() == Handlers::None && probe.is_enabled();
            self.credit(probe, live && counts);
        });
    }
}

/// How often a probe was hit. The engine's lock is held.
pub(crate) fn hits(probe: ProbePtr) -> usize {
    // SAFETY: the caller's probe is alive; its counters are as long as they are named there, or NULL.
    unsafe {
        let probe = probe.0;
        ffi::rk_sum_hits((*probe).hits)
            .wrapping_add(ffi::rk_sum_hits((*probe).counting))
            .wrapping_add((*probe).counted)
    }
}
