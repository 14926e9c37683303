// SPDX-License-Identifier: GPL-2.0

//! The delayed optimizer: site states, the three lists, and the pass.
//!
//! This is the behaviour of the 2010 kprobes patch "Support delayed unoptimizing", as pure code.
//! The optimizer decides and a [`Backend`] acts: the kernel shell pokes text and waits for
//! RCU-tasks, the explorer on the host pokes a model. Nothing in this family sleeps or takes a
//! lock. The caller serializes all calls by a lock, which it holds only while a call runs and never
//! over [`Grace::wait`].
//!
//! An operation changes what is wanted (probes, switches) and marks the sites that the change
//! concerns. [`Optimizer::commit`] then brings the marked sites to where they should be, in one
//! text section. The sites to be armed are announced in a text section before that one. `decide.rs`
//! makes every decision for a site.
//!
//! The engine's lock is held around every call of this family. [`Backend::lock`] takes the text locks
//! of a lane inside of it; sys/locks.rs has the order of all locks.
//!
//! # Rules of a site's life
//!
//! Tests and comments refer to the rules by number. Documentation/design.rst has some of the reasons.
//!
//! 1. Unoptimizing an `Optimizing` site dequeues it. An `Optimized` site is queued, or forced at
//!    once.
//! 2. Optimizing an `Unoptimizing` site dequeues it: the jump stays, nothing is poked.
//! 3. Forcing an `Unoptimizing` site dequeues it and pokes at once. If the site is unwanted, it is
//!    disarmed in the same text section.
//! 4. A pass has these steps: unoptimize, disarm, unlink; wait; optimize; free.
//! 5. A kick starts the delayed work once. A flush shortens its delay.
//! 6. A caller waits for the first pass that begins after its call, by the number of the pass.
//! 7. Arming inside another site's region forces that site to int3 first. Disarming there lets it
//!    be optimized again.
//! 8. A post_handler forces its site to int3 and keeps it there.
//! 9. A new probe on a dying site revives the site.
//! 10. When the last probe is removed, a site that is only armed is disarmed at once. In every
//!     other state a pass disarms it.
//! 11. A disabled site whose jump is still in place runs no handler.
//! 12. Switching optimization off unoptimizes all sites. `enabled`=0 disarms all sites and
//!     optimizes none of them again.
//! 13. Text that is being unloaded gets its original bytes back at once, because it may be executed
//!     until it is freed. Then its sites are `Gone`, and the text is never touched again. Where
//!     foreign bytes prevent the write, the site is kept and claims the hits of our bytes until the
//!     text cannot be executed any more.
//! 14. A jump counts inline only while no probe on its site has a handler. A new handler forces the
//!     site to int3, and its next jump calls the handlers. When the last handler is removed, the
//!     jump stays as it is.

mod backend;
mod commit;
mod decide;
mod lists;
mod operations;
mod pass;
pub mod rate;
mod site;
mod words;

pub use backend::{
    Backend,
    LockedText,
    Quiescence, //
};
pub use decide::Why;
pub use lists::Optimizer;
pub use pass::{
    Grace,
    Quiesced,
    VECTOR, //
};
pub use site::{
    NewSite,
    ProbeId,
    Site,
    SiteId,
    SiteProbe,
    State, //
};
pub use words::{
    Delay,
    Foreign,
    Handlers,
    JumpTo,
    Pass,
    Poke,
    SiteLane,
    MAX_REGION, //
};
