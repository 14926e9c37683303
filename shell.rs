// SPDX-License-Identifier: GPL-2.0

//! What the optimizer decides, done in the kernel: pokes, locks, waits and memory.
//!
//! [`Shell`] is the optimizer's backend. It pokes text through two lanes: the text lane writes int3s and
//! jumps, the ftrace lane has ftrace call the handlers of function entries.

mod backend;
mod ftrace_lane;
pub(crate) mod memory;
pub(crate) mod module_text;
pub(crate) mod native;
mod section;
pub(crate) mod site;
pub(crate) mod slots;
pub(crate) mod text;
mod text_lane;
pub(crate) mod window;
pub(crate) mod work;

pub(crate) use backend::{
    RcuTasks,
    Shell, //
};
