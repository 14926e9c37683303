// SPDX-License-Identifier: GPL-2.0

//! What the optimizer needs done: the kernel shell does it to the kernel, the tests to a model.

use super::site::JumpTo;
use crate::containers::slab::Arrays;

/// How a site is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SiteLane {
    /// By an int3 or a jump, poked into the text.
    Text,
    /// By the function's ftrace entry.
    Ftrace,
}

/// A change of the text at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Poke {
    /// Original byte to int3, or ftrace on.
    Arm,
    /// Int3 to the original byte, or ftrace off.
    Disarm,
    /// Int3 to jump.
    Optimize,
    /// Jump to int3 and the original tail.
    Unoptimize,
}

/// Why a poke was not done: the text is not as we left it, or is claimed by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Foreign {
    /// The bytes at the site are neither ours nor the original ones.
    Bytes,
    /// A native kprobe is at the site's address.
    KprobeHere,
    /// A native kprobe's instruction bytes overlap with what would be poked.
    KprobeNear,
    /// Another site's jump covers the address, and could not be removed.
    Jump,
    /// ftrace refused to attach or detach.
    Ftrace,
}

/// When the delayed optimizer should run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// After the optimizer's delay.
    Normal,
    /// Much later: somebody else's bytes are in the way.
    Retry,
}

/// What the optimizer needs done. All methods but [`Backend::synchronize_rcu_tasks`] are called
/// under the engine's lock.
pub trait Backend: Arrays {
    /// What the backend keeps for a site: its out-of-line memory and its int3 table entry.
    type Site;
    /// What the backend keeps for a probe.
    type Probe;
    /// The text locks of a lane, held while it lives.
    type Locked<'a>: LockedText<Site = Self::Site>
    where
        Self: 'a;

    /// Takes the text locks of `lane`.
    fn lock(&self, lane: SiteLane) -> Self::Locked<'_>;
    /// Sites of `lane` were announced: waits for those who have looked before that whether they may
    /// have what the sites need, so that they are seen under the next locks. No text lock is held. May sleep.
    fn let_others_finish(&self, lane: SiteLane);
    /// Lets the handlers of `site` run, or silences them.
    fn set_live(&self, site: &Self::Site, live: bool);
    /// Sends the int3 hits of `site` on through the detour's copy of the whole region, or through
    /// the copy of the first instruction alone.
    fn set_detour_hits(&self, site: &Self::Site, on: bool);
    /// Enables or disables the handler of one probe.
    fn set_enabled(&self, probe: &Self::Probe, enabled: bool);
    /// The text of `site` goes, and others keep our bytes in it, a `jump` or what they made of it: from
    /// now on only hits of them may find the site by its address.
    fn leave(&self, site: &Self::Site, jump: bool);
    /// Whether the text of `site`, which goes, may still be executed.
    fn may_run(&self, site: &Self::Site) -> bool;
    /// What was left in the text of `site` cannot be hit any more.
    fn forget(&self, site: &Self::Site);
    /// Nobody can be in the memory of `site` any more: free it.
    fn free(&self, site: Self::Site);
    /// Starts the delayed work; if it is pending already, the shorter of the two delays counts.
    fn kick(&self, delay: Delay);
    /// Waits until every task has been seen outside of all regions, slots and detours.
    fn synchronize_rcu_tasks(&self);
}

/// Pokes a batch of sites, sorted by address: `add` each, `finish` once, `done` for each that was
/// added. What is to be armed is announced before any batch, and is withdrawn if it was not armed.
pub trait LockedText {
    /// As in [`Backend::Site`].
    type Site;
    /// The site is to be armed: others are kept out of what it needs, unless one of them is in its way. Says
    /// whether that is more than they were kept out of before.
    fn announce(&mut self, site: &Self::Site) -> bool;
    /// The site was not armed: takes back what was done when it was announced.
    fn withdraw(&mut self, site: &Self::Site);
    /// Compares the text with what should be there and adds the site to the batch. A jump that is
    /// written or taken out goes `to` there if the site has that, else to its detour.
    fn add(&mut self, poke: Poke, site: &Self::Site, to: JumpTo) -> Result<(), Foreign>;
    /// Makes all that was added visible to all CPUs.
    fn finish(&mut self, poke: Poke) -> Result<(), Foreign>;
    /// The poke of `site` is in the text, seen by all CPUs.
    fn done(&mut self, poke: Poke, site: &Self::Site);
}
