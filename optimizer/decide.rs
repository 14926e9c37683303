// SPDX-License-Identifier: GPL-2.0

//! The decision for a site: what its text should be, the next step to that, and the reason when it
//! is not a jump. All of them use one list of conditions: [`Optimizer::keeps_out`] and
//! [`Optimizer::keeps_int3`].

use super::backend::Backend;
use super::lists::Optimizer;
use super::site::{
    ProbeId,
    Site,
    SiteId,
    State, //
};
use super::words::{
    Foreign,
    Handlers,
    JumpTo,
    Poke, //
};

/// Why a site is not a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The site is a jump.
    Nothing,
    /// Its text was unloaded.
    Gone,
    /// No probe on it is enabled.
    Disabled,
    /// All probes are disarmed.
    AllDisarmed,
    /// Its region cannot be moved out of line; the backend knows the reason.
    NotOptimizable,
    /// A probe on it has a post_handler.
    PostHandler,
    /// Jump optimization is switched off.
    OptimizationOff,
    /// Another probe is inside its region.
    Blocked,
    /// The text has changed since our last poke.
    Foreign(Foreign),
    /// It waits for the optimizer.
    Waiting,
}

/// What should be in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Off,
    Int3,
    Jump,
}

/// What is wanted of a site, as far as its next step depends on it.
pub(super) struct Wish {
    pub(super) want: Want,
    /// A jump must be removed at once (rules 3, 7, 8, 13 and 14).
    forced: bool,
    /// The site has no probe.
    pub(super) unused: bool,
}

/// The next step of a site.
pub(super) enum Step {
    /// None: the text is as it should be.
    Rest,
    /// None now: the site is on a list, and a pass does the step.
    Wait,
    /// The text is changed.
    Poke(Poke),
    /// Only the state is changed.
    Enter(State),
}

impl State {
    /// The next step of a site in this state.
    pub(super) fn step(self, wish: &Wish) -> Step {
        match (self, wish.want) {
            (State::Disarmed, Want::Off) | (State::Gone, _) => match wish.unused {
                true => Step::Enter(State::Freeing { waited: 0 }),
                false => Step::Rest,
            },
            (State::Disarmed, Want::Int3 | Want::Jump) => Step::Poke(Poke::Arm),
            // Rule 10.
            (State::Armed, Want::Off) => Step::Poke(Poke::Disarm),
            // Rules 3, 7, 8, 13 and 14: at once.
            (State::Optimized | State::Unoptimizing, _) if wish.forced => {
                Step::Poke(Poke::Unoptimize)
            }
            (State::Armed, Want::Int3) | (State::Optimized, Want::Jump) => Step::Rest,
            (State::Armed, Want::Jump) => Step::Enter(State::Optimizing { waited: 0 }),
            (State::Optimizing { .. }, Want::Jump) => Step::Wait,
            // Rule 1: dequeued.
            (State::Optimizing { .. }, Want::Off | Want::Int3) => Step::Enter(State::Armed),
            // Rule 1: queued.
            (State::Optimized, Want::Off | Want::Int3) => Step::Enter(State::Unoptimizing),
            (State::Unoptimizing, Want::Off | Want::Int3) => Step::Wait,
            // Rule 2: the jump stays.
            (State::Unoptimizing, Want::Jump) => Step::Enter(State::Optimized),
            (State::Freeing { .. }, _) if wish.unused => Step::Wait,
            // Rule 9: the site is revived, whether its new probe is enabled or not.
            (State::Freeing { .. }, _) => Step::Enter(State::Disarmed),
        }
    }
}

impl<B: Backend> Optimizer<B> {
    /// Why the site is not a jump.
    pub fn why(&self, id: SiteId) -> Why {
        let Some(site) = self.site(id) else {
            return Why::Gone;
        };
        match (self.keeps_out(site), site.foreign) {
            (Some(Why::Gone), _) => Why::Gone,
            (_, Some(foreign)) => Why::Foreign(foreign),
            (Some(why), None) => why,
            (None, None) if site.state == State::Optimized => Why::Nothing,
            (None, None) => {
                let why = self.keeps_int3(site, self.blocked(site));
                why.unwrap_or(Why::Waiting)
            }
        }
    }

    /// Why hits of the site do not reach the enabled probe `id`: the text could not be changed. `None`
    /// if they reach it, and for a disabled probe. The answer holds after a commit.
    pub fn unserved(&self, id: ProbeId) -> Option<Foreign> {
        let probe = self.probe(id)?;
        let site = self.site(probe.site)?;
        let served = match (site.jump_to(), probe.handlers) {
            (None, _) => site.state.in_text(),
            // Rule 8: a jump calls no post_handler.
            (Some(JumpTo::Detour), handlers) => handlers != Handlers::Post,
            // Rule 14: a jump that counts calls no handler.
            (Some(JumpTo::Count), handlers) => handlers == Handlers::None,
        };
        site.foreign.filter(|_| probe.enabled && !served)
    }

    /// What is wanted of `site`.
    pub(super) fn wish(&self, site: &Site<B::Site>) -> Wish {
        let blocked = self.blocked(site);
        let must_call = site.post_handlers > 0 || site.passes_over();
        let want = match (self.keeps_out(site), self.keeps_int3(site, blocked)) {
            (Some(_), _) => Want::Off,
            (None, Some(_)) => Want::Int3,
            (None, None) => Want::Jump,
        };
        Wish {
            want,
            forced: blocked || self.is_going(site) || (must_call && want != Want::Off),
            unused: site.probes == 0,
        }
    }

    /// Whether our bytes should be in the text of `site`.
    pub(super) fn wants_arming(&self, site: &Site<B::Site>) -> bool {
        self.keeps_out(site).is_none()
    }

    /// The first condition that keeps our bytes out of the text of `site`.
    fn keeps_out(&self, site: &Site<B::Site>) -> Option<Why> {
        if site.state == State::Gone || self.is_going(site) {
            Some(Why::Gone)
        } else if site.enabled == 0 {
            Some(Why::Disabled)
        } else if !self.all_armed {
            Some(Why::AllDisarmed)
        } else {
            None
        }
    }

    /// The first condition that keeps an armed `site` at its int3. `blocked` as [`Self::blocked`]
    /// returns it.
    fn keeps_int3(&self, site: &Site<B::Site>, blocked: bool) -> Option<Why> {
        if site.region == 0 {
            Some(Why::NotOptimizable)
        } else if site.post_handlers > 0 {
            Some(Why::PostHandler)
        } else if !self.optimization {
            Some(Why::OptimizationOff)
        } else if blocked {
            Some(Why::Blocked)
        } else {
            None
        }
    }

    /// Whether another probe is, or is to be, in the text inside the region of `site`.
    fn blocked(&self, site: &Site<B::Site>) -> bool {
        let inside = site.addr.saturating_add(1);
        let end = site.addr.saturating_add(site.region());
        self.range(inside, end).iter().any(|id| {
            self.site(*id)
                .is_some_and(|other| other.state.in_text() || self.wants_arming(other))
        })
    }

    /// Whether the text of `site` is about to be unloaded.
    fn is_going(&self, site: &Site<B::Site>) -> bool {
        self.going.contains(&site.addr)
    }
}
