// SPDX-License-Identifier: GPL-2.0

//! The probes that were made by name, by lines written to `probes`.
//!
//! Lock order, outermost first: the registry's lock, then the engine's lock. The files of one probe
//! take the engine's lock only. They are removed while the registry's lock is held, and removing
//! waits until no task is in them.

use crate::command::{
    AutoName,
    ProbeKind,
    Settings,
    TargetSpec,
    NAME_MAX, //
};
use crate::debugfs::file::Dir;
use crate::eligibility::refusal::Refusal;
use crate::engine::{
    engine,
    ProbePtr, //
};
use crate::sys::ffi::{
    rkprobe,
    RKPROBE_FLAG_DISABLED, //
};
use kernel::bindings::pt_regs;
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::rbtree::{
    RBTree,
    RBTreeNode, //
};
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::types::Opaque;

/// About how long a line of `probes` is.
const LINE: usize = 80;

/// A probe's name. The rest of the array is zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name([u8; NAME_MAX + 1]);

impl Name {
    /// A name that the parser has accepted.
    pub(super) fn new(name: &str) -> Self {
        let mut bytes = [0; NAME_MAX + 1];
        for (to, from) in bytes.iter_mut().take(NAME_MAX).zip(name.bytes()) {
            *to = from;
        }
        Self(bytes)
    }

    pub(super) fn as_cstr(&self) -> &CStr {
        let name = CStr::from_bytes_until_nul(&self.0);
        // The array is longer than any name.
        kernel::warn_on!(name.is_err());
        name.unwrap_or(c"")
    }
}

/// The handler of `p`. A probe with this handler is hit as one with a handler of a user.
///
/// # Safety
///
/// It has no conditions, because it uses neither argument.
#[link_section = ".kprobes.text"]
unsafe extern "C" fn do_nothing(_probe: *mut rkprobe, _regs: *mut pt_regs) -> c_int {
    0
}

/// A probe that was made by name.
pub(super) struct Named {
    /// Its files. Dropped first.
    files: Option<Dir>,
    kind: ProbeKind,
    /// Its target, as it was written.
    target: KVec<u8>,
    probe: Opaque<rkprobe>,
}

// SAFETY: The probe is changed while the engine's lock is held, or before and after another task can
// reach it.
unsafe impl Send for Named {}
// SAFETY: Shared access reads the probe through the engine, or one counter that is volatile.
unsafe impl Sync for Named {}

impl Named {
    /// A probe that is not registered. `written` is its target.
    fn new(
        kind: ProbeKind,
        written: &[u8],
        settings: Settings,
    ) -> Result<Pin<KBox<Self>>, Refusal> {
        let mut target = KVec::new();
        target
            .extend_from_slice(written, GFP_KERNEL_ACCOUNT)
            .map_err(|_| Refusal::NoMemory)?;
        let probe = rkprobe {
            pre_handler: match kind {
                ProbeKind::Probe => Some(do_nothing),
                ProbeKind::Count => None,
            },
            flags: match settings.enabled {
                true => 0,
                false => RKPROBE_FLAG_DISABLED,
            },
            limit: settings.limit,
            ..Default::default()
        };
        let named = Self {
            files: None,
            kind,
            target,
            probe: Opaque::new(probe),
        };
        KBox::pin(named, GFP_KERNEL_ACCOUNT).map_err(|_| Refusal::NoMemory)
    }

    /// The probe, for the engine.
    pub(super) fn probe(&self) -> ProbePtr {
        // SAFETY: The probe is pinned, and is unregistered before it is freed.
        unsafe { ProbePtr::new(self.probe.get()) }
    }

    /// How often its handler was not called, because the hit was inside a handler.
    pub(super) fn missed(&self) -> u64 {
        // SAFETY: The probe lives as long as `self`. Hits change the counter at the same time, so it
        // is read with one volatile load.
        unsafe { core::ptr::addr_of!((*self.probe.get()).nmissed).read_volatile() as u64 }
    }

    /// The line that makes this probe, with the settings that it has now.
    fn show(&self, name: &Name, out: &SeqFile) {
        let letter = char::from(self.kind.letter());
        seq_print!(out, "{}:{} ", letter, name.as_cstr());
        // The parser lets ASCII targets pass only.
        let target = core::str::from_utf8(&self.target);
        kernel::warn_on!(target.is_err());
        seq_print!(out, "{}", target.unwrap_or("?"));
        let settings = engine().and_then(|engine| engine.settings(self.probe()));
        let (enabled, limit) = settings.unwrap_or((true, 0));
        if !enabled {
            seq_print!(out, " enable=0");
        }
        if limit != 0 {
            seq_print!(out, " limit={}", limit);
        }
        seq_print!(out, "\n");
    }
}

/// All probes that were made by name.
pub(super) struct Registry {
    probes: RBTree<Name, Pin<KBox<Named>>>,
    /// Where their directories are. Dropped after the probes.
    dir: Option<Dir>,
    count: usize,
    /// How many names got a number to be unique.
    numbered: u32,
}

// SAFETY: The tree owns its probes, and `Named` is `Send`.
unsafe impl Send for Registry {}

impl Registry {
    /// No probes. Their directories will be in `dir`.
    pub(super) fn new(dir: Option<Dir>) -> Self {
        Self {
            probes: RBTree::new(),
            dir,
            count: 0,
            numbered: 0,
        }
    }

    /// Makes a probe. It is not registered and has no files.
    ///
    /// # Errors
    ///
    /// `NameInUse`, `NoMemory`.
    pub(super) fn insert(
        &mut self,
        kind: ProbeKind,
        name: Option<&str>,
        target: &TargetSpec<'_>,
        written: &[u8],
        settings: Settings,
    ) -> Result<(Name, ProbePtr), Refusal> {
        let name = match name {
            Some(name) => Name::new(name),
            None => self.make_name(kind, target),
        };
        if self.probes.get(&name).is_some() {
            return Err(Refusal::NameInUse);
        }
        let named = Named::new(kind, written, settings)?;
        let probe = named.probe();
        let node =
            RBTreeNode::new(name, named, GFP_KERNEL_ACCOUNT).map_err(|_| Refusal::NoMemory)?;
        self.probes.insert(node);
        self.count = self.count.saturating_add(1);
        Ok((name, probe))
    }

    /// Whether the name that a line would get is one of a probe that [`Registry::insert`] has made and
    /// neither [`Registry::adopt`] nor [`Registry::forget`] was called for.
    pub(super) fn is_unsettled(
        &self,
        kind: ProbeKind,
        name: Option<&str>,
        target: &TargetSpec<'_>,
    ) -> bool {
        let name = match name {
            Some(name) => Name::new(name),
            None => Name::new(AutoName::new(kind, target, 0).as_str()),
        };
        let named = self.probes.get(&name);
        named.is_some_and(|named| named.files.is_none())
    }

    fn make_name(&mut self, kind: ProbeKind, target: &TargetSpec<'_>) -> Name {
        let mut name = Name::new(AutoName::new(kind, target, 0).as_str());
        while self.probes.get(&name).is_some() {
            self.numbered = self.numbered.wrapping_add(1);
            name = Name::new(AutoName::new(kind, target, self.numbered).as_str());
        }
        name
    }

    /// Gives a registered probe its directory. `make_files` makes the files there. The directory and its
    /// files are removed before the probe is freed.
    ///
    /// # Errors
    ///
    /// The errors of debugfs.
    pub(super) fn adopt(
        &mut self,
        name: &Name,
        make_files: impl FnOnce(&Dir, Pin<&Named>) -> Result,
    ) -> Result {
        let named = self.probes.get_mut(name).ok_or(ENOENT)?;
        let dir = Dir::new(name.as_cstr(), Some(self.dir.as_ref().ok_or(ENOENT)?))?;
        make_files(&dir, named.as_ref())?;
        // SAFETY: Only `files` is changed, which is not pinned.
        unsafe { named.as_mut().get_unchecked_mut() }.files = Some(dir);
        Ok(())
    }

    /// Takes a probe out of the registry and removes its files. `doomed` frees the probe.
    ///
    /// # Errors
    ///
    /// `NoSuchProbe`. `NoMemory`: the probe is still in the registry.
    pub(super) fn doom(&mut self, name: &Name, doomed: &mut Doomed) -> Result<(), Refusal> {
        let full = doomed.0.reserve(1, GFP_KERNEL_ACCOUNT).is_err();
        match self.probes.get(name) {
            None => Err(Refusal::NoSuchProbe),
            Some(_) if full => Err(Refusal::NoMemory),
            Some(_) => {
                if let Some(named) = self.take(name) {
                    let pushed = doomed.0.push_within_capacity(named);
                    // Room was reserved before.
                    kernel::warn_on!(pushed.is_err());
                }
                Ok(())
            }
        }
    }

    /// Takes a probe that is not registered out of the registry, and frees it.
    pub(super) fn forget(&mut self, name: &Name) {
        drop(self.take(name));
    }

    fn take(&mut self, name: &Name) -> Option<Pin<KBox<Named>>> {
        let mut named = self.probes.remove(name)?;
        // SAFETY: Only `files` is changed, which is not pinned.
        drop(unsafe { named.as_mut().get_unchecked_mut() }.files.take());
        self.count = self.count.saturating_sub(1);
        Some(named)
    }

    /// About how many bytes `show` shows.
    pub(super) fn size_hint(&self) -> usize {
        self.count.saturating_mul(LINE)
    }

    /// The lines that make the probes.
    pub(super) fn show(&self, out: &SeqFile) {
        for (name, named) in self.probes.iter() {
            named.show(name, out);
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let mut doomed = Doomed::new();
        // With memory all are removed in one grace period, else each in its own.
        let _ = doomed.0.reserve(self.count, GFP_KERNEL_ACCOUNT);
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

/// Probes that are not in the registry any more and still registered. When this is dropped they are
/// unregistered, all in one grace period, and freed. The registry's lock need not be held for that.
pub(super) struct Doomed(KVVec<Pin<KBox<Named>>>);

impl Doomed {
    /// No probes yet.
    pub(super) fn new() -> Self {
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
