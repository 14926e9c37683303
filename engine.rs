// SPDX-License-Identifier: GPL-2.0

//! The engine: users' probes on one side, the optimizer on the other, one lock around both.
//!
//! The engine never waits for a grace period while it holds this lock.
//!
//! - `state`: what the lock protects, and the one engine.
//! - `registration`: registering, unregistering, enabling and disabling probes.
//! - `abandoned`: probes that their owners gave up inside a handler.
//! - `limits`: disables probes that have more hits a second than their users allow.
//! - `modules`: text that is loaded or unloaded, and probes that a module leaves behind.
//! - `passes`: the delayed work, and waiting for it.
//! - `places`: which instructions of a function a group of probes has.
//! - `queries`, `examination`: what the files in debugfs show.
//! - `notifiers`: the kernel's notifier chains.

mod abandoned;
mod examination;
mod limits;
mod modules;
mod notifiers;
mod passes;
mod places;
mod queries;
mod registration;
mod state;

pub(crate) use crate::arch_x86::probe_list::ProbePtr;
pub(crate) use abandoned::abandon;
pub(crate) use examination::{
    Examination,
    FunctionSurvey,
    Verdict, //
};
pub(crate) use notifiers::Notifiers;
pub(crate) use places::FunctionPart;
pub(crate) use queries::{
    ListRow,
    ProbeReport,
    ProbeText, //
};
pub(crate) use registration::Request;
pub(crate) use state::{
    engine,
    retract,
    Engine, //
};
