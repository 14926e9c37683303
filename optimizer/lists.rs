// SPDX-License-Identifier: GPL-2.0

//! All sites and probes, with the index by address and the lists of the pass.

use super::backend::Backend;
use super::site::{
    ProbeId,
    Site,
    SiteId,
    SiteProbe,
    State, //
};
use super::words::{
    Delay,
    Foreign,
    Pass,
    MAX_REGION, //
};
use crate::containers::slab::{
    Array,
    Arrays,
    Slab, //
};
use core::mem::take;
use core::ops::Range;

/// All sites and probes, and what is to be done with them.
///
/// # Invariants
///
/// - A site is on the list that its state names, at its index `at`, and on no other.
/// - Every list, the index and every part of the plan have room for all sites.
/// - `order` is sorted by address, has each linked site once and no other.
pub struct Optimizer<B: Backend> {
    pub(super) sites: Slab<Site<B::Site>, B>,
    pub(super) probes: Slab<SiteProbe<B::Probe>, B>,
    pub(super) order: B::Of<SiteId>,
    pub(super) optimizing_list: B::Of<SiteId>,
    pub(super) unoptimizing_list: B::Of<SiteId>,
    pub(super) freeing_list: B::Of<SiteId>,
    pub(super) dirty: B::Of<SiteId>,
    pub(super) plan: PokePlan<B>,
    pub(super) foreign: u32,
    /// Text that is about to be unloaded (rule 13); empty except during `Optimizer::text_going`.
    pub(super) going: Range<usize>,
    pub(super) all_armed: bool,
    pub(super) optimization: bool,
    pub(super) begun: Pass,
    pub(super) ended: Pass,
}

impl<B: Backend> Default for Optimizer<B> {
    fn default() -> Self {
        Self {
            sites: Slab::default(),
            probes: Slab::default(),
            order: B::Of::default(),
            optimizing_list: B::Of::default(),
            unoptimizing_list: B::Of::default(),
            freeing_list: B::Of::default(),
            dirty: B::Of::default(),
            plan: PokePlan::default(),
            foreign: 0,
            going: 0..0,
            all_armed: true,
            optimization: true,
            begun: 0,
            ended: 0,
        }
    }
}

/// For the tests on the host, which copy a state and try every continuation of it.
impl<B: Backend + Clone> Clone for Optimizer<B>
where
    Slab<Site<B::Site>, B>: Clone,
    Slab<SiteProbe<B::Probe>, B>: Clone,
    B::Of<SiteId>: Clone,
{
    fn clone(&self) -> Self {
        Self {
            sites: self.sites.clone(),
            probes: self.probes.clone(),
            order: self.order.clone(),
            optimizing_list: self.optimizing_list.clone(),
            unoptimizing_list: self.unoptimizing_list.clone(),
            freeing_list: self.freeing_list.clone(),
            dirty: self.dirty.clone(),
            plan: self.plan.clone(),
            foreign: self.foreign,
            going: self.going.clone(),
            all_armed: self.all_armed,
            optimization: self.optimization,
            begun: self.begun,
            ended: self.ended,
        }
    }
}

/// The pokes that are decided and not done.
#[derive(Clone)]
pub(super) struct PokePlan<A: Arrays> {
    /// The sites; each has its poke.
    pub(super) sites: A::Of<SiteId>,
    /// Room for the sites that are poked together; empty between batches.
    pub(super) batch: A::Of<SiteId>,
}

impl<A: Arrays> Default for PokePlan<A> {
    fn default() -> Self {
        Self {
            sites: A::Of::default(),
            batch: A::Of::default(),
        }
    }
}

impl<A: Arrays> PokePlan<A> {
    /// All parts, to reserve room in them.
    pub(super) fn all(&mut self) -> [&mut A::Of<SiteId>; 2] {
        [&mut self.sites, &mut self.batch]
    }
}

/// The look-ups.
impl<B: Backend> Optimizer<B> {
    /// The site `id`.
    pub fn site(&self, id: SiteId) -> Option<&Site<B::Site>> {
        self.sites.get(id.0)
    }

    /// The probe `id`.
    pub fn probe(&self, id: ProbeId) -> Option<&SiteProbe<B::Probe>> {
        self.probes.get(id.0)
    }

    /// All sites, in no order.
    pub fn sites(&self) -> impl Iterator<Item = (SiteId, &Site<B::Site>)> {
        self.sites.iter().map(|(index, site)| (SiteId(index), site))
    }

    /// All probes, in no order.
    pub fn probes(&self) -> impl Iterator<Item = (ProbeId, &SiteProbe<B::Probe>)> {
        self.probes
            .iter()
            .map(|(index, probe)| (ProbeId(index), probe))
    }

    /// The site at `addr`, also if it is dying.
    pub fn find(&self, addr: usize) -> Option<SiteId> {
        self.range(addr, addr.checked_add(1)?).first().copied()
    }

    /// The linked sites with an address in `start..end`, by address.
    pub fn range(&self, start: usize, end: usize) -> &[SiteId] {
        let sites = self.order.as_slice().get(self.places(start, end));
        sites.unwrap_or(&[])
    }

    /// The places in `order` of the sites with an address in `start..end`.
    fn places(&self, start: usize, end: usize) -> Range<usize> {
        let first = self.before(start);
        let sites = self.order.as_slice().get(first..).unwrap_or(&[]);
        let is_before = |id: &SiteId| self.is_before(*id, end);
        // Most ranges have few sites or none, so the search for the end starts here and doubles its
        // stride.
        let mut far = 1_usize;
        while sites.get(far.wrapping_sub(1)).is_some_and(is_before) {
            far = far.saturating_mul(2);
        }
        let known = far / 2;
        let last = sites.get(known..far.min(sites.len())).unwrap_or(&[]);
        let near = known.saturating_add(last.partition_point(is_before));
        first..first.saturating_add(near)
    }

    /// How many linked sites have a smaller address than `addr`.
    pub(super) fn before(&self, addr: usize) -> usize {
        let order = self.order.as_slice();
        order.partition_point(|id| self.is_before(*id, addr))
    }

    fn is_before(&self, id: SiteId, addr: usize) -> bool {
        self.site(id).is_some_and(|site| site.addr < addr)
    }

    /// Whether the switch that arms all probes is on.
    pub fn all_armed(&self) -> bool {
        self.all_armed
    }

    /// Whether jumps are allowed.
    pub fn optimization(&self) -> bool {
        self.optimization
    }

    /// The number of the last pass that began.
    pub fn begun(&self) -> Pass {
        self.begun
    }

    /// The number of the last pass that ended.
    pub fn ended(&self) -> Pass {
        self.ended
    }

    /// Whether a list has work for a pass.
    pub fn pending(&self) -> bool {
        !(self.optimizing_list.as_slice().is_empty()
            && self.unoptimizing_list.as_slice().is_empty()
            && self.freeing_list.as_slice().is_empty())
    }

    /// How many sites have foreign bytes.
    pub fn foreign(&self) -> u32 {
        self.foreign
    }

    /// The sites on the list of `state`; `None` if the state has no list.
    pub fn list(&self, state: State) -> Option<&[SiteId]> {
        match state {
            State::Optimizing { .. } => Some(self.optimizing_list.as_slice()),
            State::Unoptimizing => Some(self.unoptimizing_list.as_slice()),
            State::Freeing { .. } => Some(self.freeing_list.as_slice()),
            State::Disarmed | State::Armed | State::Optimized | State::Gone => None,
        }
    }
}

/// The marks, the index and the lists are kept here.
impl<B: Backend> Optimizer<B> {
    pub(super) fn mark(&mut self, id: SiteId) {
        if let Some(site) = self.sites.get_mut(id.0) {
            if !site.dirty {
                site.dirty = true;
                self.dirty.push(id);
            }
        }
    }

    pub(super) fn mark_all(&mut self) {
        for index in (0..=u32::MAX).take(self.sites.bound()) {
            self.mark(SiteId(index));
        }
    }

    /// Marks the sites whose region covers `addr`.
    pub(super) fn mark_covering(&mut self, addr: usize) {
        let start = addr.saturating_sub(MAX_REGION);
        for at in self.places(start, addr) {
            let Some(id) = self.order.as_slice().get(at).copied() else {
                return;
            };
            if self.site(id).is_some_and(|site| site.covers(addr)) {
                self.mark(id);
            }
        }
    }

    /// Removes a site from the index.
    pub(super) fn unlink(&mut self, id: SiteId) {
        let Some(site) = self.sites.get_mut(id.0) else {
            return;
        };
        if !take(&mut site.linked) {
            return;
        }
        let addr = site.addr;
        let at = self.before(addr);
        if let Some(tail @ [_, ..]) = self.order.as_mut_slice().get_mut(at..) {
            tail.rotate_left(1);
            self.order.pop();
        }
    }

    pub(super) fn set_foreign(&mut self, id: SiteId, foreign: Option<Foreign>) {
        let Some(site) = self.sites.get_mut(id.0) else {
            return;
        };
        match (site.foreign, foreign) {
            (None, Some(_)) => self.foreign = self.foreign.saturating_add(1),
            (Some(_), None) => self.foreign = self.foreign.saturating_sub(1),
            (None, None) | (Some(_), Some(_)) => {}
        }
        site.foreign = foreign;
    }

    /// Changes a site's state, and with it the site's list and the copy that its hits continue in.
    pub(super) fn enter(&mut self, backend: &B, id: SiteId, state: State) {
        self.leave_list(id);
        let at = match self.list_of(state) {
            Some(list) => {
                list.push(id);
                list.as_slice().len().saturating_sub(1)
            }
            None => 0,
        };
        let Some(site) = self.sites.get_mut(id.0) else {
            return;
        };
        if site.state.has_detour_hits() != state.has_detour_hits() {
            backend.set_detour_hits(&site.payload, state.has_detour_hits());
        }
        site.state = state;
        site.at = u32::try_from(at).unwrap_or(u32::MAX);
        if state.is_listed() {
            backend.kick(match site.foreign {
                None => Delay::Normal,
                Some(_) => Delay::Retry,
            });
        }
    }

    pub(super) fn leave_list(&mut self, id: SiteId) {
        let Some((state, at)) = self.site(id).map(|site| (site.state, site.at)) else {
            return;
        };
        let Some(list) = self.list_of(state) else {
            return;
        };
        let Some(last) = list.pop() else {
            return;
        };
        if let Some(entry) = list.as_mut_slice().get_mut(at as usize) {
            *entry = last;
            if let Some(moved) = self.sites.get_mut(last.0) {
                moved.at = at;
            }
        }
    }

    fn list_of(&mut self, state: State) -> Option<&mut B::Of<SiteId>> {
        match state {
            State::Optimizing { .. } => Some(&mut self.optimizing_list),
            State::Unoptimizing => Some(&mut self.unoptimizing_list),
            State::Freeing { .. } => Some(&mut self.freeing_list),
            State::Disarmed | State::Armed | State::Optimized | State::Gone => None,
        }
    }
}
