// SPDX-License-Identifier: GPL-2.0

//! The backend of the optimizer that drives the modelled machine.

use super::array::Room;
use super::optimizer::{Backend, Delay, Foreign, JumpTo, LockedText, Poke, Quiescence, SiteLane};
use super::place::Place;
use super::world::{Cpu, Mem, Module, Soon, World};
use rkprobes_host::containers::slab::Arrays;
use std::cell::RefCell;

/// The backend.
#[derive(Clone, Debug)]
pub struct Machine(pub RefCell<World>);

impl Arrays for Machine {
    type Of<T> = Room<T>;
}

impl Backend for Machine {
    type Site = Mem;
    type Probe = (Place, usize);
    type Locked<'a> = Poker<'a>;

    fn lock(&self, lane: SiteLane, _settled: bool) -> Poker<'_> {
        let mut world = self.0.borrow_mut();
        if world.locked {
            world.fail("a text lock is taken inside another");
        }
        world.locked = true;
        Poker {
            machine: self,
            lane,
            batch: Vec::new(),
        }
    }

    fn set_live(&self, site: &Mem, live: bool) {
        self.0
            .borrow_mut()
            .change(*site, |memory| memory.live = live);
    }

    fn set_detour_hits(&self, site: &Mem, on: bool) {
        self.0
            .borrow_mut()
            .change(*site, |memory| memory.detour_hits = on);
    }

    fn set_enabled(&self, probe: &(Place, usize), enabled: bool) {
        let mut world = self.0.borrow_mut();
        match &mut world.handlers[probe.0 as usize][probe.1] {
            Some(handler) => handler.enabled = enabled,
            None => world.fail("a probe that was removed is used"),
        }
    }

    fn settle(&self, _lane: SiteLane) -> bool {
        let mut world = self.0.borrow_mut();
        if world.locked {
            world.fail("a text lock is held during a wait for others");
        }
        true
    }

    fn leave(&self, site: &Mem, jump: bool) {
        let mut world = self.0.borrow_mut();
        world.change(*site, |memory| memory.left_jump = jump);
        world.announce(*site, false);
        let memory = world.at(*site);
        let from = memory.place.offset();
        let region = from..from + memory.place.region().max(1);
        if !world
            .native
            .is_some_and(|native| region.contains(&native.at))
        {
            world.fail("rule 13: text is freed with our bytes, although nobody kept them there");
        }
    }

    fn may_run(&self, site: &Mem) -> bool {
        let mut world = self.0.borrow_mut();
        let goes = matches!(world.module, Module::Leaving | Module::Going);
        world.at(*site).place.in_module() && goes
    }

    fn forget(&self, site: &Mem) {
        self.0.borrow_mut().list(*site, false);
    }

    fn free(&self, site: Mem) {
        let mut world = self.0.borrow_mut();
        let memory = world.at(site);
        let inside =
            |cpu: Cpu| [Cpu::Trap(site), Cpu::Slot(site), Cpu::Detour(site)].contains(&cpu);
        if world.cpus.iter().any(|(cpu, _)| inside(*cpu)) {
            world.fail("memory is freed under a CPU");
        }
        let text = world.without_native();
        let jumps = [JumpTo::Detour, JumpTo::Count].map(|to| World::jump(site, to));
        if jumps
            .iter()
            .any(|jump| text[memory.place.offset()..].starts_with(jump))
        {
            world.fail("memory is freed while the text leads to it");
        }
        if memory.announced {
            world.fail("memory is freed while it is announced to others");
        }
        if memory.listed {
            world.fail("memory is freed while the int3 table has it");
        }
        if world
            .handlers
            .iter()
            .flatten()
            .flatten()
            .any(|handler| handler.mem == site)
        {
            world.fail("memory is freed while a probe is on it");
        }
        world.memory[usize::from(site.0)] = None;
    }

    fn detach(&self, site: &Mem) -> bool {
        let mut world = self.0.borrow_mut();
        if world.locked {
            world.fail("a site is detached inside a text lock");
        }
        let memory = world.at(*site);
        let text = world.without_native();
        let jumps = [JumpTo::Detour, JumpTo::Count].map(|to| World::jump(*site, to));
        if !jumps
            .iter()
            .any(|jump| text[memory.place.offset()..].starts_with(jump))
        {
            world.fail("a site is given up whose jump is not in the text");
        }
        true
    }

    fn abandon(&self, site: Mem) {
        self.0.borrow_mut().abandoned.push(site);
    }

    fn kick(&self, delay: Delay) {
        let soon = match delay {
            Delay::Normal => Soon::Normal,
            Delay::Retry => Soon::Retry,
        };
        let mut world = self.0.borrow_mut();
        world.kick = Some(world.kick.map_or(soon, |pending| pending.min(soon)));
    }
}

impl Quiescence for Machine {
    fn synchronize_rcu_tasks(&self) {
        let mut world = self.0.borrow_mut();
        if world.locked {
            world.fail("a lock is held over a grace period");
        }
        if world.cpus.iter().any(|(_, held)| *held) {
            world.fail("the grace period ended too early");
        }
    }
}

/// The text locks and a batch under them.
pub struct Poker<'a> {
    machine: &'a Machine,
    lane: SiteLane,
    batch: Vec<(Mem, JumpTo)>,
}

impl Drop for Poker<'_> {
    fn drop(&mut self) {
        self.machine.0.borrow_mut().locked = false;
    }
}

impl LockedText for Poker<'_> {
    type Site = Mem;

    fn announce(&mut self, site: &Mem) -> bool {
        let mut world = self.machine.0.borrow_mut();
        let before = world.at(*site).announced;
        world.announce(*site, true);
        !before
    }

    fn withdraw(&mut self, site: &Mem) {
        let mut world = self.machine.0.borrow_mut();
        world.announce(*site, false);
        world.list(*site, false);
    }

    fn add(&mut self, poke: Poke, site: &Mem, to: JumpTo) -> Result<(), Foreign> {
        let mut world = self.machine.0.borrow_mut();
        if self.lane == SiteLane::Text {
            world.compare(poke, *site, to)?;
        }
        if poke == Poke::Arm {
            if !world.at(*site).announced {
                world.fail("a site is armed that was not announced");
            }
            world.list(*site, true);
        }
        let place = world.at(*site).place;
        if place.lane() != self.lane {
            world.fail("a site is poked in the wrong lane");
        }
        if let Some((last, _)) = self.batch.last().copied() {
            if world.at(last).place >= place {
                world.fail("a batch is not sorted by address");
            }
        }
        self.batch.push((*site, to));
        Ok(())
    }

    fn finish(&mut self, poke: Poke) -> Result<(), Foreign> {
        let mut world = self.machine.0.borrow_mut();
        // ftrace refuses a whole batch, at the end of the batch.
        let refuses = |(site, to): &(Mem, JumpTo)| world.compare(poke, *site, *to).is_err();
        if self.lane == SiteLane::Ftrace && self.batch.iter().any(refuses) {
            self.batch.clear();
            return Err(Foreign::Ftrace);
        }
        for (site, to) in self.batch.drain(..) {
            world.write(poke, site, to);
        }
        Ok(())
    }

    fn done(&mut self, poke: Poke, site: &Mem) {
        let mut world = self.machine.0.borrow_mut();
        let place = world.at(*site).place;
        let text = &world.text[place.offset()..];
        let is_after = |to| {
            let (_, after) = World::change_of(poke, *site, place, to);
            text.starts_with(&after)
        };
        if ![JumpTo::Detour, JumpTo::Count].into_iter().any(is_after) {
            world.fail("a poke is reported as done and is not");
        }
        if poke == Poke::Disarm {
            world.announce(*site, false);
            world.list(*site, false);
        }
    }
}
