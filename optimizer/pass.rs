// SPDX-License-Identifier: GPL-2.0

//! The pass: unoptimize, wait without any lock, optimize, free.

use super::backend::{
    Backend,
    Quiescence, //
};
use super::lists::Optimizer;
use super::site::{
    Site,
    SiteId,
    State, //
};
use super::words::{
    Delay,
    Pass,
    Poke, //
};
use crate::containers::slab::Array;
use core::mem::take;

/// How many sites share the sync rounds of one batch: the entries of the kernel's vector
/// (arch/x86/kernel/alternative.c:TEXT_POKE_ARRAY_MAX).
pub const VECTOR: usize = 256;

/// A pass between its steps 1 and 2.
#[must_use = "a pass that is begun must be waited for and ended"]
#[derive(Clone)]
pub struct Grace {
    pass: Pass,
    needed: bool,
}

/// The proof that a pass has waited. Only [`Grace::wait`] makes it.
#[must_use = "a pass that has waited must be ended"]
pub struct Quiesced {
    pass: Pass,
    waited: bool,
}

impl Grace {
    /// Whether the pass needs a grace period.
    pub fn needed(&self) -> bool {
        self.needed
    }

    /// Step 2: waits for quiescence. The caller holds no lock.
    pub fn wait(self, quiescence: &impl Quiescence) -> Quiesced {
        if self.needed {
            quiescence.synchronize_rcu_tasks();
        }
        Quiesced {
            pass: self.pass,
            waited: self.needed,
        }
    }
}

impl<B: Backend> Optimizer<B> {
    /// Step 1 of a pass: unoptimizes all queued sites, disarms the disabled sites, puts the unused
    /// sites on `freeing_list`, and turns regions of one instruction into jumps. Then notes the
    /// sites that the grace period is for. The caller releases its lock before [`Grace::wait`].
    pub fn begin_pass(&mut self, backend: &B) -> Grace {
        self.begun = self.begun.saturating_add(1);
        self.mark_foreign();
        self.commit(backend);
        let unoptimizing = take(&mut self.unoptimizing_list);
        for id in unoptimizing.as_slice() {
            self.decide(*id, Poke::Unoptimize);
        }
        self.unoptimizing_list = unoptimizing;
        if !self.is_bulk() {
            self.plan_optimize(|site, _| site.single);
        }
        self.commit(backend);
        Grace {
            pass: self.begun,
            needed: self.note_waiting(),
        }
    }

    /// Whether the queued sites do not fit one vector of the kernel's batches. Then the sites that
    /// could be jumps at once wait with the others, because two batches need more sync rounds of
    /// all CPUs than one.
    fn is_bulk(&self) -> bool {
        let optimizing = self.optimizing_list.as_slice();
        let waits = |id: &SiteId| self.site(*id).is_some_and(|site| !site.single);
        optimizing.len() > VECTOR && optimizing.iter().any(waits)
    }

    /// Writes the number of this pass at all sites that the grace period is for, and returns
    /// whether there are any. A site that is queued later waits for the next pass.
    fn note_waiting(&mut self) -> bool {
        let waited = self.begun;
        let optimizing = self.optimizing_list.as_slice();
        let freeing = self.freeing_list.as_slice();
        for id in optimizing {
            if let Some(site) = self.sites.get_mut(id.0) {
                site.state = State::Optimizing { waited };
            }
        }
        for id in freeing {
            if let Some(site) = self.sites.get_mut(id.0) {
                site.state = State::Freeing { waited };
            }
        }
        !(optimizing.is_empty() && freeing.is_empty())
    }

    /// Steps 3 to 5: optimizes the sites that stayed on `optimizing_list` for the whole grace
    /// period, frees the sites that stayed on `freeing_list` for it, and asks for the next pass if
    /// work is left.
    pub fn end_pass(&mut self, backend: &B, quiesced: Quiesced) {
        self.commit(backend);
        if quiesced.waited {
            self.plan_optimize(|_, waited| waited == quiesced.pass);
            self.commit(backend);
            self.free_waited(backend, quiesced.pass);
        }
        self.ended = quiesced.pass;
        if self.fresh() {
            backend.kick(Delay::Normal);
        } else if self.foreign > 0 {
            backend.kick(Delay::Retry);
        }
    }

    /// Whether a list has a site without foreign bytes.
    fn fresh(&self) -> bool {
        let lists = [
            &self.optimizing_list,
            &self.unoptimizing_list,
            &self.freeing_list,
        ];
        lists
            .iter()
            .flat_map(|list| list.as_slice())
            .any(|id| self.site(*id).is_some_and(|site| site.foreign.is_none()))
    }

    fn plan_optimize(&mut self, due: impl Fn(&Site<B::Site>, Pass) -> bool) {
        let optimizing = take(&mut self.optimizing_list);
        for id in optimizing.as_slice() {
            let is_due = self.site(*id).is_some_and(|site| match site.state {
                State::Optimizing { waited } => due(site, waited),
                _ => false,
            });
            if is_due {
                self.decide(*id, Poke::Optimize);
            }
        }
        self.optimizing_list = optimizing;
    }

    fn free_waited(&mut self, backend: &B, pass: Pass) {
        let waited = State::Freeing { waited: pass };
        // From the end, because a removal moves the last site into the free place.
        for at in (0..self.freeing_list.as_slice().len()).rev() {
            let Some(id) = self.freeing_list.as_slice().get(at).copied() else {
                continue;
            };
            if self.site(id).is_some_and(|site| site.state == waited) {
                self.free(backend, id);
            }
        }
    }

    fn free(&mut self, backend: &B, id: SiteId) {
        self.unlink(id);
        self.set_foreign(id, None);
        self.leave_list(id);
        if let Some(site) = self.sites.remove(id.0) {
            backend.free(site.payload);
        }
    }

    /// Gives up the sites without probes whose jumps foreign code keeps in the text. Returns how many
    /// sites that were. For the end of the optimizer, which would otherwise wait for the foreign code.
    pub fn abandon_jumps(&mut self, backend: &B) -> usize {
        let mut abandoned = 0_usize;
        for id in (0..=u32::MAX).map(SiteId).take(self.sites.bound()) {
            let kept = |site: &Site<B::Site>| {
                site.state.is_jump() && site.foreign.is_some() && site.probes == 0
            };
            if self.site(id).is_some_and(kept) && self.abandon(backend, id) {
                abandoned = abandoned.saturating_add(1);
            }
        }
        abandoned
    }

    fn abandon(&mut self, backend: &B, id: SiteId) -> bool {
        let detached = self
            .site(id)
            .is_some_and(|site| backend.detach(&site.payload));
        if !detached {
            return false;
        }
        self.unlink(id);
        self.set_foreign(id, None);
        self.leave_list(id);
        if let Some(site) = self.sites.remove(id.0) {
            backend.abandon(site.payload);
        }
        true
    }

    /// Marks the sites with foreign bytes, so that they are tried again.
    fn mark_foreign(&mut self) {
        if self.foreign == 0 {
            return;
        }
        for id in (0..=u32::MAX).map(SiteId).take(self.sites.bound()) {
            if self.site(id).is_some_and(|site| site.foreign.is_some()) {
                self.mark(id);
            }
        }
    }
}
