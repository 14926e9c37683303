// SPDX-License-Identifier: GPL-2.0

//! The interfaces for other modules.
//!
//! - `c`: the functions of `include/rkprobes.h`.
//! - `probe`, `hit`: the Rust interface.
//!
//! Kbuild computes the version of the Rust interface from all files of this folder, and from the files
//! that their `pub use` lines name.

mod c;
mod hit;
mod probe;

pub use hit::{
    Hit,
    Lane,
    Registers, //
};
pub use probe::{
    flush,
    Handler,
    Probe,
    Registration,
    Registrations,
    Target, //
};
