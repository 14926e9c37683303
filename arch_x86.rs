// SPDX-License-Identifier: GPL-2.0

//! x86-64: hits, from the int3, the jump or the ftrace call to the effect of the probed instruction.
//!
//! What handlers.rs says of the code that may run there holds for the whole family.

mod ftrace_entry;
pub(crate) mod handlers;
pub(crate) mod int3;
pub(crate) mod int3_table;
mod layout;
pub(crate) mod probe_list;
mod saved_regs;
pub(crate) mod trap;
