// SPDX-License-Identifier: GPL-2.0

//! x86-64 instruction decoder: from bytes to an [`Insn`].
//!
//! The decoder reads instructions of 64-bit mode from a slice, and never reads past its end. It
//! refuses every opcode that its tables do not have. It does not check whether the operands are
//! valid together (a LOCK that the instruction does not take, a reserved `VEX.vvvv`), because the
//! processor raises the same fault for a copy of the instruction as for the original.

mod classify;
mod decode;
mod flow;
mod insn;
pub mod opcodes;
mod tables;

pub use decode::{
    decode,
    decode_into,
    DecodeError, //
};
pub use flow::{
    Cond,
    FlagsEffect,
    Flow,
    LoopKind, //
};
pub use insn::{
    Encoding,
    Field,
    Insn,
    OpcodeMap,
    Prefixes, //
};
pub use opcodes::MAX_INSN_LEN;
