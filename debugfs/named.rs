// SPDX-License-Identifier: GPL-2.0

//! The probes that were made by name, by lines written to `probes`.
//!
//! Lock order, outermost first: the registry's lock, then the engine's. The files of one probe take
//! the engine's lock only: they are removed, which waits for whoever is in them, with the
//! registry's lock held.

use crate::arch_x86::probe_list::ProbePtr;
use crate::command::{AutoName, ProbeKind, TargetSpec, NAME_MAX};
use crate::debugfs::file::Dir;
use crate::debugfs::probe_dir;
use crate::eligibility::refusal::Refusal;
use crate::engine::{engine, Core};
use crate::optimizer::{ProbeId, SiteProbe};
use crate::shell::site;
use crate::sys::ffi::rkprobe;
use kernel::bindings::pt_regs;
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::rbtree::{RBTree, RBTreeNode};
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::types::Opaque;

/// About how long a line is that makes a probe.
const LINE: usize = 80;

/// A probe's name, filled up with zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name([u8; NAME_MAX + 1]);

impl Name {
    /// A name that the parser has let pass.
    pub(crate) fn new(name: &str) -> Self {
        let mut bytes = [0; NAME_MAX + 1];
        for (to, from) in bytes.iter_mut().take(NAME_MAX).zip(name.bytes()) {
            *to = from;
        }
        Self(bytes)
    }

    pub(crate) fn as_cstr(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"")
    }
}

/// The handler of `p`: its probe takes the way of one with a handler.
///
/// # Safety
///
/// It does nothing.
#[link_section = ".kprobes.text"]
unsafe extern "C" fn do_nothing(_probe: *mut rkprobe, _regs: *mut pt_regs) -> c_int {
    0
}

/// A probe with its name.
pub(crate) struct Named {
    /// Its files. Dropped first.
    files: Option<Dir>,
    kind: ProbeKind,
    /// As it was written, but with a NUL between symbol and offset, or in front of an address.
    target: KVec<u8>,
    probe: Opaque<rkprobe>,
}

// SAFETY: the probe is changed with the engine's lock held, or when nobody else has it.
unsafe impl Send for Named {}
// SAFETY: as above.
unsafe impl Sync for Named {}

impl Named {
    /// A probe for `target`, which is `written`.
    fn new(
        kind: ProbeKind,
        target: &TargetSpec<'_>,
        written: &[u8],
    ) -> Result<Pin<KBox<Self>>, Refusal> {
        let mut text = KVec::with_capacity(written.len().saturating_add(1), GFP_KERNEL)
            .map_err(|_| Refusal::NoMemory)?;
        let mut probe = rkprobe {
            pre_handler: match kind {
                ProbeKind::Probe => Some(do_nothing),
                ProbeKind::Count => None,
            },
            ..Default::default()
        };
        let symbol = match target {
            TargetSpec::Symbol { offset, .. } => {
                probe.offset = u32::try_from(*offset).map_err(|_| Refusal::OutsideFunction)?;
                written
                    .iter()
                    .position(|byte| *byte == b'+')
                    .unwrap_or(written.len())
            }
            TargetSpec::Address(0) => return Err(Refusal::NotText),
            TargetSpec::Address(addr) => {
                probe.addr = *addr as usize as *mut kernel::ffi::c_void;
                0
            }
        };
        let (symbol, rest) = written.split_at_checked(symbol).unwrap_or((written, &[]));
        for part in [symbol, &[0], rest] {
            text.extend_from_slice(part, GFP_KERNEL)
                .map_err(|_| Refusal::NoMemory)?;
        }
        if !symbol.is_empty() {
            probe.symbol_name = text.as_ptr().cast();
        }
        let named = Self {
            files: None,
            kind,
            target: text,
            probe: Opaque::new(probe),
        };
        KBox::pin(named, GFP_KERNEL).map_err(|_| Refusal::NoMemory)
    }

    /// What the engine knows it by.
    pub(crate) fn probe(&self) -> ProbePtr {
        // SAFETY: the probe is pinned, and is unregistered before it is freed.
        unsafe { ProbePtr::new(self.probe.get()) }
    }

    /// How often it was hit.
    ///
    /// # Errors
    ///
    /// ENOENT: it is not registered.
    pub(crate) fn hits(&self) -> Result<usize> {
        self.look(|core, probe| site::hits(core.held(), probe.payload))
    }

    /// How often a hit was passed over.
    pub(crate) fn missed(&self) -> u64 {
        // SAFETY: a counter; handlers count at the same time.
        unsafe { core::ptr::addr_of!((*self.probe.get()).nmissed).read_volatile() as u64 }
    }

    /// Looks at what the optimizer has of it, with the engine's lock held.
    ///
    /// # Errors
    ///
    /// ENOENT: it is not registered.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Core, &SiteProbe<ProbePtr>) -> R) -> Result<R> {
        engine().ok_or(ENODEV)?.look(|core| {
            // SAFETY: written when it was registered, before it had files.
            let id = ProbeId::from_index(unsafe { (*self.probe.get()).id });
            let probe = core
                .optimizer
                .probe(id)
                .filter(|probe| probe.payload == self.probe());
            Ok(look(core, probe.ok_or(ENOENT)?))
        })
    }

    /// The line that makes this probe.
    fn show(&self, name: &Name, out: &SeqFile) {
        let letter = char::from(self.kind.letter());
        seq_print!(out, "{}:{} ", letter, name.as_cstr());
        for part in self.target.split(|byte| *byte == 0) {
            seq_print!(out, "{}", core::str::from_utf8(part).unwrap_or(""));
        }
        seq_print!(out, "\n");
    }
}

/// All of them, by name.
pub(crate) struct Registry {
    probes: RBTree<Name, Pin<KBox<Named>>>,
    /// Where their directories are. Dropped after them.
    dir: Option<Dir>,
    count: usize,
    /// How many names had to be told apart by a number.
    numbered: u32,
}

// SAFETY: a tree of owned probes.
unsafe impl Send for Registry {}

impl Registry {
    /// Without probes; their directories are in `dir`.
    pub(crate) fn new(dir: Option<Dir>) -> Self {
        Self {
            probes: RBTree::new(),
            dir,
            count: 0,
            numbered: 0,
        }
    }

    /// Makes a probe that has neither files nor is registered.
    ///
    /// # Errors
    ///
    /// `NameInUse`, `OutsideFunction`, `NotText`, `NoMemory`.
    pub(crate) fn insert(
        &mut self,
        kind: ProbeKind,
        name: Option<&str>,
        target: &TargetSpec<'_>,
        written: &[u8],
    ) -> Result<(Name, ProbePtr), Refusal> {
        let name = match name {
            Some(name) => Name::new(name),
            None => self.make_name(kind, target),
        };
        if self.probes.get(&name).is_some() {
            return Err(Refusal::NameInUse);
        }
        let named = Named::new(kind, target, written)?;
        let probe = named.probe();
        let node = RBTreeNode::new(name, named, GFP_KERNEL).map_err(|_| Refusal::NoMemory)?;
        self.probes.insert(node);
        self.count = self.count.saturating_add(1);
        Ok((name, probe))
    }

    fn make_name(&mut self, kind: ProbeKind, target: &TargetSpec<'_>) -> Name {
        let mut name = Name::new(AutoName::new(kind, target, 0).as_str());
        while self.probes.get(&name).is_some() {
            self.numbered = self.numbered.wrapping_add(1);
            name = Name::new(AutoName::new(kind, target, self.numbered).as_str());
        }
        name
    }

    /// Makes the files of a probe that is registered.
    ///
    /// # Errors
    ///
    /// Those of debugfs.
    pub(crate) fn make_files(&mut self, name: &Name) -> Result {
        let named = self.probes.get_mut(name).ok_or(ENOENT)?;
        let dir = Dir::new(name.as_cstr(), Some(self.dir.as_ref().ok_or(ENOENT)?))?;
        // SAFETY: `Named` drops its directory first.
        unsafe { probe_dir::make(&dir, named.as_ref())? };
        // SAFETY: nothing is moved out of the pinned probe.
        unsafe { named.as_mut().get_unchecked_mut() }.files = Some(dir);
        Ok(())
    }

    /// Takes a probe and its files away; its memory goes with `doomed`.
    ///
    /// # Errors
    ///
    /// `NoSuchProbe`; `NoMemory`, and nothing has changed.
    pub(crate) fn doom(&mut self, name: &Name, doomed: &mut Doomed) -> Result<(), Refusal> {
        let full = doomed.0.reserve(1, GFP_KERNEL).is_err();
        match self.probes.get(name) {
            None => Err(Refusal::NoSuchProbe),
            Some(_) if full => Err(Refusal::NoMemory),
            Some(_) => {
                if let Some(named) = self.take(name) {
                    // There is room.
                    let _ = doomed.0.push_within_capacity(named);
                }
                Ok(())
            }
        }
    }

    /// Forgets a probe that is not registered.
    pub(crate) fn forget(&mut self, name: &Name) {
        drop(self.take(name));
    }

    fn take(&mut self, name: &Name) -> Option<Pin<KBox<Named>>> {
        let mut named = self.probes.remove(name)?;
        // SAFETY: nothing is moved out of the pinned probe.
        drop(unsafe { named.as_mut().get_unchecked_mut() }.files.take());
        self.count = self.count.saturating_sub(1);
        Some(named)
    }

    /// About how long the lines are that make them.
    pub(crate) fn size_hint(&self) -> usize {
        self.count.saturating_mul(LINE)
    }

    /// The lines that make them.
    pub(crate) fn show(&self, out: &SeqFile) {
        for (name, named) in self.probes.iter() {
            named.show(name, out);
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let mut doomed = Doomed::new();
        // All at once if there is memory, else one by one.
        let _ = doomed.0.reserve(self.count, GFP_KERNEL);
        loop {
            let Some(name) = self.probes.keys().next().copied() else {
                break;
            };
            if self.doom(&name, &mut doomed).is_err() {
                if let Some(named) = self.take(&name) {
                    unregister(core::iter::once(named.probe()));
                }
            }
        }
    }
}

/// Probes that are out of the registry and still registered. When this is dropped they are
/// unregistered, all in one grace period, and freed; the registry's lock need not be held over that.
pub(crate) struct Doomed(KVVec<Pin<KBox<Named>>>);

impl Doomed {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(KVVec::new())
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            unregister(self.0.iter().map(|named| named.probe()));
        }
    }
}

fn unregister(probes: impl Iterator<Item = ProbePtr> + Clone) {
    if let Some(engine) = engine() {
        engine.unregister(probes);
    }
}
