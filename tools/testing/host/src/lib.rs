// SPDX-License-Identifier: GPL-2.0

//! The module's pure files, compiled for the host so that they can be tested there.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(feature = "slow")]
extern crate std;

pub mod heap;

#[cfg(feature = "slow")]
pub mod stock;

/// The root of the project, where the module has its pure families.
#[path = "../../../.."]
mod root {
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

/// The optimizer and the emulation with the defects of `mutants.rs` built in.
#[cfg(feature = "mutants")]
pub mod mutated {
    include!(concat!(env!("OUT_DIR"), "/mutated.rs"));
}
