// SPDX-License-Identifier: GPL-2.0

//! The optimizer over a modelled machine, driven as the engine and the shell drive it in the
//! kernel.
//!
//! The including file chooses the optimizer: the files of the module, or the copy with defects.

// Each test uses only a part.
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

/// A probe as its user sees it.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// Its identifier in the optimizer.
    pub probe: ProbeId,
    /// The user wants it to run.
    pub enabled: bool,
    /// Its handlers.
    pub handlers: Handlers,
}

/// A caller that waits for a full pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flush {
    target: Pass,
    /// Whether a pass has begun since the call.
    begun: bool,
    /// Whether no action has followed the call.
    calm: bool,
}

/// The whole system.
#[derive(Clone)]
pub struct System {
    /// The optimizer under test.
    pub optimizer: Optimizer<Machine>,
    /// The modelled machine.
    pub world: World,
    /// The probes that are registered, by place and number.
    pub users: [[Option<User>; 2]; Place::ALL.len()],
    /// The pass that has begun and not ended.
    pub pass: Option<Grace>,
    /// The callers that wait.
    pub flush: Option<Flush>,
    /// The number of actions so far. It is not part of the state.
    pub steps: usize,
}

impl System {
    /// Makes a system without probes.
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

    /// Runs one operation of the optimizer. In the kernel the lock of the engine is held.
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

    /// The reason that the optimizer reports for the linked site at a place.
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

    /// The original bytes of a new site: the bytes in memory without the changes of our other
    /// sites.
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
                .fail("wrong bytes are taken for the original bytes");
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

    /// Arms or disarms all sites.
    pub fn set_all_armed(&mut self, armed: bool) {
        self.optimizer.set_all_armed(armed);
        self.commit();
    }

    fn commit(&mut self) {
        self.disturb();
        self.locked(|optimizer, machine| optimizer.commit(machine));
    }

    /// The module announces its unload. Its tasks may be anywhere in its text.
    pub fn start_unload(&mut self) {
        self.disturb();
        self.world.module = Module::Leaving;
        self.locked(|optimizer, machine| optimizer.text_going(machine, BASE, BASE + MODULE_END));
        self.world.module = Module::Going;
        self.world.native_is_forgotten();
    }

    /// The module is loaded again.
    pub fn load_module_again(&mut self) {
        self.locked(|optimizer, machine| optimizer.text_came(machine, BASE, BASE + MODULE_END));
        self.commit();
        self.world.load_module();
    }

    /// Whether sites of the last unload of the module still exist. To keep the model small, the
    /// module is not unloaded again before they are gone.
    pub fn has_gone(&self) -> bool {
        self.optimizer.sites().any(|(_, site)| !site.linked())
    }

    /// Gives up the sites whose jumps foreign code keeps, as the end of the module does.
    pub fn abandon_jumps(&mut self) -> usize {
        self.locked(|optimizer, machine| optimizer.abandon_jumps(machine))
    }

    /// A caller begins to wait for a full pass.
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

    /// Step 1 and the start of step 2: the grace period waits for the CPUs that are inside now.
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

    /// The end of step 2, and the later steps.
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

    /// Ends the waits for a pass that ended.
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

    /// Lets all work that has begun end, if it can.
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

/// Two systems with equal future behaviour have equal hashes: passes count from the last pass, and
/// the numbers of sites and probes and the order on a list do not matter.
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
    /// A number that differs between systems with different future behaviour.
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
