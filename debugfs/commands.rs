// SPDX-License-Identifier: GPL-2.0

//! `probes`. A write has many lines, and each line succeeds or fails on its own.
//!
//! Lines that follow each other and have one command make one batch, so that the CPUs are
//! synchronized once for all of them. The order between additions and removals is kept.

use crate::command::writes::{
    Lines,
    LINE_MAX, //
};
use crate::command::{
    parse_line,
    written_target,
    Command,
    ProbeKind,
    Settings,
    TargetSpec, //
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
use crate::sys::target::{
    resolve,
    Unresolved, //
};
use crate::sys::task::is_dying;
use crate::trace::{
    self,
    EventRemoval, //
};
use core::mem::take;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::sync::{
    new_mutex,
    Mutex, //
};

/// What the file `probes` is about.
#[pin_data]
pub(super) struct Commands {
    #[pin]
    named: Mutex<Registry>,
}

impl Commands {
    /// No probes. The directories of the probes will be in `dir`.
    pub(super) fn new(dir: Option<Dir>) -> impl PinInit<Self> {
        pin_init!(Self {
            named <- new_mutex!(Registry::new(dir)),
        })
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
        let mut batch = Batch {
            registry: &commands.named,
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
}

/// A line that adds a probe.
struct Addition<'a> {
    line: usize,
    text: &'a [u8],
    kind: ProbeKind,
    name: Option<&'a str>,
    target: TargetSpec<'a>,
    settings: Settings,
    arguments: &'a [u8],
    /// Its name in the registry, if it is there.
    made: Option<Name>,
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
    registry: &'f Mutex<Registry>,
    adds: KVVec<Addition<'a>>,
    removes: KVVec<Removal<'a>>,
    failures: &'f mut Failures<'a>,
}

impl<'a> Batch<'a, '_> {
    fn line(&mut self, line: usize, text: &'a [u8]) {
        let command = match text.len() > LINE_MAX {
            true => Err(Refusal::LineTooLong),
            false => parse_line(text),
        };
        let pushed = match command {
            Ok(None) => Ok(()),
            Ok(Some(Command::Add {
                kind,
                name,
                target,
                settings,
                arguments,
            })) => {
                self.remove_all();
                let add = Addition {
                    line,
                    text,
                    kind,
                    name,
                    target,
                    settings,
                    arguments,
                    made: None,
                };
                self.adds
                    .push(add, GFP_KERNEL_ACCOUNT)
                    .map_err(|_| Refusal::NoMemory)
            }
            Ok(Some(Command::Remove { name })) => {
                self.add_all();
                let name = Name::new(name);
                let remove = Removal {
                    line,
                    text,
                    name,
                    ready: false,
                };
                self.removes
                    .push(remove, GFP_KERNEL_ACCOUNT)
                    .map_err(|_| Refusal::NoMemory)
            }
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = pushed {
            self.failures.add(line, text, refusal);
        }
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
        // Without memory `request` refuses the lines.
        let _ = requests.reserve(adds.len(), GFP_KERNEL_ACCOUNT);
        for tag in 0..adds.len() {
            let Some(add) = adds.get(tag) else {
                break;
            };
            if is_dying() {
                self.failures.add(add.line, add.text, Refusal::Interrupted);
                break;
            }
            if registry.is_unsettled(add.kind, add.name, &add.target) {
                self.register(&mut registry, &adds, &mut requests, &mut doomed);
            }
            let made = request(&mut registry, &mut requests, tag, add);
            if let Err(error) = made {
                self.failures.add(add.line, add.text, error);
            }
            if let Some(add) = adds.get_mut(tag) {
                add.made = made.ok();
            }
        }
        self.register(&mut registry, &adds, &mut requests, &mut doomed);
    }

    /// Registers the probes of requests, which it takes.
    fn register(
        &mut self,
        registry: &mut Registry,
        adds: &[Addition<'a>],
        requests: &mut KVVec<Request>,
        doomed: &mut Doomed,
    ) {
        let Some(engine) = engine().filter(|_| !requests.is_empty()) else {
            return;
        };
        engine.register(requests);
        for request in requests.iter() {
            let Some(add) = adds.get(request.tag) else {
                continue;
            };
            if let Err(refusal) = settle(registry, add, request.result, doomed) {
                self.failures.add(add.line, add.text, refusal);
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

/// Puts a probe into the registry, and its request into the batch. If the target has no address, the
/// request is refused with the reason.
fn request(
    registry: &mut Registry,
    requests: &mut KVVec<Request>,
    tag: usize,
    add: &Addition<'_>,
) -> Result<Name, LineError> {
    let written = Written {
        target: written_target(add.text),
        arguments: add.arguments,
    };
    let (name, probe) = registry.insert(add.kind, add.name, &add.target, written, add.settings)?;
    let addr = match add.target {
        TargetSpec::Address(0) => Err(Refusal::NotText),
        target => resolve(&Unresolved::from(&target)),
    };
    let made = match add.kind {
        ProbeKind::Probe => make_event(registry, &name, add.arguments, addr),
        ProbeKind::Count => Ok(()),
    };
    let request = Request::new(probe, addr, tag);
    let pushed = made.and_then(|()| {
        let pushed = requests.push_within_capacity(request);
        pushed.map_err(|_| Refusal::NoMemory.into())
    });
    if let Err(error) = pushed {
        registry.forget(&name);
        return Err(error);
    }
    Ok(name)
}

/// Makes the event of a probe in the registry. Its target has an address, or the reason why not.
fn make_event(
    registry: &mut Registry,
    name: &Name,
    arguments: &[u8],
    addr: Result<usize, Refusal>,
) -> Result<(), LineError> {
    let Ok(addr) = addr else {
        return Ok(());
    };
    let arguments = trace::arguments(arguments, addr)?;
    Ok(registry.make_event(name, arguments)?)
}

/// Makes the files of a probe that was registered. Takes a refused probe out of the registry.
fn settle(
    registry: &mut Registry,
    add: &Addition<'_>,
    registered: Result<(), Refusal>,
    doomed: &mut Doomed,
) -> Result<(), Refusal> {
    let Some(name) = &add.made else {
        return Ok(());
    };
    // SAFETY: The registry drops the directory before the probe.
    let make_files = |dir: &Dir, named: Pin<&Named>| unsafe { probe_dir::make(dir, named) };
    match registered {
        Ok(()) => registry.adopt(name, make_files).or_else(|refusal| {
            // If there is no memory to remove the probe either, it stays, without files.
            registry.doom(name, doomed)?;
            Err(refusal)
        }),
        Err(refusal) => {
            registry.forget(name);
            Err(refusal)
        }
    }
}
