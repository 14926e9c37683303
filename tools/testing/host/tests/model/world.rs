// SPDX-License-Identifier: GPL-2.0

//! The modelled machine: text, the memory of sites, CPUs, and a native kprobe.
//!
//! An event that must never happen is recorded in [`World::fault`].

use super::optimizer::{Foreign, JumpTo, Poke, SiteLane};
use super::place::{instruction, original, Place, JUMP, MODULE_END, SIZE};

pub const INT3: u8 = 0xcc;
pub const JMP: u8 = 0xe9;
/// A part of each byte in the displacement of a jump that counts.
const COUNT: u8 = 0xb0;
/// The first byte of a native kprobe.
pub const NATIVE: u8 = 0xf0;
pub const ATTACHED: u8 = 0xe8;

/// The number of the memory of a site, which holds its out-of-line copies and its int3 table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mem(pub u8);

/// The contents of the memory of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    /// The place of the site.
    pub place: Place,
    /// Whether handlers run.
    pub live: bool,
    /// Whether int3 hits continue in the detour.
    pub detour_hits: bool,
    /// Whether a jump was left in text that is freed.
    pub left_jump: bool,
    /// Whether others are kept out of the bytes that the site needs.
    pub announced: bool,
    /// Whether the address is in the int3 table.
    pub listed: bool,
}

/// The place of a CPU, or of the task that was preempted on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cpu {
    /// Outside of the model.
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

/// A handler that the int3 handler and the detour call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handler {
    /// The memory of the site, from which it is called.
    pub mem: Mem,
    /// As [`Backend::set_enabled`] left it.
    pub enabled: bool,
}

/// A native kprobe and the byte that it replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Native {
    /// Its offset.
    pub at: usize,
    saved: u8,
}

/// The state of the module whose text can be freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    /// It may be probed.
    Loaded,
    /// Its unload is announced to us now.
    Leaving,
    /// Its unload was announced to us, and its tasks still run.
    Going,
    /// Its text is freed.
    Freed,
}

/// Everything except the optimizer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The bytes in memory.
    pub text: [u8; SIZE],
    /// The module.
    pub module: Module,
    /// The memory of the sites.
    pub memory: [Option<Memory>; 6],
    /// The handlers, by place and number.
    pub handlers: [[Option<Handler>; 2]; Place::ALL.len()],
    /// The CPUs, and whether the grace period still waits for each.
    pub cpus: [(Cpu, bool); 2],
    /// The native kprobe.
    pub native: Option<Native>,
    /// The time for which the delayed work is pending.
    pub kick: Option<Soon>,
    /// Whether a text lock is held.
    pub locked: bool,
    /// The memory that was left to jumps for ever.
    pub abandoned: Vec<Mem>,
    /// The first event that must not happen.
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
    /// Makes a machine without probes, with all CPUs outside.
    pub fn new() -> Self {
        let mut text = [0; SIZE];
        for (at, byte) in text.iter_mut().enumerate() {
            *byte = original(at);
        }
        Self {
            text,
            module: Module::Loaded,
            memory: [None; 6],
            handlers: Default::default(),
            cpus: [(Cpu::Outside, false); 2],
            native: None,
            kick: None,
            locked: false,
            abandoned: Vec::new(),
            fault: None,
        }
    }

    /// Records an event that must not happen.
    pub fn fail(&mut self, fault: &'static str) {
        self.fault.get_or_insert(fault);
    }

    /// The contents of the memory of a site.
    pub fn at(&mut self, mem: Mem) -> Memory {
        match self.memory[usize::from(mem.0)] {
            Some(memory) => memory,
            None => {
                self.fail("freed memory is used");
                Memory {
                    place: Place::Entry,
                    live: false,
                    detour_hits: false,
                    left_jump: false,
                    announced: false,
                    listed: false,
                }
            }
        }
    }

    pub fn change(&mut self, mem: Mem, change: impl FnOnce(&mut Memory)) {
        let mut memory = self.at(mem);
        change(&mut memory);
        if let Some(slot) = &mut self.memory[usize::from(mem.0)] {
            *slot = memory;
        }
    }

    /// Allocates memory for a new site, if there is any.
    pub fn allocate(&mut self, place: Place) -> Option<Mem> {
        let at = self.memory.iter().position(Option::is_none)?;
        self.memory[at] = Some(Memory {
            place,
            live: false,
            detour_hits: false,
            left_jump: false,
            announced: false,
            listed: false,
        });
        Some(Mem(at as u8))
    }

    /// The bytes of a jump to the memory of a site.
    pub fn jump(mem: Mem, to: JumpTo) -> [u8; JUMP] {
        let to = mem.0
            | match to {
                JumpTo::Detour => 0xa0,
                JumpTo::Count => COUNT,
            };
        [JMP, to, to, to, to]
    }

    /// Whether the text at an offset is a jump that counts, maybe under a native kprobe.
    pub fn counts_inline(&self, at: usize) -> bool {
        let to = self.text.get(at + 1);
        to.is_some_and(|to| to & 0xf0 == COUNT)
    }

    /// The bytes that a poke of this site expects, and the bytes that it writes.
    pub fn change_of(poke: Poke, mem: Mem, place: Place, to: JumpTo) -> (Vec<u8>, Vec<u8>) {
        let from = place.offset();
        let clean: Vec<u8> = (from..from + place.region().max(1)).map(original).collect();
        let with = |head: &[u8]| [head, &clean[head.len()..]].concat();
        let hook = match place.lane() {
            SiteLane::Text => [INT3],
            SiteLane::Ftrace => [ATTACHED],
        };
        match poke {
            Poke::Arm => (clean[..1].to_vec(), hook.to_vec()),
            Poke::Disarm => (hook.to_vec(), clean[..1].to_vec()),
            Poke::Optimize => (with(&hook), with(&Self::jump(mem, to))),
            Poke::Unoptimize => (with(&Self::jump(mem, to)), with(&hook)),
        }
    }

    /// Compares the text with the bytes that a poke of this site expects. Returns the reason if
    /// they differ.
    pub fn compare(&mut self, poke: Poke, mem: Mem, to: JumpTo) -> Result<(), Foreign> {
        let place = self.at(mem).place;
        if place.in_module() && !matches!(self.module, Module::Loaded | Module::Leaving) {
            self.fail("rule 13: freed text is touched");
            return Err(Foreign::Bytes);
        }
        if poke == Poke::Optimize && place.lane() == SiteLane::Text && !self.at(mem).detour_hits {
            return Err(Foreign::KprobeNear);
        }
        let (before, _) = Self::change_of(poke, mem, place, to);
        let found = &self.text[place.offset()..][..before.len()];
        match found == before {
            true => Ok(()),
            false => Err(Foreign::Bytes),
        }
    }

    /// Adds the address of a site to the int3 table, or removes it.
    pub fn list(&mut self, mem: Mem, listed: bool) {
        let place = self.at(mem).place;
        let claims = |memory: &Memory| memory.listed && memory.place == place;
        if listed && self.memory.iter().flatten().any(claims) {
            self.fail("an address is claimed twice");
        }
        self.change(mem, |memory| memory.listed = listed);
    }

    /// Keeps others out of the bytes that a site needs, or lets them in again.
    pub fn announce(&mut self, mem: Mem, announced: bool) {
        self.change(mem, |memory| memory.announced = announced);
    }

    /// The text without the native kprobe.
    pub fn without_native(&self) -> [u8; SIZE] {
        let mut text = self.text;
        if let Some(native) = self.native {
            text[native.at] = native.saved;
        }
        text
    }

    pub fn write(&mut self, poke: Poke, mem: Mem, to: JumpTo) {
        let place = self.at(mem).place;
        let inside = place.offset() + 1..place.offset() + place.region();
        let caught = |(cpu, _): &(Cpu, bool)| matches!(cpu, Cpu::At(at) if inside.contains(at));
        if poke == Poke::Optimize && self.cpus.iter().any(caught) {
            self.fail("a jump is written under a task inside the region");
        }
        if self.compare(poke, mem, to).is_err() {
            self.fail("foreign bytes are overwritten");
        }
        let (_, after) = Self::change_of(poke, mem, place, to);
        self.text[place.offset()..][..after.len()].copy_from_slice(&after);
    }

    /// Arms a native kprobe at `at`, if that is an instruction of the compiler or a jump of ours.
    pub fn native_arms(&mut self, at: usize) -> bool {
        let free = [original(at), JMP, ATTACHED].contains(&self.text[at]);
        let stays = at >= MODULE_END || self.module == Module::Loaded;
        if free && stays && self.native.is_none() {
            let saved = std::mem::replace(&mut self.text[at], NATIVE);
            self.native = Some(Native { at, saved });
            return true;
        }
        false
    }

    /// The native kprobe restores the byte. In a module that is being unloaded it stays.
    pub fn native_leaves(&mut self) -> bool {
        let module = self.module;
        let leaves = |native: &mut Native| native.at >= MODULE_END || module == Module::Loaded;
        let Some(native) = self.native.take_if(leaves) else {
            return false;
        };
        self.text[native.at] = native.saved;
        true
    }

    /// The module is unloaded: kprobes forget a native kprobe on a jump of ours, and its int3
    /// stays.
    pub fn native_is_forgotten(&mut self) {
        let is_forgotten = |native: &mut Native| native.at < MODULE_END && native.saved == JMP;
        if let Some(native) = self.native.take_if(is_forgotten) {
            self.text[native.at] = INT3;
        }
    }

    /// The text of the module is freed. No task runs there.
    pub fn free_module(&mut self) {
        self.module = Module::Freed;
        self.native.take_if(|native| native.at < MODULE_END);
        self.text[..MODULE_END].fill(0);
    }

    /// The module is loaded again at its old address.
    pub fn load_module(&mut self) {
        self.module = Module::Loaded;
        for at in 0..MODULE_END {
            self.text[at] = original(at);
        }
    }

    /// Whether any CPU is in the text of the module or will return to it.
    pub fn module_is_busy(&mut self) -> bool {
        (0..self.cpus.len()).any(|n| match self.cpus[n].0 {
            Cpu::Outside => false,
            Cpu::At(at) => at < MODULE_END,
            Cpu::Trap(mem) | Cpu::Slot(mem) | Cpu::Detour(mem) => self.at(mem).place.in_module(),
        })
    }

    /// The CPU executes one step: an instruction, the handler, or a copy.
    pub fn step(&mut self, cpu: usize) {
        let next = match self.cpus[cpu].0 {
            Cpu::Outside => Cpu::Outside,
            Cpu::At(at) => self.execute(at),
            Cpu::Trap(mem) => match self.continues_in_copy(mem) {
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

    /// The decision of the handler: a hit does not continue in the copy of a region that others
    /// have changed.
    fn continues_in_copy(&mut self, mem: Mem) -> bool {
        let memory = self.at(mem);
        let from = memory.place.offset();
        let mut inside = from + 1..from + memory.place.region();
        // A jump that was written while this handler runs waits for the end of the handler. The
        // optimizer handles our own int3s inside the region (rule 7).
        let is_whole = self.without_native()[from] == JMP
            || inside.all(|at| [original(at), INT3].contains(&self.text[at]));
        if !memory.left_jump && !is_whole {
            self.change(mem, |memory| memory.detour_hits = false);
        }
        memory.left_jump || (memory.detour_hits && is_whole)
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
