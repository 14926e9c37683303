// SPDX-License-Identifier: GPL-2.0

//! The operations of users on sites and probes, and of owners on their text.

use super::backend::Backend;
use super::lists::Optimizer;
use super::site::{
    NewSite,
    ProbeId,
    Site,
    SiteId,
    SiteProbe,
    State, //
};
use super::words::{
    Foreign,
    Handlers,
    JumpTo, //
};
use crate::containers::slab::{
    Array,
    NoMemory, //
};

/// Each operation marks the sites that it concerns. [`Optimizer::commit`] acts.
impl<B: Backend> Optimizer<B> {
    /// Makes room for `sites` further sites and `probes` further probes. After that, neither adding
    /// them nor any later operation on them can fail.
    ///
    /// # Errors
    ///
    /// No memory. Nothing was added.
    pub fn reserve(&mut self, sites: usize, probes: usize) -> Result<(), NoMemory> {
        self.sites.reserve(sites)?;
        self.probes.reserve(probes)?;
        self.order.reserve(sites)?;
        let all = self.sites.live().saturating_add(sites);
        let lists = [
            &mut self.optimizing_list,
            &mut self.unoptimizing_list,
            &mut self.freeing_list,
            &mut self.dirty,
        ];
        for list in lists.into_iter().chain(self.plan.all()) {
            list.reserve(all.saturating_sub(list.as_slice().len()))?;
        }
        Ok(())
    }

    /// Adds a site without probes, in reserved room; returns `None` without such room. No linked
    /// site may have the address.
    pub fn add_site(&mut self, new: NewSite<B::Site>) -> Option<SiteId> {
        let at = self.before(new.addr);
        let id = SiteId(self.sites.insert(Site {
            addr: new.addr,
            payload: new.payload,
            lane: new.lane,
            region: new.region,
            single: new.single,
            state: State::Disarmed,
            at: 0,
            linked: true,
            dirty: false,
            planned: None,
            foreign: None,
            to: JumpTo::Detour,
            probes: 0,
            enabled: 0,
            handlers: 0,
            post_handlers: 0,
        })?);
        self.order.push(id);
        if let Some(tail @ [_, ..]) = self.order.as_mut_slice().get_mut(at..) {
            tail.rotate_right(1);
        }
        self.mark(id);
        Some(id)
    }

    /// Adds a probe to a site, in reserved room; returns `None` without such room. A dying site is
    /// revived (rule 9).
    pub fn add_probe(
        &mut self,
        site: SiteId,
        payload: B::Probe,
        enabled: bool,
        handlers: Handlers,
    ) -> Option<ProbeId> {
        self.sites.get(site.0)?;
        let id = ProbeId(self.probes.insert(SiteProbe {
            site,
            payload,
            enabled,
            handlers,
        })?);
        self.count(site, |site| {
            site.probes = site.probes.saturating_add(1);
            site.enabled = site.enabled.saturating_add(u32::from(enabled));
            let (any, post) = handlers.counts();
            site.handlers = site.handlers.saturating_add(any);
            site.post_handlers = site.post_handlers.saturating_add(post);
        });
        Some(id)
    }

    /// Removes a probe (rule 10). Its handler may still be running.
    pub fn remove_probe(&mut self, id: ProbeId) -> Option<B::Probe> {
        let probe = self.probes.remove(id.0)?;
        self.count(probe.site, |site| {
            site.probes = site.probes.saturating_sub(1);
            site.enabled = site.enabled.saturating_sub(u32::from(probe.enabled));
            let (any, post) = probe.handlers.counts();
            site.handlers = site.handlers.saturating_sub(any);
            site.post_handlers = site.post_handlers.saturating_sub(post);
        });
        Some(probe.payload)
    }

    /// Enables or disables one probe. Enabling a probe that is enabled tries again to arm its site.
    pub fn set_enabled(&mut self, backend: &B, id: ProbeId, enabled: bool) {
        let Some(probe) = self.probes.get_mut(id.0) else {
            return;
        };
        let site = probe.site;
        if probe.enabled == enabled {
            self.mark(site);
            return;
        }
        probe.enabled = enabled;
        backend.set_enabled(&probe.payload, enabled);
        self.count(site, |site| {
            site.enabled = match enabled {
                true => site.enabled.saturating_add(1),
                false => site.enabled.saturating_sub(1),
            }
        });
    }

    /// Arms or disarms all sites (rule 12).
    pub fn set_all_armed(&mut self, armed: bool) {
        self.all_armed = armed;
        self.mark_all();
    }

    /// Allows or forbids jumps (rule 12).
    pub fn set_optimization(&mut self, allowed: bool) {
        self.optimization = allowed;
        self.mark_all();
    }

    /// Writes the original bytes back to the text in `start..end`, which its owner is about to
    /// free, and does not touch it again (rule 13). The text may still be executed until it is
    /// freed. Commits.
    pub fn text_going(&mut self, backend: &B, start: usize, end: usize) {
        self.going = start..end;
        for at in 0..self.range(start, end).len() {
            if let Some(id) = self.range(start, end).get(at).copied() {
                self.mark(id);
            }
        }
        self.commit(backend);
        while let Some(id) = self.range(start, end).last().copied() {
            self.unlink(id);
            let left = self.site(id).filter(|site| site.state.in_text());
            let foreign = left.map(|site| {
                backend.leave(&site.payload, site.state.is_jump());
                site.foreign.unwrap_or(Foreign::Bytes)
            });
            self.set_foreign(id, foreign);
            self.enter(backend, id, State::Gone);
            self.mark(id);
        }
        self.going = 0..0;
        self.commit(backend);
    }

    /// Notes that new text is in `start..end`. The text that was there before cannot be executed
    /// any more (rule 13).
    pub fn text_came(&mut self, backend: &B, start: usize, end: usize) {
        if self.foreign == 0 {
            return;
        }
        for id in (0..=u32::MAX).map(SiteId).take(self.sites.bound()) {
            let here = |site: &Site<B::Site>| site.is_left() && (start..end).contains(&site.addr);
            if self.site(id).is_some_and(here) {
                self.forget(backend, id);
                self.mark(id);
            }
        }
    }

    fn count(&mut self, id: SiteId, change: impl FnOnce(&mut Site<B::Site>)) {
        if let Some(site) = self.sites.get_mut(id.0) {
            change(site);
        }
        self.mark(id);
    }
}
