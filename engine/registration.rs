// SPDX-License-Identifier: GPL-2.0

//! Registering, unregistering, enabling and disabling probes.

use super::state::{
    id_of,
    Core,
    Engine, //
};
use crate::arch_x86::probe_list::ProbePtr;
use crate::containers::sort::sort_by_key;
use crate::eligibility::refusal::Refusal;
use crate::examine::{
    Session,
    SitePlan, //
};
use crate::optimizer::{
    Handlers,
    NewSite,
    Optimizer,
    ProbeId,
    SiteId,
    State, //
};
use crate::shell::{
    window,
    Shell, //
};
use crate::sys::ffi;
use crate::sys::locks::{
    wait_for_handlers,
    EngineHeld, //
};
use crate::sys::stats;
use core::ptr::{
    addr_of_mut,
    null_mut, //
};
use core::sync::atomic::{
    AtomicPtr,
    Ordering, //
};
use kernel::prelude::*;
use kernel::rbtree::{
    RBTree,
    RBTreeNode, //
};

/// One probe of a batch.
pub(crate) struct Request {
    pub(crate) probe: ProbePtr,
    /// The address of its target, 0 if the target has none.
    addr: usize,
    /// This request has registered the probe.
    added: bool,
    /// A number that the caller gives the request, because the batch is sorted.
    pub(crate) tag: usize,
    pub(crate) result: Result<(), Refusal>,
}

impl Request {
    /// A request to register `probe` at `addr`. If the target has no address, the request is refused
    /// with the reason.
    pub(crate) fn new(probe: ProbePtr, addr: Result<usize, Refusal>, tag: usize) -> Self {
        Self {
            probe,
            addr: addr.unwrap_or(0),
            added: false,
            tag,
            result: addr.map(|_| ()),
        }
    }

    /// The address of the target, 0 if the target has none.
    pub(crate) fn addr(&self) -> usize {
        self.addr
    }
}

/// The per-CPU counter of a probe that is being registered. Freed when this is dropped.
struct Hits(*mut kernel::ffi::c_ulong);

impl Hits {
    /// Allocates a counter.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    fn new() -> Result<Self, Refusal> {
        // SAFETY: Process context, so the allocation may sleep.
        let hits = unsafe { ffi::rk_alloc_hits() };
        match hits.is_null() {
            true => Err(Refusal::NoMemory),
            false => Ok(Self(hits)),
        }
    }

    /// Leaves the counter to the probe, which gives it to [`release`].
    fn into_raw(self) -> *mut kernel::ffi::c_ulong {
        core::mem::ManuallyDrop::new(self).0
    }
}

impl Drop for Hits {
    fn drop(&mut self) {
        // SAFETY: `new` allocated it, and no probe has it: `into_raw` consumes the owner.
        unsafe { ffi::free_percpu(self.0.cast()) };
    }
}

impl Engine {
    /// Registers a batch. Each probe gets a result of its own, and a refused probe changes nothing.
    /// The requests come back sorted by address. May sleep.
    pub(crate) fn register(&self, requests: &mut [Request]) {
        // Sites of one function become neighbours, so the function is decoded once.
        sort_by_key(requests, |request: &Request| request.addr as u64);
        let mut core = self.core.lock();
        core.add(requests);
        let refused = core.claim_entries(requests);
        core.commit();
        let failed = core.take_back_unserved(requests) || refused;
        drop(core);
        if failed {
            wait_for_handlers();
        }
        // A request refused before it was added owns no counter. Its structure may be another
        // caller's registered probe, so it must not be released.
        for request in requests.iter().filter(|request| request.added) {
            if request.result.is_err() {
                release(request.probe);
            }
        }
    }

    /// Removes probes, and ignores probes that are not registered. When this returns, none of their
    /// handlers runs. May sleep for a grace period.
    pub(crate) fn unregister(&self, probes: impl Iterator<Item = ProbePtr> + Clone) {
        let mut core = self.core.lock();
        for probe in probes.clone() {
            if core.knows(probe) {
                core.remove(id_of(probe), probe);
            }
        }
        core.commit();
        drop(core);
        if probes.clone().next().is_none() {
            return;
        }
        // Also for a probe that is not registered any more: another task may be in the middle of
        // removing it, and this caller must not free it earlier.
        wait_for_handlers();
        // A structure that still says that it is registered is a copy of a registered probe. Its
        // counter belongs to that probe.
        // SAFETY: The caller's probes are alive for the call.
        for probe in probes.filter(|probe| unsafe { (*probe.as_ptr()).registered } == 0) {
            release(probe);
        }
    }

    /// Enables or disables probes, with one sync round for all of them.
    ///
    /// # Errors
    ///
    /// `NotRegistered`, `NoMemory`. For enabling also `NotText` if the text was unloaded, and the reason
    /// why hits would not reach the probe. Such a probe stays what it was, enabled or disabled. Of many
    /// probes, the engine enables each one that can be enabled. If it can enable none, the error is that
    /// of the first probe with text.
    pub(crate) fn set_enabled(
        &self,
        probes: impl Iterator<Item = ProbePtr> + Clone,
        enabled: bool,
    ) -> Result<(), Refusal> {
        match enabled {
            true => self.enable(probes),
            false => self.disable(probes),
        }
    }

    /// Disables probes. Allocates nothing: what wants to stop a probe must be able to.
    fn disable(&self, probes: impl Iterator<Item = ProbePtr>) -> Result<(), Refusal> {
        self.change(|core| {
            let (mut first, mut good) = (Ok(()), false);
            for probe in probes {
                let switched = core.switch(probe, false).map(|_| ());
                good |= switched.is_ok();
                first = first.and(switched);
            }
            match good {
                true => Ok(()),
                false => first,
            }
        })
    }

    fn enable(&self, probes: impl Iterator<Item = ProbePtr> + Clone) -> Result<(), Refusal> {
        let mut before = KVVec::new();
        let count = probes.clone().count();
        before
            .reserve(count, GFP_KERNEL_ACCOUNT)
            .map_err(|_| Refusal::NoMemory)?;
        let mut core = self.core.lock();
        for probe in probes.clone() {
            let was = core.switch(probe, true);
            let _ = before.push_within_capacity(was);
        }
        core.commit();
        let mut failed = false;
        let (mut first, mut good) = (Ok(()), false);
        for (probe, was) in probes.zip(&before) {
            let switched = match was {
                Ok(was) => core.settle_switch(probe, was),
                Err(refusal) => Err(*refusal),
            };
            failed |= switched.is_err() && was.is_ok();
            good |= switched.is_ok();
            first = match (first, switched) {
                // A probe without text says nothing about the others.
                (Err(Refusal::NotText | Refusal::NotRegistered), Err(other)) => Err(other),
                (first, switched) => first.and(switched),
            };
        }
        if failed {
            core.commit();
        }
        match good {
            true => Ok(()),
            false => first,
        }
    }
}

/// What a probe was before it was enabled or disabled.
struct Before {
    enabled: bool,
    limited: bool,
}

/// Frees what a probe owned that no handler can see any more.
pub(super) fn release(probe: ProbePtr) {
    // SAFETY: The caller's probe is alive, and no CPU uses its counter any more. Another task may
    // unregister the probe at the same time: the swap gives the counter to one of the two.
    unsafe {
        let probe = probe.as_ptr();
        let hits = AtomicPtr::from_ptr(addr_of_mut!((*probe).hits));
        let hits = hits.swap(null_mut(), Ordering::Relaxed);
        if !hits.is_null() {
            let all = ffi::rk_sum_hits(hits).wrapping_add((*probe).counted);
            stats::add(&stats::REMOVED_HITS, all as u64);
            (*probe).counted = 0;
            ffi::free_percpu(hits.cast());
        }
    }
}

impl Core {
    /// Examines the requests that have an address, and adds their probes.
    fn add(&mut self, requests: &mut [Request]) {
        let room = self.optimizer.reserve(requests.len(), requests.len());
        let mut session = self.examiner.begin();
        for request in requests.iter_mut().filter(|request| request.result.is_ok()) {
            session.next_address();
            request.result = match room {
                Ok(()) => add_one(
                    self.shell.held(),
                    &mut self.optimizer,
                    &mut self.known,
                    &mut session,
                    request,
                ),
                Err(_) => Err(Refusal::NoMemory),
            };
            request.added = request.result.is_ok();
        }
    }

    /// Claims the instruction pointer for probes with a post_handler at entries, because such a probe
    /// may change it. Removes the probes again that cannot have it. Returns whether there were any.
    fn claim_entries(&mut self, requests: &mut [Request]) -> bool {
        let mut failed = false;
        let requests = requests.iter_mut().filter(|request| request.result.is_ok());
        for request in requests.filter(|request| request.probe.handlers() == Handlers::Post) {
            let id = id_of(request.probe);
            let site = self.optimizer.probe(id).map(|probe| probe.site);
            let Some(site) = site.and_then(|site| self.optimizer.site(site)) else {
                continue;
            };
            if let Err(refusal) = site.payload.claim(self.shell.held()) {
                self.remove(id, request.probe);
                request.result = Err(refusal);
                failed = true;
            }
        }
        failed
    }

    /// Removes the probes again that hits would not reach. Returns whether there were any.
    fn take_back_unserved(&mut self, requests: &mut [Request]) -> bool {
        let mut failed = false;
        for request in requests.iter_mut().filter(|request| request.result.is_ok()) {
            let id = id_of(request.probe);
            if let Some(foreign) = self.optimizer.unserved(id) {
                self.remove(id, request.probe);
                request.result = Err(foreign.into());
                failed = true;
            }
        }
        if failed {
            self.commit();
        }
        failed
    }

    /// Enables or disables a probe. The caller commits, and then calls [`Core::settle_switch`].
    ///
    /// # Errors
    ///
    /// `NotRegistered`. `NotText`: the text was unloaded.
    fn switch(&mut self, probe: ProbePtr, enabled: bool) -> Result<Before, Refusal> {
        if !self.knows(probe) {
            return Err(Refusal::NotRegistered);
        }
        let id = id_of(probe);
        let known = self.optimizer.probe(id).ok_or(Refusal::NotRegistered)?;
        let before = Before {
            enabled: known.enabled(),
            limited: probe.has_flag(self.held(), ffi::RKPROBE_FLAG_LIMITED),
        };
        let state = self.optimizer.site(known.site).map(|site| site.state());
        if enabled && state == Some(State::Gone) {
            return Err(Refusal::NotText);
        }
        if enabled && !before.enabled {
            window::begin(self.held(), probe);
        }
        self.set_enabled(id, enabled);
        Ok(before)
    }

    /// Makes a probe what it was `before`, if hits would not reach it. The caller commits.
    ///
    /// # Errors
    ///
    /// Why hits would not reach it.
    fn settle_switch(&mut self, probe: ProbePtr, before: &Before) -> Result<(), Refusal> {
        let id = id_of(probe);
        match self.optimizer.unserved(id) {
            Some(foreign) => {
                self.set_enabled(id, before.enabled);
                probe.set_flag(self.held(), ffi::RKPROBE_FLAG_LIMITED, before.limited);
                Err(foreign.into())
            }
            None => Ok(()),
        }
    }

    /// Takes a probe off its site and out of the optimizer.
    pub(super) fn remove(&mut self, id: ProbeId, probe: ProbePtr) {
        let site = self.optimizer.probe(id).map(|probe| probe.site);
        if let Some(site) = site.and_then(|site| self.optimizer.site(site)) {
            let held = self.shell.held();
            site.payload.credit(held, probe, false);
            site.payload.trap().unlink(held, probe);
            site.payload.review_claim(held);
        }
        self.optimizer.remove_probe(id);
        self.known.remove(&(probe.as_ptr() as usize));
        // SAFETY: The probe is alive until `unregister` returns.
        unsafe { addr_of_mut!((*probe.as_ptr()).registered).write_volatile(0) };
    }
}

/// Adds one probe to the site at its address. If there is no site, it makes one.
fn add_one(
    held: &EngineHeld,
    optimizer: &mut Optimizer<Shell>,
    known: &mut RBTree<usize, ()>,
    session: &mut Session<'_>,
    request: &Request,
) -> Result<(), Refusal> {
    let probe = request.probe.as_ptr();
    // SAFETY: The caller's probe is alive for the call.
    let (flags, registered) = unsafe { ((*probe).flags, (*probe).registered) };
    // The batch may have the same structure twice. Or its user has overwritten a registered probe, and
    // linking it would link it to itself.
    if registered != 0 || known.get(&(probe as usize)).is_some() {
        return Err(Refusal::AlreadyRegistered);
    }
    let node = RBTreeNode::new(probe as usize, (), GFP_KERNEL_ACCOUNT);
    let node = node.map_err(|_| Refusal::NoMemory)?;
    let handlers = request.probe.handlers();
    let addr = session.entry(request.addr);
    let hits = Hits::new()?;
    let id = match optimizer.find(addr) {
        Some(id) => {
            let site = optimizer.site(id).ok_or(Refusal::NoMemory)?;
            session.check_site(site)?;
            id
        }
        None => {
            let plan = session.plan(optimizer, addr, handlers == Handlers::None)?;
            add_site(optimizer, addr, plan)?
        }
    };
    prepare(optimizer, session, id, handlers)?;
    let enabled = flags & ffi::RKPROBE_FLAG_DISABLED == 0;
    let added = optimizer
        .add_probe(id, request.probe, enabled, handlers)
        .ok_or(Refusal::NoMemory)?;
    // SAFETY: The caller's probe is alive, and no handler sees it before it is linked.
    unsafe {
        (*probe).addr = addr as *mut kernel::ffi::c_void;
        (*probe).found = (*probe).addr;
        (*probe).hits = hits.into_raw();
        (*probe).counting = null_mut();
        (*probe).counted = 0;
        (*probe).nmissed = 0;
        (*probe).flags = flags & ffi::RKPROBE_FLAG_DISABLED;
        (*probe).id = added.index();
        (*probe).registered = 1;
    }
    known.insert(node);
    window::begin(held, request.probe);
    if let Some(site) = optimizer.site(id) {
        site.payload.trap().link(held, request.probe);
        site.payload.credit_one(held, request.probe);
    }
    Ok(())
}

/// Gives a site what the handlers of a new probe need.
fn prepare(
    optimizer: &Optimizer<Shell>,
    session: &mut Session<'_>,
    id: SiteId,
    handlers: Handlers,
) -> Result<(), Refusal> {
    let site = optimizer.site(id).ok_or(Refusal::NoMemory)?;
    match handlers {
        Handlers::None => session.prepare_count(optimizer, &site.payload, site.state().in_text()),
        Handlers::Pre => Ok(()),
        Handlers::Post => session.prepare_steps(&site.payload, site.state().in_text()),
    }
}

fn add_site(
    optimizer: &mut Optimizer<Shell>,
    addr: usize,
    plan: SitePlan,
) -> Result<SiteId, Refusal> {
    let added = optimizer.add_site(NewSite {
        addr,
        lane: plan.lane,
        region: plan.region,
        single: plan.single,
        payload: plan.memory,
    });
    let id = added.ok_or(Refusal::NoMemory)?;
    // From now on the optimizer gives the site's memory back: `Backend::free`.
    plan.reserved.keep();
    Ok(id)
}
