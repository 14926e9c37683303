// SPDX-License-Identifier: GPL-2.0

//! One sorted index of the text that is not free to be changed, and of what jumps where.
//!
//! The kernel keeps these facts in tables of many shapes and walks them for each question. Here
//! they are read once, packed into eight bytes each and answered by binary search. What a module
//! brings is appended when it comes and removed by its address range when it goes.
//!
//! Two arrays, because a search by start must not miss a long entry that begins far before: sites
//! are at most [`SITE_MAX`] bytes long, areas do not overlap each other.

use crate::containers::slab::{Array, Arrays, NoMemory};
use crate::containers::sort::sort_by_key;

/// All kernel and module text is in the last 4 GiB of the address space, so 32 bits tell it.
pub const TEXT_BASE: u64 = 0xffff_ffff_0000_0000;

/// The most bytes that an entry among the sites covers.
const SITE_MAX: u32 = 16;

/// The bits of [`Packed::tail`] above the kind hold the length.
const KIND_BITS: u32 = 5;

/// The longest length that these bits hold; longer areas become several entries.
const LEN_MAX: u32 = u32::MAX >> KIND_BITS;

/// What an entry says about its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A jump label: a nop or a jump that the kernel exchanges.
    JumpLabel,
    /// A static call, whose target the kernel exchanges.
    StaticCall,
    /// Where a function calls the function tracer.
    Ftrace,
    /// A BUG or WARN: the trap handler looks it up by its address.
    Bug,
    /// An instruction with an exception-table entry.
    ExtableInsn,
    /// Where a jump label jumps to once it is switched on.
    JumpTarget,
    /// Where the exception table goes on after a fault.
    ExtableFixup,
    /// Where another piece of a function jumps to.
    PieceTarget,
    /// In the kernel's kprobe blacklist.
    Blacklist,
    /// Text that must not be instrumented: noinstr and entry sections.
    Noinstr,
    /// Runs between a breakpoint and our handler, or on the way back.
    Int3Path,
    /// Our own module.
    OwnText,
    /// Before a function: its type hash, or padding that mitigations fill.
    Preamble,
}

impl Kind {
    const ALL: [Kind; 13] = [
        Kind::JumpLabel,
        Kind::StaticCall,
        Kind::Ftrace,
        Kind::Bug,
        Kind::ExtableInsn,
        Kind::JumpTarget,
        Kind::ExtableFixup,
        Kind::PieceTarget,
        Kind::Blacklist,
        Kind::Noinstr,
        Kind::Int3Path,
        Kind::OwnText,
        Kind::Preamble,
    ];

    /// A place that something jumps to: free to be probed, but not inside a region.
    pub const fn is_target(self) -> bool {
        matches!(
            self,
            Kind::JumpTarget | Kind::ExtableFixup | Kind::PieceTarget
        )
    }

    /// Whole functions or sections, of any length.
    pub const fn is_area(self) -> bool {
        matches!(
            self,
            Kind::Blacklist | Kind::Noinstr | Kind::Int3Path | Kind::OwnText | Kind::Preamble
        )
    }

    /// One word for listings.
    pub const fn text(self) -> &'static str {
        match self {
            Kind::JumpLabel => "jump-label",
            Kind::StaticCall => "static-call",
            Kind::Ftrace => "ftrace",
            Kind::Bug => "bug",
            Kind::ExtableInsn => "exception-table",
            Kind::JumpTarget => "jump-label-target",
            Kind::ExtableFixup => "exception-fixup",
            Kind::PieceTarget => "piece-target",
            Kind::Blacklist => "kprobe-blacklist",
            Kind::Noinstr => "noinstr",
            Kind::Int3Path => "int3-path",
            Kind::OwnText => "own-text",
            Kind::Preamble => "preamble",
        }
    }
}

/// An entry as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The first address.
    pub start: u64,
    /// The address behind the last.
    pub end: u64,
    /// What is there.
    pub kind: Kind,
}

/// An entry as it is kept, ordered by start. Length and kind share a word.
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

    /// What they are sorted by.
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
        Kind::ALL.get(number as usize).copied()
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
/// The first `sealed` entries are sorted and without doubles; those behind are not asked.
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
        // Twice the size: they come one by one.
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

    /// Keeps those for which `keep` gives an entry, in place.
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

    /// Where two areas overlap, the one that begins first keeps the bytes.
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

    /// The entries from the first for which `passed` is false up to `end`. All entries for which it
    /// is true come before those for which it is false.
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
    /// Adds the bytes `start..end`; addresses where no text can be are passed over.
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

    /// Makes all that was pushed part of the index.
    pub fn seal(&mut self) {
        self.sites.seal_sites();
        self.areas.seal_areas();
    }

    /// Forgets what was pushed since the last seal.
    pub fn discard(&mut self) {
        self.sites.truncate(self.sites.sealed);
        self.areas.truncate(self.areas.sealed);
    }

    /// Forgets what was pushed since the last seal and does not begin where `stays` says.
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

    /// Removes all that begins in `start..end`: text that was freed. What is not sealed goes too.
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

    /// What overlaps `start..end`: sites by address, then areas by address.
    pub fn within(&self, start: u64, end: u64) -> impl Iterator<Item = Entry> + '_ {
        // Where no text is, nothing is reserved: an empty range.
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

    /// What is against a jump over `start..end`: a place behind `start` that something jumps to, and
    /// why the bytes must not be replaced.
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

    /// How many entries there are.
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
