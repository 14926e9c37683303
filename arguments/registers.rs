// SPDX-License-Identifier: GPL-2.0

//! The registers of a hit.

/// How many registers a hit has.
pub const REGISTERS: usize = 21;

/// The registers of a hit. The number of a register is the index of its word in `struct pt_regs`.
pub trait HitRegisters {
    /// The register `number`, which is less than [`REGISTERS`].
    fn register(&self, number: usize) -> u64;
}

impl HitRegisters for [u64; REGISTERS] {
    fn register(&self, number: usize) -> u64 {
        self.get(number).copied().unwrap_or(0)
    }
}

/// The names of the registers, by number.
const NAMES: [&str; REGISTERS] = [
    "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di",
    "orig_ax", "ip", "cs", "flags", "sp", "ss",
];

/// The numbers of the registers that have a function's first arguments.
const ARGUMENTS: [u8; 6] = [14, 13, 12, 11, 9, 8];

/// The number of the stack pointer.
pub(super) const STACK_POINTER: usize = 19;

/// The number of the register with a name.
pub(super) fn by_name(name: &[u8]) -> Option<u8> {
    let number = NAMES.iter().position(|it| it.as_bytes() == name)?;
    u8::try_from(number).ok()
}

/// The number of the register that has a function's argument; the first argument is 0.
pub(super) fn of_argument(index: usize) -> Option<u8> {
    ARGUMENTS.get(index).copied()
}
