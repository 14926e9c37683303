// SPDX-License-Identifier: GPL-2.0

//! From an address to what a site there needs: the live text, asked by the pure rules.
//!
//! Text is read only while the text locks are held, so that a poke that another task has not finished
//! is not taken for an instruction. In the copy that is decoded the bytes that probes have replaced
//! are put back.
//!
//! - `index`: the index of reserved text, of the kernel and of modules.
//! - `sections`: text in sections of its own.
//! - `int3_path`: what runs between an int3 and the module's handler.
//! - `no_int3`: what a CPU runs where it cannot take an int3.
//! - `walk`: a walk along direct branches, for both.
//! - `pieces`: other text that jumps into a function.
//! - `original`: decodes the function at an address.
//! - `facts`: what an address allows.
//! - `place`: makes a site's memory.

mod facts;
mod index;
mod int3_path;
mod no_int3;
mod original;
mod pieces;
mod place;
mod sections;
mod walk;

pub(crate) use facts::Facts;
pub(crate) use original::{
    Examiner,
    Session, //
};
pub(crate) use place::SitePlan;
