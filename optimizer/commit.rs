// SPDX-License-Identifier: GPL-2.0

//! Bringing sites to where they should be: the decision for each, and the pokes in batches.

use super::backend::{Backend, Delay, Foreign, LockedText, Poke, SiteLane};
use super::site::{Site, SiteId, State, Want, MAX_REGION};
use super::Optimizer;
use crate::containers::slab::{Array, Arrays};
use crate::containers::sort::sort_by_key;
use core::mem::take;

/// What is wanted of a site, as far as its next step depends on it.
struct Wish {
    want: Want,
    /// Rules 3, 7, 8, 13, 14: a jump must go at once.
    forced: bool,
    /// No probe is on it.
    unused: bool,
}

/// What is done with a site next.
enum Step {
    /// It is where it should be.
    Rest,
    /// It is on a list, and the pass does it.
    Wait,
    /// Its text is changed.
    Poke(Poke),
    /// Only its state is changed.
    Enter(State),
}

impl State {
    /// From what is and what is wanted to what is done.
    fn step(self, wish: &Wish) -> Step {
        match (self, wish.want) {
            (State::Disarmed, Want::Off) | (State::Gone, _) => match wish.unused {
                true => Step::Enter(State::Freeing { waited: 0 }),
                false => Step::Rest,
            },
            (State::Disarmed, Want::Int3 | Want::Jump) => Step::Poke(Poke::Arm),
            // Rule 10.
            (State::Armed, Want::Off) => Step::Poke(Poke::Disarm),
            // Rules 3, 7, 8, 13 and 14: at once.
            (State::Optimized | State::Unoptimizing, _) if wish.forced => {
                Step::Poke(Poke::Unoptimize)
            }
            (State::Armed, Want::Int3) | (State::Optimized, Want::Jump) => Step::Rest,
            (State::Armed, Want::Jump) => Step::Enter(State::Optimizing { waited: 0 }),
            (State::Optimizing { .. }, Want::Jump) => Step::Wait,
            // Rule 1: dequeued.
            (State::Optimizing { .. }, Want::Off | Want::Int3) => Step::Enter(State::Armed),
            // Rule 1: queued.
            (State::Optimized, Want::Off | Want::Int3) => Step::Enter(State::Unoptimizing),
            (State::Unoptimizing, Want::Off | Want::Int3) => Step::Wait,
            // Rule 2: the jump stays.
            (State::Unoptimizing, Want::Jump) => Step::Enter(State::Optimized),
            (State::Freeing { .. }, _) if wish.unused => Step::Wait,
            // Rule 9: it lives again, enabled or not.
            (State::Freeing { .. }, _) => Step::Enter(State::Disarmed),
        }
    }
}

/// How often is announced what is to be armed, while others come and go there.
const TRIES: u32 = 4;

/// Pokes that are decided and not done.
#[derive(Clone)]
pub(super) struct PokePlan<A: Arrays> {
    /// The sites; each says which poke.
    sites: A::Of<SiteId>,
    /// Room for those that are poked together; empty in between.
    batch: A::Of<SiteId>,
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
    /// All parts, for making room.
    pub(super) fn all(&mut self) -> [&mut A::Of<SiteId>; 2] {
        [&mut self.sites, &mut self.batch]
    }
}

/// Keeps what `keep` lets stay, in its order.
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

/// The decisions.
impl<B: Backend> Optimizer<B> {
    /// Brings every marked site to where it should be: queues what can wait, and does the rest in
    /// one text section, sorted by address, and may sleep in front of it. A site that could not be poked says so in
    /// [`Site::foreign`].
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
            // Rule 7: whose region this is in is blocked from now on, or no longer.
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

    fn wish(&self, site: &Site<B::Site>) -> Wish {
        let blocked = self.blocked(site);
        let int3_only = blocked || site.post_handlers > 0 || site.region == 0 || !self.optimization;
        let must_call = site.post_handlers > 0 || site.passes_over();
        let want = match (self.wants_arming(site), int3_only) {
            (false, _) => Want::Off,
            (true, true) => Want::Int3,
            (true, false) => Want::Jump,
        };
        Wish {
            want,
            forced: blocked || self.is_going(site) || (must_call && want != Want::Off),
            unused: site.probes == 0,
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
    /// Does what is planned: jumps that must go first, then int3s, then what leaves the text.
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

    /// Announces all that is to be armed, and takes the locks. Jumps were announced when they were queued.
    fn open<'a>(&self, backend: &'a B, lane: SiteLane) -> B::Locked<'a> {
        let planned = |poke| {
            let sites = self.plan.sites.as_slice().iter();
            let sites = sites.filter_map(|id| self.site(*id));
            sites.filter(move |site| site.lane == lane && site.planned == Some(poke))
        };
        if planned(Poke::Optimize).next().is_some() {
            backend.let_others_finish(lane);
        }
        let mut text = backend.lock(lane);
        for _ in 0..TRIES {
            let mut more = false;
            for site in planned(Poke::Arm) {
                more |= text.announce(&site.payload);
            }
            if !more {
                break;
            }
            drop(text);
            backend.let_others_finish(lane);
            text = backend.lock(lane);
        }
        text
    }

    fn has_work(&self, lane: SiteLane) -> bool {
        let sites = self.plan.sites.as_slice();
        let mut lanes = sites.iter().filter_map(|id| Some(self.site(*id)?.lane));
        lanes.any(|of_site| of_site == lane)
    }

    /// Takes those that are poked together out of the plan.
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

    /// Whether `addr` is inside a jump of ours, or behind it in its region.
    fn under_jump(&self, addr: usize) -> bool {
        self.range(addr.saturating_sub(MAX_REGION), addr)
            .iter()
            .filter_map(|id| self.site(*id))
            .any(|site| site.state.is_jump() && site.covers(addr))
    }

    /// The text is not as it should be: leaves it, notes it at the site, and has a later pass try
    /// again.
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
            // Who put a probe inside the region wants hits: the detour leads around it.
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

    /// A poke is in the text: the state says so, and what follows from it is marked or planned.
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
            // Rule 3, and step 1 of the pass: it is disarmed in the same text section.
            self.decide(id, Poke::Disarm);
        }
    }
}
