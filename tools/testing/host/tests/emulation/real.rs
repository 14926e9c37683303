// SPDX-License-Identifier: GPL-2.0

//! The cases for the emulation of the module.

pub use rkprobes_host::out_of_line::emulate;

#[path = "bench.rs"]
pub mod bench;
