// SPDX-License-Identifier: GPL-2.0

//! Emulated instructions against the processor: equal registers, flags, stack and target.

// The cases are compiled twice: for the emulation of the module, and for the copy with defects.
#![allow(clippy::duplicate_mod)]

#[path = "common/machine.rs"]
mod machine;
#[cfg(feature = "mutants")]
#[path = "emulation/mutated.rs"]
mod mutated;
#[path = "common/random.rs"]
mod random;
#[path = "emulation/real.rs"]
mod real;

use machine::{State, Vectors, STACK_TOP, STUBS};
use real::bench::{self, flag_states, with_bench, Bench, Emulated, ALWAYS, RSP};
use real::emulate::{Emulation, Outcome, Regs};
use rkprobes_host::insn_decode::decode;

#[test]
fn every_condition_in_every_flag_state() {
    with_bench(|bench| {
        let mut taken = 0;
        for cond in 0..16 {
            let short = [0x70 | cond, Bench::rel(2, 0)[0]];
            let near = [&[0x0f, 0x80 | cond], &Bench::rel(6, 3)[..]].concat();
            for flags in flag_states() {
                bench.state.flags = flags;
                let outcome = bench.compare(&short);
                assert_eq!(outcome, bench.compare(&near));
                taken += u32::from(outcome == Outcome::Branched);
            }
        }
        // Each condition and its negation are checked in each state.
        assert_eq!(taken, 16 * 64 / 2);
    });
}

#[test]
fn jumps_and_calls() {
    with_bench(|bench| {
        bench.compare(&[0xeb, Bench::rel(2, 0)[0]]);
        bench.compare(&[&[0xe9], &Bench::rel(5, 2)[..]].concat());
        bench.compare(&[&[0x2e, 0xe9], &Bench::rel(6, 2)[..]].concat());
        bench.compare(&[&[0xe8], &Bench::rel(5, 3)[..]].concat());
        bench.compare(&[&[0x2e, 0xe8], &Bench::rel(6, 3)[..]].concat());
        for reg in (0..16).filter(|reg| usize::from(*reg) != RSP) {
            bench.state.regs[usize::from(reg)] = bench.machine.addr(STUBS[usize::from(reg) & 3]);
            for operation in [0xd0, 0xe0] {
                bench.compare(&[0x40 | reg >> 3, 0xff, operation | reg & 7]);
                bench.compare(&[0x3e, 0x48 | reg >> 3, 0xff, operation | reg & 7]);
            }
        }
    });
}

#[test]
fn pushes_and_pops_of_flags() {
    with_bench(|bench| {
        for flags in flag_states() {
            bench.state.flags = flags;
            bench.compare(&[0x9c]);
        }
        // Without TF, which would trap, and without AC. A process cannot change IF and IOPL.
        for flags in flag_states() {
            for more in [
                0,
                0x400,
                0x4000,
                0x20_0000,
                1 << 16,
                1 << 1,
                1 << 3,
                1 << 15,
                1 << 40,
            ] {
                let word = flags | more;
                bench.state.flags = ALWAYS;
                bench.memory[STACK_TOP..STACK_TOP + 8].copy_from_slice(&word.to_le_bytes());
                bench.compare(&[0x9d]);
            }
        }
    });
}

/// Effects that a process may not have, or that the machine cannot catch.
#[test]
fn effects_that_cannot_run_here() {
    let regs = || Emulated {
        state: State {
            regs: std::array::from_fn(|number| 0x100 + number as u64 * 8),
            flags: ALWAYS,
            vectors: Vectors::new(|| 0),
        },
        ip: 0x1000,
        memory: vec![0; 0x1000],
        base: 0,
    };
    let apply = |code: &[u8], regs: &mut Emulated| {
        let insn = decode(code, 0x1000).unwrap();
        Emulation::of(&insn).unwrap().apply(regs, 0x1000, insn.len)
    };
    let mut cli = regs();
    assert_eq!(apply(&[0xfa], &mut cli), Outcome::FellThrough);
    assert_eq!((cli.flags(), cli.ip()), (0x002, 0x1001));
    let mut sti = regs();
    sti.set_flags(0x002);
    apply(&[0xfb], &mut sti);
    assert_eq!(sti.flags(), ALWAYS);
    // call *%rsp reads its target before the push.
    let mut call = regs();
    let stack = call.gpr(4);
    assert_eq!(apply(&[0xff, 0xd4], &mut call), Outcome::Branched);
    assert_eq!((call.ip(), call.gpr(4)), (stack, stack - 8));
}

#[test]
fn loops_with_every_count_and_width() {
    bench::loops_with_every_count_and_width();
}

#[test]
fn returns() {
    bench::returns();
}

#[test]
fn nothing_else_is_emulated() {
    bench::nothing_else_is_emulated();
}

/// Each defect of the emulation is found. D9 and D10 of native kprobes are among them.
#[cfg(feature = "mutants")]
#[test]
fn every_defect_is_found() {
    let found = mutated::found();
    assert_eq!(found.len(), 4);
    for (name, found) in found {
        assert!(found, "{name}");
    }
}
