// SPDX-License-Identifier: GPL-2.0

//! What the files in debugfs show, as plain values. Nothing here changes a probe.

use super::state::{
    id_of,
    Core,
    Engine, //
};
use crate::arch_x86::handlers::MISSED;
use crate::arch_x86::probe_list::ProbePtr;
use crate::containers::sort::sort_by_key;
use crate::eligibility::refusal::NotOptimizable;
use crate::eligibility::reserved::Entry;
use crate::optimizer::{
    JumpTo,
    Optimizer,
    Site,
    SiteLane,
    SiteProbe,
    State,
    Why,
    MAX_REGION, //
};
use crate::shell::memory::MEMORY;
use crate::shell::site::{
    self,
    SiteMemory, //
};
use crate::shell::text::live;
use crate::shell::{
    window,
    Shell, //
};
use crate::sys::ffi;
use crate::sys::locks::TextMutex;
use crate::sys::stats;
use crate::sys::symbols::KeptName;
use kernel::prelude::*;
use kernel::sync::Arc;

/// A probe and its site.
pub(crate) struct ProbeReport {
    pub(crate) addr: usize,
    /// The name of the address, if its text was unloaded.
    pub(crate) name: Option<Arc<KeptName>>,
    /// Its user wants it to run.
    pub(crate) enabled: bool,
    /// It was disabled because it had more hits a second than its limit.
    pub(crate) limited: bool,
    pub(crate) hits: usize,
    pub(crate) state: State,
    pub(crate) lane: SiteLane,
    /// Why the site is not a jump.
    pub(crate) why: Why,
    /// Why the site cannot become a jump.
    pub(crate) not_optimizable: Option<NotOptimizable>,
}

impl ProbeReport {
    /// The text was unloaded.
    pub(crate) fn is_gone(&self) -> bool {
        self.state == State::Gone
    }
}

/// The text at a probe.
pub(crate) struct ProbeText {
    pub(crate) addr: usize,
    len: usize,
    original: [u8; MAX_REGION],
    /// `None` if the text was unloaded.
    current: Option<[u8; MAX_REGION]>,
    /// Where hits go on in a slot. `None` if no hit does.
    pub(crate) detour: Option<usize>,
}

impl ProbeText {
    /// The bytes before the site was armed.
    pub(crate) fn original(&self) -> &[u8] {
        self.original.get(..self.len).unwrap_or(&self.original)
    }

    /// The bytes in the text now. `None` if the text was unloaded.
    pub(crate) fn current(&self) -> Option<&[u8]> {
        let bytes = self.current.as_ref()?;
        Some(bytes.get(..self.len).unwrap_or(bytes))
    }
}

/// A row of `list`.
pub(crate) struct ListRow {
    pub(crate) addr: usize,
    /// The name of the address, if its text was unloaded.
    pub(crate) name: Option<Arc<KeptName>>,
    /// The text was unloaded.
    pub(crate) gone: bool,
    pub(crate) disabled: bool,
    pub(crate) optimized: bool,
    /// The function tracer calls the site.
    pub(crate) ftrace: bool,
}

impl ListRow {
    fn of(site: &Site<SiteMemory>, probe: &SiteProbe<ProbePtr>) -> Self {
        let gone = site.state() == State::Gone;
        Self {
            addr: site.addr,
            name: site.payload.name.as_ref().cloned(),
            gone,
            disabled: !probe.enabled(),
            optimized: site.state().is_jump(),
            ftrace: site.lane == SiteLane::Ftrace && !gone,
        }
    }
}

/// Sites, probes and memory, counted.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) probes: u64,
    pub(crate) sites: u64,
    pub(crate) armed: u64,
    pub(crate) optimizing: u64,
    pub(crate) optimized: u64,
    pub(crate) unoptimizing: u64,
    pub(crate) freeing: u64,
    /// Passes that have ended.
    pub(crate) passes: u64,
    /// Hits of all probes, those of removed probes included.
    pub(crate) hits: u64,
    /// Hits whose handlers did not run.
    pub(crate) missed: u64,
    /// Entries of the index of reserved text.
    pub(crate) reserved: u64,
    /// Slots in use.
    pub(crate) slots: u64,
    /// Bytes that are mapped for slots.
    pub(crate) slot_memory: u64,
}

impl Counts {
    fn add_sites(&mut self, optimizer: &Optimizer<Shell>) {
        for (_, site) in optimizer.sites() {
            self.sites = self.sites.saturating_add(1);
            let state = match site.state() {
                State::Armed => &mut self.armed,
                State::Optimizing { .. } => &mut self.optimizing,
                State::Optimized => &mut self.optimized,
                State::Unoptimizing => &mut self.unoptimizing,
                State::Freeing { .. } => &mut self.freeing,
                State::Disarmed | State::Gone => continue,
            };
            *state = state.saturating_add(1);
        }
    }

    fn add_probes(&mut self, core: &Core) {
        for (_, probe) in core.optimizer.probes() {
            self.probes = self.probes.saturating_add(1);
            let hits = site::hits(core.held(), probe.payload) as u64;
            self.hits = self.hits.wrapping_add(hits);
        }
    }

    fn add_memory(&mut self) {
        let memory = MEMORY.lock();
        self.slots = memory.slots.used() as u64;
        self.slot_memory = memory.slots.mapped() as u64;
    }
}

impl Engine {
    /// How often a probe was hit. The caller does not unregister it at the same time.
    pub(crate) fn hits(&self, probe: ProbePtr) -> usize {
        site::hits(self.core.lock().held(), probe)
    }

    /// What `report` makes of a probe and its site. `None` if the probe is not registered.
    fn with_site<R>(
        &self,
        probe: ProbePtr,
        report: impl FnOnce(&Core, &SiteProbe<ProbePtr>, &Site<SiteMemory>) -> R,
    ) -> Option<R> {
        let core = self.core.lock();
        if !core.knows(probe) {
            return None;
        }
        let probe = core.optimizer.probe(id_of(probe))?;
        let site = core.optimizer.site(probe.site)?;
        Some(report(&core, probe, site))
    }

    /// The state of a probe. `None` if it is not registered.
    pub(crate) fn report(&self, probe: ProbePtr) -> Option<ProbeReport> {
        self.with_site(probe, |core, probe, site| ProbeReport {
            addr: site.addr,
            name: site.payload.name.as_ref().cloned(),
            enabled: probe.enabled(),
            limited: probe
                .payload
                .has_flag(core.held(), ffi::RKPROBE_FLAG_LIMITED),
            hits: site::hits(core.held(), probe.payload),
            state: site.state(),
            lane: site.lane,
            why: core.optimizer.why(probe.site),
            not_optimizable: site.payload.reason,
        })
    }

    /// Whether a probe is enabled, and its limit. `None` if the probe is not registered.
    pub(crate) fn settings(&self, probe: ProbePtr) -> Option<(bool, u32)> {
        self.with_site(probe, |core, probe, _| {
            (
                probe.enabled(),
                window::limit_of(core.held(), probe.payload),
            )
        })
    }

    /// The text at a probe. `None` if the probe is not registered.
    pub(crate) fn text_at(&self, probe: ProbePtr) -> Option<ProbeText> {
        self.with_site(probe, |_, _, site| {
            let trap = site.payload.trap();
            let len = trap.original().len();
            // The engine's lock is held, so the text of a module cannot be unloaded now.
            let current = (site.state() != State::Gone).then(|| {
                let mut bytes = [0; MAX_REGION];
                let _whole = TextMutex::lock();
                for (offset, byte) in bytes.iter_mut().take(len).enumerate() {
                    // SAFETY: The site is not gone, so all text of its region is mapped.
                    let [now] = unsafe { live(trap.addr.wrapping_add(offset)) };
                    *byte = now;
                }
                bytes
            });
            let to = site.jump_to().unwrap_or(JumpTo::Detour);
            let used = site.state().is_jump() || matches!(site.state(), State::Optimizing { .. });
            ProbeText {
                addr: trap.addr,
                len,
                original: trap.original,
                current,
                detour: used.then(|| site.payload.target(to)),
            }
        })
    }

    /// How many probes there are.
    pub(crate) fn probe_count(&self) -> usize {
        self.look(|optimizer| optimizer.probes().count())
    }

    /// All probes, by address.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn list(&self) -> Result<KVVec<ListRow>> {
        let mut rows = KVVec::new();
        let mut wanted = self.probe_count();
        loop {
            rows.clear();
            rows.reserve(wanted, GFP_KERNEL)?;
            wanted = self.look(|optimizer| collect_rows(optimizer, &mut rows));
            // Other tasks may have added probes while the lock was not held.
            if wanted <= rows.len() {
                sort_by_key(&mut rows, |row| row.addr as u64);
                return Ok(rows);
            }
        }
    }

    /// Counts sites, probes and memory.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        {
            let core = self.core.lock();
            counts.passes = core.optimizer.ended();
            counts.hits = stats::get(&stats::REMOVED_HITS);
            counts.missed = stats::get(&MISSED);
            counts.reserved = core.examiner.index().count() as u64;
            counts.add_sites(&core.optimizer);
            counts.add_probes(&core);
        }
        counts.add_memory();
        counts
    }

    /// Whether probes are armed at all.
    pub(crate) fn all_armed(&self) -> bool {
        self.look(|optimizer| optimizer.all_armed())
    }

    /// Whether jumps are allowed.
    pub(crate) fn optimization(&self) -> bool {
        self.look(|optimizer| optimizer.optimization())
    }

    /// The areas of text where no probe may be, by address.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn areas(&self) -> Result<KVVec<Entry>> {
        let core = self.core.lock();
        let mut areas = KVVec::new();
        for area in core.examiner.index().areas() {
            areas.push(area, GFP_KERNEL)?;
        }
        Ok(areas)
    }
}

/// Puts as many rows into `rows` as there is room for. Returns how many there are.
fn collect_rows(optimizer: &Optimizer<Shell>, rows: &mut KVVec<ListRow>) -> usize {
    let mut count = 0usize;
    for (_, probe) in optimizer.probes() {
        if let Some(site) = optimizer.site(probe.site) {
            count = count.saturating_add(1);
            let _ = rows.push_within_capacity(ListRow::of(site, probe));
        }
    }
    count
}
