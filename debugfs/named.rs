// SPDX-License-Identifier: GPL-2.0

//! The probes that were made by name, by lines written to `probes`.
//!
//! Lock order, outermost first: the registry's lock, the lock of a probe's sites, the engine's lock.
//! The files of one probe do not take the registry's. They are removed while the registry's lock is
//! held, and removing waits until no task is in them.

use crate::command::places::{
    Places,
    Targets, //
};
use crate::command::writes::LINE_MAX;
use crate::command::{
    AutoName,
    ProbeKind,
    Settings,
    FULL_NAME_MAX,
    GROUP, //
};
use crate::containers::sort::sort_by_key;
use crate::debugfs::expansion::{
    names,
    Expanded, //
};
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
    Event,
    EventArguments,
    EventPlace,
    EventRemoval,
    RefusedSite,
    SitePart,
    SiteSet,
    Sites,
    Slot, //
};
use core::mem::take;
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

impl Written<'_> {
    /// How long the line is that is shown for it, at most.
    fn longest(&self, name: &Name) -> usize {
        let parts = [
            "p: ".len(),
            name.as_cstr().to_bytes().len(),
            self.targets.as_bytes().len(),
            " enable=0 limit=4294967295 ".len(),
            self.arguments.len(),
        ];
        parts.iter().sum()
    }
}

/// A copy of a text.
fn copy_of(text: &[u8]) -> Result<KVec<u8>, Refusal> {
    let mut copy = KVec::new();
    copy.extend_from_slice(text, GFP_KERNEL_ACCOUNT)
        .map_err(|_| Refusal::NoMemory)?;
    Ok(copy)
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
    /// What a hit of `p` is a record of.
    event: Option<Event>,
}

impl Named {
    /// A probe with the sites of `expanded` that is not registered.
    fn new(written: &Written<'_>, expanded: &mut Expanded) -> Result<Pin<KBox<Self>>, Refusal> {
        let mut slots = KVec::new();
        for module in take(&mut expanded.modules) {
            let pushed = slots.push(Slot::new(module), GFP_KERNEL_ACCOUNT);
            pushed.map_err(|_| Refusal::NoMemory)?;
        }
        let settings = written.settings;
        let named = Self {
            files: None,
            kind: written.kind,
            file: written.file,
            targets: copy_of(written.targets.as_bytes())?,
            arguments: copy_of(written.arguments)?,
            is_group: !written.targets.is_one(),
            sites: Sites::new(slots, settings.enabled, settings.limit)?,
            event: None,
        };
        let mut set = named.sites.lock();
        for slot in 0..set.slots().len() {
            let sites = expanded.sites.iter().filter(|site| site.slot == slot);
            let count = sites.count();
            if count > 0 {
                named.make_probes(&mut set, slot, count)?;
            }
        }
        drop(set);
        KBox::pin(named, GFP_KERNEL_ACCOUNT).map_err(|_| Refusal::NoMemory)
    }

    /// Makes the probes of a slot that has none, as the user has set them.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(super) fn make_probes(
        &self,
        set: &mut SiteSet,
        slot: usize,
        count: usize,
    ) -> Result<(), Refusal> {
        let (runs, limit) = (set.is_on(), set.limit());
        set.make(slot, count, || rkprobe {
            pre_handler: match self.kind {
                ProbeKind::Probe => Some(rk_event_hit),
                ProbeKind::Count => None,
            },
            flags: match runs {
                true => 0,
                false => RKPROBE_FLAG_DISABLED,
            },
            limit,
            ..Default::default()
        })
    }

    /// Its sites.
    pub(super) fn sites(&self) -> &Sites {
        &self.sites
    }

    /// Its targets, as they were written.
    pub(super) fn target_text(&self) -> &[u8] {
        &self.targets
    }

    /// How many of its targets name a module.
    pub(super) fn targets_in(&self, module: &CStr) -> usize {
        let targets = Targets::parse(&self.targets);
        targets.map_or(0, |targets| {
            let places = targets.iter();
            places.filter(|places| names(places, module)).count()
        })
    }

    /// The arguments of its event, as they were written.
    pub(super) fn argument_text(&self) -> &[u8] {
        &self.arguments
    }

    /// What hits are records of.
    pub(super) fn event(&self) -> Option<&Event> {
        self.event.as_ref()
    }

    /// Whether it may stand for more than one site.
    pub(super) fn is_group(&self) -> bool {
        self.is_group
    }

    /// Notes where a target has no site. Without memory `sites` shows fewer of them.
    pub(super) fn note_refused(&self, target: &Places<'_>, site: RefusedSite) {
        let mut set = self.sites.lock();
        let number = set.slots().iter().position(|slot| match slot.module() {
            Some(module) => names(target, module),
            None => target.module().is_none(),
        });
        if let Some(slot) = number.and_then(|number| set.slot_mut(number)) {
            let _ = slot.refused.push(site, GFP_KERNEL_ACCOUNT);
        }
    }

    /// Makes the event of a probe that is not registered.
    fn make_event(
        self: Pin<&mut Self>,
        name: &Name,
        arguments: EventArguments,
        place: EventPlace,
    ) -> Result<(), Refusal> {
        let event = Event::new(name.event().as_cstr(), arguments, place, &self.sites)?;
        // SAFETY: Only `event` is changed, which is not pinned.
        unsafe { self.get_unchecked_mut() }.event = Some(event);
        Ok(())
    }

    /// Whether it is enabled, and its limit. A group is enabled if one of its sites is. If no site is
    /// registered, they are what the next sites will have. A probe that is disabled runs while its event
    /// has a consumer. `None` while the module is being unloaded.
    pub(super) fn settings(&self) -> Option<(bool, u32)> {
        let engine = engine()?;
        let set = self.sites.lock();
        let all = set.iter().filter_map(|site| engine.settings(site));
        let (mut any, mut found) = (false, None);
        for (enabled, limit) in all {
            any |= enabled;
            found = Some(limit);
            if any {
                break;
            }
        }
        Some(match found {
            Some(limit) => (any && set.is_wanted(), limit),
            None => (set.is_wanted(), set.limit()),
        })
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
        let set = self.sites.lock();
        let (hits, misses) = (set.hits(), set.missed());
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

    /// Makes a probe with the sites of `expanded`. It is not registered and has no files.
    ///
    /// # Errors
    ///
    /// `NameInUse`, `NoMemory`. `LineTooLong`: with its name and all settings.
    pub(super) fn insert(
        &mut self,
        written: &Written<'_>,
        expanded: &mut Expanded,
    ) -> Result<(Name, Arc<Sites>), Refusal> {
        let name = match written.name {
            Some(name) => Name::new(name),
            None => self.make_name(written.kind, &written.targets),
        };
        if self.probes.get(&name).is_some() {
            return Err(Refusal::NameInUse);
        }
        // The line that is shown must be accepted when it is written.
        if written.longest(&name) > LINE_MAX {
            return Err(Refusal::LineTooLong);
        }
        let named = Named::new(written, expanded)?;
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
        place: EventPlace,
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
        named.as_mut().make_event(name, arguments, place)?;
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

    /// The probe of a name.
    pub(super) fn get(&self, name: &Name) -> Option<Pin<&Named>> {
        self.probes.get(name).map(|named| named.as_ref())
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
        let named = self.get(name).ok_or(Refusal::NoSuchProbe)?;
        doomed.reserve_for(&named)?;
        let named = self.take(name).ok_or(Refusal::NoSuchProbe)?;
        doomed.push(named);
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
        let _ = doomed.reserve(self.count);
        self.end_events();
        loop {
            let Some((name, named)) = self.probes.iter().next() else {
                break;
            };
            let (name, full) = (*name, doomed.reserve_for(named).is_err());
            match self.take(&name) {
                Some(named) if full => {
                    let set = named.sites.lock();
                    unregister(set.iter());
                    // The lock is inside the probe.
                    drop(set);
                }
                Some(named) => doomed.push(named),
                None => {}
            }
        }
    }
}

/// Probes that are not in the registry any more and still registered. When this is dropped they are
/// unregistered, all in one grace period, and freed. The registry's lock need not be held for that.
pub(super) struct Doomed {
    named: KVVec<Pin<KBox<Named>>>,
    parts: KVVec<Arc<SitePart>>,
}

impl Doomed {
    /// No probes yet.
    pub(super) fn new() -> Self {
        Self {
            named: KVVec::new(),
            parts: KVVec::new(),
        }
    }

    /// Makes room for more probes, each with sites in one module or in the kernel.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(super) fn reserve(&mut self, more: usize) -> Result<(), Refusal> {
        self.named
            .reserve(more, GFP_KERNEL_ACCOUNT)
            .and_then(|()| self.parts.reserve(more, GFP_KERNEL_ACCOUNT))
            .map_err(|_| Refusal::NoMemory)
    }

    /// Makes room for one more probe.
    fn reserve_for(&mut self, named: &Named) -> Result<(), Refusal> {
        self.named
            .reserve(1, GFP_KERNEL_ACCOUNT)
            .and_then(|()| {
                let parts = named.sites.lock().slots().len();
                self.parts.reserve(parts, GFP_KERNEL_ACCOUNT)
            })
            .map_err(|_| Refusal::NoMemory)
    }

    /// Takes a probe that room was reserved for.
    fn push(&mut self, named: Pin<KBox<Named>>) {
        let mut fits = true;
        {
            let set = named.sites.lock();
            for part in set.slots().iter().filter_map(|slot| slot.part.as_ref()) {
                fits &= self.parts.push_within_capacity(part.clone()).is_ok();
            }
        }
        fits &= self.named.push_within_capacity(named).is_ok();
        crate::sys::warning::warn_on(!fits);
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if !self.named.is_empty() {
            unregister(self.parts.iter().flat_map(|part| part.iter()));
        }
    }
}

fn unregister(probes: impl Iterator<Item = ProbePtr> + Clone) {
    if let Some(engine) = engine() {
        engine.unregister(probes);
    }
}
