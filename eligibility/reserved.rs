// SPDX-License-Identifier: GPL-2.0

//! A sorted index of the text that must not be changed, and of the targets of jumps.
//!
//! The kernel has these facts in tables of many shapes, and walks the tables for each question. The
//! index reads the tables once, packs each entry into eight bytes, and answers by binary search.
//! The entries of a module are appended when its text is probed first, and removed by address range
//! when it is unloaded.
//!
//! The index has two arrays, because a search by start must not miss a long entry that begins far
//! before it: sites are at most [`SITE_MAX`] bytes long, and areas do not overlap.

pub use super::kind::Kind;

use crate::containers::slab::{
    Array,
    Arrays,
    NoMemory, //
};
use crate::containers::sort::sort_by_key;

/// All kernel and module text is in the last 4 GiB of the address space, so 32 bits are enough.
pub const TEXT_BASE: u64 = 0xffff_ffff_0000_0000;

/// The most bytes that an entry of the sites covers.
const SITE_MAX: u32 = 16;

/// The bits of [`Packed::tail`] above the kind hold the length.
const KIND_BITS: u32 = 5;

/// The longest length of an entry. Longer areas become several entries.
const LEN_MAX: u32 = u32::MAX >> KIND_BITS;

/// An entry, as callers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The first address.
    pub start: u64,
    /// The address after the last.
    pub end: u64,
    /// Why the text is reserved.
    pub kind: Kind,
}

/// An entry, as the index stores it. Length and kind share a word.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Packed {
    start: u32,
    tail: u32,
}

impl Packed {
    fn new(start: u32, len: u32, kind: Kind) -> Packed {
        Packed {
            start,
            tail: len.min(LEN_MAX) << KIND_BITS | kind as u32,
        }
    }

    /// The key by which entries are sorted.
    fn key(self) -> u64 {
        u64::from(self.start) << 32 | u64::from(self.tail)
    }

    fn len(self) -> u32 {
        self.tail >> KIND_BITS
    }

    fn end(self) -> u32 {
        self.start.saturating_add(self.len())
    }

    fn kind(self) -> Option<Kind> {
        let number = self.tail & !(u32::MAX << KIND_BITS);
        Kind::from_number(number)
    }

    fn entry(self) -> Option<Entry> {
        Some(Entry {
            start: TEXT_BASE | u64::from(self.start),
            end: TEXT_BASE | u64::from(self.end()),
            kind: self.kind()?,
        })
    }
}

/// The offset of `addr` from [`TEXT_BASE`].
fn offset(addr: u64) -> Option<u32> {
    u32::try_from(addr.checked_sub(TEXT_BASE)?).ok()
}

/// Entries of one array.
///
/// # Invariants
///
/// The first `sealed` entries are sorted and have no duplicates. Searches ignore the others.
struct EntryTable<A: Arrays> {
    entries: A::Of<Packed>,
    sealed: usize,
}

impl<A: Arrays> Default for EntryTable<A> {
    fn default() -> Self {
        EntryTable {
            entries: A::Of::default(),
            sealed: 0,
        }
    }
}

impl<A: Arrays> EntryTable<A> {
    fn sealed(&self) -> &[Packed] {
        self.entries.as_slice().get(..self.sealed).unwrap_or(&[])
    }

    fn push(&mut self, entry: Packed) -> Result<(), NoMemory> {
        if self.entries.push(entry) {
            return Ok(());
        }
        // Twice the size, because entries are pushed one by one.
        self.entries.reserve(self.entries.as_slice().len().max(1))?;
        match self.entries.push(entry) {
            true => Ok(()),
            false => Err(NoMemory),
        }
    }

    fn truncate(&mut self, len: usize) {
        while self.entries.as_slice().len() > len {
            self.entries.pop();
        }
        self.sealed = self.sealed.min(len);
    }

    /// Replaces each entry by the result of `keep`, in place, and removes the entries without a
    /// result.
    fn retain(&mut self, mut keep: impl FnMut(Packed) -> Option<Packed>) {
        let entries = self.entries.as_mut_slice();
        let mut kept = 0_usize;
        for at in 0..entries.len() {
            let Some(entry) = entries.get(at).copied().and_then(&mut keep) else {
                continue;
            };
            if let Some(place) = entries.get_mut(kept) {
                *place = entry;
                kept = kept.saturating_add(1);
            }
        }
        self.truncate(kept);
    }

    fn seal_sites(&mut self) {
        sort_by_key(self.entries.as_mut_slice(), |entry| entry.key());
        let mut last = None;
        self.retain(|entry| {
            let new = last != Some(entry);
            last = Some(entry);
            new.then_some(entry)
        });
        self.sealed = self.entries.as_slice().len();
    }

    /// Sorts areas. Where two of them overlap, the one that begins first gets the bytes.
    fn seal_areas(&mut self) {
        sort_by_key(self.entries.as_mut_slice(), |entry| entry.key());
        let mut free = 0;
        self.retain(|entry| {
            let start = entry.start.max(free);
            let len = entry.end().checked_sub(start).filter(|len| *len > 0)?;
            free = entry.end();
            Some(Packed::new(start, len, entry.kind()?))
        });
        self.sealed = self.entries.as_slice().len();
    }

    /// The entries from the first one for which `passed` is false up to `end`. All entries for
    /// which `passed` is true must come before the others.
    fn within(
        &self,
        end: u32,
        passed: impl Fn(&Packed) -> bool,
    ) -> impl Iterator<Item = Packed> + '_ {
        let sealed = self.sealed();
        let first = sealed.partition_point(passed);
        let rest = sealed.get(first..).unwrap_or(&[]).iter().copied();
        rest.take_while(move |entry| entry.start < end)
    }
}

/// The index. New entries are pushed in any order and take effect with [`Index::seal`].
pub struct Index<A: Arrays> {
    sites: EntryTable<A>,
    areas: EntryTable<A>,
}

impl<A: Arrays> Default for Index<A> {
    fn default() -> Self {
        Index {
            sites: EntryTable::default(),
            areas: EntryTable::default(),
        }
    }
}

impl<A: Arrays> Index<A> {
    /// Adds the bytes `start..end`. Addresses that cannot be text are ignored.
    ///
    /// # Errors
    ///
    /// No memory. A part of the bytes may have been added.
    pub fn push(&mut self, start: u64, end: u64, kind: Kind) -> Result<(), NoMemory> {
        let (Some(mut start), Some(end)) = (offset(start), offset(end)) else {
            return Ok(());
        };
        while let Some(len) = end.checked_sub(start).filter(|len| *len > 0) {
            let part = Packed::new(start, len, kind);
            if kind.is_area() || len > SITE_MAX {
                self.areas.push(part)?;
            } else {
                self.sites.push(part)?;
            }
            start = part.end();
        }
        Ok(())
    }

    /// Makes the pushed entries part of the index.
    pub fn seal(&mut self) {
        self.sites.seal_sites();
        self.areas.seal_areas();
    }

    /// Removes the entries that were pushed since the last seal.
    pub fn discard(&mut self) {
        self.sites.truncate(self.sites.sealed);
        self.areas.truncate(self.areas.sealed);
    }

    /// Removes the entries that were pushed since the last seal, except those for whose start
    /// `stays` is true.
    pub fn discard_unless(&mut self, stays: impl Fn(u64) -> bool) {
        for table in [&mut self.sites, &mut self.areas] {
            let mut sealed = table.sealed;
            table.retain(|entry| {
                let old = sealed > 0;
                sealed = sealed.saturating_sub(1);
                (old || stays(TEXT_BASE | u64::from(entry.start))).then_some(entry)
            });
        }
    }

    /// Removes the entries that begin in `start..end`, because the text was freed, and all entries
    /// that are not sealed.
    pub fn remove(&mut self, start: u64, end: u64) {
        self.discard();
        let gone = |entry: &Packed| {
            let at = TEXT_BASE | u64::from(entry.start);
            start <= at && at < end
        };
        for table in [&mut self.sites, &mut self.areas] {
            table.retain(|entry| (!gone(&entry)).then_some(entry));
            table.sealed = table.entries.as_slice().len();
        }
    }

    /// The entries that overlap `start..end`: sites by address, then areas by address.
    pub fn within(&self, start: u64, end: u64) -> impl Iterator<Item = Entry> + '_ {
        // An empty range for addresses that cannot be text, because nothing there is reserved.
        let (start, end) = offset(start).zip(offset(end)).unwrap_or((0, 0));
        let sites = self.sites.within(end, move |entry| {
            entry.start.saturating_add(SITE_MAX) <= start
        });
        let areas = self.areas.within(end, move |entry| entry.end() <= start);
        sites
            .chain(areas)
            .filter(move |entry| entry.end() > start)
            .filter_map(Packed::entry)
    }

    /// Why an instruction at `start..end` must not be probed.
    pub fn reserved(&self, start: u64, end: u64) -> Option<Kind> {
        self.within(start, end)
            .map(|entry| entry.kind)
            .find(|kind| !kind.is_target())
    }

    /// The obstacles to a jump over `start..end`: the kind of a jump target after `start`, and the
    /// kind of reserved text.
    pub fn against_jump(&self, start: u64, end: u64) -> (Option<Kind>, Option<Kind>) {
        let (mut target, mut reserved) = (None, None);
        for Entry {
            start: at, kind, ..
        } in self.within(start, end)
        {
            match kind.is_target() {
                true if at > start => target = target.or(Some(kind)),
                true => {}
                false => reserved = reserved.or(Some(kind)),
            }
        }
        (target, reserved)
    }

    /// The number of entries.
    pub fn count(&self) -> usize {
        self.sites.sealed.saturating_add(self.areas.sealed)
    }

    /// The areas, by address.
    pub fn areas(&self) -> impl Iterator<Item = Entry> + '_ {
        self.areas
            .sealed()
            .iter()
            .copied()
            .filter_map(Packed::entry)
    }
}
