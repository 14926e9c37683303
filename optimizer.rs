// SPDX-License-Identifier: GPL-2.0

//! The delayed optimizer: site states, the three lists, and the pass.
//!
//! This is the behaviour of the 2010 kprobes patch "Support delayed unoptimizing", as pure code. It
//! decides; a [`Backend`] does: the kernel shell pokes text and waits for RCU-tasks, the explorer on
//! the host pokes a model. Nothing here sleeps or takes a lock. The caller serializes all calls, and
//! keeps that lock only while a call runs, never over [`Grace::wait`].
//!
//! Every operation changes what is wanted (probes, switches) and marks the sites that it concerns;
//! [`Optimizer::commit`] then brings them to where they should be, in one text section. The decision
//! for a site is [`Optimizer::plan_site`], and that is the only place that has it.
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
//! 13. Text that was freed is never touched again: its sites are `Gone`.

use crate::slab::{Array, Arrays, NoMemory, Slab};
use core::mem::take;

/// The most bytes that a region can cover: 4 bytes and one instruction of 15.
pub const MAX_REGION: usize = 19;

/// The number of a pass of the optimizer; the first is 1.
pub type Pass = u64;

/// Names a site while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(u32);

/// Names a probe while it is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(u32);

/// What is in the text at a site, and what is to happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The original bytes.
    Disarmed,
    /// An int3 (or an attached ftrace entry).
    Armed,
    /// An int3 whose hits already go on in the detour; on `optimizing_list`. `waited`: the pass
    /// whose grace period began after that became true.
    Optimizing {
        /// The pass that took the site into its grace period.
        waited: Option<Pass>,
    },
    /// A jump to the detour.
    Optimized,
    /// A jump that is to go; on `unoptimizing_list`.
    Unoptimizing,
    /// The original bytes and no probes; on `freeing_list` until a grace period is over.
    Freeing {
        /// The pass that took the site into its grace period.
        waited: Option<Pass>,
    },
    /// The text was freed by its owner.
    Gone,
}

impl State {
    /// Whether one of our bytes is in the text.
    pub fn in_text(self) -> bool {
        match self {
            State::Armed | State::Optimizing { .. } | State::Optimized | State::Unoptimizing => {
                true
            }
            State::Disarmed | State::Freeing { .. } | State::Gone => false,
        }
    }

    /// Whether the jump is in the text.
    pub fn is_jump(self) -> bool {
        matches!(self, State::Optimized | State::Unoptimizing)
    }
}

/// How a site is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// By an int3 or a jump, poked into the text.
    Text,
    /// By the function's ftrace entry.
    Ftrace,
}

/// A change of the text at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Poke {
    /// Original byte to int3, or ftrace on.
    Arm,
    /// Int3 to the original byte, or ftrace off.
    Disarm,
    /// Int3 to jump.
    Optimize,
    /// Jump to int3 and the original tail.
    Unoptimize,
}

/// Why a poke was not done: the text is not as we left it, or is claimed by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Foreign {
    /// The bytes at the site are neither ours nor the original ones.
    Bytes,
    /// A native kprobe is at the site's address.
    KprobeHere,
    /// A native kprobe's instruction bytes overlap with what would be poked.
    KprobeNear,
    /// Another site's jump covers the address, and could not be removed.
    Jump,
    /// ftrace refused to attach or detach.
    Ftrace,
}

/// Why a site is not a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is one.
    Nothing,
    /// Its text was unloaded.
    Gone,
    /// No probe on it is enabled.
    Disabled,
    /// All probes are disarmed.
    AllDisarmed,
    /// Its region cannot be moved out of line; the backend knows more.
    NotOptimizable,
    /// A probe on it has a post_handler.
    PostHandler,
    /// Jump optimization is switched off.
    OptimizationOff,
    /// Another probe is inside its region.
    Blocked,
    /// The text is not as we left it.
    Foreign(Foreign),
    /// It waits for the optimizer.
    Waiting,
}

/// Which work the delayed optimizer should do next, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// After the optimizer's delay.
    Normal,
    /// Much later: somebody else's bytes are in the way.
    Retry,
}

/// What the optimizer needs done. All methods but [`Backend::synchronize_rcu_tasks`] are called
/// under the engine's lock.
pub trait Backend: Arrays {
    /// What the backend keeps for a site: its out-of-line memory and its int3 table entry.
    type Site;
    /// What the backend keeps for a probe.
    type Probe;
    /// The text locks of a lane, held while it lives.
    type Text<'a>: Text<Site = Self::Site>
    where
        Self: 'a;

    /// Takes the text locks of `lane`.
    fn lock(&self, lane: Lane) -> Self::Text<'_>;
    /// Lets the handlers of `site` run, or silences them.
    fn set_live(&self, site: &Self::Site, live: bool);
    /// Sends the int3 hits of `site` on through the detour's copy of the whole region, or through
    /// the copy of the first instruction alone.
    fn set_detour_hits(&self, site: &Self::Site, on: bool);
    /// Enables or disables the handler of one probe.
    fn set_enabled(&self, probe: &Self::Probe, enabled: bool);
    /// The text of `site` was freed: forget its address.
    fn gone(&self, site: &Self::Site);
    /// Nobody can be in the memory of `site` any more: free it.
    fn free(&self, site: Self::Site);
    /// Starts the delayed work, unless it is already pending.
    fn kick(&self, delay: Delay);
    /// Waits until every task has been seen outside of all regions, slots and detours.
    fn synchronize_rcu_tasks(&self);
}

/// Pokes a batch of sites, sorted by address: `add` each, `finish` once, `done` for each that was
/// added.
pub trait Text {
    /// As in [`Backend::Site`].
    type Site;
    /// Compares the text with what should be there and adds the site to the batch.
    fn add(&mut self, poke: Poke, site: &Self::Site) -> Result<(), Foreign>;
    /// Makes all that was added visible to all CPUs.
    fn finish(&mut self, poke: Poke) -> Result<(), Foreign>;
    /// The poke of `site` is in the text, seen by all CPUs.
    fn done(&mut self, poke: Poke, site: &Self::Site);
}

/// One address, with all that is known of it.
pub struct Site<S> {
    /// The address of the first byte.
    pub addr: usize,
    /// What the backend keeps.
    pub payload: S,
    /// How it is reached.
    pub lane: Lane,
    /// Bytes of whole instructions that the jump covers; 0 if there can be no jump.
    region: u8,
    /// The region is one instruction: no task can be inside, so no grace period is needed.
    single: bool,
    state: State,
    /// The index in the list that `state` names.
    at: u32,
    /// In the sorted index: findable by address.
    linked: bool,
    /// Marked for [`Optimizer::commit`].
    dirty: bool,
    /// In the plan: decided, not yet done.
    planned: bool,
    foreign: Option<Foreign>,
    probes: u32,
    enabled: u32,
    post_handlers: u32,
}

/// One user's handler on a site.
pub struct Probe<P> {
    /// Where it is.
    pub site: SiteId,
    /// What the backend keeps.
    pub payload: P,
    enabled: bool,
    post_handler: bool,
}

impl<P> Probe<P> {
    /// Whether its user wants it to run.
    pub fn enabled(&self) -> bool {
        self.enabled
    }
}

impl<S> Site<S> {
    /// What is in the text.
    pub fn state(&self) -> State {
        self.state
    }

    /// Bytes of whole instructions that the jump covers; 0 if there can be no jump.
    pub fn region(&self) -> usize {
        usize::from(self.region)
    }

    /// What was found in the text instead of what should be there.
    pub fn foreign(&self) -> Option<Foreign> {
        self.foreign
    }

    /// Whether the site is found by its address.
    pub fn linked(&self) -> bool {
        self.linked
    }

    /// Whether a jump here would cover `addr` behind its first byte.
    fn covers(&self, addr: usize) -> bool {
        self.addr < addr && addr < self.addr.saturating_add(self.region())
    }
}

/// What should be in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Off,
    Int3,
    Jump,
}

/// What a site is made from.
pub struct NewSite<S> {
    /// The address of the first byte.
    pub addr: usize,
    /// How it is reached.
    pub lane: Lane,
    /// Bytes of whole instructions that a jump would cover, at most [`MAX_REGION`]; 0 for none.
    pub region: u8,
    /// The region is one instruction.
    pub single: bool,
    /// What the backend keeps.
    pub payload: S,
}

/// Pokes that are decided and not done, each sorted by address before it is done.
struct Plan<A: Arrays> {
    unoptimize: A::Of<SiteId>,
    arm: A::Of<SiteId>,
    disarm: A::Of<SiteId>,
    optimize: A::Of<SiteId>,
    attach: A::Of<SiteId>,
    detach: A::Of<SiteId>,
}

impl<A: Arrays> Default for Plan<A> {
    fn default() -> Self {
        Self {
            unoptimize: A::Of::default(),
            arm: A::Of::default(),
            disarm: A::Of::default(),
            optimize: A::Of::default(),
            attach: A::Of::default(),
            detach: A::Of::default(),
        }
    }
}

impl<A: Arrays> Plan<A> {
    fn all(&mut self) -> [&mut A::Of<SiteId>; 6] {
        [
            &mut self.unoptimize,
            &mut self.arm,
            &mut self.disarm,
            &mut self.optimize,
            &mut self.attach,
            &mut self.detach,
        ]
    }

    fn text_is_empty(&self) -> bool {
        [&self.unoptimize, &self.arm, &self.disarm, &self.optimize]
            .iter()
            .all(|ids| ids.as_slice().is_empty())
    }

    fn ftrace_is_empty(&self) -> bool {
        self.attach.as_slice().is_empty() && self.detach.as_slice().is_empty()
    }
}

/// A pass between its steps 1 and 2.
#[must_use = "a pass that is begun must be waited for and ended"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grace {
    pass: Pass,
    needed: bool,
}

/// The proof that a pass has waited; only [`Grace::wait`] makes it.
#[must_use = "a pass that has waited must be ended"]
pub struct Quiesced {
    pass: Pass,
    waited: bool,
}

impl Grace {
    /// Whether anything of the pass needs a grace period.
    pub fn needed(&self) -> bool {
        self.needed
    }

    /// Step 2: waits for quiescence, without any lock.
    pub fn wait<B: Backend>(self, backend: &B) -> Quiesced {
        if self.needed {
            backend.synchronize_rcu_tasks();
        }
        Quiesced {
            pass: self.pass,
            waited: self.needed,
        }
    }
}

/// All sites and probes, and what is to be done with them.
///
/// # Invariants
///
/// - A site is on the list that its state names, at its index `at`, and on no other.
/// - Every list, the index and every part of the plan have room for all sites.
/// - `order` is sorted by address, has each linked site once and no other.
pub struct Optimizer<B: Backend> {
    sites: Slab<Site<B::Site>, B>,
    probes: Slab<Probe<B::Probe>, B>,
    order: B::Of<(usize, SiteId)>,
    optimizing_list: B::Of<SiteId>,
    unoptimizing_list: B::Of<SiteId>,
    freeing_list: B::Of<SiteId>,
    dirty: B::Of<SiteId>,
    plan: Plan<B>,
    foreign: u32,
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
            plan: Plan::default(),
            foreign: 0,
            all_armed: true,
            optimization: true,
            begun: 0,
            ended: 0,
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
    pub fn probe(&self, id: ProbeId) -> Option<&Probe<B::Probe>> {
        self.probes.get(id.0)
    }

    /// All sites, in no order.
    pub fn sites(&self) -> impl Iterator<Item = (SiteId, &Site<B::Site>)> {
        self.sites.iter().map(|(index, site)| (SiteId(index), site))
    }

    /// All probes, in no order.
    pub fn probes(&self) -> impl Iterator<Item = (ProbeId, &Probe<B::Probe>)> {
        self.probes
            .iter()
            .map(|(index, probe)| (ProbeId(index), probe))
    }

    /// The site at `addr`, dying ones included.
    pub fn find(&self, addr: usize) -> Option<SiteId> {
        let order = self.order.as_slice();
        let at = order.binary_search_by_key(&addr, |entry| entry.0).ok()?;
        Some(order.get(at)?.1)
    }

    /// The linked sites with an address in `start..end`, by address.
    pub fn range(&self, start: usize, end: usize) -> &[(usize, SiteId)] {
        let order = self.order.as_slice();
        let from = order.partition_point(|entry| entry.0 < start);
        let to = order.partition_point(|entry| entry.0 < end);
        order.get(from..to).unwrap_or(&[])
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
        match site.state {
            State::Gone => Why::Gone,
            _ if site.foreign.is_some() => site.foreign.map_or(Why::Nothing, Why::Foreign),
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
        self.range(inside, end).iter().any(|(_, id)| {
            self.site(*id)
                .is_some_and(|other| other.state.in_text() || self.wants_arming(other))
        })
    }

    fn wants_arming(&self, site: &Site<B::Site>) -> bool {
        self.all_armed && site.enabled > 0 && site.state != State::Gone
    }

    fn want(&self, site: &Site<B::Site>) -> Want {
        if !self.wants_arming(site) {
            Want::Off
        } else if site.region == 0
            || site.post_handlers > 0
            || !self.optimization
            || self.blocked(site)
        {
            Want::Int3
        } else {
            Want::Jump
        }
    }
}

/// What users do. Each operation marks the sites it concerns; [`Optimizer::commit`] acts.
impl<B: Backend> Optimizer<B> {
    /// Makes room for `sites` further sites and `probes` further probes, so that adding them and
    /// all that happens to them later cannot fail.
    pub fn reserve(&mut self, sites: usize, probes: usize) -> Result<(), NoMemory> {
        self.sites.reserve(sites)?;
        self.probes.reserve(probes)?;
        self.order.reserve(sites)?;
        let all = self.sites.live().saturating_add(sites);
        self.optimizing_list.reserve(all)?;
        self.unoptimizing_list.reserve(all)?;
        self.freeing_list.reserve(all)?;
        self.dirty.reserve(all)?;
        for part in self.plan.all() {
            part.reserve(all)?;
        }
        Ok(())
    }

    /// Adds a site without probes, in room that was reserved. The address must not be linked.
    /// Gives the payload back when there is no room.
    pub fn add_site(&mut self, new: NewSite<B::Site>) -> Option<SiteId> {
        let at = self
            .order
            .as_slice()
            .partition_point(|entry| entry.0 < new.addr);
        let addr = new.addr;
        let id = SiteId(self.sites.insert(Site {
            addr,
            payload: new.payload,
            lane: new.lane,
            region: new.region,
            single: new.single,
            state: State::Disarmed,
            at: 0,
            linked: true,
            dirty: false,
            planned: false,
            foreign: None,
            probes: 0,
            enabled: 0,
            post_handlers: 0,
        })?);
        self.order.push((addr, id));
        if let Some(tail) = self.order.as_mut_slice().get_mut(at..) {
            tail.rotate_right(1);
        }
        self.mark(id);
        Some(id)
    }

    /// Adds a probe to a site, in room that was reserved; a dying site lives again (rule 9).
    pub fn add_probe(
        &mut self,
        site: SiteId,
        payload: B::Probe,
        enabled: bool,
        post_handler: bool,
    ) -> Option<ProbeId> {
        self.sites.get(site.0)?;
        let id = ProbeId(self.probes.insert(Probe {
            site,
            payload,
            enabled,
            post_handler,
        })?);
        self.count(site, |site| {
            site.probes = site.probes.saturating_add(1);
            site.enabled = site.enabled.saturating_add(u32::from(enabled));
            site.post_handlers = site.post_handlers.saturating_add(u32::from(post_handler));
        });
        Some(id)
    }

    /// Removes a probe (rule 10). Its handler may still be running.
    pub fn remove_probe(&mut self, id: ProbeId) -> Option<B::Probe> {
        let probe = self.probes.remove(id.0)?;
        self.count(probe.site, |site| {
            site.probes = site.probes.saturating_sub(1);
            site.enabled = site.enabled.saturating_sub(u32::from(probe.enabled));
            site.post_handlers = site
                .post_handlers
                .saturating_sub(u32::from(probe.post_handler));
        });
        Some(probe.payload)
    }

    /// Enables or disables one probe.
    pub fn set_enabled(&mut self, backend: &B, id: ProbeId, enabled: bool) {
        let Some(probe) = self.probes.get_mut(id.0) else {
            return;
        };
        if probe.enabled == enabled {
            return;
        }
        probe.enabled = enabled;
        backend.set_enabled(&probe.payload, enabled);
        let site = probe.site;
        self.count(site, |site| {
            site.enabled = match enabled {
                true => site.enabled.saturating_add(1),
                false => site.enabled.saturating_sub(1),
            }
        });
    }

    /// Arms or disarms all (rule 12).
    pub fn set_all_armed(&mut self, armed: bool) {
        self.all_armed = armed;
        self.mark_all();
    }

    /// Allows or forbids jumps (rule 12).
    pub fn set_optimization(&mut self, allowed: bool) {
        self.optimization = allowed;
        self.mark_all();
    }

    /// The text in `start..end` is about to be freed by its owner (rule 13): forgets the addresses
    /// and touches nothing.
    pub fn text_gone(&mut self, backend: &B, start: usize, end: usize) {
        let order = self.order.as_slice();
        let from = order.partition_point(|entry| entry.0 < start);
        let mut left = self.range(start, end).len();
        while left > 0 {
            left = left.saturating_sub(1);
            let Some((_, id)) = self
                .order
                .as_slice()
                .get(from.saturating_add(left))
                .copied()
            else {
                continue;
            };
            self.unlink_at(from.saturating_add(left));
            let Some(site) = self.sites.get(id.0) else {
                continue;
            };
            backend.gone(&site.payload);
            if !matches!(site.state, State::Freeing { .. }) {
                self.enter(id, State::Gone);
            }
            self.set_foreign(id, None);
            self.mark(id);
        }
    }

    fn count(&mut self, id: SiteId, change: impl FnOnce(&mut Site<B::Site>)) {
        if let Some(site) = self.sites.get_mut(id.0) {
            change(site);
        }
        self.mark(id);
    }

    fn mark(&mut self, id: SiteId) {
        if let Some(site) = self.sites.get_mut(id.0) {
            if !site.dirty {
                site.dirty = true;
                self.dirty.push(id);
            }
        }
    }

    fn mark_all(&mut self) {
        for index in (0u32..).take(self.sites.bound()) {
            self.mark(SiteId(index));
        }
    }

    /// Marks the sites whose region covers `addr`.
    fn mark_covering(&mut self, addr: usize) {
        let start = addr.saturating_sub(MAX_REGION);
        let from = self
            .order
            .as_slice()
            .partition_point(|entry| entry.0 < start);
        let near = self.range(start, addr).len();
        for at in (from..).take(near) {
            let Some((_, id)) = self.order.as_slice().get(at).copied() else {
                return;
            };
            if self.site(id).is_some_and(|site| site.covers(addr)) {
                self.mark(id);
            }
        }
    }

    /// Takes the site at index `at` of the order out of it.
    fn unlink_at(&mut self, at: usize) {
        let Some(tail) = self.order.as_mut_slice().get_mut(at..) else {
            return;
        };
        tail.rotate_left(1);
        if let Some((_, id)) = self.order.pop() {
            if let Some(site) = self.sites.get_mut(id.0) {
                site.linked = false;
            }
        }
    }
}

/// Bringing sites to where they should be.
impl<B: Backend> Optimizer<B> {
    /// Brings every marked site to where it should be: queues what can wait, and does the rest in
    /// one text section, sorted by address. A site that could not be poked says so in
    /// [`Site::foreign`].
    pub fn commit(&mut self, backend: &B) {
        loop {
            while let Some(id) = self.dirty.pop() {
                self.plan_site(backend, id);
            }
            if self.plan.text_is_empty() && self.plan.ftrace_is_empty() {
                return;
            }
            self.poke(backend);
        }
    }

    /// The decision for one site: from its state and what is wanted to what is done.
    fn plan_site(&mut self, backend: &B, id: SiteId) {
        let Some(site) = self.sites.get_mut(id.0) else {
            return;
        };
        site.dirty = false;
        if site.planned {
            return;
        }
        let Some(site) = self.sites.get(id.0) else {
            return;
        };
        let want = self.want(site);
        let unused = site.probes == 0;
        // Rules 3, 7, 8: a jump that must not stay while the pass is awaited.
        let forced = (site.post_handlers > 0 && want == Want::Int3) || self.blocked(site);
        backend.set_live(&site.payload, want != Want::Off);
        match (site.state, want) {
            (State::Disarmed, Want::Off) | (State::Gone, _) => {
                // Rule 7: a site that could never be armed blocks nobody any more.
                let addr = site.addr;
                self.mark_covering(addr);
                if unused {
                    self.enter(id, State::Freeing { waited: None });
                    backend.kick(Delay::Normal);
                }
            }
            (State::Disarmed, Want::Int3 | Want::Jump) => {
                let addr = site.addr;
                self.decide(id, Poke::Arm);
                self.mark_covering(addr);
            }
            (State::Armed, Want::Off) => self.decide(id, Poke::Disarm),
            (State::Armed, Want::Int3)
            | (State::Optimizing { .. }, Want::Jump)
            | (State::Optimized, Want::Jump)
            | (State::Freeing { .. }, Want::Off) => {}
            (State::Armed, Want::Jump) => {
                backend.set_detour_hits(&site.payload, true);
                self.enter(id, State::Optimizing { waited: None });
                backend.kick(Delay::Normal);
            }
            (State::Optimizing { .. }, Want::Off | Want::Int3) => {
                backend.set_detour_hits(&site.payload, false);
                self.enter(id, State::Armed);
                self.mark(id);
            }
            (State::Optimized | State::Unoptimizing, Want::Off | Want::Int3) if forced => {
                self.decide(id, Poke::Unoptimize);
            }
            (State::Optimized, Want::Off | Want::Int3) => {
                self.enter(id, State::Unoptimizing);
                backend.kick(Delay::Normal);
            }
            (State::Unoptimizing, Want::Off | Want::Int3) => {}
            (State::Unoptimizing, Want::Jump) => self.enter(id, State::Optimized),
            (State::Freeing { .. }, Want::Int3 | Want::Jump) => {
                self.enter(id, State::Disarmed);
                self.mark(id);
            }
        }
    }

    /// Puts a poke into the plan.
    fn decide(&mut self, id: SiteId, poke: Poke) {
        let Some(site) = self.sites.get_mut(id.0) else {
            return;
        };
        let part = match (site.lane, poke) {
            (Lane::Text, Poke::Arm) => &mut self.plan.arm,
            (Lane::Text, Poke::Disarm) => &mut self.plan.disarm,
            (Lane::Ftrace, Poke::Arm) => &mut self.plan.attach,
            (Lane::Ftrace, Poke::Disarm) => &mut self.plan.detach,
            (_, Poke::Optimize) => &mut self.plan.optimize,
            (_, Poke::Unoptimize) => &mut self.plan.unoptimize,
        };
        site.planned = part.push(id);
    }

    /// Does what is planned: jumps that must go first, then int3s, then what leaves the text.
    fn poke(&mut self, backend: &B) {
        if !self.plan.ftrace_is_empty() {
            let mut text = backend.lock(Lane::Ftrace);
            let mut attach = take(&mut self.plan.attach);
            self.batch(&mut text, Poke::Arm, &mut attach);
            self.plan.attach = attach;
            let mut detach = take(&mut self.plan.detach);
            self.batch(&mut text, Poke::Disarm, &mut detach);
            self.plan.detach = detach;
        }
        if !self.plan.text_is_empty() {
            let mut text = backend.lock(Lane::Text);
            let mut unoptimize = take(&mut self.plan.unoptimize);
            self.batch(&mut text, Poke::Unoptimize, &mut unoptimize);
            self.plan.unoptimize = unoptimize;
            let mut arm = take(&mut self.plan.arm);
            self.batch(&mut text, Poke::Arm, &mut arm);
            self.plan.arm = arm;
            let mut disarm = take(&mut self.plan.disarm);
            self.batch(&mut text, Poke::Disarm, &mut disarm);
            self.plan.disarm = disarm;
            let mut optimize = take(&mut self.plan.optimize);
            self.batch(&mut text, Poke::Optimize, &mut optimize);
            self.plan.optimize = optimize;
        }
    }

    /// Pokes one batch and empties `ids`.
    fn batch(&mut self, text: &mut B::Text<'_>, poke: Poke, ids: &mut B::Of<SiteId>) {
        if ids.as_slice().is_empty() {
            return;
        }
        ids.as_mut_slice()
            .sort_unstable_by_key(|id| self.sites.get(id.0).map(|site| site.addr));
        let mut added = 0usize;
        for at in 0..ids.as_slice().len() {
            let Some(id) = ids.as_slice().get(at).copied() else {
                continue;
            };
            match self.add_to_batch(text, poke, id) {
                Ok(()) => {
                    // Keep those that were added in front, still sorted.
                    ids.as_mut_slice().swap(added, at);
                    added = added.saturating_add(1);
                }
                Err(foreign) => self.refused(poke, id, foreign),
            }
        }
        // Those behind were refused.
        while ids.as_slice().len() > added {
            ids.pop();
        }
        let finished = match added {
            0 => Ok(()),
            _ => text.finish(poke),
        };
        while let Some(id) = ids.pop() {
            match finished {
                Ok(()) => self.poked(text, poke, id),
                Err(foreign) => self.refused(poke, id, foreign),
            }
        }
    }

    fn add_to_batch(&self, text: &mut B::Text<'_>, poke: Poke, id: SiteId) -> Result<(), Foreign> {
        let site = self.site(id).ok_or(Foreign::Bytes)?;
        if poke == Poke::Arm && self.under_jump(site.addr) {
            return Err(Foreign::Jump);
        }
        text.add(poke, &site.payload)
    }

    /// Whether `addr` is inside a jump of ours, or behind it in its region.
    fn under_jump(&self, addr: usize) -> bool {
        self.range(addr.saturating_sub(MAX_REGION), addr)
            .iter()
            .filter_map(|(_, id)| self.site(*id))
            .any(|site| site.state.is_jump() && site.covers(addr))
    }

    /// The text is not as it should be: leaves it, and notes it at the site. The next pass tries
    /// again.
    fn refused(&mut self, poke: Poke, id: SiteId, foreign: Foreign) {
        self.set_foreign(id, Some(foreign));
        self.unplan(id);
        let state = self.site(id).map(|site| site.state);
        if poke == Poke::Unoptimize && state == Some(State::Optimized) {
            self.enter(id, State::Unoptimizing);
        }
    }

    fn unplan(&mut self, id: SiteId) {
        if let Some(site) = self.sites.get_mut(id.0) {
            site.planned = false;
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

    /// A poke is in the text: the state says so, and what follows from it is marked or planned.
    fn poked(&mut self, text: &mut B::Text<'_>, poke: Poke, id: SiteId) {
        self.set_foreign(id, None);
        self.unplan(id);
        let Some(site) = self.sites.get(id.0) else {
            return;
        };
        text.done(poke, &site.payload);
        let addr = site.addr;
        match poke {
            Poke::Arm => self.enter(id, State::Armed),
            Poke::Optimize => self.enter(id, State::Optimized),
            Poke::Unoptimize => {
                // Rule 3, and step 1 of the pass: what nobody wants is disarmed in the same section.
                let unwanted = !self.wants_arming(site);
                self.enter(id, State::Armed);
                if unwanted {
                    self.decide(id, Poke::Disarm);
                    return;
                }
            }
            Poke::Disarm => {
                self.enter(id, State::Disarmed);
                // Rule 7: whom this one blocked may be a jump again.
                self.mark_covering(addr);
            }
        }
        self.mark(id);
    }

    /// Changes a site's state, and with it its list.
    fn enter(&mut self, id: SiteId, state: State) {
        self.leave_list(id);
        let list = match state {
            State::Optimizing { .. } => &mut self.optimizing_list,
            State::Unoptimizing => &mut self.unoptimizing_list,
            State::Freeing { .. } => &mut self.freeing_list,
            State::Disarmed | State::Armed | State::Optimized | State::Gone => {
                return self.set_state(id, state, 0);
            }
        };
        let at = list.as_slice().len();
        list.push(id);
        self.set_state(id, state, at);
    }

    fn set_state(&mut self, id: SiteId, state: State, at: usize) {
        if let Some(site) = self.sites.get_mut(id.0) {
            site.state = state;
            site.at = u32::try_from(at).unwrap_or(u32::MAX);
        }
    }

    fn leave_list(&mut self, id: SiteId) {
        let Some(site) = self.sites.get(id.0) else {
            return;
        };
        let at = site.at;
        let list = match site.state {
            State::Optimizing { .. } => &mut self.optimizing_list,
            State::Unoptimizing => &mut self.unoptimizing_list,
            State::Freeing { .. } => &mut self.freeing_list,
            State::Disarmed | State::Armed | State::Optimized | State::Gone => return,
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
}

/// The pass.
impl<B: Backend> Optimizer<B> {
    /// Step 1 of a pass: unoptimizes all that is queued, disarms what is disabled, puts what is
    /// unused on `freeing_list`, and turns regions of one instruction into jumps. Then notes whom
    /// the grace period is for. The caller drops its lock for [`Grace::wait`].
    pub fn begin_pass(&mut self, backend: &B) -> Grace {
        self.begun = self.begun.saturating_add(1);
        if self.foreign > 0 {
            self.mark_foreign();
        }
        for at in 0..self.unoptimizing_list.as_slice().len() {
            if let Some(id) = self.unoptimizing_list.as_slice().get(at).copied() {
                self.decide(id, Poke::Unoptimize);
            }
        }
        self.plan_optimize(|site, _| site.single);
        if !self.plan.text_is_empty() {
            self.poke(backend);
        }
        self.commit(backend);
        let pass = self.begun;
        for at in 0..self.optimizing_list.as_slice().len() {
            if let Some(id) = self.optimizing_list.as_slice().get(at).copied() {
                self.set_state(id, State::Optimizing { waited: Some(pass) }, at);
            }
        }
        for at in 0..self.freeing_list.as_slice().len() {
            if let Some(id) = self.freeing_list.as_slice().get(at).copied() {
                self.set_state(id, State::Freeing { waited: Some(pass) }, at);
            }
        }
        Grace {
            pass,
            needed: self.pending(),
        }
    }

    /// Steps 3 to 5: optimizes the sites that were on `optimizing_list` from before the grace
    /// period until now, frees those of `freeing_list`, and asks for the next pass if work is left.
    pub fn end_pass(&mut self, backend: &B, quiesced: Quiesced) {
        if quiesced.waited {
            self.plan_optimize(|_, waited| waited == Some(quiesced.pass));
            if !self.plan.text_is_empty() {
                self.poke(backend);
            }
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

    /// Whether something is on a list that no foreign bytes keep there.
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

    fn plan_optimize(&mut self, due: impl Fn(&Site<B::Site>, Option<Pass>) -> bool) {
        for at in 0..self.optimizing_list.as_slice().len() {
            let Some(id) = self.optimizing_list.as_slice().get(at).copied() else {
                continue;
            };
            let Some(site) = self.sites.get(id.0) else {
                continue;
            };
            if let State::Optimizing { waited } = site.state {
                if due(site, waited) {
                    self.decide(id, Poke::Optimize);
                }
            }
        }
    }

    fn free_waited(&mut self, backend: &B, pass: Pass) {
        let mut at = self.freeing_list.as_slice().len();
        while at > 0 {
            at = at.saturating_sub(1);
            let Some(id) = self.freeing_list.as_slice().get(at).copied() else {
                continue;
            };
            let Some(site) = self.sites.get(id.0) else {
                continue;
            };
            if site.state != (State::Freeing { waited: Some(pass) }) {
                continue;
            }
            if site.linked {
                let index = self
                    .order
                    .as_slice()
                    .partition_point(|entry| entry.0 < site.addr);
                self.unlink_at(index);
            }
            self.set_foreign(id, None);
            self.leave_list(id);
            if let Some(site) = self.sites.remove(id.0) {
                backend.free(site.payload);
            }
        }
    }

    fn mark_foreign(&mut self) {
        for index in (0u32..).take(self.sites.bound()) {
            if self
                .sites
                .get(index)
                .is_some_and(|site| site.foreign.is_some())
            {
                self.mark(SiteId(index));
            }
        }
    }
}
