// SPDX-License-Identifier: GPL-2.0

//! The words for what a probe is in, and why.

use crate::arch_x86::probe_list::ProbePtr;
use crate::eligibility::refusal::Refusal;
use crate::engine::Core;
use crate::optimizer::{Site, SiteLane, SiteProbe, State, Why};
use crate::shell::site::SiteMemory;
use crate::sys::ffi;
use kernel::prelude::*;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::from_errno(refusal.errno().wrapping_neg())
    }
}

/// One word for `state`.
pub(crate) fn state(core: &Core, probe: &SiteProbe<ProbePtr>) -> &'static str {
    let Some(site) = core.optimizer.site(probe.site) else {
        return "gone";
    };
    match site.state() {
        State::Gone => "gone",
        // The jump is there, whoever has wanted it.
        State::Unoptimizing => "unoptimizing",
        State::Disarmed | State::Freeing { .. } => "disabled",
        State::Armed | State::Optimizing { .. } | State::Optimized if !probe.enabled() => {
            "disabled"
        }
        State::Armed if site.lane == SiteLane::Ftrace => "ftrace",
        State::Armed => "armed",
        State::Optimizing { .. } => "optimizing",
        State::Optimized => "optimized",
    }
}

/// Why a probe is not a jump; "-" if it is one.
pub(crate) fn reason(core: &Core, probe: &SiteProbe<ProbePtr>) -> &'static str {
    let optimizer = &core.optimizer;
    if probe
        .payload
        .has_flag(core.held(), ffi::RKPROBE_FLAG_LIMITED)
    {
        return "disabled: more hits a second than its limit";
    }
    match optimizer.why(probe.site) {
        Why::Nothing => "-",
        Why::Gone => "its text was unloaded",
        Why::Disabled => "disabled",
        Why::AllDisarmed => "all probes are disarmed",
        Why::NotOptimizable => optimizer
            .site(probe.site)
            .map_or("-", |site| not_optimizable(site)),
        Why::PostHandler => "a probe here has a post_handler",
        Why::OptimizationOff => "optimization is switched off",
        Why::Blocked => "another probe is in the region",
        Why::Foreign(foreign) => Refusal::from(foreign).text(),
        Why::Waiting => "waits for the optimizer",
    }
}

fn not_optimizable(site: &Site<SiteMemory>) -> &'static str {
    match (site.lane, site.payload.reason) {
        (SiteLane::Ftrace, _) => "the function tracer calls it",
        (SiteLane::Text, Some(reason)) => reason.text(),
        (SiteLane::Text, None) => "-",
    }
}

/// The flags of `list`.
#[derive(Clone, Copy)]
pub(crate) struct Flags {
    pub(crate) gone: bool,
    disabled: bool,
    optimized: bool,
    ftrace: bool,
}

impl Flags {
    /// Those of a probe on `site`.
    pub(crate) fn of(site: &Site<SiteMemory>, probe: &SiteProbe<ProbePtr>) -> Self {
        Self {
            gone: site.state() == State::Gone,
            disabled: !probe.enabled(),
            optimized: site.state().is_jump(),
            ftrace: site.lane == SiteLane::Ftrace && site.state() != State::Gone,
        }
    }

    /// Each flag with its text, in the order of kprobes.
    pub(crate) fn texts(self) -> impl Iterator<Item = &'static str> {
        [
            (self.gone, "[GONE]"),
            (self.disabled, "[DISABLED]"),
            (self.optimized, "[OPTIMIZED]"),
            (self.ftrace, "[FTRACE]"),
        ]
        .into_iter()
        .filter_map(|(set, text)| set.then_some(text))
    }
}
