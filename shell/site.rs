// SPDX-License-Identifier: GPL-2.0

//! What the kernel keeps for a site, and the hits that it counts inline.
//!
//! The jump of a site without handlers goes to a part of its slot that adds one to a per-CPU counter and
//! calls nothing (out_of_line/slot_image.rs).
//!
//! That counter belongs to the site. A task that was preempted in the detour may count after the last probe
//! is gone, so the counter is freed with the slot. Several probes share one increment. The hits of a
//! probe are two sums. The first is its own counter, for hits of the int3, of the function tracer and of
//! the detour that calls. The second is what the site's counter grew by while hits were credited to the
//! probe: while the probe was on the site, enabled and without handlers, and while the site was live.

use crate::arch_x86::probe_list::ProbePtr;
use crate::arch_x86::trap::Trap;
use crate::eligibility::refusal::{
    NotOptimizable,
    Refusal, //
};
use crate::insn_decode::opcodes::JUMP_LEN;
use crate::optimizer::{
    Foreign,
    Handlers,
    JumpTo,
    SiteLane, //
};
use crate::out_of_line::slot_image::{
    jump,
    Image, //
};
use crate::shell::native::fence::Fence;
use crate::sys::ffi;
use crate::sys::locks::EngineHeld;
use crate::sys::symbols::KeptName;
use core::ptr::{
    from_ref,
    null_mut, //
};
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{
    AtomicBool,
    AtomicPtr,
    AtomicU8, //
};
use kernel::prelude::*;
use kernel::sync::{
    Arc,
    SetOnce, //
};

/// The part of a site that stays where it is: hits and the blacklist of native kprobes point to it.
#[repr(C)]
pub(crate) struct Pinned {
    /// First, because detours have its address.
    pub(crate) trap: Trap,
    pub(crate) fence: Fence,
}

// There is one for each site: this is what the slab allocator takes for it.
const _: () = assert!(size_of::<Pinned>() <= 128);

/// The per-CPU counter of one site; NULL until the first probe without handlers is registered. It changes
/// under the engine's lock.
#[derive(Default)]
struct Counter(AtomicPtr<usize>);

impl Drop for Counter {
    fn drop(&mut self) {
        // SAFETY: No task is in the slot any more, and no probe is on the site. The function ignores NULL.
        unsafe { ffi::free_percpu((*self.0.get_mut()).cast()) };
    }
}

/// What the kernel keeps for a site.
pub(crate) struct SiteMemory {
    pinned: KBox<Pinned>,
    counter: Counter,
    /// The name of the address, once its text is unloaded.
    pub(crate) name: SetOnce<Arc<KeptName>>,
    /// Why there can be no jump.
    pub(crate) reason: Option<NotOptimizable>,
    pub(crate) lane: SiteLane,
    /// Where in the slot hits are counted inline; 0 if the slot has no such part.
    count: AtomicU8,
    /// How many bytes of the slot are written, without the part that counts inline.
    pub(crate) used: u8,
    /// Handlers at this entry may change the instruction pointer, and no other user of ftrace may.
    /// Changes under the engine's lock.
    claimed: AtomicBool,
}

impl SiteMemory {
    /// A site without a slot.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn new(lane: SiteLane, trap: Trap, fence: Fence) -> Result<Self, Refusal> {
        let pinned = KBox::new(Pinned { trap, fence }, GFP_KERNEL_ACCOUNT);
        Ok(Self {
            pinned: pinned.map_err(|_| Refusal::NoMemory)?,
            counter: Counter::default(),
            name: SetOnce::new(),
            reason: None,
            lane,
            count: AtomicU8::new(0),
            used: 0,
            claimed: AtomicBool::new(false),
        })
    }

    /// Keeps the name of the address, because its text is about to be unloaded. Without memory the
    /// address has no name afterwards.
    pub(crate) fn keep_name(&self) {
        if let Some(name) = KeptName::of(self.trap().addr) {
            self.name.populate(name);
        }
    }

    /// Claims the instruction pointer of the function at whose entry the site is, for a probe with a
    /// post_handler. The caller holds no text lock, because ftrace takes its own. Does nothing for a
    /// site of another lane.
    ///
    /// # Errors
    ///
    /// `Redirected`: another user of ftrace has it. `NoMemory`. `FtraceFailed`: ftrace is off.
    pub(crate) fn claim(&self, _held: &EngineHeld) -> Result<(), Refusal> {
        if self.lane != SiteLane::Ftrace || self.claimed.load(Relaxed) {
            return Ok(());
        }
        // SAFETY: The engine's lock is held, and no text lock, by the contract.
        let result = unsafe { ffi::rk_ftrace_claim(self.trap().addr, false) };
        kernel::error::to_result(result).map_err(|error| match error {
            error if error == ENOMEM => Refusal::NoMemory,
            error if error == ENODEV => Refusal::FtraceFailed,
            _ => Refusal::Redirected,
        })?;
        self.claimed.store(true, Relaxed);
        Ok(())
    }

    /// Gives the claim back, if there is one. The caller holds no text lock.
    pub(crate) fn give_claim_back(&self, _held: &EngineHeld) {
        if self.claimed.load(Relaxed) {
            // SAFETY: The engine's lock is held, and no text lock, by the contract.
            let result = unsafe { ffi::rk_ftrace_claim(self.trap().addr, true) };
            // ftrace gives back what it has, unless it has no memory. Then a later call tries again.
            self.claimed.store(result < 0, Relaxed);
        }
    }

    /// Gives the claim back if no probe with a post_handler is left.
    pub(crate) fn review_claim(&self, held: &EngineHeld) {
        let claimed = self.claimed.load(Relaxed);
        let mut probes = self.trap().all_probes(held);
        if claimed && !probes.any(|probe| probe.handlers() == Handlers::Post) {
            self.give_claim_back(held);
        }
    }

    /// What hits need to know.
    pub(crate) fn trap(&self) -> &Trap {
        &self.pinned.trap
    }

    /// The trap of a site that no hit can reach yet.
    pub(crate) fn trap_mut(&mut self) -> &mut Trap {
        &mut self.pinned.trap
    }

    /// What native kprobes are refused.
    pub(crate) fn fence(&self) -> &Fence {
        &self.pinned.fence
    }

    /// The address that the int3 table and the detour have.
    pub(crate) fn trap_ptr(&self) -> *mut Trap {
        from_ref(self.trap()).cast_mut()
    }

    /// Whether a jump is possible that does not count inline.
    pub(crate) fn lacks_counter(&self) -> bool {
        self.trap().has_detour() && self.count.load(Relaxed) == 0
    }

    /// Appends the part that counts to the image of the slot. Where the slot has no room for it, the
    /// jump goes to the detour, which calls the handlers.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn add_counter(&self, image: &mut Image, keep_flags: bool) -> Result<(), Refusal> {
        if self.counter.0.load(Relaxed).is_null() {
            // SAFETY: The function has no condition but process context.
            let hits = unsafe { ffi::rk_alloc_hits() };
            if hits.is_null() {
                return Err(Refusal::NoMemory);
            }
            self.counter.0.store(hits, Relaxed);
        }
        let trap = self.trap();
        let hits = self.counter.0.load(Relaxed) as u64;
        let count = image.count(hits, keep_flags, trap.region_copy());
        let in_reach = |count: &usize| jump(trap.addr, *count).is_ok();
        if let Some(count) = count.ok().filter(in_reach) {
            let at = count.wrapping_sub(trap.slot);
            self.count.store(at as u8, Relaxed);
        }
        Ok(())
    }

    /// The address that a jump goes to.
    pub(crate) fn target(&self, to: JumpTo) -> usize {
        match (to, self.count.load(Relaxed)) {
            (JumpTo::Detour, _) | (JumpTo::Count, 0) => self.trap().detour(),
            (JumpTo::Count, at) => self.trap().at_slot(at),
        }
    }

    /// The bytes of the jump.
    ///
    /// # Errors
    ///
    /// `Bytes` for a site that can have no jump.
    pub(crate) fn jump(&self, to: JumpTo) -> Result<[u8; JUMP_LEN], Foreign> {
        jump(self.trap().addr, self.target(to)).map_err(|_| Foreign::Bytes)
    }

    /// Decides whether hits that the site's counter counts from now on are hits of `probe`.
    pub(crate) fn credit(&self, _held: &EngineHeld, probe: ProbePtr, on: bool) {
        let to = match on {
            true => self.counter.0.load(Relaxed),
            false => null_mut(),
        };
        // SAFETY: The probe is registered, so it is alive, and these members change under the lock.
        // Both counters are NULL or the site's, which lives as long as the probe is on the site.
        unsafe {
            let probe = probe.as_ptr();
            let from = (*probe).counting;
            if from != to {
                let grown = ffi::rk_sum_hits(from).wrapping_sub(ffi::rk_sum_hits(to));
                (*probe).counted = (*probe).counted.wrapping_add(grown);
                (*probe).counting = to;
            }
        }
    }

    /// Decides whether hits that the site's counter counts from now on are hits of `probe`. They are if
    /// the probe has no handlers and is enabled, and the site is live. The caller has just added the
    /// probe, or enabled or disabled it.
    pub(crate) fn credit_one(&self, held: &EngineHeld, probe: ProbePtr) {
        let counts = probe.handlers() == Handlers::None && probe.is_enabled(held);
        self.credit(held, probe, counts && self.trap().is_live());
    }

    /// Decides this for each probe of the site, after the site became live or was silenced.
    pub(crate) fn credit_all(&self, held: &EngineHeld) {
        for probe in self.trap().all_probes(held) {
            self.credit_one(held, probe);
        }
    }
}

/// How often a probe was hit.
pub(crate) fn hits(_held: &EngineHeld, probe: ProbePtr) -> usize {
    // SAFETY: The probe is alive by the invariant of `ProbePtr`. Its counters are alive while it names
    // them, or NULL.
    unsafe {
        let probe = probe.as_ptr();
        ffi::rk_sum_hits((*probe).hits)
            .wrapping_add(ffi::rk_sum_hits((*probe).counting))
            .wrapping_add((*probe).counted)
    }
}
