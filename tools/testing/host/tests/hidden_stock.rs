// SPDX-License-Identifier: GPL-2.0

//! What native kprobes do not see in the whole text of the stock kernel, with the decoder of the
//! kernel: every site alone, as int3 and as jump, and random sets of sites in every function.

#![cfg(feature = "slow")]

#[path = "common/kernel_decoder.rs"]
mod kernel_decoder;
#[path = "common/natives.rs"]
mod natives;
#[path = "common/random.rs"]
mod random;
#[path = "../src/bin/optimizable/tables.rs"]
#[allow(dead_code)] // the other user needs the rest
mod tables;

use kernel_decoder::Decoder;
use natives::{Armed, Seen, Site};
use random::Random;
use rkprobes_host::eligibility::hidden::their_length;
use rkprobes_host::eligibility::DecodedFunction;
use rkprobes_host::heap::Heap;
use rkprobes_host::insn_decode::{Flow, Insn};
use rkprobes_host::stock::Kernel;
use std::collections::BTreeMap;
use tables::Tables;

/// How many random strings both decoders decode.
const STRINGS: usize = 10_000_000;
/// How many random sets of sites each function has.
const ROUNDS: u64 = 4;

/// Text, and the length that the decoder of the kernel finds at each byte.
struct Text {
    start: u64,
    bytes: Vec<u8>,
    lengths: Vec<u8>,
}

impl Text {
    fn of(decoder: &Decoder, start: u64, mut bytes: Vec<u8>) -> Text {
        let len = bytes.len();
        bytes.extend([0x90; 16]);
        let lengths = decoder.lengths((0..len).map(|at| &bytes[at..at + 16]));
        Text {
            start,
            bytes,
            lengths,
        }
    }

    fn length(&self, addr: u64) -> usize {
        usize::from(self.lengths[(addr - self.start) as usize])
    }
}

/// Calls `each` for each function that decodes to its end.
fn each_function(
    kernel: &Kernel,
    tables: &Tables<'_>,
    mut each: impl FnMut(&str, &DecodedFunction<Heap>, &[Insn]),
) {
    let mut function = DecodedFunction::<Heap>::default();
    for found in &tables.functions {
        let Some(bytes) = kernel.bytes(found.start, found.end) else {
            continue;
        };
        let filled = function.analyse(found.start, bytes.len(), |to| to.copy_from_slice(bytes));
        filled.expect("memory for a function");
        let insns: Vec<Insn> = function.instructions().collect();
        if insns
            .last()
            .is_some_and(|insn| insn.end() == function.end())
        {
            each(found.names[0], &function, &insns);
        }
    }
}

/// Decodes as the kernel does from a site that is the only one in its function.
fn check_alone(
    tables: &Tables<'_>,
    text: &Text,
    function: &DecodedFunction<Heap>,
    site: &Site,
    seen: &mut Seen,
    place: &dyn Fn() -> String,
) {
    let addr = function.start() + site.offset as u64;
    let refused = |at: u64| site.refuses(function.start(), (at - function.start()) as usize);
    let mut at = addr + site.replaced() as u64;
    while at < function.end() && function.instruction(at).is_err() {
        seen.false_boundaries += 1;
        assert!(refused(at), "{}: a kprobe at {at:#x}", place());
        match text.length(at) {
            // The kernel refuses every later address, and every jump in the function.
            0 => return,
            len => at += len as u64,
        }
    }
    let swallowed = (addr..at).filter_map(|at| function.instruction(at).ok());
    for insn in swallowed {
        // Otherwise the kernel would not know that a fault continues in the function.
        assert!(!tables.extable.contains(&insn.addr), "{}", place());
        if !matches!(
            insn.flow,
            Flow::Jmp { .. } | Flow::Jcc { .. } | Flow::Loop { .. }
        ) {
            continue;
        }
        let target = insn.target().unwrap_or(0);
        if !function.contains(target) {
            continue;
        }
        for front in target.saturating_sub(4)..target {
            if function.instruction(front).is_ok() && !(front <= addr && addr < front + 5) {
                seen.in_front += 1;
                assert!(
                    refused(front),
                    "{}: a jump at {front:#x}, a branch to {target:#x}",
                    place()
                );
            }
        }
    }
}

#[test]
fn stock_kernel() {
    let decoder = Decoder::build().expect("the lab has no kernel source: run tools/lab/setup");
    let mut kernel = Kernel::open(&Kernel::lab_image()).expect("the lab's kernel");
    kernel.patch_returns();
    let tables = Tables::read(&kernel).expect("the kernel's tables");
    let section = kernel.section(".text").expect("text");
    let original = Text::of(&decoder, section.addr, section.bytes.clone());

    let mut told = 0_u64;
    for (at, theirs) in original.lengths.iter().enumerate() {
        let bytes = &original.bytes[at..at + 15];
        if let Some(len) = their_length(bytes) {
            told += 1;
            assert!(
                *theirs == len || *theirs == 0,
                "{bytes:02x?}: kernel {theirs}, predicted {len}"
            );
        }
    }
    println!("{told} of {} lengths are predicted", original.lengths.len());

    let mut seen = Seen::default();
    let mut figures = BTreeMap::<(&str, usize), u64>::new();
    let mut sites = 0_u64;
    each_function(&kernel, &tables, |name, function, insns| {
        for insn in insns {
            let theirs = original.length(insn.addr);
            assert_eq!(theirs, usize::from(insn.len), "{name}: {insn:x?}");
            if function.probe(insn.addr, &tables.index).is_err() {
                continue;
            }
            let mut site = Site::new(function, insn, &tables.index, &[]);
            sites += 1;
            let kind = if site.region > 0 { "jump" } else { "int3" };
            let Some(hidden) = site.hidden else {
                *figures.entry((kind, usize::MAX)).or_default() += 1;
                continue;
            };
            *figures.entry((kind, hidden.ranges().len())).or_default() += 1;
            let place = || format!("{name}+{:#x}", insn.addr - function.start());
            check_alone(&tables, &original, function, &site, &mut seen, &place);
            if site.region > 0 {
                site.jump = true;
                check_alone(&tables, &original, function, &site, &mut seen, &place);
            }
        }
    });
    println!("{sites} sites alone: {seen:?}");
    for ((kind, ranges), count) in figures {
        let percent = count as f64 * 100.0 / sites as f64;
        match ranges {
            usize::MAX => println!("{percent:6.2} % {kind}, the whole function"),
            _ => println!("{percent:6.2} % {kind}, {ranges} ranges besides its own"),
        }
    }
    assert!(seen.false_boundaries > 1_000_000 && seen.in_front > 1_000_000);

    for seed in 0..ROUNDS {
        let seen = random_sets(&decoder, &kernel, &tables, &original, seed);
        println!("random sets, seed {seed}: {seen:?}");
        assert!(seen.false_boundaries > 10_000 && seen.optimizable > 1000);
    }
}

/// Checks up to four sites in each function. Every second set has sites that are near each other.
fn random_sets(
    decoder: &Decoder,
    kernel: &Kernel,
    tables: &Tables<'_>,
    original: &Text,
    seed: u64,
) -> Seen {
    let mut random = Random::new(seed);
    let mut bytes = original.bytes[..original.lengths.len()].to_vec();
    let mut functions = Vec::new();
    each_function(kernel, tables, |name, function, insns| {
        let mut sites: Vec<Site> = Vec::new();
        let near = random.below(2) == 0;
        let first = random.below(insns.len());
        for _ in 0..1 + random.below(4) {
            let at = if near {
                first + random.below(8)
            } else {
                random.below(insns.len())
            };
            let Some(insn) = insns.get(at) else {
                continue;
            };
            let offset = (insn.addr - function.start()) as usize;
            let taken = sites.iter().any(|site| site.offset == offset);
            if !taken && function.probe(insn.addr, &tables.index).is_ok() {
                sites.push(Site::new(function, insn, &tables.index, &sites));
            }
        }
        for at in 0..sites.len() {
            let covered = sites.iter().any(|other| sites[at].covers(other));
            sites[at].jump = sites[at].region > 0 && !covered && random.below(3) > 0;
        }
        let armed = Armed {
            start: function.start(),
            insns,
            len: (function.end() - function.start()) as usize,
            sites: &sites,
        };
        let from = (function.start() - original.start) as usize;
        armed.patch(&mut bytes[from..from + armed.len], || {
            (random.next() as u32).to_le_bytes()
        });
        functions.push((name.to_string(), function.start(), sites));
    });
    let patched = Text::of(decoder, original.start, bytes);
    let mut all = Seen::default();
    let mut functions = functions.into_iter();
    each_function(kernel, tables, |_, function, insns| {
        let (name, start, sites) = functions.next().expect("the same functions");
        assert_eq!(start, function.start());
        let armed = Armed {
            start,
            insns,
            len: (function.end() - start) as usize,
            sites: &sites,
        };
        let length = |at: usize| patched.length(start + at as u64) as u8;
        let seen = armed.check(length, &name);
        all.false_boundaries += seen.false_boundaries;
        all.in_front += seen.in_front;
        all.optimizable += seen.optimizable;
    });
    all
}

#[test]
fn random_strings() {
    let decoder = Decoder::build().expect("the lab has no kernel source: run tools/lab/setup");
    let mut random = Random::new(12);
    let strings: Vec<[u8; 16]> = (0..STRINGS).map(|_| random.instruction()).collect();
    let lengths = decoder.lengths(strings.iter().map(|string| &string[..]));
    let mut told = 0;
    for (bytes, theirs) in strings.iter().zip(lengths) {
        if let Some(len) = their_length(&bytes[..15]) {
            told += 1;
            assert!(
                theirs == len || theirs == 0,
                "{bytes:02x?}: kernel {theirs}, told {len}"
            );
        }
    }
    println!("{told} of {STRINGS} lengths are predicted");
    assert!(told > STRINGS / 2);
}
