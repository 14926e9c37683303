// SPDX-License-Identifier: GPL-2.0

//! The words for a probe's state, and for why it is not a jump.

use crate::eligibility::refusal::Refusal;
use crate::engine::{
    ListRow,
    ProbeReport, //
};
use crate::optimizer::{
    SiteLane,
    State,
    Why, //
};

/// One word for the state of a probe.
pub(super) fn state(probe: &ProbeReport) -> &'static str {
    match probe.state {
        State::Gone => "gone",
        // The jump is in the text, also for a probe that is disabled.
        State::Unoptimizing => "unoptimizing",
        State::Disarmed | State::Freeing { .. } => "disabled",
        State::Armed | State::Optimizing { .. } | State::Optimized if !probe.enabled => "disabled",
        State::Armed if probe.lane == SiteLane::Ftrace => "ftrace",
        State::Armed => "armed",
        State::Optimizing { .. } => "optimizing",
        State::Optimized => "optimized",
    }
}

/// What `state` says before the name of a module that is not loaded.
pub(super) const WAITING: &str = "waiting for module";
/// What `reason` says of a target whose module was not loaded yet.
pub(super) const NOT_LOADED: &str = "its module is not loaded";

/// The state of a site, and whether the name of its module follows. `named`: its target names the module,
/// so that the site is made again when the module is loaded again.
pub(super) fn state_of_site(probe: &ProbeReport, named: bool) -> (&'static str, bool) {
    match (probe.state, named) {
        (State::Gone, true) => (WAITING, true),
        _ => (state(probe), false),
    }
}

/// Why a probe is not a jump; "-" if it is one. Its site may be a jump for another probe.
pub(super) fn reason(probe: &ProbeReport) -> &'static str {
    if probe.limited {
        return "disabled: more hits a second than its limit";
    }
    match probe.why {
        Why::Gone => "its text was unloaded",
        Why::Foreign(foreign) => Refusal::from(foreign).text(),
        _ if !probe.enabled => "disabled",
        Why::Nothing => "-",
        Why::Disabled => "disabled",
        Why::AllDisarmed => "all probes are disarmed",
        Why::NotOptimizable if probe.lane == SiteLane::Ftrace => "the function tracer calls it",
        Why::NotOptimizable => probe.not_optimizable.map_or("-", |reason| reason.text()),
        Why::PostHandler => "a probe here has a post_handler",
        Why::OptimizationOff => "optimization is switched off",
        Why::Blocked => "another probe is in the region",
        Why::Waiting => "waits for the optimizer",
    }
}

/// The flags of a row of `list`, in the order of kprobes.
pub(super) fn list_flags(row: &ListRow) -> impl Iterator<Item = &'static str> {
    [
        (row.gone, "[GONE]"),
        (row.disabled, "[DISABLED]"),
        (row.optimized, "[OPTIMIZED]"),
        (row.ftrace, "[FTRACE]"),
    ]
    .into_iter()
    .filter_map(|(set, text)| set.then_some(text))
}
