// SPDX-License-Identifier: GPL-2.0

//! The model for the optimizer of the module.

pub use rkprobes_host::optimizer;

#[path = "../model/mod.rs"]
pub mod model;
