// SPDX-License-Identifier: GPL-2.0

//! Bringing sites to where they should be: the step of each marked site, and the pokes in batches.

use super::backend::{
    Backend,
    LockedText, //
};
use super::decide::{
    Step,
    Want, //
};
use super::lists::Optimizer;
use super::site::{
    Site,
    SiteId,
    State, //
};
use super::words::{
    Delay,
    Foreign,
    Poke,
    SiteLane,
    MAX_REGION, //
};
use crate::containers::slab::Array;
use crate::containers::sort::sort_by_key;
use core::mem::take;

/// How many times the sites to be armed are announced, while other users of the text come in
/// between.
const TRIES: u32 = 4;

/// Removes the ids for which `keep` is false. The others keep their order.
fn retain(ids: &mut impl Array<SiteId>, mut keep: impl FnMut(SiteId) -> bool) {
    let mut kept = 0usize;
    for at in 0..ids.as_slice().len() {
        let Some(id) = ids.as_slice().get(at).copied() else {
            continue;
        };
        if keep(id) {
            if let Some(entry) = ids.as_mut_slice().get_mut(kept) {
                *entry = id;
            }
            kept = kept.saturating_add(1);
        }
    }
    while ids.as_slice().len() > kept {
        ids.pop();
    }
}

/// The steps.
impl<B: Backend> Optimizer<B> {
    /// Brings every marked site to where it should be: queues the steps that can wait, and does the
    /// others in one text section, sorted by address. May sleep before that section. A site that
    /// could not be poked has the reason in [`Site::foreign`].
    pub fn commit(&mut self, backend: &B) {
        loop {
            while let Some(id) = self.dirty.pop() {
                self.plan_site(backend, id);
            }
            if self.plan.sites.as_slice().is_empty() {
                return;
            }
            self.poke(backend);
        }
    }

    fn plan_site(&mut self, backend: &B, id: SiteId) {
        let Some(site) = self.sites.get_mut(id.0) else {
            return;
        };
        site.dirty = false;
        if site.planned.is_some() {
            return;
        }
        if self.stays_claimed(backend, id) {
            return;
        }
        let Some(site) = self.site(id) else {
            return;
        };
        let wish = self.wish(site);
        let (addr, state) = (site.addr, site.state);
        // Rule 11.
        backend.set_live(&site.payload, wish.want != Want::Off);
        if matches!(state, State::Disarmed | State::Gone) {
            // Rule 7: the sites whose region covers the address are blocked from now on, or no
            // longer.
            self.mark_covering(addr);
        }
        match state.step(&wish) {
            Step::Rest => self.set_foreign(id, None),
            Step::Wait => {}
            Step::Poke(poke) => self.decide(id, poke),
            Step::Enter(state) => {
                self.enter(backend, id, state);
                if !state.is_listed() {
                    self.mark(id);
                }
            }
        }
    }

    /// Whether the site's text is gone with our bytes in it and may still be executed (rule 13).
    fn stays_claimed(&mut self, backend: &B, id: SiteId) -> bool {
        let Some(site) = self.site(id).filter(|site| site.is_left()) else {
            return false;
        };
        let may_run = backend.may_run(&site.payload);
        if !may_run {
            self.forget(backend, id);
        }
        may_run
    }

    /// Notes that our bytes left in the text of a site that is gone cannot be hit any more.
    pub(super) fn forget(&mut self, backend: &B, id: SiteId) {
        self.set_foreign(id, None);
        if let Some(site) = self.site(id) {
            backend.forget(&site.payload);
        }
    }

    /// Puts a poke into the plan.
    pub(super) fn decide(&mut self, id: SiteId, poke: Poke) {
        if let Some(site) = self.sites.get_mut(id.0) {
            site.planned = self.plan.sites.push(id).then_some(poke);
        }
    }
}

/// The pokes.
impl<B: Backend> Optimizer<B> {
    /// Does the planned pokes, in this order: jumps are removed, int3s are written, int3s are
    /// removed, jumps are written.
    fn poke(&mut self, backend: &B) {
        let lanes = [
            (SiteLane::Ftrace, &[Poke::Arm, Poke::Disarm][..]),
            (
                SiteLane::Text,
                &[Poke::Unoptimize, Poke::Arm, Poke::Disarm, Poke::Optimize],
            ),
        ];
        for (lane, pokes) in lanes {
            if !self.has_work(lane) {
                continue;
            }
            let mut text = self.open(backend, lane);
            for poke in pokes.iter().copied() {
                let mut ids = self.take_batch(lane, poke);
                self.batch(backend, &mut text, poke, &mut ids);
                self.plan.batch = ids;
            }
        }
    }

    /// Announces all sites that are to be armed, and takes the locks. Sites that become jumps were
    /// announced when they were queued.
    fn open<'a>(&self, backend: &'a B, lane: SiteLane) -> B::Locked<'a> {
        let planned = |poke| {
            let sites = self.plan.sites.as_slice().iter();
            let sites = sites.filter_map(|id| self.site(*id));
            sites.filter(move |site| site.lane == lane && site.planned == Some(poke))
        };
        let arms = planned(Poke::Arm).next().is_some();
        let jumps = planned(Poke::Optimize).next().is_some();
        let mut settled = !arms && (!jumps || backend.settle(lane));
        let mut text = backend.lock(lane, settled);
        for tries in 0..TRIES {
            // Also if this announces nothing new: what an earlier batch has announced may not be settled.
            let mut more = tries == 0 && arms;
            for site in planned(Poke::Arm) {
                more |= text.announce(&site.payload);
            }
            if !more {
                break;
            }
            drop(text);
            settled = backend.settle(lane);
            text = backend.lock(lane, settled);
        }
        text
    }

    fn has_work(&self, lane: SiteLane) -> bool {
        let sites = self.plan.sites.as_slice();
        let mut lanes = sites.iter().filter_map(|id| Some(self.site(*id)?.lane));
        lanes.any(|of_site| of_site == lane)
    }

    /// Removes the sites that are poked together from the plan, and returns them.
    fn take_batch(&mut self, lane: SiteLane, poke: Poke) -> B::Of<SiteId> {
        let mut batch = take(&mut self.plan.batch);
        let mut planned = take(&mut self.plan.sites);
        retain(&mut planned, |id| {
            let chosen = |site: &Site<B::Site>| site.lane == lane && site.planned == Some(poke);
            !(self.site(id).is_some_and(chosen) && batch.push(id))
        });
        self.plan.sites = planned;
        batch
    }

    /// Pokes one batch, sorted by address, and empties `ids`.
    fn batch(
        &mut self,
        backend: &B,
        text: &mut B::Locked<'_>,
        poke: Poke,
        ids: &mut B::Of<SiteId>,
    ) {
        sort_by_key(ids.as_mut_slice(), |id| {
            self.sites.get(id.0).map_or(0, |site| site.addr as u64)
        });
        retain(ids, |id| match self.add_to_batch(text, poke, id) {
            Ok(()) => true,
            Err(foreign) => {
                self.refused(backend, text, poke, id, foreign);
                false
            }
        });
        let finished = match ids.as_slice() {
            [] => Ok(()),
            _ => text.finish(poke),
        };
        while let Some(id) = ids.pop() {
            match finished {
                Ok(()) => self.poked(backend, text, poke, id),
                Err(foreign) => self.refused(backend, text, poke, id, foreign),
            }
        }
    }

    fn add_to_batch(
        &mut self,
        text: &mut B::Locked<'_>,
        poke: Poke,
        id: SiteId,
    ) -> Result<(), Foreign> {
        let site = self.sites.get_mut(id.0).ok_or(Foreign::Bytes)?;
        if poke == Poke::Optimize {
            // Rule 14.
            site.to = site.wanted_jump();
        }
        let site = self.site(id).ok_or(Foreign::Bytes)?;
        if poke == Poke::Arm && self.under_jump(site.addr) {
            return Err(Foreign::Jump);
        }
        text.add(poke, &site.payload, site.to)
    }

    /// Whether `addr` is in the region of a site that is a jump, after the first byte.
    fn under_jump(&self, addr: usize) -> bool {
        self.range(addr.saturating_sub(MAX_REGION), addr)
            .iter()
            .filter_map(|id| self.site(*id))
            .any(|site| site.state.is_jump() && site.covers(addr))
    }

    /// Leaves text that has changed since our last poke as it is, notes the reason at the site, and
    /// asks for a later pass that tries again.
    fn refused(
        &mut self,
        backend: &B,
        text: &mut B::Locked<'_>,
        poke: Poke,
        id: SiteId,
        foreign: Foreign,
    ) {
        self.set_foreign(id, Some(foreign));
        self.unplan(id);
        if let (Poke::Arm, Some(site)) = (poke, self.site(id)) {
            text.withdraw(&site.payload);
        }
        match (poke, self.site(id).map(|site| site.state)) {
            (Poke::Unoptimize, Some(State::Optimized)) => {
                self.enter(backend, id, State::Unoptimizing);
            }
            // The foreign probe inside the region must get its hits, and the detour bypasses it.
            (Poke::Optimize, Some(State::Optimizing { .. })) => {
                self.enter(backend, id, State::Armed);
            }
            _ => {}
        }
        backend.kick(Delay::Retry);
    }

    fn unplan(&mut self, id: SiteId) {
        if let Some(site) = self.sites.get_mut(id.0) {
            site.planned = None;
        }
    }

    /// Enters the state that belongs to a poke which is in the text, and marks or plans the next
    /// step.
    fn poked(&mut self, backend: &B, text: &mut B::Locked<'_>, poke: Poke, id: SiteId) {
        self.set_foreign(id, None);
        self.unplan(id);
        if let Some(site) = self.site(id) {
            text.done(poke, &site.payload);
        }
        let state = match poke {
            Poke::Arm | Poke::Unoptimize => State::Armed,
            Poke::Optimize => State::Optimized,
            Poke::Disarm => State::Disarmed,
        };
        self.enter(backend, id, state);
        self.mark(id);
        let unwanted = self.site(id).is_some_and(|site| !self.wants_arming(site));
        if poke == Poke::Unoptimize && unwanted {
            // Rule 3, and step 1 of the pass: the site is disarmed in the same text section.
            self.decide(id, Poke::Disarm);
        }
    }
}
