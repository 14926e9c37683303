// SPDX-License-Identifier: GPL-2.0

//! The probes that were made by name, by lines written to `probes`.
//!
//! Lock order, outermost first: the registry's lock, then the engine's lock. The files of one probe
//! take the engine's lock only. They are removed while the registry's lock is held, and removing
//! waits until no task is in them.

use crate::command::places::Targets;
use crate::command::{
    AutoName,
    ProbeKind,
    Settings,
    FULL_NAME_MAX,
    GROUP, //
};
use crate::containers::sort::sort_by_key;
use crate::debugfs::file::Dir;
use crate::debugfs::print::Printable;
use crate::eligibility::refusal::Refusal;
use crate::engine::{
    engine,
    ProbePtr, //
};
use crate::sys::ffi::{
    rk_event_hit,
    rkprobe,
    RKPROBE_FLAG_DISABLED, //
};
use crate::trace::{
    missed,
    Event,
    EventArguments,
    EventRemoval,
    Sites, //
};
use kernel::prelude::*;
use kernel::rbtree::{
    RBTree,
    RBTreeNode, //
};
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::sync::Arc;

/// About how long a line of `probes` is.
const LINE: usize = 80;

/// A probe's name: `NAME` or `GROUP/NAME`. The rest of the array is zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name([u8; FULL_NAME_MAX + 1]);

impl Name {
    /// A name that the parser has accepted.
    pub(super) fn new(name: &str) -> Self {
        let mut bytes = [0; FULL_NAME_MAX + 1];
        for (to, from) in bytes.iter_mut().take(FULL_NAME_MAX).zip(name.bytes()) {
            *to = from;
        }
        Self(bytes)
    }

    pub(super) fn as_cstr(&self) -> &CStr {
        let name = CStr::from_bytes_until_nul(&self.0);
        // The array is longer than any name.
        crate::sys::warning::warn_on(name.is_err());
        name.unwrap_or(c"")
    }

    /// The name without its group.
    pub(super) fn own(&self) -> &CStr {
        let start = self
            .group()
            .map_or(0, |group| group.len().saturating_add(1));
        let own = self.0.get(start..).map(CStr::from_bytes_until_nul);
        own.and_then(Result::ok).unwrap_or(c"")
    }

    /// The group, if it is not that of all names without a group.
    fn group(&self) -> Option<&[u8]> {
        let name = self.as_cstr().to_bytes();
        let slash = name.iter().position(|byte| *byte == b'/')?;
        name.get(..slash)
    }

    /// The name with its group, also if that is the group of all names without one.
    pub(super) fn with_group(&self) -> Self {
        if self.group().is_some() {
            return *self;
        }
        let parts = [GROUP.as_bytes(), b"/", self.as_cstr().to_bytes()];
        let mut bytes = [0; FULL_NAME_MAX + 1];
        let name = parts.iter().copied().flatten();
        for (to, from) in bytes.iter_mut().take(FULL_NAME_MAX).zip(name) {
            *to = *from;
        }
        Self(bytes)
    }

    /// The group, also if that is the group of all names without one.
    pub(super) fn only_group(&self) -> Self {
        let group = core::str::from_utf8(self.group().unwrap_or(GROUP.as_bytes()));
        Self::new(group.unwrap_or(GROUP))
    }

    /// The name of the directory of the probe. No name has a colon.
    fn dir(&self) -> Self {
        Self(self.0.map(|byte| match byte {
            b'/' => b':',
            byte => byte,
        }))
    }

    /// The name of the event. Events have no dots in their names, and the directory of all events of a
    /// group has files of its own.
    fn event(&self) -> Self {
        if matches!(self.own().to_bytes(), b"enable" | b"filter") {
            let mut name = *self;
            if let Some(end) = name.0.iter_mut().find(|byte| **byte == 0) {
                *end = b'_';
            }
            return name;
        }
        Self(self.0.map(|byte| match byte {
            b'.' => b'_',
            byte => byte,
        }))
    }
}

/// A file that takes lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFile {
    /// `probes` of debugfs.
    Probes,
    /// `rkprobe_events` of tracefs.
    Events,
}

/// The words of a line that makes a probe.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) file: LineFile,
    pub(super) kind: ProbeKind,
    pub(super) name: Option<&'a str>,
    pub(super) targets: Targets<'a>,
    pub(super) settings: Settings,
    pub(super) arguments: &'a [u8],
}

/// A copy of a text.
fn copy_of(text: &[u8]) -> Result<KVec<u8>, Refusal> {
    let mut copy = KVec::new();
    copy.extend_from_slice(text, GFP_KERNEL_ACCOUNT)
        .map_err(|_| Refusal::NoMemory)?;
    Ok(copy)
}

/// A place of a group where there can be no probe.
#[derive(Clone, Copy)]
pub(super) struct RefusedSite {
    pub(super) addr: usize,
    pub(super) refusal: Refusal,
}

/// A probe that was made by name: on one site, or on many.
pub(super) struct Named {
    /// Its files. Dropped first.
    files: Option<Dir>,
    kind: ProbeKind,
    /// The file that its line was written to.
    file: LineFile,
    /// Its targets, as they were written.
    targets: KVec<u8>,
    /// The arguments of its event, as they were written.
    arguments: KVec<u8>,
    /// It stands for more than one target, also if it has one site.
    is_group: bool,
    sites: Arc<Sites>,
    /// Where the functions and patterns of its targets have no probe.
    refused: KVVec<RefusedSite>,
    /// What a hit of `p` is a record of.
    event: Option<Event>,
}

impl Named {
    /// A probe with `count` sites that is not registered.
    fn new(written: &Written<'_>, count: usize) -> Result<Pin<KBox<Self>>, Refusal> {
        let probe = || rkprobe {
            pre_handler: match written.kind {
                ProbeKind::Probe => Some(rk_event_hit),
                ProbeKind::Count => None,
            },
            flags: match written.settings.enabled {
                true => 0,
                false => RKPROBE_FLAG_DISABLED,
            },
            limit: written.settings.limit,
            ..Default::default()
        };
        let named = Self {
            files: None,
            kind: written.kind,
            file: written.file,
            targets: copy_of(written.targets.as_bytes())?,
            arguments: copy_of(written.arguments)?,
            is_group: !written.targets.is_one(),
            sites: Sites::new(count, probe)?,
            refused: KVVec::new(),
            event: None,
        };
        KBox::pin(named, GFP_KERNEL_ACCOUNT).map_err(|_| Refusal::NoMemory)
    }

    /// Its sites.
    pub(super) fn sites(&self) -> &Sites {
        &self.sites
    }

    /// Whether it may stand for more than one site.
    pub(super) fn is_group(&self) -> bool {
        self.is_group
    }

    /// Where the functions and patterns of its targets have no probe.
    pub(super) fn refused(&self) -> &[RefusedSite] {
        &self.refused
    }

    /// Makes the event of a probe that is not registered.
    fn make_event(
        self: Pin<&mut Self>,
        name: &Name,
        arguments: EventArguments,
        wanted: bool,
    ) -> Result<(), Refusal> {
        let event = Event::new(name.event().as_cstr(), arguments, &self.sites, wanted)?;
        // SAFETY: Only `event` is changed, which is not pinned.
        unsafe { self.get_unchecked_mut() }.event = Some(event);
        Ok(())
    }

    /// Enables or disables the probe.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::set_enabled`](crate::engine::Engine::set_enabled). `ModuleGoing`.
    pub(super) fn set_enabled(&self, enabled: bool) -> Result<(), Refusal> {
        match &self.event {
            Some(event) => event.set_wanted(enabled),
            None => {
                let engine = engine().ok_or(Refusal::ModuleGoing)?;
                engine.set_enabled(self.sites.iter(), enabled)
            }
        }
    }

    /// Whether the user has enabled the probe, and no limit has disabled it. `runs` is whether it runs: a
    /// probe that is disabled runs while its event has a consumer.
    pub(super) fn is_enabled(&self, runs: bool) -> bool {
        runs && self.event.as_ref().is_none_or(Event::is_wanted)
    }

    /// Whether it is enabled, and its limit. A group is enabled if one of its sites is. `None` if no
    /// site is registered.
    pub(super) fn settings(&self) -> Option<(bool, u32)> {
        let engine = engine()?;
        let all = self.sites.iter().filter_map(|site| engine.settings(site));
        let (mut any, mut found) = (false, None);
        for (enabled, limit) in all {
            any |= enabled;
            found = Some(limit);
            if any {
                break;
            }
        }
        found.map(|limit| (self.is_enabled(any), limit))
    }

    /// The line that makes this probe, with the settings that it has now.
    fn show(&self, name: &Name, out: &SeqFile) {
        let letter = char::from(self.kind.letter());
        seq_print!(
            out,
            "{}:{} {}",
            letter,
            name.as_cstr(),
            Printable(&self.targets)
        );
        let (enabled, limit) = self.settings().unwrap_or((true, 0));
        if !enabled {
            seq_print!(out, " enable=0");
        }
        if limit != 0 {
            seq_print!(out, " limit={}", limit);
        }
        let words = self.arguments.split(u8::is_ascii_whitespace);
        for word in words.filter(|word| !word.is_empty()) {
            seq_print!(out, " {}", Printable(word));
        }
        seq_print!(out, "\n");
    }

    /// The line of `rkprobe_events` that makes this probe, in the form of kprobe_events: the group and the
    /// names of all arguments are there.
    fn show_event(&self, name: &Name, out: &SeqFile) {
        let targets = Printable(&self.targets);
        seq_print!(
            out,
            "p:{} {}",
            Printable(name.with_group().as_cstr().to_bytes()),
            targets
        );
        let (enabled, limit) = self.settings().unwrap_or((false, 0));
        if enabled {
            seq_print!(out, " enable=1");
        }
        if limit != 0 {
            seq_print!(out, " limit={}", limit);
        }
        let arguments = self
            .event
            .iter()
            .flat_map(|event| event.arguments().fields());
        for field in arguments {
            seq_print!(out, " {}={}", field.name, Printable(field.expression));
        }
        seq_print!(out, "\n");
    }

    /// The line of `rkprobe_profile`: name, hits, misses, as in kprobe_profile. A group has one line.
    fn show_profile(&self, name: &Name, out: &SeqFile) {
        let (mut hits, mut misses) = (0u64, 0u64);
        for site in self.sites.iter() {
            let report = engine().and_then(|engine| engine.report(site));
            hits = hits.wrapping_add(report.map_or(0, |report| report.hits as u64));
            misses = misses.wrapping_add(missed(site));
        }
        let own = name.own().to_str().unwrap_or("");
        seq_print!(out, "  {:<44} {:>15} {:>15}\n", own, hits, misses);
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
    /// The names of events that are not those of their probes.
    renamed: RBTree<Name, ()>,
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
            renamed: RBTree::new(),
        }
    }

    /// Makes a probe with `count` sites. It is not registered and has no files.
    ///
    /// # Errors
    ///
    /// `NameInUse`, `NoMemory`.
    pub(super) fn insert(
        &mut self,
        written: &Written<'_>,
        count: usize,
    ) -> Result<(Name, Arc<Sites>), Refusal> {
        let name = match written.name {
            Some(name) => Name::new(name),
            None => self.make_name(written.kind, &written.targets),
        };
        if self.probes.get(&name).is_some() {
            return Err(Refusal::NameInUse);
        }
        let named = Named::new(written, count)?;
        let sites = named.sites.clone();
        let node =
            RBTreeNode::new(name, named, GFP_KERNEL_ACCOUNT).map_err(|_| Refusal::NoMemory)?;
        self.probes.insert(node);
        self.count = self.count.saturating_add(1);
        Ok((name, sites))
    }

    /// Makes the event of a probe that is not registered.
    ///
    /// # Errors
    ///
    /// `NameInUse`, `NoMemory`.
    pub(super) fn make_event(
        &mut self,
        name: &Name,
        arguments: EventArguments,
        wanted: bool,
    ) -> Result<(), Refusal> {
        let event = name.event();
        let is_renamed = event != *name;
        let has_event = |named: &Pin<KBox<Named>>| named.event.is_some();
        if self.renamed.get(&event).is_some()
            || (is_renamed && self.probes.get(&event).is_some_and(has_event))
        {
            return Err(Refusal::NameInUse);
        }
        let node = match is_renamed {
            true => Some(RBTreeNode::new(event, (), GFP_KERNEL_ACCOUNT)),
            false => None,
        };
        let node = node.transpose().map_err(|_| Refusal::NoMemory)?;
        let named = self.probes.get_mut(name).ok_or(Refusal::NoSuchProbe)?;
        named.as_mut().make_event(name, arguments, wanted)?;
        if let Some(node) = node {
            self.renamed.insert(node);
        }
        Ok(())
    }

    /// Whether the name that a line would get is one of a probe that [`Registry::insert`] has made and
    /// neither [`Registry::adopt`] nor [`Registry::forget`] was called for.
    pub(super) fn is_unsettled(
        &self,
        kind: ProbeKind,
        name: Option<&str>,
        targets: &Targets<'_>,
    ) -> bool {
        let name = match name {
            Some(name) => Name::new(name),
            None => Name::new(AutoName::new(kind, &targets.first(), 0).as_str()),
        };
        let named = self.probes.get(&name);
        named.is_some_and(|named| named.files.is_none())
    }

    fn make_name(&mut self, kind: ProbeKind, targets: &Targets<'_>) -> Name {
        let first = targets.first();
        let mut name = Name::new(AutoName::new(kind, &first, 0).as_str());
        while self.probes.get(&name).is_some() {
            self.numbered = self.numbered.wrapping_add(1);
            name = Name::new(AutoName::new(kind, &first, self.numbered).as_str());
        }
        name
    }

    /// Notes where the targets of a probe without files have no site. Without memory `sites` shows fewer
    /// of them.
    pub(super) fn note_refused(&mut self, name: &Name, site: RefusedSite) {
        if let Some(named) = self.probes.get_mut(name) {
            // SAFETY: Only `refused` is changed, which is not pinned.
            let named = unsafe { named.as_mut().get_unchecked_mut() };
            let _ = named.refused.push(site, GFP_KERNEL_ACCOUNT);
        }
    }

    /// The names of the probes that `matches`. A line of `rkprobe_events` means the probes of that file.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(super) fn matching(
        &self,
        file: LineFile,
        matches: impl Fn(&Name) -> bool,
    ) -> Result<KVVec<Name>, Refusal> {
        let mut names = KVVec::new();
        for (name, named) in self.probes.iter() {
            let is_meant = file == LineFile::Probes || named.file == file;
            if is_meant && matches(name) {
                names
                    .push(*name, GFP_KERNEL_ACCOUNT)
                    .map_err(|_| Refusal::NoMemory)?;
            }
        }
        Ok(names)
    }

    /// The probes, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, Pin<&Named>)> {
        self.probes
            .iter()
            .map(|(name, named)| (name, named.as_ref()))
    }

    /// Gives a registered probe its directory. `make_files` makes the files there. The directory and its
    /// files are removed before the probe is freed.
    ///
    /// # Errors
    ///
    /// `NoMemory`: debugfs made no files. `TooManyEvents`. `NameInUse`: the kernel has another event of
    /// the name.
    pub(super) fn adopt(
        &mut self,
        name: &Name,
        make_files: impl FnOnce(&Dir, Pin<&Named>) -> Result,
    ) -> Result<(), Refusal> {
        let named = self.probes.get_mut(name).ok_or(Refusal::NoSuchProbe)?;
        let parent = self.dir.as_ref().ok_or(Refusal::NoMemory)?;
        let dir = Dir::new(name.dir().as_cstr(), Some(parent)).map_err(|_| Refusal::NoMemory)?;
        make_files(&dir, named.as_ref()).map_err(|_| Refusal::NoMemory)?;
        // SAFETY: Only `files` is changed, which is not pinned.
        let named = unsafe { named.as_mut().get_unchecked_mut() };
        named.files = Some(dir);
        match &named.event {
            Some(event) => event.add(),
            None => Ok(()),
        }
    }

    /// The name of a probe that a line of `rkprobe_events` means: a name without a group is that of a
    /// probe in any group, as in kprobe_events.
    pub(super) fn find(&self, name: &Name) -> Name {
        if self.probes.get(name).is_some() || name.group().is_some() {
            return *name;
        }
        let found = self.probes.keys().find(|other| other.own() == name.own());
        found.copied().unwrap_or(*name)
    }

    /// The names of all probes that were made by `rkprobe_events`, that of the newest event first.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(super) fn names_of_events(&self) -> Result<KVVec<Name>, Refusal> {
        let mut found: KVVec<(u64, Name)> = KVVec::new();
        for (name, named) in self.of_events() {
            let added = named.event.as_ref().map_or(0, Event::added);
            found
                .push((added, *name), GFP_KERNEL_ACCOUNT)
                .map_err(|_| Refusal::NoMemory)?;
        }
        sort_by_key(&mut found, |(added, _)| !added);
        let mut names = KVVec::new();
        for (_, name) in &found {
            names
                .push(*name, GFP_KERNEL_ACCOUNT)
                .map_err(|_| Refusal::NoMemory)?;
        }
        Ok(names)
    }

    fn of_events(&self) -> impl Iterator<Item = (&Name, &Pin<KBox<Named>>)> {
        let probes = self.probes.iter();
        probes.filter(|(_, named)| named.file == LineFile::Events)
    }

    /// Whether the event of a probe is in use. See [`Event::is_used`].
    pub(super) fn is_used(&self, name: &Name, removal: &mut EventRemoval) -> bool {
        let event = self.probes.get(name).and_then(|named| named.event.as_ref());
        event.is_some_and(|event| event.is_used(removal))
    }

    /// Removes the event of a probe, if it has one. The probe stays in the registry.
    ///
    /// # Errors
    ///
    /// `NoSuchProbe`, `EventInUse`.
    pub(super) fn remove_event(
        &self,
        name: &Name,
        removal: &mut EventRemoval,
    ) -> Result<(), Refusal> {
        let named = self.probes.get(name).ok_or(Refusal::NoSuchProbe)?;
        match &named.event {
            Some(event) => event.remove(removal),
            None => Ok(()),
        }
    }

    /// Takes a probe whose event is removed out of the registry and removes its files. `doomed` frees
    /// the probe.
    ///
    /// # Errors
    ///
    /// `NoSuchProbe`. `NoMemory`: the probe is still in the registry.
    pub(super) fn doom(&mut self, name: &Name, doomed: &mut Doomed) -> Result<(), Refusal> {
        doomed.reserve(1)?;
        let named = self.take(name).ok_or(Refusal::NoSuchProbe)?;
        let pushed = doomed.0.push_within_capacity(named);
        // Room was reserved before.
        crate::sys::warning::warn_on(pushed.is_err());
        Ok(())
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
        let event = name.event();
        if named.event.is_some() && event != *name {
            self.renamed.remove(&event);
        }
        Some(named)
    }

    /// Takes all events back when the module is unloaded. With memory the event that was added last is
    /// the first.
    fn end_events(&self) {
        let mut removal = EventRemoval::new();
        let mut events: KVVec<&Event> = KVVec::new();
        let _ = events.reserve(self.count, GFP_KERNEL_ACCOUNT);
        for event in self
            .probes
            .values()
            .filter_map(|named| named.event.as_ref())
        {
            if events.push_within_capacity(event).is_err() {
                event.end(&mut removal);
            }
        }
        sort_by_key(&mut events, |event| !event.added());
        for event in &events {
            event.end(&mut removal);
        }
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

    /// The lines of `rkprobe_events`.
    pub(super) fn show_events(&self, out: &SeqFile) {
        for (name, named) in self.of_events() {
            named.show_event(name, out);
        }
    }

    /// The lines of `rkprobe_profile`.
    pub(super) fn show_profile(&self, out: &SeqFile) {
        for (name, named) in self.of_events() {
            named.show_profile(name, out);
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let mut doomed = Doomed::new();
        // With memory all are removed in one grace period, else each in its own.
        let _ = doomed.0.reserve(self.count, GFP_KERNEL_ACCOUNT);
        self.end_events();
        loop {
            let Some(name) = self.probes.keys().next().copied() else {
                break;
            };
            let full = doomed.0.reserve(1, GFP_KERNEL_ACCOUNT).is_err();
            match self.take(&name) {
                Some(named) if full => unregister(named.sites.iter()),
                Some(named) => {
                    let pushed = doomed.0.push_within_capacity(named);
                    // Room was reserved before.
                    crate::sys::warning::warn_on(pushed.is_err());
                }
                None => {}
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

    /// Makes room for more probes.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(super) fn reserve(&mut self, more: usize) -> Result<(), Refusal> {
        let reserved = self.0.reserve(more, GFP_KERNEL_ACCOUNT);
        reserved.map_err(|_| Refusal::NoMemory)
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            unregister(self.0.iter().flat_map(|named| named.sites.iter()));
        }
    }
}

fn unregister(probes: impl Iterator<Item = ProbePtr> + Clone) {
    if let Some(engine) = engine() {
        engine.unregister(probes);
    }
}
