// SPDX-License-Identifier: GPL-2.0

//! Events of the kernel's tracing: a record for each hit, for tracefs, perf and BPF.
//!
//! - `event`: an event with its probe: its life, and the consumers that arm the probe.
//! - `arguments`: the arguments of an event, for the kernel's text and memory.
//! - `event.c`: the event as the kernel's tracing knows it, and the records of a hit.

mod arguments;
mod event;

pub(crate) use arguments::{
    arguments,
    EventArguments, //
};
pub(crate) use event::{
    start,
    stop,
    Event,
    EventRemoval, //
};
