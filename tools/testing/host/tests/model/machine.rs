// SPDX-License-Identifier: GPL-2.0

//! The modelled machine: text, the memory of sites, CPUs, a native kprobe, and the backend on them.
//!
//! What must never happen is noted in [`World::fault`] where it happens.

use super::array::Room;
use super::optimizer::{Backend, Delay, Foreign, Lane, Poke, Text};
use rkprobes_host::slab::Arrays;
use std::cell::RefCell;

/// Bytes of modelled text.
const SIZE: usize = 16;
/// Where the function ends whose module can go; behind it is the kernel's own text.
pub const MODULE_END: usize = 9;
/// What the modelled addresses start at.
pub const BASE: usize = 0x1000;
/// The length of a jump.
const JUMP: usize = 5;
const INT3: u8 = 0xcc;
const JMP: u8 = 0xe9;
/// The first byte of a native kprobe.
const NATIVE: u8 = 0xf0;
const ATTACHED: u8 = 0xe8;

/// The addresses where probes stand.
///
/// The function's instructions are at 0, 2, 3 and 7; it ends at 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// 0: its jump would cover `Middle` and `Inner`, and its detour returns to 7.
    Outer,
    /// 2: one byte, no jump possible.
    Middle,
    /// 3: its jump would cover 7, where the detour of `Outer` returns to.
    Inner,
    /// 10: one instruction of five bytes, in text that stays.
    Single,
    /// 15: an ftrace entry.
    Entry,
}

impl Place {
    /// All of them.
    pub const ALL: [Place; 5] = [
        Place::Outer,
        Place::Middle,
        Place::Inner,
        Place::Single,
        Place::Entry,
    ];

    /// Its offset in the modelled text.
    pub fn offset(self) -> usize {
        match self {
            Place::Outer => 0,
            Place::Middle => 2,
            Place::Inner => 3,
            Place::Single => 10,
            Place::Entry => 15,
        }
    }

    /// Its address.
    pub fn addr(self) -> usize {
        BASE + self.offset()
    }

    /// The length of its first instruction.
    fn first(self) -> usize {
        match self {
            Place::Outer => 2,
            Place::Middle | Place::Entry => 1,
            Place::Inner => 4,
            Place::Single => 5,
        }
    }

    /// The bytes that its jump would cover.
    pub fn region(self) -> usize {
        match self {
            Place::Outer => 7,
            Place::Inner => 6,
            Place::Single => 5,
            Place::Middle | Place::Entry => 0,
        }
    }

    /// How it is reached.
    pub fn lane(self) -> Lane {
        match self {
            Place::Entry => Lane::Ftrace,
            _ => Lane::Text,
        }
    }

    /// Whether it is in the text that can go.
    pub fn in_module(self) -> bool {
        self.offset() < MODULE_END
    }
}

/// The length of the instruction at an offset where one begins.
fn instruction(at: usize) -> usize {
    match at {
        0 => 2,
        2 => 1,
        3 => 4,
        7 => 2,
        _ => JUMP,
    }
}

/// The byte that the compiler put there.
pub fn original(at: usize) -> u8 {
    0x10 + at as u8
}

/// The memory of a site: what its out-of-line copies and its int3 table entry are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mem(pub u8);

/// What is in that memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    /// The address it is for.
    pub place: Place,
    /// Handlers run.
    pub live: bool,
    /// Int3 hits go on in the detour.
    detour_hits: bool,
    /// The address is in the int3 table.
    listed: bool,
}

/// Where a CPU, or the task that was preempted on it, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cpu {
    /// Not in anything that is modelled.
    Outside,
    /// About to execute the instruction at this offset.
    At(usize),
    /// In the int3 handler.
    Trap(Mem),
    /// In the copy of the first instruction.
    Slot(Mem),
    /// In the copy of the whole region.
    Detour(Mem),
}

/// What the int3 handler and the detour call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handler {
    /// The site's memory, where they find it.
    pub mem: Mem,
    /// As [`Backend::set_enabled`] left it.
    pub enabled: bool,
}

/// A native kprobe and the byte that it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Native {
    /// Its offset.
    pub at: usize,
    saved: u8,
}

/// All but the optimizer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The bytes in memory.
    pub text: [u8; SIZE],
    /// The module's text is there.
    pub present: bool,
    /// The memory of sites.
    pub memory: [Option<Memory>; 6],
    /// The handlers, by place and number.
    pub handlers: [[Option<Handler>; 2]; Place::ALL.len()],
    /// The CPUs, and whether the grace period still waits for each.
    pub cpus: [(Cpu, bool); 2],
    /// Somebody else's probe.
    pub native: Option<Native>,
    /// The delayed work: pending for when.
    pub kick: Option<Soon>,
    /// A text lock is held.
    locked: bool,
    /// The first thing that must not happen and did.
    pub fault: Option<&'static str>,
}

/// [`Delay`] with an order: the earlier one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Soon {
    /// [`Delay::Normal`].
    Normal,
    /// [`Delay::Retry`].
    Retry,
}

impl World {
    /// Nothing is probed and nobody is there.
    pub fn new() -> Self {
        let mut text = [0; SIZE];
        for (at, byte) in text.iter_mut().enumerate() {
            *byte = original(at);
        }
        Self {
            text,
            present: true,
            memory: [None; 6],
            handlers: Default::default(),
            cpus: [(Cpu::Outside, false); 2],
            native: None,
            kick: None,
            locked: false,
            fault: None,
        }
    }

    /// Notes what must not happen.
    pub fn fail(&mut self, fault: &'static str) {
        self.fault.get_or_insert(fault);
    }

    /// The contents of a site's memory.
    pub fn at(&mut self, mem: Mem) -> Memory {
        match self.memory[usize::from(mem.0)] {
            Some(memory) => memory,
            None => {
                self.fail("freed memory is used");
                Memory {
                    place: Place::Entry,
                    live: false,
                    detour_hits: false,
                    listed: false,
                }
            }
        }
    }

    fn change(&mut self, mem: Mem, change: impl FnOnce(&mut Memory)) {
        let mut memory = self.at(mem);
        change(&mut memory);
        if let Some(slot) = &mut self.memory[usize::from(mem.0)] {
            *slot = memory;
        }
    }

    /// Memory for a new site, as long as there is some.
    pub fn allocate(&mut self, place: Place) -> Option<Mem> {
        let at = self.memory.iter().position(Option::is_none)?;
        self.memory[at] = Some(Memory {
            place,
            live: false,
            detour_hits: false,
            listed: true,
        });
        Some(Mem(at as u8))
    }

    /// What a jump to the detour in `mem` looks like.
    pub fn jump(mem: Mem) -> [u8; JUMP] {
        let to = 0xa0 | mem.0;
        [JMP, to, to, to, to]
    }

    /// The bytes that a poke of this site expects, and those it leaves.
    fn change_of(poke: Poke, mem: Mem, place: Place) -> (Vec<u8>, Vec<u8>) {
        let from = place.offset();
        let clean: Vec<u8> = (from..from + place.region().max(1)).map(original).collect();
        let with = |head: &[u8]| [head, &clean[head.len()..]].concat();
        let hook = match place.lane() {
            Lane::Text => [INT3],
            Lane::Ftrace => [ATTACHED],
        };
        match poke {
            Poke::Arm => (clean[..1].to_vec(), hook.to_vec()),
            Poke::Disarm => (hook.to_vec(), clean[..1].to_vec()),
            Poke::Optimize => (with(&hook), with(&Self::jump(mem))),
            Poke::Unoptimize => (with(&Self::jump(mem)), with(&hook)),
        }
    }

    /// The text as a poke of this site should find it, or why not.
    fn compare(&mut self, poke: Poke, mem: Mem) -> Result<(), Foreign> {
        let place = self.at(mem).place;
        if place.in_module() && (!self.present || !self.at(mem).listed) {
            self.fail("rule 13: freed text is touched");
            return Err(Foreign::Bytes);
        }
        let (before, _) = Self::change_of(poke, mem, place);
        let found = &self.text[place.offset()..][..before.len()];
        match found == before {
            true => Ok(()),
            false => Err(Foreign::Bytes),
        }
    }

    fn write(&mut self, poke: Poke, mem: Mem) {
        let place = self.at(mem).place;
        let inside = place.offset() + 1..place.offset() + place.region();
        let caught = |(cpu, _): &(Cpu, bool)| matches!(cpu, Cpu::At(at) if inside.contains(at));
        if poke == Poke::Optimize && self.cpus.iter().any(caught) {
            self.fail("a jump is written under a task inside the region");
        }
        if self.compare(poke, mem).is_err() {
            self.fail("bytes that are not ours are overwritten");
        }
        let (_, after) = Self::change_of(poke, mem, place);
        self.text[place.offset()..][..after.len()].copy_from_slice(&after);
    }

    /// A native kprobe arms at `at`, where it can: on an instruction of the compiler's or our jump.
    pub fn native_arms(&mut self, at: usize) -> bool {
        let free = [original(at), JMP].contains(&self.text[at]);
        if free && self.present && self.native.is_none() {
            let saved = std::mem::replace(&mut self.text[at], NATIVE);
            self.native = Some(Native { at, saved });
            return true;
        }
        false
    }

    /// The native kprobe puts back what it found.
    pub fn native_leaves(&mut self) -> bool {
        let Some(native) = self.native.take() else {
            return false;
        };
        self.text[native.at] = native.saved;
        true
    }

    /// The module's text is freed, or loaded again.
    pub fn set_present(&mut self, present: bool) {
        self.present = present;
        self.native.take_if(|native| native.at < MODULE_END);
        for at in 0..MODULE_END {
            self.text[at] = match present {
                true => original(at),
                false => 0,
            };
        }
    }

    /// Whether any CPU is in the module's text or will return to it.
    pub fn module_is_busy(&mut self) -> bool {
        (0..self.cpus.len()).any(|n| match self.cpus[n].0 {
            Cpu::Outside => false,
            Cpu::At(at) => at < MODULE_END,
            Cpu::Trap(mem) | Cpu::Slot(mem) | Cpu::Detour(mem) => self.at(mem).place.in_module(),
        })
    }

    /// The CPU executes one thing: an instruction, the handler, or a copy.
    pub fn step(&mut self, cpu: usize) {
        let next = match self.cpus[cpu].0 {
            Cpu::Outside => Cpu::Outside,
            Cpu::At(at) => self.execute(at),
            Cpu::Trap(mem) => match self.at(mem).detour_hits {
                true => self.enter_detour(mem),
                false => Cpu::Slot(mem),
            },
            Cpu::Slot(mem) => {
                let place = self.at(mem).place;
                Self::arrive(place.offset() + place.first())
            }
            Cpu::Detour(mem) => {
                let place = self.at(mem).place;
                Self::arrive(place.offset() + place.region())
            }
        };
        self.cpus[cpu].0 = next;
        if next == Cpu::Outside {
            self.cpus[cpu].1 = false;
        }
    }

    fn arrive(at: usize) -> Cpu {
        match at {
            0..MODULE_END => Cpu::At(at),
            _ => Cpu::Outside,
        }
    }

    fn execute(&mut self, at: usize) -> Cpu {
        let byte = match self.native {
            Some(native) if native.at == at => native.saved,
            _ => self.text[at],
        };
        if byte == INT3 {
            let listed = |memory: &Option<Memory>| {
                memory.is_some_and(|memory| memory.listed && memory.place.offset() == at)
            };
            return match self.memory.iter().position(listed) {
                Some(mem) => Cpu::Trap(Mem(mem as u8)),
                None => {
                    self.fail("an int3 that nobody claims");
                    Cpu::Outside
                }
            };
        }
        if byte == JMP {
            return self.enter_detour(Mem(self.text[at + 1] & 0xf));
        }
        let whole = byte == original(at)
            && (at + 1..at + instruction(at)).all(|at| self.text[at] == original(at));
        if !whole {
            self.fail("a CPU executes the inside of a jump");
        }
        Self::arrive(at + instruction(at))
    }

    fn enter_detour(&mut self, mem: Mem) -> Cpu {
        let place = self.at(mem).place;
        let inside = place.offset() + 1..place.offset() + place.region();
        if inside.clone().any(|at| self.text[at] == INT3) {
            self.fail("rule 7: a detour leads around an armed probe");
        }
        Cpu::Detour(mem)
    }
}

/// The backend that the optimizer drives.
#[derive(Clone, Debug)]
pub struct Machine(pub RefCell<World>);

impl Arrays for Machine {
    type Of<T> = Room<T>;
}

impl Backend for Machine {
    type Site = Mem;
    type Probe = (Place, usize);
    type Text<'a> = Poker<'a>;

    fn lock(&self, lane: Lane) -> Poker<'_> {
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

    fn gone(&self, site: &Mem) {
        self.0
            .borrow_mut()
            .change(*site, |memory| memory.listed = false);
    }

    fn free(&self, site: Mem) {
        let mut world = self.0.borrow_mut();
        let memory = world.at(site);
        let inside =
            |cpu: Cpu| [Cpu::Trap(site), Cpu::Slot(site), Cpu::Detour(site)].contains(&cpu);
        if world.cpus.iter().any(|(cpu, _)| inside(*cpu)) {
            world.fail("memory is freed under a CPU");
        }
        let text = &world.text[memory.place.offset()..];
        if memory.listed
            && ([INT3, ATTACHED].contains(&text[0]) || text.starts_with(&World::jump(site)))
        {
            world.fail("memory is freed while the text leads to it");
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

    fn kick(&self, delay: Delay) {
        let soon = match delay {
            Delay::Normal => Soon::Normal,
            Delay::Retry => Soon::Retry,
        };
        let mut world = self.0.borrow_mut();
        world.kick = Some(world.kick.map_or(soon, |pending| pending.min(soon)));
    }

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
    lane: Lane,
    batch: Vec<Mem>,
}

impl Drop for Poker<'_> {
    fn drop(&mut self) {
        self.machine.0.borrow_mut().locked = false;
    }
}

impl Text for Poker<'_> {
    type Site = Mem;

    fn add(&mut self, poke: Poke, site: &Mem) -> Result<(), Foreign> {
        let mut world = self.machine.0.borrow_mut();
        world.compare(poke, *site)?;
        let place = world.at(*site).place;
        if place.lane() != self.lane {
            world.fail("a site is poked in the wrong lane");
        }
        if let Some(last) = self.batch.last().copied() {
            if world.at(last).place >= place {
                world.fail("a batch is not sorted by address");
            }
        }
        self.batch.push(*site);
        Ok(())
    }

    fn finish(&mut self, poke: Poke) -> Result<(), Foreign> {
        let mut world = self.machine.0.borrow_mut();
        for site in self.batch.drain(..) {
            world.write(poke, site);
        }
        Ok(())
    }

    fn done(&mut self, poke: Poke, site: &Mem) {
        let mut world = self.machine.0.borrow_mut();
        let place = world.at(*site).place;
        let (_, after) = World::change_of(poke, *site, place);
        if world.text[place.offset()..][..after.len()] != after {
            world.fail("a poke is said to be done and is not");
        }
    }
}
