// SPDX-License-Identifier: GPL-2.0

//! The optimizer over a modelled machine, driven as the kernel shell drives it.
//!
//! Whoever includes this says which optimizer it is: the module's own files, or the copy of them
//! that has defects built in.

// Each test uses its part.
#![allow(dead_code)]

pub mod array;
pub mod checks;
pub mod explore;
pub mod machine;
pub mod place;
pub mod scopes;
pub mod world;

use super::optimizer;

use machine::Machine;
use optimizer::{Grace, Handlers, NewSite, Optimizer, Pass, ProbeId, SiteId, State};
use place::{original, Place, BASE, MODULE_END};
use rkprobes_host::containers::slab::NoMemory;
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use world::{Cpu, Handler, Mem, Memory, Module, World};

/// A probe as its user knows it.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// Its name in the optimizer.
    pub probe: ProbeId,
    /// The user wants it to run.
    pub enabled: bool,
    /// What it has called.
    pub handlers: Handlers,
}

/// Somebody who waits for a full pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flush {
    target: Pass,
    /// A pass began since.
    begun: bool,
    /// Nobody did anything since.
    calm: bool,
}

/// Everything there is.
#[derive(Clone)]
pub struct System {
    /// The code that is tested.
    pub optimizer: Optimizer<Machine>,
    /// What it works on.
    pub world: World,
    /// The probes that are registered, by place and number.
    pub users: [[Option<User>; 2]; Place::ALL.len()],
    /// The pass between its begin and its end.
    pub pass: Option<Grace>,
    /// Who waits.
    pub flush: Option<Flush>,
    /// How many actions led here; no part of what the system is.
    pub steps: usize,
}

impl System {
    /// Nothing is probed.
    pub fn new() -> Self {
        Self {
            optimizer: Optimizer::default(),
            world: World::new(),
            users: Default::default(),
            pass: None,
            flush: None,
            steps: 0,
        }
    }

    /// Runs one thing on the optimizer, under what is the engine's lock in the kernel.
    fn locked<R>(&mut self, act: impl FnOnce(&mut Optimizer<Machine>, &Machine) -> R) -> R {
        let world = std::mem::replace(&mut self.world, World::new());
        let machine = Machine(RefCell::new(world));
        let result = act(&mut self.optimizer, &machine);
        self.world = machine.0.into_inner();
        result
    }

    fn disturb(&mut self) {
        if let Some(flush) = &mut self.flush {
            flush.calm = false;
        }
    }

    /// The site of a registered probe.
    pub fn site_of(&self, user: &User) -> Option<SiteId> {
        Some(self.optimizer.probe(user.probe)?.site)
    }

    /// The linked site at a place.
    pub fn site_at(&self, place: Place) -> Option<SiteId> {
        self.optimizer.find(place.addr())
    }

    /// What the optimizer says of the linked site at a place.
    pub fn state(&self, place: Place) -> Option<State> {
        Some(self.optimizer.site(self.site_at(place)?)?.state())
    }

    /// Registers probe `number` at a place.
    pub fn register(
        &mut self,
        place: Place,
        number: usize,
        enabled: bool,
        handlers: Handlers,
    ) -> Result<(), NoMemory> {
        self.optimizer.reserve(1, 1)?;
        self.add(place, number, enabled, handlers)?;
        self.commit();
        Ok(())
    }

    /// Registers the first probes of several places in one batch.
    pub fn register_batch(&mut self, places: &[(Place, Handlers)]) -> Result<(), NoMemory> {
        self.optimizer.reserve(places.len(), places.len())?;
        for (place, handlers) in places {
            self.add(*place, 0, true, *handlers)?;
        }
        self.commit();
        Ok(())
    }

    /// Unregisters the first probes of several places in one batch.
    pub fn unregister_batch(&mut self, places: &[Place]) {
        for place in places {
            self.remove(*place, 0);
        }
        self.commit();
    }

    fn add(
        &mut self,
        place: Place,
        number: usize,
        enabled: bool,
        handlers: Handlers,
    ) -> Result<(), NoMemory> {
        let site = match self.site_at(place) {
            Some(site) => site,
            None => self.new_site(place)?,
        };
        let mem = self.optimizer.site(site).map(|site| site.payload);
        let probe = self
            .optimizer
            .add_probe(site, (place, number), enabled, handlers);
        let (Some(mem), Some(probe)) = (mem, probe) else {
            self.world.fail("rule 9: a registration is refused");
            return Ok(());
        };
        self.world.handlers[place as usize][number] = Some(Handler { mem, enabled });
        self.users[place as usize][number] = Some(User {
            probe,
            enabled,
            handlers,
        });
        Ok(())
    }

    fn new_site(&mut self, place: Place) -> Result<SiteId, NoMemory> {
        self.recover(place);
        let mem = self.world.allocate(place).ok_or(NoMemory)?;
        let site = self.optimizer.add_site(NewSite {
            addr: place.addr(),
            lane: place.lane(),
            region: place.region() as u8,
            single: place == Place::Single,
            payload: mem,
        });
        site.ok_or(NoMemory)
    }

    /// The original bytes of a new site: those in memory, without what our other sites put there.
    fn recover(&mut self, place: Place) {
        let mut text = self.world.text;
        for (_, site) in self.optimizer.sites().filter(|(_, site)| site.linked()) {
            let at = site.addr - BASE;
            let ours = match site.state() {
                state if state.is_jump() => at..at + 5,
                state if state.in_text() => at..at + 1,
                _ => at..at,
            };
            ours.for_each(|at| text[at] = original(at));
        }
        let native = self.world.native.map(|native| native.at);
        let mut region = place.offset()..place.offset() + place.region().max(1);
        if region.any(|at| text[at] != original(at) && native != Some(at)) {
            self.world
                .fail("wrong bytes are taken for the original ones");
        }
    }

    /// Unregisters a probe.
    pub fn unregister(&mut self, place: Place, number: usize) {
        self.remove(place, number);
        self.commit();
    }

    fn remove(&mut self, place: Place, number: usize) {
        if let Some(user) = self.users[place as usize][number].take() {
            self.optimizer.remove_probe(user.probe);
            self.world.handlers[place as usize][number] = None;
        }
    }

    /// Enables or disables a probe.
    pub fn set_enabled(&mut self, place: Place, number: usize, enabled: bool) {
        if let Some(user) = &mut self.users[place as usize][number] {
            user.enabled = enabled;
            let probe = user.probe;
            self.locked(|optimizer, machine| optimizer.set_enabled(machine, probe, enabled));
            self.commit();
        }
    }

    /// Allows or forbids jumps.
    pub fn set_optimization(&mut self, allowed: bool) {
        self.optimizer.set_optimization(allowed);
        self.commit();
    }

    /// Arms or disarms all.
    pub fn set_all_armed(&mut self, armed: bool) {
        self.optimizer.set_all_armed(armed);
        self.commit();
    }

    fn commit(&mut self) {
        self.disturb();
        self.locked(|optimizer, machine| optimizer.commit(machine));
    }

    /// The module says that it goes; what it has started may be anywhere in its text.
    pub fn module_goes(&mut self) {
        self.disturb();
        self.world.module = Module::Leaving;
        self.locked(|optimizer, machine| optimizer.text_gone(machine, BASE, BASE + MODULE_END));
        self.world.module = Module::Going;
        self.world.native_is_forgotten();
    }

    /// The module is loaded again.
    pub fn module_comes(&mut self) {
        self.locked(|optimizer, machine| optimizer.text_came(machine, BASE, BASE + MODULE_END));
        self.commit();
        self.world.load_module();
    }

    /// Whether sites are there from the last time that the module went; for the model's sake it does
    /// not go again before.
    pub fn has_gone(&self) -> bool {
        self.optimizer.sites().any(|(_, site)| !site.linked())
    }

    /// Somebody begins to wait for a full pass.
    pub fn flush(&mut self) {
        self.flush = Some(Flush {
            target: self.optimizer.begun() + 1,
            begun: false,
            calm: true,
        });
    }

    /// Whether the delayed work is due.
    pub fn pass_is_due(&self) -> bool {
        self.pass.is_none() && (self.world.kick.is_some() || self.flush.is_some())
    }

    /// Steps 1 and the beginning of 2: the CPUs that are inside now are waited for.
    pub fn begin_pass(&mut self) {
        self.world.kick = None;
        if let Some(flush) = &mut self.flush {
            flush.begun = true;
        }
        let grace = self.locked(|optimizer, machine| optimizer.begin_pass(machine));
        if grace.needed() {
            for (cpu, held) in &mut self.world.cpus {
                *held = *cpu != Cpu::Outside;
            }
        }
        self.pass = Some(grace);
        self.wake();
    }

    /// Whether the grace period is over.
    pub fn quiesced(&self) -> bool {
        self.pass.is_some() && self.world.cpus.iter().all(|(_, held)| !held)
    }

    /// The end of step 2, and the steps behind it.
    pub fn end_pass(&mut self) {
        let Some(grace) = self.pass.take() else {
            return;
        };
        self.locked(|optimizer, machine| {
            let quiesced = grace.wait(machine);
            optimizer.end_pass(machine, quiesced);
        });
        self.wake();
    }

    /// Lets those go who wait for a pass that ended.
    fn wake(&mut self) {
        let Some(flush) = self.flush else {
            return;
        };
        let done = self.optimizer.ended() >= flush.target;
        let over = flush.begun && self.pass.is_none();
        if done && !over {
            self.world
                .fail("rule 6: a flush returns before a full pass is over");
        }
        if over && !done {
            self.world.fail("rule 6: a flush does not return");
        }
        if done && flush.calm && self.optimizer.foreign() == 0 && self.optimizer.pending() {
            self.world.fail("rule 6: a flush returns with work left");
        }
        if done {
            self.flush = None;
        }
    }

    /// Lets everything that is under way come to its end, as far as it does.
    pub fn settle(&mut self) {
        self.world.native_leaves();
        for cpu in 0..self.world.cpus.len() {
            while self.world.cpus[cpu].0 != Cpu::Outside {
                self.world.step(cpu);
            }
        }
        if self.world.module == Module::Going {
            self.world.free_module();
        }
        self.end_pass();
        for _ in 0..4 {
            if self.pass_is_due() {
                self.begin_pass();
                self.end_pass();
            }
        }
    }

    /// The memory of a site.
    pub fn memory_of(&self, mem: Mem) -> Option<Memory> {
        self.world.memory[usize::from(mem.0)]
    }
}

/// Two systems that do the same from here on have the same hash: passes count from the last one,
/// and neither the numbers of sites and probes nor the order on a list matter.
impl Hash for System {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.world.hash(hasher);
        let begun = self.optimizer.begun();
        let mut sites: Vec<_> = self
            .optimizer
            .sites()
            .map(|(_, site)| {
                let state = match site.state() {
                    State::Optimizing { waited } => (1, waited == begun),
                    State::Freeing { waited } => (2, waited == begun),
                    State::Disarmed => (3, false),
                    State::Armed => (4, false),
                    State::Optimized => (5, false),
                    State::Unoptimizing => (6, false),
                    State::Gone => (7, false),
                };
                (site.payload, state, site.linked(), site.foreign())
            })
            .collect();
        sites.sort_by_key(|site| site.0);
        sites.hash(hasher);
        for user in self.users.iter().flatten() {
            user.map(|user| (user.enabled, user.handlers)).hash(hasher);
        }
        self.optimizer.all_armed().hash(hasher);
        self.optimizer.optimization().hash(hasher);
        self.pass.as_ref().map(Grace::needed).hash(hasher);
        self.flush
            .map(|flush| (flush.begun, flush.calm))
            .hash(hasher);
    }
}

impl System {
    /// A number that tells systems apart which do something else from here on.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl PartialEq for System {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}
