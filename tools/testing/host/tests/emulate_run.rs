// SPDX-License-Identifier: GPL-2.0

//! Emulated instructions against the processor: same registers, flags, stack and target.

#[path = "common/machine.rs"]
mod machine;
#[path = "common/random.rs"]
mod random;

use machine::{catch_faults, in_child, End, Machine, State, Vectors};
use machine::{MEMORY, STACK_TOP, START, STUBS};
use random::Random;
use rkprobes_host::emulate::{Emulation, Outcome, Regs};
use rkprobes_host::insn_decode::decode;

const RCX: usize = 1;
const RSP: usize = 4;
const ARITHMETIC: [u64; 6] = [1 << 0, 1 << 2, 1 << 4, 1 << 6, 1 << 7, 1 << 11];
/// What a process sees of the flags: IF and bit 1 are always set.
const ALWAYS: u64 = 0x202;

/// The 64 states of the arithmetic flags.
fn flag_states() -> impl Iterator<Item = u64> {
    (0..64).map(|set| {
        let flags = ARITHMETIC.iter().enumerate();
        flags
            .filter(|(bit, _)| set >> bit & 1 != 0)
            .map(|(_, flag)| flag)
            .sum::<u64>()
            | ALWAYS
    })
}

/// Registers and stack that an emulation works on.
struct Emulated {
    state: State,
    ip: u64,
    memory: Vec<u8>,
    base: u64,
}

impl Emulated {
    fn word(&mut self) -> &mut [u8] {
        let at = (self.state.regs[RSP] - self.base) as usize;
        &mut self.memory[at..at + 8]
    }
}

impl Regs for Emulated {
    fn ip(&self) -> u64 {
        self.ip
    }
    fn set_ip(&mut self, ip: u64) {
        self.ip = ip;
    }
    fn flags(&self) -> u64 {
        self.state.flags
    }
    fn set_flags(&mut self, flags: u64) {
        self.state.flags = flags;
    }
    fn gpr(&self, number: u8) -> u64 {
        self.state.regs[usize::from(number)]
    }
    fn set_gpr(&mut self, number: u8, value: u64) {
        self.state.regs[usize::from(number)] = value;
    }
    fn push(&mut self, value: u64) {
        self.state.regs[RSP] -= 8;
        self.word().copy_from_slice(&value.to_le_bytes());
    }
    fn pop(&mut self) -> u64 {
        let value = u64::from_le_bytes(self.word().try_into().unwrap());
        self.state.regs[RSP] += 8;
        value
    }
}

/// The machine, and what each run begins with.
struct Bench {
    machine: Machine,
    memory: Vec<u8>,
    state: State,
}

impl Bench {
    fn new() -> Self {
        catch_faults();
        let machine = Machine::new(true);
        let mut random = Random::new(6);
        let mut memory: Vec<u8> = (0..MEMORY).map(|_| random.next() as u8).collect();
        memory[STACK_TOP..STACK_TOP + 8].copy_from_slice(&machine.addr(STUBS[2]).to_le_bytes());
        let mut state = State {
            regs: std::array::from_fn(|_| random.next()),
            flags: ALWAYS,
            vectors: Vectors::new(|| 0),
        };
        state.regs[RSP] = machine.addr(STACK_TOP);
        Bench {
            machine,
            memory,
            state,
        }
    }

    /// Runs and emulates `code`, one instruction, from the present state.
    fn compare(&mut self, code: &[u8]) -> Outcome {
        let addr = self.machine.addr(START);
        let insn = decode(code, addr).unwrap();
        assert_eq!(usize::from(insn.len), code.len());
        let emulation = Emulation::of(&insn).unwrap_or_else(|| panic!("{code:02x?}"));
        let mut emulated = Emulated {
            state: self.state,
            ip: addr,
            memory: self.memory.clone(),
            base: self.machine.addr(0),
        };
        let outcome = emulation.apply(&mut emulated, addr, insn.len);

        self.machine.load(code, code.len());
        self.machine.memory().copy_from_slice(&self.memory);
        let mut state = self.state;
        let ip = match self.machine.run(&mut state) {
            End::Stub(0) => insn.end(),
            End::Stub(number) => self.machine.addr(STUBS[number - 1]),
            end => panic!("{code:02x?} ends with {end:?}"),
        };
        assert_eq!(emulated.ip, ip, "{code:02x?} from {:x?}", self.state);
        assert_eq!(emulated.state, state, "{code:02x?} from {:x?}", self.state);
        assert!(
            emulated.memory == self.machine.memory(),
            "{code:02x?}: the stack"
        );
        assert_eq!(
            outcome == Outcome::FellThrough,
            ip == insn.end(),
            "{code:02x?}"
        );
        outcome
    }

    /// The bytes of the displacement of an instruction of `len` bytes to a stub.
    fn rel(len: usize, stub: usize) -> [u8; 4] {
        (STUBS[stub] as i32 - (START + len) as i32).to_le_bytes()
    }
}

/// Runs a test's body in a child process, since it runs code natively.
fn with_bench(body: impl FnOnce(&mut Bench)) {
    assert_eq!(
        in_child(|| body(&mut Bench::new())),
        0,
        "see the output of the child"
    );
}

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
        // Each condition and its negation share the states.
        assert_eq!(taken, 16 * 64 / 2);
    });
}

#[test]
fn loops_with_every_count_and_width() {
    with_bench(|bench| {
        for opcode in 0xe0..=0xe3 {
            for flags in [ALWAYS, ALWAYS | 1 << 6] {
                for count in [
                    0,
                    1,
                    2,
                    3,
                    u64::MAX,
                    1 << 32,
                    1 << 32 | 1,
                    1 << 32 | 2,
                    0x8000_0000,
                ] {
                    bench.state.flags = flags;
                    bench.state.regs[RCX] = count;
                    bench.compare(&[opcode, Bench::rel(2, 0)[0]]);
                    bench.compare(&[0x67, opcode, Bench::rel(3, 1)[0]]);
                }
            }
        }
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
fn returns() {
    with_bench(|bench| {
        bench.compare(&[0xc3]);
        bench.compare(&[0xf3, 0xc3]);
        for [low, high] in [0_u16, 8, 0x10, 0x17, 0x7fff, 0x8000, 0xffff].map(u16::to_le_bytes) {
            bench.compare(&[0xc2, low, high]);
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
        // Without TF, which would trap, and AC; a process cannot change IF and IOPL.
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

/// What a process may not run, or what the machine cannot catch.
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
    // call *%rsp takes its target before the push.
    let mut call = regs();
    let stack = call.gpr(4);
    assert_eq!(apply(&[0xff, 0xd4], &mut call), Outcome::Branched);
    assert_eq!((call.ip(), call.gpr(4)), (stack, stack - 8));
}

#[test]
fn nothing_else_is_emulated() {
    let cases: &[&[u8]] = &[
        &[0x90],
        &[0x50],
        &[0xcb],                   // far return
        &[0xca, 0x08, 0x00],       // far return
        &[0xff, 0x28],             // far jump
        &[0xff, 0x10],             // call through memory
        &[0xff, 0x25, 0, 0, 0, 0], // jump through memory
        &[0x48, 0xcf],
        &[0xcc],
        &[0x66, 0xe9, 0, 0, 0, 0],
        &[0x66, 0xc3],
        &[0x66, 0x9c],
        &[0x0f, 0x9c, 0xc0],       // setl has PUSHF's opcode in another map
        &[0x0f, 0xfa, 0xc0],       // psubd has CLI's
        &[0xd5, 0x10, 0xff, 0xd0], // call *%r16
    ];
    for code in cases {
        let insn = decode(code, 0).unwrap();
        assert_eq!(Emulation::of(&insn), None, "{code:02x?}");
    }
}
