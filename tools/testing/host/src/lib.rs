// SPDX-License-Identifier: GPL-2.0

//! The module's pure files, compiled for the host so that they can be tested there.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[path = "../../../../insn_decode.rs"]
pub mod insn_decode;

#[path = "../../../../slab.rs"]
pub mod slab;

#[path = "../../../../optimizer.rs"]
pub mod optimizer;

#[path = "../../../../emulate.rs"]
pub mod emulate;
#[path = "../../../../relocate.rs"]
pub mod relocate;
