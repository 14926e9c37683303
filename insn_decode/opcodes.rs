// SPDX-License-Identifier: GPL-2.0

//! Opcodes and lengths that several families need.

/// The breakpoint instruction `int3`.
pub const INT3: u8 = 0xcc;

/// The opcode of `jmp rel32`.
pub const JMP_REL32: u8 = 0xe9;

/// The opcode of `call rel32`.
pub const CALL_REL32: u8 = 0xe8;

/// Bytes of `jmp rel32`: the least that the jump of a site replaces.
pub const JUMP_LEN: usize = 5;

/// A byte with which no instruction begins in 64-bit mode.
pub const NO_INSN: u8 = 0x06;

/// The longest instruction that the processor accepts, in bytes.
pub const MAX_INSN_LEN: usize = 15;

/// Bytes of `ENDBR64`.
pub const ENDBR_LEN: usize = 4;
