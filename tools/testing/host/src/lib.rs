// SPDX-License-Identifier: GPL-2.0

//! The pure files of the module, compiled for the host so that tests can use them.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(feature = "slow")]
extern crate std;

pub mod heap;

#[cfg(feature = "slow")]
pub mod stock;

/// The root of the project, which has the pure families of the module.
#[path = "../../../.."]
mod root {
    pub mod arguments;
    pub mod command;
    pub mod containers;
    pub mod eligibility;
    pub mod insn_decode;
    pub mod optimizer;
    pub mod out_of_line;
}
pub use root::*;

#[cfg(feature = "mutants")]
pub mod mutants;

/// The optimizer, the emulation and the arguments with the defects of `mutants.rs`.
#[cfg(feature = "mutants")]
pub mod mutated {
    include!(concat!(env!("OUT_DIR"), "/mutated.rs"));
}
