// SPDX-License-Identifier: GPL-2.0

//! Events of the kernel's tracing: a record for each hit, for tracefs, perf and BPF.
//!
//! - `sites`: the probes of a line, one for each of its sites; what switches them.
//! - `event`: an event with its probes, and its life.
//! - `arguments`: the arguments of an event, for the kernel's text and memory.
//! - `event.c`: the event as the kernel's tracing knows it, and the records of a hit.
//! - `hit.c`: the tracepoint for programs of BPF that all events share.

mod arguments;
mod event;
mod sites;

pub(crate) use arguments::{
    arguments,
    EventArguments,
    EventPlace, //
};
pub(crate) use event::{
    start,
    stop,
    Event,
    EventRemoval, //
};
pub(crate) use sites::{
    missed,
    RefusedSite,
    SitePart,
    SiteSet,
    Sites,
    Slot, //
};
