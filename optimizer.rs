// SPDX-License-Identifier: GPL-2.0

//! The delayed optimizer: site states, the three lists, and the pass.
//!
//! This is the behaviour of the 2010 kprobes patch "Support delayed unoptimizing", as pure code. It
//! decides; a [`Backend`] does: the kernel shell pokes text and waits for RCU-tasks, the explorer on
//! the host pokes a model. Nothing here sleeps or takes a lock. The caller serializes all calls, and
//! keeps that lock only while a call runs, never over [`Grace::wait`].
//!
//! Every operation changes what is wanted (probes, switches) and marks the sites that it concerns;
//! [`Optimizer::commit`] then brings them to where they should be, in one text section; what is to be armed is
//! announced in another in front of it. The decision for a site is [`Optimizer::plan_site`], and that is the
//! only place that has it.
//!
//! # Lock order, outermost first
//!
//! 1. the engine's lock (held around every call here),
//! 2. for the ftrace lane: what `ftrace_set_filter_ips` takes,
//! 3. for the text lane ([`Backend::lock`]): `kprobe_mutex`, `cpus_read_lock`, `text_mutex`.
//!
//! # Rules of a site's life
//!
//! 1. Unoptimizing an `Optimizing` site dequeues it; an `Optimized` one is queued, or forced now.
//! 2. Optimizing an `Unoptimizing` site dequeues it: the jump stays, nothing is poked.
//! 3. Forcing an `Unoptimizing` site dequeues it and pokes now; an unwanted one is disarmed with it.
//! 4. A pass: unoptimize, disarm, unlink; wait; optimize; free.
//! 5. A kick starts the delayed work once; a flush cuts its delay short.
//! 6. Waiting is for a pass that began after the call, by its number.
//! 7. Arming inside another site's region forces that site to int3 first; disarming re-optimizes it.
//! 8. A post_handler forces its site to int3 and keeps it there.
//! 9. A new probe on a dying site revives it.
//! 10. The last probe's removal disarms at once if the site is only armed, else the pass does it.
//! 11. A disabled site whose jump is still in place runs no handler.
//! 12. Switching optimization off unoptimizes all; `enabled`=0 disarms all, re-optimizing none.
//! 13. Text that goes gets its own bytes back at once, for it may still be executed; then its sites
//!     are `Gone`, and it is never touched again. Where others' bytes prevent that, the site is kept
//!     as it is, claimed, until nobody can execute the text any more.
//! 14. A jump counts inline only while no probe on its site has a handler: one that comes forces the
//!     site to int3, and its next jump calls. When the last handler goes the jump stays as it is.

mod backend;
mod commit;
mod operations;
mod pass;
pub mod rate;
mod site;

pub use backend::{Backend, Delay, Foreign, LockedText, Poke, SiteLane};
pub use pass::{Grace, Quiesced, VECTOR};
pub use site::MAX_REGION;
pub use site::{Handlers, JumpTo, NewSite, Pass, ProbeId, Site, SiteId, SiteProbe, State, Why};

use crate::containers::slab::{Array, Slab};
use commit::PokePlan;
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
    sites: Slab<Site<B::Site>, B>,
    probes: Slab<SiteProbe<B::Probe>, B>,
    order: B::Of<SiteId>,
    optimizing_list: B::Of<SiteId>,
    unoptimizing_list: B::Of<SiteId>,
    freeing_list: B::Of<SiteId>,
    dirty: B::Of<SiteId>,
    plan: PokePlan<B>,
    foreign: u32,
    /// Text that is about to go (rule 13); empty but in [`Optimizer::text_gone`].
    going: Range<usize>,
    all_armed: bool,
    optimization: bool,
    begun: Pass,
    ended: Pass,
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

/// Copies are for the tests on the host, which try every continuation of a state.
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

/// Looking things up.
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

    /// The site at `addr`, dying ones included.
    pub fn find(&self, addr: usize) -> Option<SiteId> {
        self.range(addr, addr.checked_add(1)?).first().copied()
    }

    /// The linked sites with an address in `start..end`, by address.
    pub fn range(&self, start: usize, end: usize) -> &[SiteId] {
        let sites = self.order.as_slice().get(self.places(start, end));
        sites.unwrap_or(&[])
    }

    /// Where in `order` they are.
    fn places(&self, start: usize, end: usize) -> Range<usize> {
        let first = self.before(start);
        let sites = self.order.as_slice().get(first..).unwrap_or(&[]);
        let is_before = |id: &SiteId| self.is_before(*id, end);
        // Mostly there are none or few, so the end is looked for from here, in strides that double.
        let mut far = 1_usize;
        while sites.get(far.wrapping_sub(1)).is_some_and(is_before) {
            far = far.saturating_mul(2);
        }
        let known = far / 2;
        let last = sites.get(known..far.min(sites.len())).unwrap_or(&[]);
        let near = known.saturating_add(last.partition_point(is_before));
        first..first.saturating_add(near)
    }

    /// How many linked sites are in front of `addr`.
    fn before(&self, addr: usize) -> usize {
        let order = self.order.as_slice();
        order.partition_point(|id| self.is_before(*id, addr))
    }

    fn is_before(&self, id: SiteId, addr: usize) -> bool {
        self.site(id).is_some_and(|site| site.addr < addr)
    }

    /// Whether probes are armed at all.
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

    /// Whether a pass has work to do.
    pub fn pending(&self) -> bool {
        !(self.optimizing_list.as_slice().is_empty()
            && self.unoptimizing_list.as_slice().is_empty()
            && self.freeing_list.as_slice().is_empty())
    }

    /// How many sites have bytes that are not ours.
    pub fn foreign(&self) -> u32 {
        self.foreign
    }

    /// The ids on a state's list.
    pub fn list(&self, state: State) -> Option<&[SiteId]> {
        match state {
            State::Optimizing { .. } => Some(self.optimizing_list.as_slice()),
            State::Unoptimizing => Some(self.unoptimizing_list.as_slice()),
            State::Freeing { .. } => Some(self.freeing_list.as_slice()),
            State::Disarmed | State::Armed | State::Optimized | State::Gone => None,
        }
    }

    /// Why the site is not a jump.
    pub fn why(&self, id: SiteId) -> Why {
        let Some(site) = self.site(id) else {
            return Why::Gone;
        };
        if site.state == State::Gone {
            return Why::Gone;
        }
        if let Some(foreign) = site.foreign {
            return Why::Foreign(foreign);
        }
        match site.state {
            _ if site.enabled == 0 => Why::Disabled,
            _ if !self.all_armed => Why::AllDisarmed,
            State::Optimized => Why::Nothing,
            _ if site.region == 0 => Why::NotOptimizable,
            _ if site.post_handlers > 0 => Why::PostHandler,
            _ if !self.optimization => Why::OptimizationOff,
            _ if self.blocked(site) => Why::Blocked,
            _ => Why::Waiting,
        }
    }

    /// Whether another probe is, or is to be, in the text inside the region of `site`.
    fn blocked(&self, site: &Site<B::Site>) -> bool {
        let inside = site.addr.saturating_add(1);
        let end = site.addr.saturating_add(site.region());
        self.range(inside, end).iter().any(|id| {
            self.site(*id)
                .is_some_and(|other| other.state.in_text() || self.wants_arming(other))
        })
    }

    fn wants_arming(&self, site: &Site<B::Site>) -> bool {
        let stays = site.state != State::Gone && !self.is_going(site);
        self.all_armed && site.enabled > 0 && stays
    }

    /// Whether the text of `site` is about to go.
    fn is_going(&self, site: &Site<B::Site>) -> bool {
        self.going.contains(&site.addr)
    }
}

/// Keeping marks, the index and the lists.
impl<B: Backend> Optimizer<B> {
    fn mark(&mut self, id: SiteId) {
        if let Some(site) = self.sites.get_mut(id.0) {
            if !site.dirty {
                site.dirty = true;
                self.dirty.push(id);
            }
        }
    }

    fn mark_all(&mut self) {
        for index in (0..=u32::MAX).take(self.sites.bound()) {
            self.mark(SiteId(index));
        }
    }

    /// Marks the sites whose region covers `addr`.
    fn mark_covering(&mut self, addr: usize) {
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

    /// Takes a site out of the index.
    fn unlink(&mut self, id: SiteId) {
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

    fn set_foreign(&mut self, id: SiteId, foreign: Option<Foreign>) {
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

    /// Changes a site's state, and with it its list and which way its hits take.
    fn enter(&mut self, backend: &B, id: SiteId, state: State) {
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

    fn leave_list(&mut self, id: SiteId) {
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
