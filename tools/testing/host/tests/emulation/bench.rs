// SPDX-License-Identifier: GPL-2.0

//! Runs instructions in the emulation and on the processor, and has the cases in which native
//! kprobes are wrong.

use super::emulate::{Emulation, Outcome, Regs};
use crate::machine::{catch_faults, in_child, End, Machine, State, Vectors};
use crate::machine::{MEMORY, STACK_TOP, START, STUBS};
use crate::random::Random;
use rkprobes_host::insn_decode::decode;

pub const RCX: usize = 1;
pub const RSP: usize = 4;
const ARITHMETIC: [u64; 6] = [1 << 0, 1 << 2, 1 << 4, 1 << 6, 1 << 7, 1 << 11];
/// Flags that are always set in a process: IF and bit 1.
pub const ALWAYS: u64 = 0x202;

/// The 64 states of the arithmetic flags.
pub fn flag_states() -> impl Iterator<Item = u64> {
    (0..64).map(|set| {
        let flags = ARITHMETIC.iter().enumerate();
        flags
            .filter(|(bit, _)| set >> bit & 1 != 0)
            .map(|(_, flag)| flag)
            .sum::<u64>()
            | ALWAYS
    })
}

/// The registers and the stack of an emulation.
pub struct Emulated {
    pub state: State,
    pub ip: u64,
    pub memory: Vec<u8>,
    pub base: u64,
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

/// The machine, and the state before each run.
pub struct Bench {
    pub machine: Machine,
    pub memory: Vec<u8>,
    pub state: State,
}

impl Bench {
    pub fn new() -> Self {
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

    /// Runs and emulates the one instruction of `code` from the current state.
    pub fn compare(&mut self, code: &[u8]) -> Outcome {
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
    pub fn rel(len: usize, stub: usize) -> [u8; 4] {
        (STUBS[stub] as i32 - (START + len) as i32).to_le_bytes()
    }
}

/// Runs the body of a test in a child process, because it runs code natively.
pub fn with_bench(body: impl FnOnce(&mut Bench)) {
    assert_eq!(
        in_child(|| body(&mut Bench::new())),
        0,
        "see the output of the child"
    );
}

/// LOOP, LOOPE, LOOPNE and JRCXZ.
pub fn loops_with_every_count_and_width() {
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

/// RET, with and without an operand.
pub fn returns() {
    with_bench(|bench| {
        bench.compare(&[0xc3]);
        bench.compare(&[0xf3, 0xc3]);
        for [low, high] in [0_u16, 8, 0x10, 0x17, 0x7fff, 0x8000, 0xffff].map(u16::to_le_bytes) {
            bench.compare(&[0xc2, low, high]);
        }
    });
}

/// Instructions that are not emulated, and so run natively.
pub fn nothing_else_is_emulated() {
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
        &[0x0f, 0x9c, 0xc0],       // setl: the opcode of PUSHF in another map
        &[0x0f, 0xfa, 0xc0],       // psubd: the opcode of CLI in another map
        &[0xd5, 0x10, 0xff, 0xd0], // call *%r16
    ];
    for code in cases {
        let insn = decode(code, 0).unwrap();
        assert_eq!(Emulation::of(&insn), None, "{code:02x?}");
    }
}
