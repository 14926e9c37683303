// SPDX-License-Identifier: GPL-2.0

//! The model over the module's own files.

pub use rkprobes_host::optimizer;

#[path = "../model/mod.rs"]
pub mod model;
