// SPDX-License-Identifier: GPL-2.0

//! The int3 table, the probe list, the trap and the calls of handlers, in the model checker loom: every
//! order in which threads take turns within a bound, and every value that a load may return by the
//! memory model of C11.
//!
//! A thread is a CPU. The build script copies the module's files (`build.rs`); this crate has what they
//! use of the kernel. Freed memory stays allocated until the execution ends, and each use of it fails.

#![cfg(test)]

extern crate self as kernel;

pub(crate) mod atomic;
pub(crate) mod bindings;
pub(crate) mod cpu;
pub(crate) mod explore;
pub(crate) mod memory;
#[path = "../mutants.rs"]
mod mutants;
pub(crate) mod prelude;
pub(crate) mod sys;

pub(crate) use core::ffi;
pub(crate) use rkprobes_host::{optimizer, out_of_line};

include!(concat!(env!("OUT_DIR"), "/modules.rs"));

mod scenarios;
mod tests;
