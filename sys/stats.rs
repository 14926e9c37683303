// SPDX-License-Identifier: GPL-2.0

//! Counters since the module was loaded.

use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};

/// Batches of pokes that were finished.
pub(crate) static BATCHES: AtomicU64 = AtomicU64::new(0);
/// Sync rounds of all CPUs.
pub(crate) static SYNC_ROUNDS: AtomicU64 = AtomicU64::new(0);
/// Waits for RCU-tasks.
pub(crate) static GRACE_PERIODS: AtomicU64 = AtomicU64::new(0);
/// Pokes that were refused because the text had foreign bytes.
pub(crate) static FOREIGN_TEXT: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds that reading the index of reserved text took.
pub(crate) static INDEX_TIME: AtomicU64 = AtomicU64::new(0);

/// Calls of the interface that were refused because a handler made them.
pub(crate) static REFUSED_IN_HANDLERS: AtomicU64 = AtomicU64::new(0);

/// CPUs on which a handler has died. They miss all hits.
pub(crate) static DEAD_HANDLERS: AtomicU64 = AtomicU64::new(0);

/// Hits of probes that were removed.
pub(crate) static REMOVED_HITS: AtomicU64 = AtomicU64::new(0);

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

/// Reads a counter.
pub(crate) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
