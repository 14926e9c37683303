// SPDX-License-Identifier: GPL-2.0

//! The int3 table: from the address of an int3 to its trap.
//!
//! It is an open-addressed hash table that readers walk without a lock. An address is in the table from
//! before its int3 is written until after all CPUs have seen that the int3 is gone, because an int3 that
//! nothing claims kills the kernel. There is one writer at a time, under the engine's lock.

use crate::arch_x86::trap::Trap;
use crate::sys::locks::wait_for_handlers;
use core::ptr::{
    from_ref,
    null_mut, //
};
use core::sync::atomic::{
    AtomicPtr,
    AtomicU32,
    Ordering, //
};
use kernel::prelude::*;

/// The key of an address that was removed: a search continues after it.
const REMOVED: u32 = 1;

/// How many buckets the smallest table has; a power of two.
const SMALLEST: usize = 256;

/// The buckets: their number is a power of two, and not all of them are in use.
///
/// Readers walk them while the writer changes them, so the writer has no exclusive reference either.
struct Buckets {
    /// 0 while a bucket is free.
    keys: KVVec<AtomicU32>,
    traps: KVVec<AtomicPtr<Trap>>,
}

/// The buckets that readers see.
static CURRENT: AtomicPtr<Buckets> = AtomicPtr::new(null_mut());

/// The owner of the table: the one writer.
pub(crate) struct Table {
    current: Option<KBox<Buckets>>,
    /// Buckets of `current` that are not free.
    used: usize,
    /// Buckets of `current` that have an address.
    live: usize,
    /// Tables that readers may still walk.
    retired: KVec<KBox<Buckets>>,
    /// For how many addresses there must be room, whether the table has them or not.
    promised: usize,
}

/// The key of an address: its lower half, because text, modules and slots are in the upper 2 GiB. `None`
/// for an address elsewhere.
#[inline]
fn key(addr: usize) -> Option<u32> {
    const UPPER: usize = !(i32::MAX as usize);
    (addr & UPPER == UPPER).then_some(addr as u32)
}

fn first_bucket(key: u32, mask: usize) -> usize {
    // Fibonacci hashing: the upper half of the product depends on all bits.
    ((key as usize).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) & mask
}

impl Buckets {
    fn new(size: usize) -> Result<KBox<Self>> {
        let mut keys = KVVec::with_capacity(size, GFP_KERNEL)?;
        let mut traps = KVVec::with_capacity(size, GFP_KERNEL)?;
        for _ in 0..size {
            keys.push(AtomicU32::new(0), GFP_KERNEL)?;
            traps.push(AtomicPtr::new(null_mut()), GFP_KERNEL)?;
        }
        Ok(KBox::new(Self { keys, traps }, GFP_KERNEL)?)
    }

    fn size(&self) -> usize {
        self.keys.len()
    }

    /// The buckets where `key` may be, in the order of the search.
    #[inline]
    fn probe(&self, key: u32) -> impl Iterator<Item = (&AtomicU32, &AtomicPtr<Trap>)> {
        let mask = self.size().wrapping_sub(1);
        let first = first_bucket(key, mask);
        (0..self.size()).filter_map(move |step| {
            let at = first.wrapping_add(step) & mask;
            Some((self.keys.get(at)?, self.traps.get(at)?))
        })
    }

    /// Stores a trap in the bucket that has `key`, else in the first that is free or was removed. Returns
    /// what the bucket had.
    ///
    /// A key never has two buckets. `remove` would remove one of them, and the other would name a freed
    /// trap.
    fn insert(&self, key: u32, trap: *mut Trap) -> Option<u32> {
        let mut place = None;
        for (bucket, to) in self.probe(key) {
            let there = bucket.load(Ordering::Relaxed);
            if there == key {
                place = Some((there, bucket, to));
                break;
            }
            if there == 0 || there == REMOVED {
                place = place.or(Some((there, bucket, to)));
            }
            if there == 0 {
                break;
            }
        }
        let (was, bucket, to) = place?;
        to.store(trap, Ordering::Release);
        bucket.store(key, Ordering::Release);
        Some(was)
    }
}

/// The trap of the int3 at `addr`, or null. Interrupts are off.
#[inline]
pub(crate) fn find(addr: usize) -> *mut Trap {
    let buckets = CURRENT.load(Ordering::Acquire);
    if buckets.is_null() {
        return null_mut();
    }
    let Some(key) = key(addr) else {
        return null_mut();
    };
    // SAFETY: A table that was published is freed only after a grace period, and interrupts are off.
    let buckets = unsafe { &*buckets };
    for (bucket, trap) in buckets.probe(key) {
        let there = bucket.load(Ordering::Acquire);
        if there == key {
            return trap.load(Ordering::Acquire);
        }
        if there == 0 {
            break;
        }
    }
    null_mut()
}

impl Table {
    /// A table without addresses.
    pub(crate) const fn new() -> Self {
        Self {
            current: None,
            used: 0,
            live: 0,
            retired: KVec::new(),
            promised: 0,
        }
    }

    /// Makes room for `more` further addresses. Until the room is given back, these can be inserted and
    /// removed at any time and any number of times without failure.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn reserve(&mut self, more: usize) -> Result {
        let promised = self.promised.saturating_add(more);
        let size = self.current.as_ref().map_or(0, |buckets| buckets.size());
        let removed = self.used.saturating_sub(self.live);
        // At most half of the buckets are in use, so that searches stay short.
        if promised.saturating_add(removed).saturating_mul(2) > size {
            self.grow(promised)?;
        }
        self.promised = promised;
        Ok(())
    }

    /// Gives room back.
    pub(crate) fn release(&mut self, addresses: usize) {
        self.promised = self.promised.saturating_sub(addresses);
    }

    fn grow(&mut self, promised: usize) -> Result {
        // A quarter of slack, so that repeated registering and unregistering does not rebuild the table.
        let wanted = promised.saturating_mul(5) / 2;
        let wanted = wanted.max(SMALLEST);
        let next = Buckets::new(wanted.checked_next_power_of_two().ok_or(ENOMEM)?)?;
        self.retired.reserve(1, GFP_KERNEL)?;
        let mut live = 0_usize;
        let old = self.current.take();
        if let Some(old) = &old {
            for (bucket, trap) in old.keys.iter().zip(old.traps.iter()) {
                let key = bucket.load(Ordering::Relaxed);
                if key > REMOVED && next.insert(key, trap.load(Ordering::Relaxed)).is_some() {
                    live = live.wrapping_add(1);
                }
            }
        }
        (self.used, self.live) = (live, live);
        CURRENT.store(from_ref(&*next).cast_mut(), Ordering::Release);
        self.current = Some(next);
        if let Some(old) = old {
            // `retired` has room, which was reserved above.
            let _ = self.retired.push_within_capacity(old);
        }
        Ok(())
    }

    /// Adds an address of text or of a slot, in room that was reserved.
    pub(crate) fn insert(&mut self, addr: usize, trap: *mut Trap) {
        let Some((buckets, key)) = self.current.as_ref().zip(key(addr)) else {
            return;
        };
        let was = buckets.insert(key, trap);
        self.used = self.used.wrapping_add(usize::from(was == Some(0)));
        self.live = self
            .live
            .wrapping_add(usize::from(was.is_some_and(|was| was != key)));
    }

    /// Removes an address of a trap. Its int3 is gone, and all CPUs have seen that. Where text was
    /// unloaded, another trap may have the address by now; then it stays.
    pub(crate) fn remove(&mut self, addr: usize, trap: *mut Trap) {
        let Some((buckets, key)) = self.current.as_ref().zip(key(addr)) else {
            return;
        };
        for (bucket, of) in buckets.probe(key) {
            let there = bucket.load(Ordering::Relaxed);
            if there == key {
                if of.load(Ordering::Relaxed) == trap {
                    bucket.store(REMOVED, Ordering::Release);
                    self.live = self.live.wrapping_sub(1);
                }
                return;
            }
            if there == 0 {
                return;
            }
        }
    }

    /// Takes the tables that were replaced. The caller drops them after a grace period.
    pub(crate) fn take_retired(&mut self) -> Retired {
        Retired(core::mem::replace(&mut self.retired, KVec::new()))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        CURRENT.store(null_mut(), Ordering::Release);
        wait_for_handlers();
    }
}

/// Tables that were replaced. The owner drops them after a grace period that began after they were taken.
pub(crate) struct Retired(KVec<KBox<Buckets>>);

impl Retired {
    /// Whether there is nothing to wait for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
