// SPDX-License-Identifier: GPL-2.0

//! The work that the optimizer orders: the kernel shell does it to the kernel, the tests to a
//! model.

use super::words::{
    Delay,
    Foreign,
    JumpTo,
    Poke,
    SiteLane, //
};
use crate::containers::slab::Arrays;

/// The wait between the two halves of a pass. It happens without the engine's lock.
pub trait Quiescence {
    /// Waits until every task has been seen outside of all regions, slots and detours.
    fn synchronize_rcu_tasks(&self);
}

/// The work that the optimizer orders. Every method is called under the engine's lock.
pub trait Backend: Arrays {
    /// The backend's data of a site: its out-of-line memory and its int3 table entry.
    type Site;
    /// The backend's data of a probe.
    type Probe;
    /// The text locks of a lane, held while the value lives.
    type Locked<'a>: LockedText<Site = Self::Site>
    where
        Self: 'a;

    /// Takes the text locks of `lane`. `settled` is what [`Backend::settle`] returned after each site
    /// was announced that is armed or becomes a jump. Without it such a site is refused.
    fn lock(&self, lane: SiteLane, settled: bool) -> Self::Locked<'_>;
    /// Waits for tasks that checked, before sites of `lane` were announced, whether they may use the
    /// sites' text. Returns whether each of these tasks has finished, so that what it did is seen under
    /// the text locks. The caller holds no text lock. May sleep, for a bounded time.
    fn settle(&self, lane: SiteLane) -> bool;
    /// Lets the handlers of `site` run, or silences them.
    fn set_live(&self, site: &Self::Site, live: bool);
    /// Sends the int3 hits of `site` to the detour's copy of the whole region, or to the copy of
    /// the first instruction alone.
    fn set_detour_hits(&self, site: &Self::Site, on: bool);
    /// Enables or disables the handler of one probe.
    fn set_enabled(&self, probe: &Self::Probe, enabled: bool);
    /// Notes that the text of `site` is unloaded while foreign code keeps our bytes in it: a
    /// `jump`, or bytes made from one. From now on only hits of these bytes may find the site by
    /// its address.
    fn leave(&self, site: &Self::Site, jump: bool);
    /// Whether the text of `site`, which is being unloaded, may still be executed.
    fn may_run(&self, site: &Self::Site) -> bool;
    /// Notes that our bytes left in the text of `site` cannot be hit any more.
    fn forget(&self, site: &Self::Site);
    /// Frees the memory of `site`. No task can be executing in it.
    fn free(&self, site: Self::Site);
    /// Makes the memory that the jump of `site` leads to serve without the backend, because foreign
    /// code keeps the jump in the text. Returns whether that is done.
    fn detach(&self, site: &Self::Site) -> bool;
    /// Leaves the memory of a detached site to its jump for ever.
    fn abandon(&self, site: Self::Site);
    /// Starts the delayed work. If the work is pending, the shorter of the two delays counts.
    fn kick(&self, delay: Delay);
}

/// Pokes a batch of sites, sorted by address: `add` for each site, `finish` once, then `done` for
/// each added site. Sites to be armed are announced before any batch; the announcement of a site
/// that was not armed is withdrawn.
pub trait LockedText {
    /// As in [`Backend::Site`].
    type Site;
    /// Announces a site that is to be armed: keeps other users of the text away from the bytes that
    /// the site needs, unless one of them already has some. Returns whether this keeps them away
    /// from more than before the call.
    fn announce(&mut self, site: &Self::Site) -> bool;
    /// Takes the announcement of a site back, because the site was not armed.
    fn withdraw(&mut self, site: &Self::Site);
    /// Compares the text with the expected bytes and adds the site to the batch. A jump that is
    /// written or removed goes to the part `to` of the slot if the slot has that part, else to the
    /// detour.
    ///
    /// # Errors
    ///
    /// The text is foreign. The site is not in the batch.
    fn add(&mut self, poke: Poke, site: &Self::Site, to: JumpTo) -> Result<(), Foreign>;
    /// Makes the whole batch visible to all CPUs.
    ///
    /// # Errors
    ///
    /// The poke failed for every site of the batch.
    fn finish(&mut self, poke: Poke) -> Result<(), Foreign>;
    /// Notes that the poke of `site` is in the text and that all CPUs see it.
    fn done(&mut self, poke: Poke, site: &Self::Site);
}
