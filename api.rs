// SPDX-License-Identifier: GPL-2.0

//! The interfaces for other modules.
//!
//! - `c`: the functions of `include/rkprobes.h`.
//! - `probe`, `hit`, `registration`, `error`: the Rust interface.
//!
//! Kbuild computes the version of the Rust interface from all files of this folder, and from the files
//! that their `pub use` lines name.

mod c;
mod error;
mod hit;
mod probe;
mod registration;

pub use error::RegisterError;
pub use hit::{
    Hit,
    Lane,
    Registers, //
};
pub use probe::{
    flush,
    Handler,
    Probe,
    Target, //
};
pub use registration::{
    Registration,
    Registrations, //
};
