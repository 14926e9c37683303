// SPDX-License-Identifier: GPL-2.0

//! Relocated code against the original, on the processor. Random regions run in place, then as a
//! jump to their copy, and then as a jump that counts before the copy. All must end equally.

#[path = "common/machine.rs"]
mod machine;
#[path = "common/random.rs"]
mod random;
#[path = "common/snippet.rs"]
mod snippet;

use machine::{catch_faults, in_child, End, Machine, State, Vectors};
use machine::{CALLEE, COPY, COUNTER, DATA, MEMORY, STACK_TOP, START, STUBS};
use random::Random;
use rkprobes_host::eligibility::reserved::Index;
use rkprobes_host::eligibility::DecodedFunction;
use rkprobes_host::heap::Heap;
use rkprobes_host::out_of_line::relocate::{jmp_rel32, relocate, worst_copy_len, Copied};
use rkprobes_host::out_of_line::slot_image::{jump, Image};
use snippet::{CALLEE_CELL, CALLEE_REG, DATA_REG, STUB_CELL, STUB_REG};
use std::ops::Range;

const RCX: usize = 1;
const RSP: usize = 4;
/// CF, PF, AF, ZF, SF, OF and DF; IF is always set in a process.
const FLAGS: u64 = 0x8d5 | DIRECTION;
const DIRECTION: u64 = 0x400;
const INTERRUPT: u64 = 0x202;
/// Where the counting code pushes the flags and a register.
const PUSHED: Range<usize> = STACK_TOP - 16..STACK_TOP;

/// The registers, flags and memory before a run.
struct Setup {
    state: State,
    memory: Vec<u8>,
}

impl Setup {
    fn new(machine: &Machine, random: &mut Random, loops: bool) -> Self {
        let mut memory = vec![0; MEMORY];
        for word in memory.chunks_exact_mut(8) {
            word.copy_from_slice(&random.next().to_le_bytes());
        }
        let mut put = |at: usize, value: u64| {
            memory[at..at + 8].copy_from_slice(&value.to_le_bytes());
        };
        put(STACK_TOP, machine.addr(STUBS[2]));
        put(STUB_CELL, machine.addr(STUBS[3]));
        put(CALLEE_CELL, machine.addr(CALLEE));

        let regs = std::array::from_fn(|_| match random.below(3) {
            0 => machine.addr(DATA + 0x80 + random.below(0x700)),
            1 => random.next() & 0xff,
            _ => random.next(),
        });
        let mut state = State {
            regs,
            flags: (random.next() & FLAGS & !DIRECTION) | INTERRUPT,
            vectors: Vectors::new(|| random.next() as u8),
        };
        state.regs[RCX] = match loops {
            true => 1 + (random.next() & 3),
            false => random.next() & 3 | random.pick(&[0, 0, 1 << 32]),
        };
        state.regs[RSP] = machine.addr(STACK_TOP);
        state.regs[usize::from(DATA_REG)] = machine.addr(DATA);
        state.regs[usize::from(CALLEE_REG)] = machine.addr(CALLEE);
        state.regs[usize::from(STUB_REG)] = machine.addr(STUBS[0]);
        Setup { state, memory }
    }

    /// Runs the loaded code from this state.
    fn run(&self, machine: &mut Machine) -> (End, State, Vec<u8>) {
        machine.memory().copy_from_slice(&self.memory);
        let mut state = self.state;
        let end = machine.run(&mut state);
        state.flags &= FLAGS;
        (end, state, machine.memory().to_vec())
    }
}

/// Whether two runs end equally. A fault in the copy equals a fault in the original, at the address
/// that relocation changed.
fn same_end(original: End, copy: End) -> bool {
    let within = |at: u64, start: usize| (start as u64..start as u64 + 256).contains(&at);
    match (original, copy) {
        (End::Signal(a, at), End::Signal(b, copy_at)) if within(at, START) => {
            a == b && within(copy_at, COPY)
        }
        _ => original == copy,
    }
}

/// Overwrites the region as an optimized probe does: with a jump and breakpoints, and loads the
/// copy.
fn load_relocated(machine: &mut Machine, region: &[u8]) {
    let start = machine.addr(START);
    let mut copy = vec![0; worst_copy_len(region.len())];
    let copied = relocate(region, start, machine.addr(COPY), &mut copy);
    let Ok(Copied { len, falls_through }) = copied else {
        panic!("{region:02x?}: {copied:?}");
    };
    copy.truncate(len);
    if falls_through {
        let end = start + region.len() as u64;
        copy.extend(jmp_rel32(machine.addr(COPY + len), end).unwrap());
    }
    machine.load(&jmp_rel32(start, machine.addr(COPY)).unwrap(), region.len());
    machine.write(COPY, &copy);
}

/// Overwrites the region as a probe that counts inline does. Returns whether it keeps the flags.
/// `None` if the slot has no room.
fn load_counting(machine: &mut Machine, region: &[u8]) -> Option<bool> {
    let start = machine.addr(START);
    let mut function = DecodedFunction::<Heap>::default();
    let filled = function.analyse(start, region.len(), |to| to.copy_from_slice(region));
    assert!(filled.is_ok());
    let keeps = !function.flags_are_dead(start, &Index::default());
    // GS is 0 in a process, so a per-CPU address is one.
    let counter = machine.addr(COUNTER);
    let mut image = Image::new(machine.addr(COPY) as usize);
    let copy = image.copy(start as usize, region).ok()?;
    let entry = image.count(counter, keeps, copy).ok()?;
    machine.load(&jump(start as usize, entry).unwrap(), region.len());
    machine.write(COPY, &image.bytes);
    machine.write(COUNTER, &[0; 8]);
    Some(keeps)
}

/// Whether a region in place ends otherwise if other bytes are below the stack pointer. An interrupt
/// changes these bytes at any time, so no code of the kernel depends on them.
fn reads_below_stack(
    machine: &mut Machine,
    setup: &Setup,
    region: &[u8],
    original: &(End, State, Vec<u8>),
) -> bool {
    let mut other = Setup {
        state: setup.state,
        memory: setup.memory.clone(),
    };
    for byte in &mut other.memory[PUSHED] {
        *byte = !*byte;
    }
    machine.load(region, region.len());
    let mut ended = other.run(machine);
    ended.2[PUSHED].copy_from_slice(&original.2[PUSHED]);
    ended != *original
}

/// Compares the end of a region that counts with the end of the region in place.
fn compare_counting(
    machine: &mut Machine,
    setup: &Setup,
    region: &snippet::Region,
    original: &(End, State, Vec<u8>),
) -> Option<bool> {
    let keeps = load_counting(machine, &region.code)?;
    let mut counted = setup.run(machine);
    counted.2[PUSHED].copy_from_slice(&original.2[PUSHED]);
    let (code, loops) = (&region.code, region.loops);
    let hits = machine.counted();
    assert!(hits == 1 || loops && hits > 1, "{hits} of {code:02x?}");
    if counted != *original && reads_below_stack(machine, setup, code, original) {
        return None;
    }
    assert!(same_end(original.0, counted.0), "end of {code:02x?}");
    if !keeps && matches!(counted.0, End::Signal(..)) {
        // The fault came before the instruction that overwrites the flags.
        counted.1.flags = original.1.flags;
    }
    assert_eq!(original.1, counted.1, "registers after {code:02x?}");
    assert!(original.2 == counted.2, "memory after {code:02x?}");
    Some(keeps)
}

/// Compares `count` regions. Returns how many ended without a fault, how many kept the flags while
/// counting, and how many did not.
fn compare(seed: u64, count: u64, low: bool) -> (u64, [u64; 2]) {
    catch_faults();
    let mut machine = Machine::new(low);
    let mut random = Random::new(seed);
    let mut whole = 0;
    let mut kept = [0; 2];
    for _ in 0..count {
        let snippet = snippet::region(&mut random);
        let setup = Setup::new(&machine, &mut random, snippet.loops);
        let region = &snippet.code;

        machine.load(region, region.len());
        let original = setup.run(&mut machine);
        load_relocated(&mut machine, region);
        let copy = setup.run(&mut machine);

        assert!(
            same_end(original.0, copy.0),
            "{region:02x?} ends {:x?} in place, {:x?} relocated, from {:x?}",
            original.0,
            copy.0,
            setup.state
        );
        assert_eq!(original.1, copy.1, "registers after {region:02x?}");
        assert!(original.2 == copy.2, "memory after {region:02x?}");
        if let Some(keeps) = compare_counting(&mut machine, &setup, &snippet, &original) {
            kept[usize::from(!keeps)] += 1;
        }
        whole += u64::from(matches!(original.0, End::Stub(_)));
    }
    (whole, kept)
}

fn compare_in_child(seed: u64, count: u64) {
    for low in [true, false] {
        let status = in_child(|| {
            let (whole, [kept, dead]) = compare(seed, count, low);
            println!("{count} regions, {whole} of them without a fault, low memory: {low}");
            println!("counted with flags: {kept}, without: {dead}");
            assert!(whole > count / 2, "most snippets must run to their end");
            assert!(kept > count / 5 && dead > count / 5, "both ways to count");
        });
        assert_eq!(status, 0, "wait status of the child");
    }
}

#[test]
fn random_regions() {
    compare_in_child(3, 50_000);
}

#[test]
#[cfg_attr(not(feature = "slow"), ignore = "takes a minute: --features slow")]
fn many_random_regions() {
    compare_in_child(4, 5_000_000);
}
