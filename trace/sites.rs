// SPDX-License-Identifier: GPL-2.0

//! The probes that one line made: one for each of its sites.
//!
//! The sites in the kernel's text, and those in each module that a target names, are a part of their
//! own, because the sites of a module are made anew each time the module is loaded.

use crate::eligibility::refusal::Refusal;
use crate::engine::{
    engine,
    ProbePtr, //
};
use crate::sys::ffi::{
    rk_event,
    rk_event_probe,
    rkprobe, //
};
use core::mem::take;
use core::ptr::{
    addr_of,
    addr_of_mut,
    null_mut, //
};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{
    new_mutex,
    Arc,
    Mutex,
    MutexGuard, //
};
use kernel::types::Opaque;

/// Probes with one handler and one event, in memory that stays where it is.
///
/// They must be unregistered before this is dropped.
pub(crate) struct SitePart(KVVec<Opaque<rk_event_probe>>);

// SAFETY: A probe is changed while the engine's lock is held, or before and after another task can
// reach it.
unsafe impl Send for SitePart {}
// SAFETY: Shared access reads the probes through the engine, or one counter that is volatile.
unsafe impl Sync for SitePart {}

impl SitePart {
    /// `count` probes that are not registered. `probe` makes each of them.
    fn new(
        count: usize,
        event: *mut rk_event,
        probe: impl Fn() -> rkprobe,
    ) -> Result<Arc<Self>, Refusal> {
        let mut probes =
            KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT).map_err(|_| Refusal::NoMemory)?;
        for _ in 0..count {
            let probe = Opaque::new(rk_event_probe {
                probe: probe(),
                event,
            });
            let pushed = probes.push_within_capacity(probe);
            pushed.map_err(|_| Refusal::NoMemory)?;
        }
        Arc::new(Self(probes), GFP_KERNEL_ACCOUNT).map_err(|_| Refusal::NoMemory)
    }

    /// The probes, for the engine.
    pub(crate) fn iter(&self) -> SiteProbes<'_> {
        SiteProbes(self.0.iter())
    }
}

/// The probes of a part.
#[derive(Clone, Default)]
pub(crate) struct SiteProbes<'a>(core::slice::Iter<'a, Opaque<rk_event_probe>>);

impl Iterator for SiteProbes<'_> {
    type Item = ProbePtr;

    fn next(&mut self) -> Option<ProbePtr> {
        let probe = self.0.next()?;
        // SAFETY: The probe stays where it is, and is unregistered before it is freed. The field is that
        // of an allocated structure.
        Some(unsafe { ProbePtr::new(addr_of_mut!((*probe.get()).probe)) })
    }
}

/// A place of a function or pattern where there can be no probe.
#[derive(Clone, Copy)]
pub(crate) struct RefusedSite {
    pub(crate) addr: usize,
    pub(crate) refusal: Refusal,
}

/// Why targets have no site in the module that was loaded.
#[derive(Clone, Copy)]
pub(crate) struct Problem {
    /// The number of the first such target in its line, from 0.
    pub(crate) target: usize,
    pub(crate) refusal: Refusal,
    /// How many such targets there are.
    pub(crate) count: usize,
}

/// Hits of probes that are not registered any more.
#[derive(Clone, Copy, Default)]
struct Past {
    hits: usize,
    missed: u64,
}

/// The sites of a line in the kernel, or in one module.
pub(crate) struct Slot {
    module: Option<CString>,
    pub(crate) part: Option<Arc<SitePart>>,
    pub(crate) refused: KVVec<RefusedSite>,
    pub(crate) problem: Option<Problem>,
    /// Of the parts that the module had when it was loaded before.
    past: Past,
    /// Of `part`, which is being unregistered. No more hits reach it.
    retired: Option<Past>,
}

impl Slot {
    /// The sites in a module, or (`None`) those of targets that name no module. There are none yet.
    pub(crate) const fn new(module: Option<CString>) -> Self {
        Self {
            module,
            part: None,
            refused: KVVec::new(),
            problem: None,
            past: Past { hits: 0, missed: 0 },
            retired: None,
        }
    }

    /// The module, if the targets name one.
    pub(crate) fn module(&self) -> Option<&CStr> {
        self.module.as_deref()
    }

    /// The probes.
    pub(crate) fn iter(&self) -> SiteProbes<'_> {
        self.part
            .as_ref()
            .map(|part| part.iter())
            .unwrap_or_default()
    }

    /// Notes that a target has no site.
    pub(crate) fn add_problem(&mut self, target: usize, refusal: Refusal) {
        let problem = self.problem.get_or_insert(Problem {
            target,
            refusal,
            count: 0,
        });
        problem.count = problem.count.saturating_add(1);
    }

    fn sum(&self) -> Past {
        let hits = self.iter().filter_map(|site| {
            let report = engine()?.report(site)?;
            Some(report.hits)
        });
        Past {
            hits: hits.fold(0, usize::wrapping_add),
            missed: self.iter().map(missed).fold(0, u64::wrapping_add),
        }
    }

    /// Notes the hits of probes whose text was unloaded, and that are unregistered next.
    pub(crate) fn retire(&mut self) {
        self.retired = Some(self.sum());
    }

    /// Forgets the probes, which are not registered any more.
    pub(crate) fn clear(&mut self) {
        let last = take(&mut self.retired).unwrap_or_default();
        self.past.hits = self.past.hits.wrapping_add(last.hits);
        self.past.missed = self.past.missed.wrapping_add(last.missed);
        self.part = None;
        self.refused = KVVec::new();
        self.problem = None;
    }
}

/// What the lock of a line's sites protects.
pub(crate) struct SiteSet {
    /// The user, by the file `enable`.
    wanted: bool,
    /// How many consumers of the event are on: trace instances, and perf.
    consumers: u32,
    /// The most hits a second of each site; 0 is no limit.
    limit: u32,
    /// What hits are a record of; NULL for none.
    event: *mut rk_event,
    slots: KVec<Slot>,
}

// SAFETY: Any task that holds the lock may use the pointer, which lives as long as the probes.
unsafe impl Send for SiteSet {}

impl SiteSet {
    /// The sites, for each module.
    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The sites with this number.
    pub(crate) fn slot_mut(&mut self, number: usize) -> Option<&mut Slot> {
        self.slots.get_mut(number)
    }

    /// The number of the sites in a module.
    pub(crate) fn slot_of(&self, module: &CStr) -> Option<usize> {
        let mut slots = self.slots.iter();
        slots.position(|slot| slot.module() == Some(module))
    }

    /// All probes, for the engine.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ProbePtr> + Clone + '_ {
        self.slots.iter().flat_map(Slot::iter)
    }

    /// How often the probes were hit.
    pub(crate) fn hits(&self) -> usize {
        let slots = self.slots.iter();
        slots.fold(0, |sum, slot| {
            let now = slot.retired.unwrap_or_else(|| slot.sum());
            sum.wrapping_add(slot.past.hits).wrapping_add(now.hits)
        })
    }

    /// How often a handler was not called, because the hit was inside a handler.
    pub(crate) fn missed(&self) -> u64 {
        let slots = self.slots.iter();
        slots.fold(0, |sum, slot| {
            let now = slot.retired.unwrap_or_else(|| slot.sum());
            sum.wrapping_add(slot.past.missed).wrapping_add(now.missed)
        })
    }

    /// Makes `count` probes in a slot that has none. They are not registered.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn make(
        &mut self,
        slot: usize,
        count: usize,
        probe: impl Fn() -> rkprobe,
    ) -> Result<(), Refusal> {
        let part = SitePart::new(count, self.event, probe)?;
        let slot = self.slots.get_mut(slot).ok_or(Refusal::NoMemory)?;
        slot.part = Some(part);
        Ok(())
    }

    /// Whether the user wants the probes to run.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Whether the probes run, for the user or for a consumer.
    pub(crate) fn is_on(&self) -> bool {
        self.wanted || self.consumers != 0
    }

    /// The limit that was set last.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Whether a target names a module: then it may have no site now, and get one later.
    fn may_wait(&self) -> bool {
        self.slots.iter().any(|slot| slot.module.is_some())
    }

    /// Enables or disables the probes of a slot and limits them as they should be: they may have been made
    /// before the last change, and registered after it.
    ///
    /// # Errors
    ///
    /// As [`Sites::set_wanted`].
    pub(crate) fn repeat_switch(&self, slot: usize) -> Result<(), Refusal> {
        let (Some(slot), Some(engine)) = (self.slots.get(slot), engine()) else {
            return Ok(());
        };
        let mut settings = slot.iter().filter_map(|site| engine.settings(site));
        let Some((enabled, limit)) = settings.next() else {
            return Ok(());
        };
        if limit != self.limit {
            engine.set_limit(slot.iter(), self.limit)?;
        }
        match enabled == self.is_on() {
            true => Ok(()),
            false => engine.set_enabled(slot.iter(), self.is_on()),
        }
    }

    fn set_enabled(&self, enabled: bool) -> Result<(), Refusal> {
        let engine = engine().ok_or(Refusal::ModuleGoing)?;
        match engine.set_enabled(self.iter(), enabled) {
            Err(Refusal::NotText | Refusal::NotRegistered) if self.may_wait() => Ok(()),
            switched => switched,
        }
    }
}

/// All sites of one line.
///
/// The probes must be unregistered before this is dropped.
///
/// The lock comes before the engine's, and after `event_mutex`.
#[pin_data]
pub(crate) struct Sites {
    #[pin]
    set: Mutex<SiteSet>,
}

impl Sites {
    /// No sites yet. `wanted` is whether they will be enabled.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn new(slots: KVec<Slot>, wanted: bool, limit: u32) -> Result<Arc<Self>, Refusal> {
        let set = SiteSet {
            wanted,
            consumers: 0,
            limit,
            event: null_mut(),
            slots,
        };
        let sites = Arc::pin_init(
            pin_init!(Self { set <- new_mutex!(set) }),
            GFP_KERNEL_ACCOUNT,
        );
        sites.map_err(|_| Refusal::NoMemory)
    }

    /// Locks the sites.
    pub(crate) fn lock(&self) -> MutexGuard<'_, SiteSet> {
        self.set.lock()
    }

    /// Gives the probes, and those that are made later, their event.
    ///
    /// # Safety
    ///
    /// None of the probes is registered.
    pub(super) unsafe fn set_event(&self, event: *mut rk_event) {
        let mut set = self.lock();
        set.event = event;
        let parts = set.slots.iter().filter_map(|slot| slot.part.as_ref());
        for probe in parts.flat_map(|part| &part.0) {
            // SAFETY: No hit reads the pointer, by the contract.
            unsafe { (*probe.get()).event = event };
        }
    }

    /// Enables or disables the probes for the user. If the event has a consumer, they run all the same.
    /// Where they wait for a module, they run when it is loaded.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::set_enabled`](crate::engine::Engine::set_enabled). `ModuleGoing`.
    pub(crate) fn set_wanted(&self, wanted: bool) -> Result<(), Refusal> {
        let mut set = self.lock();
        if wanted || set.consumers == 0 {
            set.set_enabled(wanted)?;
        }
        set.wanted = wanted;
        Ok(())
    }

    /// Sets how many hits a second each of the probes may have; 0 is no limit.
    ///
    /// # Errors
    ///
    /// `NotRegistered`, `ModuleGoing`.
    pub(crate) fn set_limit(&self, limit: u32) -> Result<(), Refusal> {
        let mut set = self.lock();
        let engine = engine().ok_or(Refusal::ModuleGoing)?;
        match engine.set_limit(set.iter(), limit) {
            Err(Refusal::NotRegistered) if set.may_wait() => {}
            changed => changed?,
        }
        set.limit = limit;
        Ok(())
    }

    /// Notes a new consumer, which arms probes that the user has disabled. A probe that the user has
    /// enabled and its limit has disabled stays disabled.
    pub(super) fn add_consumer(&self) -> Result<(), Refusal> {
        let mut set = self.lock();
        if !set.is_on() {
            set.set_enabled(true)?;
        }
        set.consumers = set.consumers.saturating_add(1);
        Ok(())
    }

    /// Notes that a consumer is off.
    pub(super) fn remove_consumer(&self) -> Result<(), Refusal> {
        let mut set = self.lock();
        set.consumers = set.consumers.saturating_sub(1);
        match set.is_on() {
            true => Ok(()),
            false => set.set_enabled(false),
        }
    }
}

/// How often a probe's handler was not called, because the hit was inside a handler.
pub(crate) fn missed(probe: ProbePtr) -> u64 {
    // SAFETY: The probe is alive, by the invariant. Hits change the counter at the same time, so it is
    // read with one volatile load.
    unsafe { addr_of!((*probe.as_ptr()).nmissed).read_volatile() as u64 }
}
