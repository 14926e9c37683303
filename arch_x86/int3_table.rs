// SPDX-License-Identifier: GPL-2.0

//! From the address of an int3 to its trap: an open-addressed hash table that readers walk without
//! any lock.
//!
//! An address is in the table from before its int3 is written until after all CPUs have seen it go,
//! for an int3 that nobody claims kills the kernel. One writer at a time (the engine's lock).

use crate::arch_x86::trap::Trap;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use kernel::prelude::*;

/// The key of an address that was taken out: look-ups go on behind it.
const REMOVED: u32 = 1;

/// Buckets of a table that nothing is in yet; a power of two.
const SMALLEST: usize = 256;

/// The buckets, a power of two, and never all in use.
struct Buckets {
    /// 0 while free.
    keys: KVVec<AtomicU32>,
    traps: KVVec<AtomicPtr<Trap>>,
    /// Buckets that are not free.
    used: usize,
    live: usize,
}

/// What readers see.
static CURRENT: AtomicPtr<Buckets> = AtomicPtr::new(null_mut());

/// The owner of the table: the one writer.
pub(crate) struct Table {
    current: Option<KBox<Buckets>>,
    /// Tables that readers may still be in.
    retired: KVec<KBox<Buckets>>,
    /// Addresses that there must be room for, in the table or not.
    promised: usize,
}

/// What stands for an address: its lower half, for text, modules and slots are in the upper 2 GiB. `None`
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
        Ok(KBox::new(
            Self {
                keys,
                traps,
                used: 0,
                live: 0,
            },
            GFP_KERNEL,
        )?)
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

    fn insert(&mut self, key: u32, trap: *mut Trap) {
        let (mut fresh, mut new) = (false, false);
        for (bucket, to) in self.probe(key) {
            let there = bucket.load(Ordering::Relaxed);
            if there == 0 || there == REMOVED || there == key {
                (fresh, new) = (there == 0, there != key);
                to.store(trap, Ordering::Release);
                bucket.store(key, Ordering::Release);
                break;
            }
        }
        self.used = self.used.wrapping_add(usize::from(fresh));
        self.live = self.live.wrapping_add(usize::from(new));
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
    // SAFETY: a table that was published is freed only after a grace period.
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
    /// A table with nothing in it.
    pub(crate) const fn new() -> Self {
        Self {
            current: None,
            retired: KVec::new(),
            promised: 0,
        }
    }

    /// Makes room for `more` further addresses, so that adding them cannot fail, now or later and
    /// however often, until the room is given back.
    pub(crate) fn reserve(&mut self, more: usize) -> Result {
        let promised = self.promised.saturating_add(more);
        let (removed, size) = match &self.current {
            Some(buckets) => (buckets.used.saturating_sub(buckets.live), buckets.size()),
            None => (0, 0),
        };
        // At most half of the buckets in use: searches stay short.
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
        // A quarter more than that: who comes and goes does not have it made anew each time.
        let wanted = promised.saturating_mul(5) / 2;
        let wanted = wanted.max(SMALLEST);
        let mut next = Buckets::new(wanted.checked_next_power_of_two().ok_or(ENOMEM)?)?;
        self.retired.reserve(1, GFP_KERNEL)?;
        if let Some(old) = self.current.take() {
            for (bucket, trap) in old.keys.iter().zip(old.traps.iter()) {
                let key = bucket.load(Ordering::Relaxed);
                if key > REMOVED {
                    next.insert(key, trap.load(Ordering::Relaxed));
                }
            }
            self.publish(next);
            // Room was reserved above.
            let _ = self.retired.push_within_capacity(old);
        } else {
            self.publish(next);
        }
        Ok(())
    }

    fn publish(&mut self, mut next: KBox<Buckets>) {
        CURRENT.store(&mut *next, Ordering::Release);
        self.current = Some(next);
    }

    /// Adds an address of text or of a slot, in room that was reserved.
    pub(crate) fn insert(&mut self, addr: usize, trap: *mut Trap) {
        if let Some((buckets, key)) = self.current.as_mut().zip(key(addr)) {
            buckets.insert(key, trap);
        }
    }

    /// Takes an address of a trap out. Its int3 is gone, and all CPUs have seen that. Where text was freed
    /// another trap may have the address by now, and keeps it.
    pub(crate) fn remove(&mut self, addr: usize, trap: *mut Trap) {
        let Some((buckets, key)) = self.current.as_mut().zip(key(addr)) else {
            return;
        };
        let mut found = false;
        for (bucket, of) in buckets.probe(key) {
            let there = bucket.load(Ordering::Relaxed);
            if there == key {
                found = of.load(Ordering::Relaxed) == trap;
                if found {
                    bucket.store(REMOVED, Ordering::Release);
                }
                break;
            }
            if there == 0 {
                break;
            }
        }
        buckets.live = buckets.live.wrapping_sub(usize::from(found));
    }

    /// The tables that were replaced; the caller frees them after a grace period.
    pub(crate) fn take_retired(&mut self) -> Retired {
        Retired(core::mem::replace(&mut self.retired, KVec::new()))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        CURRENT.store(null_mut(), Ordering::Release);
        kernel::sync::rcu::synchronize_rcu();
    }
}

/// Tables that were replaced. Dropped after a grace period that began after they were taken.
pub(crate) struct Retired(KVec<KBox<Buckets>>);

impl Retired {
    /// Whether there is nothing to wait for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
