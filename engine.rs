// SPDX-License-Identifier: GPL-2.0

//! The engine: users' probes on the one side, the optimizer on the other, one lock around both.
//!
//! No grace period is waited for under that lock.

pub(crate) mod limits;
mod modules;
pub(crate) mod notifiers;

use crate::arch_x86::int3_table;
use crate::arch_x86::probe_list::ProbePtr;
use crate::containers::sort::sort_by_key;
use crate::debugfs::explain::Explanation;
use crate::eligibility::refusal::Refusal;
use crate::eligibility::reserved::Entry;
use crate::examine::{Examiner, Plan};
use crate::optimizer::{Grace, Handlers, NewSite, Optimizer, ProbeId, SiteId, State};
use crate::shell::memory;
use crate::shell::memory::MEMORY;
use crate::shell::site;
use crate::shell::window;
use crate::shell::work;
use crate::shell::RcuTasks;
use crate::shell::Shell;
use crate::sys::ffi;
use crate::sys::locks::EngineHeld;
use crate::sys::stats;
use core::ptr::{addr_of_mut, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::prelude::*;
use kernel::str::CStrExt;
use kernel::sync::{new_condvar, new_mutex, CondVar, Mutex};

/// What the engine's lock protects.
pub(crate) struct Core {
    shell: Shell,
    pub(crate) optimizer: Optimizer<Shell>,
    examiner: Examiner,
}

// SAFETY: the probes' and traps' pointers may be used by any task that holds the lock.
unsafe impl Send for Core {}

/// All state of the module that users' calls reach.
#[pin_data]
pub(crate) struct Engine {
    #[pin]
    core: Mutex<Core>,
    /// Told when a pass has ended.
    #[pin]
    passed: CondVar,
}

/// The one engine, while the module is loaded.
static ENGINE: AtomicPtr<Engine> = AtomicPtr::new(null_mut());

/// The engine. Whoever can call into the module holds it loaded.
pub(crate) fn engine() -> Option<&'static Engine> {
    // SAFETY: published when complete, taken back when nobody can call any more.
    unsafe { ENGINE.load(Ordering::Acquire).as_ref() }
}

/// Takes the engine back: nobody can call in any more.
pub(crate) fn retract() {
    ENGINE.store(null_mut(), Ordering::Release);
}

/// One probe of a batch.
pub(crate) struct Request {
    pub(crate) probe: ProbePtr,
    /// Where it goes; 0 until that is known.
    addr: usize,
    /// It was registered by this request.
    added: bool,
    /// Whatever the caller knows the probe by.
    pub(crate) tag: usize,
    pub(crate) result: Result<(), Refusal>,
}

impl Request {
    /// A request to register `probe`.
    pub(crate) fn new(probe: ProbePtr, tag: usize) -> Self {
        Self {
            probe,
            addr: 0,
            added: false,
            tag,
            result: Ok(()),
        }
    }

    /// Finds the address.
    fn resolve(&mut self) {
        match resolve(self.probe) {
            Ok(addr) => self.addr = addr,
            Err(refusal) => self.result = Err(refusal),
        }
    }
}

impl Engine {
    /// An engine without probes.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            core <- new_mutex!(Core {
                // SAFETY: the proof is inside the engine's lock, and there is one engine.
                shell: Shell::new(unsafe { EngineHeld::new() }),
                optimizer: Optimizer::default(),
                examiner: Examiner::new()?,
            }),
            passed <- new_condvar!(),
        }? Error)
    }

    /// Lets users in.
    pub(crate) fn publish(&self) {
        ENGINE.store(core::ptr::from_ref(self).cast_mut(), Ordering::Release);
    }

    /// Runs `look` on the engine's state.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Core) -> R) -> R {
        look(&self.core.lock())
    }

    /// How often a probe was hit. It is not unregistered meanwhile.
    pub(crate) fn hits(&self, probe: ProbePtr) -> usize {
        site::hits(self.core.lock().held(), probe)
    }

    /// Runs `change` on the optimizer's state, and brings the sites to where they should be.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.core.lock();
        let result = change(&mut core);
        core.commit();
        result
    }

    /// The areas of text that no probe may be in, by address.
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

    /// How many entries the index of reserved text has.
    pub(crate) fn reserved(&self) -> usize {
        self.core.lock().examiner.index().count()
    }

    /// What a probe at `addr` would be. Changes nothing.
    pub(crate) fn explain(&self, addr: usize) -> Explanation {
        let core = &mut *self.core.lock();
        let mut session = core.examiner.begin();
        let addr = session.entry(addr);
        Explanation::of(&mut session, &core.optimizer, addr)
    }

    /// Registers a batch: every probe gets its own result, and those that are refused change
    /// nothing. The requests come back sorted by address. May sleep.
    pub(crate) fn register(&self, requests: &mut [Request]) {
        requests.iter_mut().for_each(Request::resolve);
        // Sites of one function are neighbours: it is decoded once.
        sort_by_key(requests, |request: &Request| request.addr as u64);
        let mut core = self.core.lock();
        core.add(requests);
        core.commit();
        let failed = core.take_back_unarmed(requests);
        drop(core);
        if failed {
            kernel::sync::rcu::synchronize_rcu();
        }
        // What was refused before it was added has nothing; it may be somebody else's who is registered.
        for request in requests.iter().filter(|request| request.added) {
            if request.result.is_err() {
                release(request.probe);
            }
        }
    }

    /// Removes probes, passing over those that are not registered; when this returns none of
    /// their handlers runs. May sleep for a grace period.
    pub(crate) fn unregister(&self, probes: impl Iterator<Item = ProbePtr> + Clone) {
        let mut core = self.core.lock();
        for probe in probes.clone() {
            if core.knows(probe) {
                core.remove(id_of(probe), probe);
            }
        }
        core.commit();
        drop(core);
        // Also for a probe that is not known any more: who removes it may be waiting here.
        if probes.clone().next().is_none() {
            return;
        }
        kernel::sync::rcu::synchronize_rcu();
        // What says that it is registered is a copy: its counter belongs to the one that is.
        // SAFETY: the caller's probes are alive for the call.
        for probe in probes.filter(|probe| unsafe { (*probe.as_ptr()).registered } == 0) {
            release(probe);
        }
    }

    /// Enables or disables a probe.
    ///
    /// # Errors
    ///
    /// `NotRegistered`; for enabling also those of a text that is gone or not as it should be, and
    /// then the probe stays disabled.
    pub(crate) fn set_enabled(&self, probe: ProbePtr, enabled: bool) -> Result<(), Refusal> {
        let mut core = self.core.lock();
        if !core.knows(probe) {
            return Err(Refusal::NotRegistered);
        }
        let id = id_of(probe);
        let site = core
            .optimizer
            .probe(id)
            .map(|probe| probe.site)
            .ok_or(Refusal::NotRegistered)?;
        let state = core.optimizer.site(site).map(|site| site.state());
        if enabled && state == Some(State::Gone) {
            return Err(Refusal::NotText);
        }
        if enabled {
            window::begin(core.held(), probe);
        }
        core.set_enabled(id, enabled);
        core.commit();
        match core.unarmed(site) {
            Some(refusal) if enabled => {
                core.set_enabled(id, false);
                core.commit();
                Err(refusal)
            }
            _ => Ok(()),
        }
    }

    /// Arms or disarms all probes; returns when it is done.
    ///
    /// # Errors
    ///
    /// EINTR: a signal came; it will be done all the same.
    pub(crate) fn set_all_armed(&self, armed: bool) -> Result {
        let mut core = self.core.lock();
        core.optimizer.set_all_armed(armed);
        core.commit();
        drop(core);
        match armed {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Allows or forbids jumps; when they are forbidden, returns when the last one is gone.
    ///
    /// # Errors
    ///
    /// EINTR: a signal came; it will be done all the same.
    pub(crate) fn set_optimization(&self, allowed: bool) -> Result {
        let mut core = self.core.lock();
        core.optimizer.set_optimization(allowed);
        core.commit();
        drop(core);
        match allowed {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Waits until a full pass that began after this call has ended (rule 6).
    ///
    /// # Errors
    ///
    /// EINTR: a signal came.
    pub(crate) fn flush(&self) -> Result {
        let mut core = self.core.lock();
        let target = core.optimizer.begun().saturating_add(1);
        work::hurry();
        while core.optimizer.ended() < target {
            if self.passed.wait_interruptible(&mut core) {
                return Err(EINTR);
            }
        }
        Ok(())
    }

    /// One pass of the optimizer. Only one runs at a time.
    fn pass(&self) {
        work::pass_begins();
        let (grace, retired): (Grace, int3_table::Retired) = {
            let core = &mut *self.core.lock();
            (
                core.optimizer.begin_pass(&core.shell),
                memory::take_retired(),
            )
        };
        if !retired.is_empty() && !grace.needed() {
            kernel::sync::rcu::synchronize_rcu();
        }
        let quiesced = grace.wait(&RcuTasks);
        drop(retired);
        {
            let core = &mut *self.core.lock();
            core.optimizer.end_pass(&core.shell, quiesced);
        }
        self.passed.notify_all();
    }

    /// Removes what nobody will remove any more, takes every byte out of the text and frees all
    /// sites. Waits for as long as somebody else's bytes are in the way.
    pub(crate) fn drain(&self) {
        // Whose module is gone and whose memory is not: leaked, so it is there.
        self.owner_gone(|_| true);
        let mut told = false;
        loop {
            let mut core = self.core.lock();
            if core.optimizer.sites().next().is_none() {
                return;
            }
            if core.optimizer.foreign() > 0 && !told {
                pr_warn!("waiting for others' probes on our jumps to be removed\n");
                told = true;
            }
            let target = core.optimizer.begun().saturating_add(1);
            if !told {
                work::hurry();
            }
            while core.optimizer.ended() < target {
                self.passed.wait(&mut core);
            }
        }
    }
}

/// The delayed work.
///
/// # Safety
///
/// Called by the work queue only, which runs one at a time.
#[no_mangle]
unsafe extern "C" fn rk_optimizer_pass() {
    if let Some(engine) = engine() {
        engine.pass();
    }
}

fn id_of(probe: ProbePtr) -> ProbeId {
    // SAFETY: the caller's probe is alive for the call.
    ProbeId::from_index(unsafe { (*probe.as_ptr()).id })
}

/// The address that the user asks for.
fn resolve(probe: ProbePtr) -> Result<usize, Refusal> {
    // SAFETY: the caller's probe is alive for the call, and not registered by another at once.
    let (symbol, addr, offset, registered) = unsafe {
        let probe = &*probe.as_ptr();
        (
            probe.symbol_name,
            probe.addr as usize,
            probe.offset as usize,
            probe.registered,
        )
    };
    if registered != 0 {
        return Err(Refusal::AlreadyRegistered);
    }
    if symbol.is_null() == (addr == 0) {
        return Err(Refusal::SymbolOrAddress);
    }
    let base = match symbol.is_null() {
        true => addr,
        // SAFETY: the user's string.
        false => crate::sys::target::symbol(unsafe { CStr::from_char_ptr(symbol) })?,
    };
    crate::sys::target::in_function(base, offset)
}

/// Gives back what a probe that no handler can see any more had.
fn release(probe: ProbePtr) {
    // SAFETY: the caller's probe is alive, and no CPU uses its counter any more. Somebody else may
    // be unregistering it as well: one of both gets the counter.
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
        if !(*probe).symbol_name.is_null() {
            (*probe).addr = null_mut();
        }
    }
}

impl Core {
    /// The proof that the engine's lock is held.
    pub(crate) fn held(&self) -> &EngineHeld {
        self.shell.held()
    }

    /// Brings every marked site to where it should be.
    pub(crate) fn commit(&mut self) {
        self.optimizer.commit(&self.shell);
    }

    /// Enables or disables one probe. The caller commits.
    pub(crate) fn set_enabled(&mut self, id: ProbeId, enabled: bool) {
        self.optimizer.set_enabled(&self.shell, id, enabled);
    }

    /// Whether `probe` is one that is registered, and not a copy or a stale one.
    pub(crate) fn knows(&self, probe: ProbePtr) -> bool {
        // SAFETY: the caller's probe is alive for the call.
        let registered = unsafe { (*probe.as_ptr()).registered } != 0;
        registered
            && self
                .optimizer
                .probe(id_of(probe))
                .is_some_and(|known| known.payload == probe)
    }

    /// Examines and adds what was resolved.
    fn add(&mut self, requests: &mut [Request]) {
        if self
            .optimizer
            .reserve(requests.len(), requests.len())
            .is_err()
        {
            for request in requests.iter_mut().filter(|request| request.result.is_ok()) {
                request.result = Err(Refusal::NoMemory);
            }
            return;
        }
        let mut session = self.examiner.begin();
        for request in requests.iter_mut().filter(|request| request.result.is_ok()) {
            request.result = add_one(
                self.shell.held(),
                &mut self.optimizer,
                &mut session,
                request,
            );
            request.added = request.result.is_ok();
        }
    }

    /// Removes again what could not be armed; says whether there was any.
    fn take_back_unarmed(&mut self, requests: &mut [Request]) -> bool {
        let mut failed = false;
        for request in requests.iter_mut().filter(|request| request.result.is_ok()) {
            let Some(site) = self
                .optimizer
                .probe(id_of(request.probe))
                .map(|probe| probe.site)
            else {
                continue;
            };
            if let Some(refusal) = self.unarmed(site) {
                self.remove(id_of(request.probe), request.probe);
                request.result = Err(refusal);
                failed = true;
            }
        }
        if failed {
            self.commit();
        }
        failed
    }

    /// Why a site that should be armed is not, or why a handler there is not called (rule 14).
    fn unarmed(&self, id: SiteId) -> Option<Refusal> {
        let site = self.optimizer.site(id)?;
        match site.state() {
            State::Disarmed => site.foreign().map(Refusal::from),
            _ if site.passes_over() => site.foreign().map(Refusal::from),
            _ => None,
        }
    }

    fn remove(&mut self, id: ProbeId, probe: ProbePtr) {
        let site = self.optimizer.probe(id).map(|probe| probe.site);
        if let Some(site) = site.and_then(|site| self.optimizer.site(site)) {
            let held = self.shell.held();
            site.payload.credit(held, probe, false);
            site.payload.trap().unlink(held, probe);
        }
        self.optimizer.remove_probe(id);
        // SAFETY: the probe is alive until `unregister` returns.
        unsafe { addr_of_mut!((*probe.as_ptr()).registered).write_volatile(0) };
    }
}

/// Adds one probe to the site at its address, which is made if there is none.
fn add_one(
    held: &EngineHeld,
    optimizer: &mut Optimizer<Shell>,
    session: &mut crate::examine::Session<'_>,
    request: &Request,
) -> Result<(), Refusal> {
    let probe = request.probe.as_ptr();
    // SAFETY: the caller's probe is alive for the call.
    let (flags, registered) = unsafe { ((*probe).flags, (*probe).registered) };
    let handlers = request.probe.handlers();
    // The same structure twice in a batch.
    if registered != 0 {
        return Err(Refusal::AlreadyRegistered);
    }
    let addr = session.entry(request.addr);
    // SAFETY: allocates.
    let hits = unsafe { ffi::rk_alloc_hits() };
    if hits.is_null() {
        return Err(Refusal::NoMemory);
    }
    let site = match optimizer.find(addr) {
        Some(site) => Ok(site),
        None if MEMORY.lock().table.reserve(1).is_err() => Err(Refusal::NoMemory),
        None => session
            .plan(optimizer, addr, handlers == Handlers::None)
            .and_then(|plan| add_site(optimizer, addr, plan))
            .inspect_err(|_| MEMORY.lock().table.release(1)),
    };
    let ready = site.and_then(|id| {
        let site = optimizer.site(id).ok_or(Refusal::NoMemory)?;
        // Who has overwritten a registered probe would link it to itself.
        let mut all = site.payload.trap().all_probes(held);
        if all.any(|linked| linked == request.probe) {
            return Err(Refusal::AlreadyRegistered);
        }
        match handlers {
            Handlers::None => session.prepare_count(optimizer, &site.payload)?,
            Handlers::Pre => {}
            Handlers::Post => session.prepare_steps(&site.payload)?,
        }
        Ok(id)
    });
    let id = match ready {
        Ok(id) => id,
        Err(refusal) => {
            // SAFETY: nobody has seen the counter.
            unsafe { ffi::free_percpu(hits.cast()) };
            return Err(refusal);
        }
    };
    let enabled = flags & ffi::RKPROBE_FLAG_DISABLED == 0;
    // SAFETY: as above; nobody sees the probe yet.
    unsafe {
        (*probe).addr = addr as *mut kernel::ffi::c_void;
        (*probe).hits = hits;
        (*probe).counting = null_mut();
        (*probe).counted = 0;
        (*probe).nmissed = 0;
        (*probe).flags = flags & ffi::RKPROBE_FLAG_DISABLED;
    }
    let added = optimizer
        .add_probe(id, request.probe, enabled, handlers)
        .ok_or(Refusal::NoMemory)?;
    // SAFETY: as above.
    unsafe {
        (*probe).id = added.index();
        (*probe).registered = 1;
    }
    window::begin(held, request.probe);
    if let Some(site) = optimizer.site(id) {
        site.payload.trap().link(held, request.probe);
    }
    Ok(())
}

fn add_site(optimizer: &mut Optimizer<Shell>, addr: usize, plan: Plan) -> Result<SiteId, Refusal> {
    optimizer
        .add_site(NewSite {
            addr,
            lane: plan.lane,
            region: plan.region,
            single: plan.single,
            payload: plan.memory,
        })
        .ok_or(Refusal::NoMemory)
}
