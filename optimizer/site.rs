// SPDX-License-Identifier: GPL-2.0

//! Sites and probes: what is known of an address and of the handlers on it.

use super::backend::{Foreign, Poke, SiteLane};

/// The most bytes that a region can cover: 4 bytes and one instruction of 15.
pub const MAX_REGION: usize = 19;

/// The number of a pass of the optimizer; the first is 1, and 0 stands for none.
pub type Pass = u64;

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

    /// The probe of such a number.
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
    /// An int3 whose hits already go on in the detour; on `optimizing_list`. `waited`: the pass
    /// whose grace period began after that became true, if one has.
    Optimizing {
        /// The pass that took the site into its grace period.
        waited: Pass,
    },
    /// A jump to the detour.
    Optimized,
    /// A jump that is to go; on `unoptimizing_list`.
    Unoptimizing,
    /// The original bytes and no probes; on `freeing_list` until a grace period is over.
    Freeing {
        /// The pass that took the site into its grace period.
        waited: Pass,
    },
    /// The text is freed by its owner, or will be; it has the original bytes, or what others made of
    /// ours.
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

    /// Whether hits go on in the copy of the whole region. From the copy of the first instruction
    /// alone they come back into the region, where a jump would be fatal; from the copy of all they
    /// pass by other probes in it.
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

/// Where a jump goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JumpTo {
    /// To the detour, which calls the handlers.
    Detour,
    /// To the part of the slot that counts the hit and calls nobody.
    Count,
}

/// What a probe has called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Handlers {
    /// Nothing: it counts its hits.
    None,
    /// A handler before the instruction.
    Pre,
    /// One behind it, and maybe one before it.
    Post,
}

impl Handlers {
    /// What it adds to the handlers and to the post_handlers of its site.
    pub(super) fn counts(self) -> (u32, u32) {
        match self {
            Handlers::None => (0, 0),
            Handlers::Pre => (1, 0),
            Handlers::Post => (1, 1),
        }
    }
}

/// Why a site is not a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is one.
    Nothing,
    /// Its text was unloaded.
    Gone,
    /// No probe on it is enabled.
    Disabled,
    /// All probes are disarmed.
    AllDisarmed,
    /// Its region cannot be moved out of line; the backend knows more.
    NotOptimizable,
    /// A probe on it has a post_handler.
    PostHandler,
    /// Jump optimization is switched off.
    OptimizationOff,
    /// Another probe is inside its region.
    Blocked,
    /// The text is not as we left it.
    Foreign(Foreign),
    /// It waits for the optimizer.
    Waiting,
}

/// One address, with all that is known of it.
#[derive(Clone)]
pub struct Site<S> {
    /// The address of the first byte.
    pub addr: usize,
    /// What the backend keeps.
    pub payload: S,
    /// How it is reached.
    pub lane: SiteLane,
    /// Bytes of whole instructions that the jump covers; 0 if there can be no jump.
    pub(super) region: u8,
    /// The region is one instruction: no task can be inside, so no grace period is needed.
    pub(super) single: bool,
    pub(super) state: State,
    /// The index in the list that `state` names.
    pub(super) at: u32,
    /// In the sorted index: findable by address.
    pub(super) linked: bool,
    /// Marked for [`Optimizer::commit`].
    pub(super) dirty: bool,
    /// In the plan: decided, not yet done.
    pub(super) planned: Option<Poke>,
    pub(super) foreign: Option<Foreign>,
    /// Where the jump goes, while there is one.
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
    /// Where it is.
    pub site: SiteId,
    /// What the backend keeps.
    pub payload: P,
    pub(super) enabled: bool,
    pub(super) handlers: Handlers,
}

impl<P> SiteProbe<P> {
    /// Whether its user wants it to run.
    pub fn enabled(&self) -> bool {
        self.enabled
    }
}

impl<S> Site<S> {
    /// What is in the text.
    pub fn state(&self) -> State {
        self.state
    }

    /// Bytes of whole instructions that the jump covers; 0 if there can be no jump.
    pub fn region(&self) -> usize {
        usize::from(self.region)
    }

    /// What was found in the text instead of what should be there.
    pub fn foreign(&self) -> Option<Foreign> {
        self.foreign
    }

    /// Where the jump in the text goes; `None` if there is no jump.
    pub fn jump_to(&self) -> Option<JumpTo> {
        self.state.is_jump().then_some(self.to)
    }

    /// Whether the jump in the text passes over a probe's handler.
    pub fn passes_over(&self) -> bool {
        self.jump_to() == Some(JumpTo::Count) && self.handlers > 0
    }

    /// Where a jump should go.
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

    /// Whether it is gone with our bytes, which others kept there.
    pub(super) fn is_left(&self) -> bool {
        self.state == State::Gone && self.foreign.is_some()
    }

    /// Whether a jump here would cover `addr` behind its first byte.
    pub(super) fn covers(&self, addr: usize) -> bool {
        self.addr < addr && addr < self.addr.saturating_add(self.region())
    }
}

/// What should be in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Off,
    Int3,
    Jump,
}

/// What a site is made from.
pub struct NewSite<S> {
    /// The address of the first byte.
    pub addr: usize,
    /// How it is reached.
    pub lane: SiteLane,
    /// Bytes of whole instructions that a jump would cover, at most [`MAX_REGION`]; 0 for none.
    pub region: u8,
    /// The region is one instruction.
    pub single: bool,
    /// What the backend keeps.
    pub payload: S,
}
