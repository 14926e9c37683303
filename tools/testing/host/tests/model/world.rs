// SPDX-License-Identifier: GPL-2.0

//! The modelled machine: text, the memory of sites, CPUs, and a native kprobe.
//!
//! What must never happen is noted in [`World::fault`] where it happens.

use super::optimizer::{Foreign, JumpTo, Poke, SiteLane};
use super::place::{instruction, original, Place, JUMP, MODULE_END, SIZE};

pub const INT3: u8 = 0xcc;
pub const JMP: u8 = 0xe9;
/// In the displacement of a jump that counts.
const COUNT: u8 = 0xb0;
/// The first byte of a native kprobe.
pub const NATIVE: u8 = 0xf0;
pub const ATTACHED: u8 = 0xe8;

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
    pub detour_hits: bool,
    /// What was left in text that goes is a jump.
    pub left_jump: bool,
    /// Others are kept out of what it needs.
    pub announced: bool,
    /// The address is in the int3 table.
    pub listed: bool,
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

/// Where the module is whose text can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    /// It may be probed.
    Loaded,
    /// We are told that it goes.
    Leaving,
    /// We were told that it goes; what it has started still runs.
    Going,
    /// Its text is freed.
    Freed,
}

/// All but the optimizer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The bytes in memory.
    pub text: [u8; SIZE],
    /// The module.
    pub module: Module,
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
    pub locked: bool,
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
            module: Module::Loaded,
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

    /// Memory for a new site, as long as there is some.
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

    /// What a jump to the memory of a site looks like.
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

    /// The bytes that a poke of this site expects, and those it leaves.
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

    /// The text as a poke of this site should find it, or why not.
    pub fn compare(&mut self, poke: Poke, mem: Mem, to: JumpTo) -> Result<(), Foreign> {
        let place = self.at(mem).place;
        if place.in_module() && !matches!(self.module, Module::Loaded | Module::Leaving) {
            self.fail("rule 13: text that has gone is touched");
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

    /// The int3 table has the address of a site, or has it no more.
    pub fn list(&mut self, mem: Mem, listed: bool) {
        let place = self.at(mem).place;
        let claims = |memory: &Memory| memory.listed && memory.place == place;
        if listed && self.memory.iter().flatten().any(claims) {
            self.fail("an address is claimed twice");
        }
        self.change(mem, |memory| memory.listed = listed);
    }

    /// Others are kept out of what a site needs, or no longer.
    pub fn announce(&mut self, mem: Mem, announced: bool) {
        self.change(mem, |memory| memory.announced = announced);
    }

    /// The text as it is without the native kprobe.
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
            self.fail("bytes that are not ours are overwritten");
        }
        let (_, after) = Self::change_of(poke, mem, place, to);
        self.text[place.offset()..][..after.len()].copy_from_slice(&after);
    }

    /// A native kprobe arms at `at`, where it can: on an instruction of the compiler's or our jump.
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

    /// The native kprobe puts back what it found; where the module goes, it stays.
    pub fn native_leaves(&mut self) -> bool {
        let module = self.module;
        let leaves = |native: &mut Native| native.at >= MODULE_END || module == Module::Loaded;
        let Some(native) = self.native.take_if(leaves) else {
            return false;
        };
        self.text[native.at] = native.saved;
        true
    }

    /// The module goes: who has put a native kprobe on a jump of ours forgets it, and its int3 stays.
    pub fn native_is_forgotten(&mut self) {
        let is_forgotten = |native: &mut Native| native.at < MODULE_END && native.saved == JMP;
        if let Some(native) = self.native.take_if(is_forgotten) {
            self.text[native.at] = INT3;
        }
    }

    /// The module's text is freed: nobody runs there any more.
    pub fn free_module(&mut self) {
        self.module = Module::Freed;
        self.native.take_if(|native| native.at < MODULE_END);
        self.text[..MODULE_END].fill(0);
    }

    /// The module is loaded again, to where it was.
    pub fn load_module(&mut self) {
        self.module = Module::Loaded;
        for at in 0..MODULE_END {
            self.text[at] = original(at);
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
            Cpu::Trap(mem) => match self.goes_on_in_copy(mem) {
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

    /// As the handler decides: a region that others have changed is not gone around.
    fn goes_on_in_copy(&mut self, mem: Mem) -> bool {
        let memory = self.at(mem);
        let from = memory.place.offset();
        let mut inside = from + 1..from + memory.place.region();
        // A jump that came while this handler ran waits for it to end. Our own int3s inside are the
        // optimizer's affair (rule 7).
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
