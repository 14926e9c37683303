// SPDX-License-Identifier: GPL-2.0

//! `probes`. A write has many lines, and each line succeeds or fails on its own.
//!
//! Lines that follow each other and have one command make one batch, so that the CPUs are
//! synchronized once for all of them. The order between additions and removals is kept.

use crate::command::places::{
    Places,
    Targets, //
};
use crate::command::writes::{
    Lines,
    LINE_MAX, //
};
use crate::command::{
    parse_event_line,
    parse_line,
    Command,
    ProbeKind,
    Settings, //
};
use crate::debugfs::expansion::{
    expand,
    Expanded,
    Expansion, //
};
use crate::debugfs::failures::{
    Failures,
    LineError, //
};
use crate::debugfs::file::{
    Dir,
    File, //
};
use crate::debugfs::named::{
    Doomed,
    LineFile,
    Name,
    Named,
    Registry,
    Written, //
};
use crate::debugfs::probe_dir;
use crate::eligibility::refusal::Refusal;
use crate::engine::{
    engine,
    Request, //
};
use crate::sys::functions::Pattern;
use crate::sys::task::is_dying;
use crate::trace::{
    self,
    EventPlace,
    EventRemoval,
    RefusedSite,
    Slot, //
};
use core::mem::take;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::sync::{
    new_mutex,
    Mutex,
    MutexGuard, //
};

/// What the file `probes` is about.
#[pin_data]
pub(super) struct Commands {
    #[pin]
    pub(super) named: Mutex<Registry>,
}

impl Commands {
    /// No probes. The directories of the probes will be in `dir`.
    pub(super) fn new(dir: Option<Dir>) -> impl PinInit<Self> {
        pin_init!(Self {
            named <- new_mutex!(Registry::new(dir)),
        })
    }

    /// Locks the probes.
    pub(super) fn lock(&self) -> MutexGuard<'_, Registry> {
        self.named.lock()
    }

    /// Calls `each` with each probe and its name, by name, until it fails.
    ///
    /// # Errors
    ///
    /// The first error of `each`.
    pub(super) fn each(&self, each: impl Fn(&CStr, &Named) -> Result) -> Result {
        let registry = self.named.lock();
        let mut probes = registry.iter();
        probes.try_for_each(|(name, named)| each(name.as_cstr(), named.get_ref()))
    }

    /// Carries out lines.
    pub(super) fn lines<'t>(&self, file: LineFile, lines: Lines<'t>, failures: &mut Failures<'t>) {
        let mut batch = Batch {
            file,
            registry: &self.named,
            adds: KVVec::new(),
            removes: KVVec::new(),
            failures,
        };
        for (number, text) in lines {
            batch.line(number, text);
            if is_dying() {
                // Neither the lines that were collected nor those that follow are carried out.
                batch.failures.add(number, text, Refusal::Interrupted);
                return;
            }
        }
        batch.add_all();
        batch.remove_all();
    }

    /// Removes the probes that were made by `rkprobe_events`, or none of them.
    ///
    /// # Errors
    ///
    /// `EventInUse`, `NoMemory`.
    pub(super) fn clear_events(&self) -> Result<(), Refusal> {
        let mut doomed = Doomed::new();
        let mut registry = self.named.lock();
        let names = registry.names_of_events()?;
        doomed.reserve(names.len())?;
        {
            let mut removal = EventRemoval::new();
            if names
                .iter()
                .any(|name| registry.is_used(name, &mut removal))
            {
                return Err(Refusal::EventInUse);
            }
            for name in &names {
                registry.remove_event(name, &mut removal)?;
            }
        }
        for name in &names {
            registry.doom(name, &mut doomed)?;
        }
        Ok(())
    }
}

/// `probes`: the probes that were made by name. A write adds and removes probes.
pub(super) struct ProbesFile;

impl File for ProbesFile {
    type Data = Commands;
    type Own = ();
    const NAME: &'static CStr = c"probes";
    const MODE: u16 = 0o600;
    const MANY_LINES: bool = true;

    fn size_hint(commands: &Commands) -> usize {
        commands.named.lock().size_hint()
    }

    fn show(commands: &Commands, (): &(), out: &SeqFile) -> Result {
        commands.named.lock().show(out);
        Ok(())
    }

    fn lines<'t>(commands: &Commands, (): &mut (), lines: Lines<'t>, failures: &mut Failures<'t>) {
        commands.lines(LineFile::Probes, lines, failures);
    }
}

/// A line that adds a probe.
struct Addition<'a> {
    line: usize,
    text: &'a [u8],
    kind: ProbeKind,
    name: Option<&'a str>,
    targets: Targets<'a>,
    settings: Settings,
    arguments: &'a [u8],
    /// Its name in the registry, if it is there.
    made: Option<Name>,
    /// Its probe has files.
    is_settled: bool,
    /// One of its modules is not loaded.
    waits: bool,
    /// How many of its sites are registered.
    registered: usize,
    /// The first site that is refused, and must not be.
    failed: Option<LineError>,
    /// Why the first site is refused of those that may be.
    refused: Option<Refusal>,
}

/// A line that removes a probe.
struct Removal<'a> {
    line: usize,
    text: &'a [u8],
    name: Name,
    /// Its event is removed.
    ready: bool,
}

/// Lines that are being worked on. One of `adds` and `removes` is empty.
struct Batch<'a, 'f> {
    file: LineFile,
    registry: &'f Mutex<Registry>,
    adds: KVVec<Addition<'a>>,
    removes: KVVec<Removal<'a>>,
    failures: &'f mut Failures<'a>,
}

impl<'a> Batch<'a, '_> {
    fn line(&mut self, line: usize, text: &'a [u8]) {
        let command = match text.len() > LINE_MAX {
            true => Err(Refusal::LineTooLong),
            false => match self.file {
                LineFile::Probes => parse_line(text),
                LineFile::Events => parse_event_line(text),
            },
        };
        let pushed = match command {
            Ok(None) => Ok(()),
            Ok(Some(Command::Add {
                kind,
                name,
                targets,
                settings,
                arguments,
            })) => {
                self.remove_all();
                let add = Addition {
                    line,
                    text,
                    kind,
                    name,
                    targets,
                    settings,
                    arguments,
                    made: None,
                    is_settled: false,
                    waits: false,
                    registered: 0,
                    failed: None,
                    refused: None,
                };
                self.adds
                    .push(add, GFP_KERNEL_ACCOUNT)
                    .map_err(|_| Refusal::NoMemory)
            }
            Ok(Some(Command::Remove { name })) => {
                self.add_all();
                self.remove(line, text, Name::new(name))
            }
            Ok(Some(Command::RemoveMatching { pattern })) => {
                self.add_all();
                self.remove_all();
                self.remove_matching(line, text, pattern)
            }
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = pushed {
            self.failures.add(line, text, refusal);
        }
    }

    /// Collects the removal of one probe.
    fn remove(&mut self, line: usize, text: &'a [u8], name: Name) -> Result<(), Refusal> {
        let remove = Removal {
            line,
            text,
            name,
            ready: false,
        };
        let pushed = self.removes.push(remove, GFP_KERNEL_ACCOUNT);
        pushed.map_err(|_| Refusal::NoMemory)
    }

    /// Collects the removals of all probes that match. No other removal is waiting.
    fn remove_matching(
        &mut self,
        line: usize,
        text: &'a [u8],
        pattern: &str,
    ) -> Result<(), Refusal> {
        let (group, with_group) = (pattern.strip_suffix('/'), pattern.contains('/'));
        let pattern = Pattern::new(group.unwrap_or(pattern))?;
        let names = self
            .registry
            .lock()
            .matching(self.file, |name| match (group, with_group) {
                (Some(_), _) => pattern.matches(name.only_group().as_cstr()),
                (None, true) => pattern.matches(name.with_group().as_cstr()),
                (None, false) => pattern.matches(name.own()),
            })?;
        if names.is_empty() {
            return Err(Refusal::NoSuchProbe);
        }
        names
            .iter()
            .try_for_each(|name| self.remove(line, text, *name))
    }

    /// Registers the probes of the collected lines, in one batch. A line that wants the name of an
    /// earlier line begins another batch, because the earlier line may fail.
    fn add_all(&mut self) {
        let mut adds = take(&mut self.adds);
        if engine().is_none() || adds.is_empty() {
            return;
        }
        let registry = self.registry;
        let mut doomed = Doomed::new();
        let mut registry = registry.lock();
        let mut requests = KVVec::new();
        let mut settled = 0;
        for tag in 0..adds.len() {
            let Some(add) = adds.get(tag) else {
                break;
            };
            if is_dying() {
                self.failures.add(add.line, add.text, Refusal::Interrupted);
                break;
            }
            if registry.is_unsettled(add.kind, add.name, &add.targets) {
                self.register(
                    &mut registry,
                    &mut adds,
                    settled,
                    &mut requests,
                    &mut doomed,
                );
                settled = tag;
            }
            let Some(add) = adds.get_mut(tag) else {
                break;
            };
            let made = request(&mut registry, &mut requests, self.file, tag, add);
            if let Err(error) = made {
                self.failures.add(add.line, add.text, error);
            }
            add.made = made.ok();
        }
        self.register(
            &mut registry,
            &mut adds,
            settled,
            &mut requests,
            &mut doomed,
        );
        tell_waiting(&registry, &adds);
    }

    /// Registers the probes of requests, which it takes. `settled` is the number of lines before the
    /// first that has requests.
    fn register(
        &mut self,
        registry: &mut Registry,
        adds: &mut [Addition<'a>],
        settled: usize,
        requests: &mut KVVec<Request>,
        doomed: &mut Doomed,
    ) {
        let Some(engine) = engine() else {
            return;
        };
        if !requests.is_empty() {
            engine.register(requests);
        }
        for request in requests.iter() {
            let (line, target) = lines_and_targets(request.tag);
            if let Some(add) = adds.get_mut(line) {
                note(registry, add, target, request);
            }
        }
        for add in adds.iter_mut().skip(settled) {
            let Some(name) = add.made else {
                continue;
            };
            if !add.is_settled {
                add.is_settled = true;
                if let Err(error) = settle(registry, add, &name, doomed) {
                    self.failures.add(add.line, add.text, error);
                    add.made = None;
                }
            }
        }
        requests.clear();
    }

    /// Removes the probes of the collected lines, in one batch. The registry is not locked during the
    /// grace period of the probes, because `doomed` is dropped after the lock.
    fn remove_all(&mut self) {
        let mut removes = take(&mut self.removes);
        if removes.is_empty() {
            return;
        }
        let registry = self.registry;
        let mut doomed = Doomed::new();
        let room = doomed.reserve(removes.len());
        let mut registry = registry.lock();
        if self.file == LineFile::Events {
            for remove in removes.iter_mut() {
                remove.name = registry.find(&remove.name);
            }
        }
        self.remove_events(&registry, &mut removes, room);
        for remove in removes.iter().filter(|remove| remove.ready) {
            // The files wait for tasks inside them, so the events are not locked any more.
            if let Err(refusal) = registry.doom(&remove.name, &mut doomed) {
                self.failures.add(remove.line, remove.text, refusal);
            }
        }
    }

    /// Removes the events of the collected lines, and notes the lines whose probes can be removed then.
    ///
    /// The last line is the first, because users remove probes in the order in which they added them,
    /// and the tracing finds its newest event first.
    fn remove_events(
        &mut self,
        registry: &Registry,
        removes: &mut [Removal<'a>],
        room: Result<(), Refusal>,
    ) {
        let mut removal = EventRemoval::new();
        for remove in removes.iter_mut().rev() {
            if is_dying() {
                self.failures
                    .add(remove.line, remove.text, Refusal::Interrupted);
                return;
            }
            let removed = room.and_then(|()| registry.remove_event(&remove.name, &mut removal));
            match removed {
                Ok(()) => remove.ready = true,
                Err(refusal) => self.failures.add(remove.line, remove.text, refusal),
            }
        }
    }
}

/// How many targets a line can have at most. Each takes a byte and a comma.
const TARGETS_MAX: usize = LINE_MAX;

/// The number of a request, from the numbers of its line and of the target there.
pub(super) fn tag(line: usize, target: usize) -> usize {
    line.saturating_mul(TARGETS_MAX).saturating_add(target)
}

/// The numbers of the line and of the target that [`tag`] was made from.
pub(super) fn lines_and_targets(tag: usize) -> (usize, usize) {
    (tag / TARGETS_MAX, tag % TARGETS_MAX)
}

/// Puts a probe into the registry, and the requests for its sites into the batch.
fn request(
    registry: &mut Registry,
    requests: &mut KVVec<Request>,
    file: LineFile,
    line: usize,
    add: &mut Addition<'_>,
) -> Result<Name, LineError> {
    let mut expanded = expand(&add.targets)?;
    add.waits = expanded.waits_for.is_some();
    let written = Written {
        file,
        kind: add.kind,
        name: add.name,
        targets: add.targets,
        settings: add.settings,
        arguments: add.arguments,
    };
    let (name, sites) = registry.insert(&written, &mut expanded)?;
    let made = match add.kind {
        ProbeKind::Probe => make_event(registry, &name, add, &expanded),
        ProbeKind::Count => Ok(()),
    };
    let before = requests.len();
    let pushed = made.and_then(|()| {
        let set = sites.lock();
        for (number, slot) in set.slots().iter().enumerate() {
            let sites = expanded.sites.iter().filter(|site| site.slot == number);
            push_requests(requests, line, slot, sites)?;
        }
        Ok(())
    });
    if let Err(error) = pushed {
        requests.truncate(before);
        registry.forget(&name);
        return Err(error);
    }
    Ok(name)
}

/// Adds the requests for the sites of a slot to a batch.
///
/// # Errors
///
/// `NoMemory`.
pub(super) fn push_requests<'s>(
    requests: &mut KVVec<Request>,
    line: usize,
    slot: &Slot,
    sites: impl Iterator<Item = &'s Expansion>,
) -> Result<(), Refusal> {
    for (probe, site) in slot.iter().zip(sites) {
        let request = Request::new(probe, Ok(site.addr), tag(line, site.target));
        let pushed = requests.push(request, GFP_KERNEL_ACCOUNT);
        pushed.map_err(|_| Refusal::NoMemory)?;
    }
    Ok(())
}

/// Makes the event of a probe in the registry.
fn make_event(
    registry: &mut Registry,
    name: &Name,
    add: &Addition<'_>,
    expanded: &Expanded,
) -> Result<(), LineError> {
    let mut addrs = expanded.sites.iter().map(|site| site.addr);
    let waiting = expanded.waits_for.map(|_| expanded.waits_at_entries);
    let place = EventPlace::new(addrs.clone(), waiting);
    let arguments = trace::arguments(add.arguments, place, addrs.next())?;
    Ok(registry.make_event(name, arguments, place)?)
}

/// Notes what became of one site of a line. The site of a target that names one place must not be
/// refused. Of a function or a pattern, some sites may be.
fn note(registry: &Registry, add: &mut Addition<'_>, target: usize, request: &Request) {
    let Err(refusal) = request.result else {
        add.registered = add.registered.saturating_add(1);
        return;
    };
    let places = add.targets.iter().nth(target);
    let module = places.as_ref().and_then(Places::module);
    if matches!(refusal, Refusal::ModuleGoing | Refusal::NoFunction) && module.is_some() {
        // The module is unloaded at this time: the site waits for the next loading.
        add.waits = true;
        return;
    }
    // A refusal that says nothing about the place is not kept: the line can be written again.
    let is_passing = matches!(refusal, Refusal::NoMemory | Refusal::Interrupted);
    if is_passing || add.targets.is_place(target) {
        let error = match add.targets.is_one() {
            true => LineError::Refused(refusal),
            false => LineError::Target(target, refusal),
        };
        add.failed.get_or_insert(error);
        return;
    }
    add.refused.get_or_insert(refusal);
    let named = add.made.as_ref().and_then(|name| registry.get(name));
    if let (Some(named), Some(places)) = (named, places) {
        named.note_refused(
            &places,
            RefusedSite {
                addr: request.addr(),
                refusal,
            },
        );
    }
}

/// Says in the log which probes wait: one line at most for a write.
fn tell_waiting(registry: &Registry, adds: &[Addition<'_>]) {
    let mut waiting = adds.iter().filter(|add| add.waits && add.made.is_some());
    let Some(name) = waiting.next().and_then(|add| add.made.as_ref()) else {
        return;
    };
    let Some(named) = registry.get(name) else {
        return;
    };
    let set = named.sites().lock();
    let is_known = |site| engine().is_some_and(|engine| engine.settings(site).is_some());
    let waits = |slot: &&Slot| !slot.iter().any(is_known);
    let mut slots = set.slots().iter().filter(waits);
    let module = slots.find_map(Slot::module).unwrap_or(c"");
    let name = name.as_cstr();
    match waiting.count() {
        0 => pr_info!("probe {name} waits for module {module}\n"),
        more => pr_info!("probe {name} waits for module {module}, and {more} more probes wait\n"),
    }
}

/// Makes the files of a probe that was registered. Takes a probe out of the registry if it is refused,
/// or has no site.
fn settle(
    registry: &mut Registry,
    add: &Addition<'_>,
    name: &Name,
    doomed: &mut Doomed,
) -> Result<(), LineError> {
    // SAFETY: The registry drops the directory before the probe.
    let make_files = |dir: &Dir, named: Pin<&Named>| unsafe { probe_dir::make(dir, named) };
    let failed = match (add.failed, add.refused) {
        (Some(failed), _) => Err(failed),
        (None, Some(refusal)) if add.registered == 0 && !add.waits => Err(refusal.into()),
        (None, _) => registry.adopt(name, make_files).map_err(LineError::from),
    };
    if failed.is_err() {
        match add.registered {
            0 => registry.forget(name),
            // If there is no memory to remove the probe either, it stays, without files.
            _ => registry.doom(name, doomed)?,
        }
    }
    failed
}
