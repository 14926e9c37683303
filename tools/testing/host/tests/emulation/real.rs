// SPDX-License-Identifier: GPL-2.0

//! The cases over the module's own emulation.

pub use rkprobes_host::out_of_line::emulate;

#[path = "bench.rs"]
pub mod bench;
