// SPDX-License-Identifier: GPL-2.0

//! x86-64 instruction decoder: lengths, places of operands, control flow.

/// The longest instruction that the processor accepts, in bytes.
pub const MAX_INSN_LEN: usize = 15;
