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

#[path = "../../../../insn_decode.rs"]
pub mod insn_decode;

#[path = "../../../../slab.rs"]
pub mod slab;

#[path = "../../../../optimizer.rs"]
pub mod optimizer;

#[path = "../../../../detour.rs"]
pub mod detour;
#[path = "../../../../emulate.rs"]
pub mod emulate;
#[path = "../../../../relocate.rs"]
pub mod relocate;

#[path = "../../../../command.rs"]
pub mod command;
#[path = "../../../../eligibility.rs"]
pub mod eligibility;
#[path = "../../../../find_bytes.rs"]
pub mod find_bytes;
#[path = "../../../../hidden.rs"]
pub mod hidden;
#[path = "../../../../limit.rs"]
pub mod limit;
#[path = "../../../../refusal.rs"]
pub mod refusal;
#[path = "../../../../reserved.rs"]
pub mod reserved;

#[path = "../../../../sort.rs"]
pub mod sort;

#[cfg(feature = "mutants")]
pub mod mutants;

/// The optimizer and the emulation with the defects of `mutants.rs` built in.
#[cfg(feature = "mutants")]
pub mod mutated {
    include!(concat!(env!("OUT_DIR"), "/mutated.rs"));
}
