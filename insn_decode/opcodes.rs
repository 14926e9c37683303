// SPDX-License-Identifier: GPL-2.0

//! Opcodes and lengths that several families need.

/// The breakpoint instruction `int3`.
pub const INT3: u8 = 0xcc;

/// The opcode of `jmp rel32`.
pub const JMP_REL32: u8 = 0xe9;

/// The opcode of `call rel32`.
pub const CALL_REL32: u8 = 0xe8;

/// Bytes of `jmp rel32`: what a jump of a site replaces at the least.
pub const JUMP_LEN: usize = 5;

/// Bytes of `ENDBR64`.
pub const ENDBR_LEN: usize = 4;
