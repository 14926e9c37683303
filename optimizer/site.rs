// SPDX-License-Identifier: GPL-2.0

//! Sites and probes: what is known of an address and of the handlers on it.

use super::words::{
    Foreign,
    Handlers,
    JumpTo,
    Pass,
    Poke,
    SiteLane, //
};

/// Names a site while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub(super) u32);

/// Names a probe while it is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub(super) u32);

impl ProbeId {
    /// The number that the shell keeps in the user's structure.
    pub const fn index(self) -> u32 {
        self.0
    }

    /// The probe with the number `index`.
    pub const fn from_index(index: u32) -> Self {
        Self(index)
    }
}

/// What is in the text at a site, and what is to happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The original bytes.
    Disarmed,
    /// An int3 (or an attached ftrace entry).
    Armed,
    /// An int3 whose hits already go through the detour; on `optimizing_list`.
    Optimizing {
        /// The pass whose grace period began after the hits went through the detour; 0 if no pass
        /// has begun one yet.
        waited: Pass,
    },
    /// A jump to the detour.
    Optimized,
    /// A jump that is to be removed; on `unoptimizing_list`.
    Unoptimizing,
    /// The original bytes and no probes; on `freeing_list` until a grace period is over.
    Freeing {
        /// The pass whose grace period began after the site was put on the list; 0 if no pass has
        /// begun one yet.
        waited: Pass,
    },
    /// The owner of the text has freed it, or will. The text has the original bytes, or bytes that
    /// foreign code made from ours.
    Gone,
}

impl State {
    /// Whether one of our bytes is in the text.
    pub fn in_text(self) -> bool {
        match self {
            State::Armed | State::Optimizing { .. } => true,
            State::Optimized | State::Unoptimizing => true,
            State::Disarmed | State::Freeing { .. } | State::Gone => false,
        }
    }

    /// Whether the jump is in the text.
    pub fn is_jump(self) -> bool {
        matches!(self, State::Optimized | State::Unoptimizing)
    }

    /// Whether hits continue in the copy of the whole region. The copy of the first instruction
    /// alone returns into the region, which is fatal once a jump is there. The copy of the whole
    /// region passes by the other probes in the region.
    pub(super) fn has_detour_hits(self) -> bool {
        matches!(self, State::Optimizing { .. }) || self.is_jump()
    }

    /// Whether one of the three lists has the site.
    pub(super) fn is_listed(self) -> bool {
        match self {
            State::Optimizing { .. } | State::Unoptimizing | State::Freeing { .. } => true,
            State::Disarmed | State::Armed | State::Optimized | State::Gone => false,
        }
    }
}

/// One address, with all that is known of it.
#[derive(Clone)]
pub struct Site<S> {
    /// The address of the first byte.
    pub addr: usize,
    /// The backend's data.
    pub payload: S,
    /// How the hits come about.
    pub lane: SiteLane,
    /// Bytes of whole instructions that the jump covers; 0 if the site cannot be a jump.
    pub(super) region: u8,
    /// The region is one instruction: no task can be inside it, so no grace period is needed.
    pub(super) single: bool,
    pub(super) state: State,
    /// The index in the list that `state` names.
    pub(super) at: u32,
    /// In the sorted index: findable by address.
    pub(super) linked: bool,
    /// Marked for `Optimizer::commit`.
    pub(super) dirty: bool,
    /// The poke in the plan: decided, not done yet.
    pub(super) planned: Option<Poke>,
    pub(super) foreign: Option<Foreign>,
    /// Where the jump goes, while one is in the text.
    pub(super) to: JumpTo,
    pub(super) probes: u32,
    pub(super) enabled: u32,
    /// Probes with any handler.
    pub(super) handlers: u32,
    pub(super) post_handlers: u32,
}

/// One user's handler on a site.
#[derive(Clone)]
pub struct SiteProbe<P> {
    /// The probe's site.
    pub site: SiteId,
    /// The backend's data.
    pub payload: P,
    pub(super) enabled: bool,
    pub(super) handlers: Handlers,
}

impl<P> SiteProbe<P> {
    /// Whether the user has enabled the probe.
    pub fn enabled(&self) -> bool {
        self.enabled
    }
}

impl<S> Site<S> {
    /// What is in the text.
    pub fn state(&self) -> State {
        self.state
    }

    /// Bytes of whole instructions that the jump covers; 0 if the site cannot be a jump.
    pub fn region(&self) -> usize {
        usize::from(self.region)
    }

    /// What was found in the text instead of the expected bytes.
    pub fn foreign(&self) -> Option<Foreign> {
        self.foreign
    }

    /// Where the jump in the text goes; `None` if the text has no jump.
    pub fn jump_to(&self) -> Option<JumpTo> {
        self.state.is_jump().then_some(self.to)
    }

    /// Whether the jump in the text bypasses the handler of a probe.
    pub(super) fn passes_over(&self) -> bool {
        self.jump_to() == Some(JumpTo::Count) && self.handlers > 0
    }

    /// Where a new jump has to go.
    pub(super) fn wanted_jump(&self) -> JumpTo {
        match self.handlers {
            0 => JumpTo::Count,
            _ => JumpTo::Detour,
        }
    }

    /// Whether the site is found by its address.
    pub fn linked(&self) -> bool {
        self.linked
    }

    /// Whether the text is gone with our bytes in it, because foreign code kept them there.
    pub(super) fn is_left(&self) -> bool {
        self.state == State::Gone && self.foreign.is_some()
    }

    /// Whether a jump at the site would cover `addr` with a byte after its first one.
    pub(super) fn covers(&self, addr: usize) -> bool {
        self.addr < addr && addr < self.addr.saturating_add(self.region())
    }
}

/// What a site is made from.
pub struct NewSite<S> {
    /// The address of the first byte.
    pub addr: usize,
    /// How the hits come about.
    pub lane: SiteLane,
    /// Bytes of whole instructions that a jump would cover, at most
    /// [`MAX_REGION`](super::words::MAX_REGION); 0 if the site cannot be a jump.
    pub region: u8,
    /// The region is one instruction.
    pub single: bool,
    /// The backend's data.
    pub payload: S,
}
