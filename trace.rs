// SPDX-License-Identifier: GPL-2.0

//! Events of the kernel's tracing: a record for each hit, for tracefs, perf and BPF.
//!
//! - `sites`: the probes of an event, one for each of its sites.
//! - `event`: an event with its probes: its life, and the consumers that arm the probes.
//! - `arguments`: the arguments of an event, for the kernel's text and memory.
//! - `event.c`: the event as the kernel's tracing knows it, and the records of a hit.
//! - `hit.c`: the tracepoint for programs of BPF that all events share.

mod arguments;
mod event;
mod sites;

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
pub(crate) use sites::{
    missed,
    Sites, //
};
