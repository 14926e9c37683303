// SPDX-License-Identifier: GPL-2.0

//! `probes` and `errors`. One write to `probes` has many lines, and each line succeeds or fails on its
//! own.
//!
//! Lines that follow each other and have one command make one batch, so that the CPUs are
//! synchronized once for all of them. The order between additions and removals is kept.

use crate::command::{parse_line, Command, ProbeKind, TargetSpec};
use crate::containers::sort::sort_by_key;
use crate::debugfs::file::{Dir, File};
use crate::debugfs::named::{Doomed, Name, Named, Registry};
use crate::debugfs::print::{show_candidates, Printable};
use crate::debugfs::probe_dir;
use crate::eligibility::refusal::Refusal;
use crate::engine::{engine, Request};
use crate::sys::target::{resolve, Unresolved};
use core::mem::take;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::sync::{new_mutex, Mutex};

/// What the files `probes` and `errors` are about.
#[pin_data]
pub(super) struct Commands {
    #[pin]
    named: Mutex<Registry>,
    /// The outcome of the last write to `probes`.
    #[pin]
    outcome: Mutex<WriteOutcome>,
}

impl Commands {
    /// No probes, and no write yet. The directories of the probes will be in `dir`.
    pub(super) fn new(dir: Option<Dir>) -> impl PinInit<Self> {
        pin_init!(Self {
            named <- new_mutex!(Registry::new(dir)),
            outcome <- new_mutex!(WriteOutcome::nothing()),
        })
    }
}

/// `probes`: the probes that were made by name. A write adds and removes probes.
pub(super) struct ProbesFile;

impl File for ProbesFile {
    type Data = Commands;
    const NAME: &'static CStr = c"probes";
    const MODE: u16 = 0o600;

    fn size_hint(commands: &Commands) -> usize {
        commands.named.lock().size_hint()
    }

    fn show(commands: &Commands, out: &SeqFile) -> Result {
        commands.named.lock().show(out);
        Ok(())
    }

    fn write(commands: &Commands, text: KVVec<u8>) -> Result {
        let outcome = run(&commands.named, text);
        let result = outcome.result;
        let last = core::mem::replace(&mut *commands.outcome.lock(), outcome);
        drop(last);
        result
    }
}

/// `errors`: the lines of the last write that failed, and why.
pub(super) struct ErrorsFile;

impl File for ErrorsFile {
    type Data = Commands;
    const NAME: &'static CStr = c"errors";
    const MODE: u16 = 0o400;

    fn size_hint(commands: &Commands) -> usize {
        commands.outcome.lock().size_hint()
    }

    fn show(commands: &Commands, out: &SeqFile) -> Result {
        commands.outcome.lock().show(out);
        Ok(())
    }
}

/// A line that failed.
struct FailedLine {
    /// Counted from 0.
    line: usize,
    /// Where it begins in the text.
    start: usize,
    refusal: Refusal,
}

/// The outcome of a write.
struct WriteOutcome {
    text: KVVec<u8>,
    failed: KVVec<FailedLine>,
    /// The errno of the first line that failed.
    result: Result,
}

impl WriteOutcome {
    /// That of no write.
    const fn nothing() -> Self {
        Self {
            text: KVVec::new(),
            failed: KVVec::new(),
            result: Ok(()),
        }
    }

    /// About how many bytes `show` shows.
    fn size_hint(&self) -> usize {
        self.failed
            .len()
            .saturating_mul(96)
            .saturating_add(self.text.len())
    }

    /// `LINE: text: reason` for each line that failed.
    fn show(&self, out: &SeqFile) {
        for failed in &self.failed {
            let line = line_at(&self.text, failed.start);
            let number = failed.line.saturating_add(1);
            let reason = failed.refusal.text();
            seq_print!(out, "{}: {}: {}", number, Printable(line), reason);
            if let (Refusal::AmbiguousSymbol, Ok(Some(Command::Add { target, .. }))) =
                (failed.refusal, parse_line(line))
            {
                show_candidates(&target, out);
            }
            seq_print!(out, "\n");
        }
    }
}

/// The line that begins at `start`, without white space at its ends.
fn line_at(text: &[u8], start: usize) -> &[u8] {
    let rest = text.get(start..);
    kernel::warn_on!(rest.is_none());
    let line = rest.unwrap_or(&[]).split(|byte| *byte == b'\n').next();
    line.unwrap_or(&[]).trim_ascii()
}

/// A line that adds a probe.
struct Addition<'a> {
    line: usize,
    start: usize,
    kind: ProbeKind,
    name: Option<&'a str>,
    target: TargetSpec<'a>,
    /// The target as it was written.
    written: &'a [u8],
    /// Its name in the registry, if it is there.
    made: Option<Name>,
}

/// A line that removes a probe.
struct Removal {
    line: usize,
    start: usize,
    name: Name,
}

/// A write that is being worked on. One of `adds` and `removes` is empty.
struct Batch<'a> {
    registry: &'a Mutex<Registry>,
    adds: KVVec<Addition<'a>>,
    removes: KVVec<Removal>,
    failed: KVVec<FailedLine>,
    /// The first line that failed, and why.
    first: Option<(usize, Refusal)>,
}

/// Runs the commands that the lines of `text` have.
fn run(registry: &Mutex<Registry>, text: KVVec<u8>) -> WriteOutcome {
    let mut batch = Batch {
        registry,
        adds: KVVec::new(),
        removes: KVVec::new(),
        failed: KVVec::new(),
        first: None,
    };
    let mut start = 0usize;
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        batch.line(number, start, line);
        start = start.saturating_add(line.len()).saturating_add(1);
    }
    batch.add_all();
    batch.remove_all();
    let mut failed = take(&mut batch.failed);
    let result = batch
        .first
        .map_or(Ok(()), |(_, refusal)| Err(refusal.into()));
    drop(batch);
    sort_by_key(&mut failed, |failed| failed.line as u64);
    WriteOutcome {
        text,
        failed,
        result,
    }
}

impl<'a> Batch<'a> {
    fn line(&mut self, line: usize, start: usize, text: &'a [u8]) {
        let pushed = match parse_line(text) {
            Ok(None) => Ok(()),
            Ok(Some(Command::Add { kind, name, target })) => {
                self.remove_all();
                let words = text.trim_ascii().rsplit(u8::is_ascii_whitespace);
                let add = Addition {
                    line,
                    start,
                    kind,
                    name,
                    target,
                    written: words.clone().next().unwrap_or(&[]),
                    made: None,
                };
                self.adds
                    .push(add, GFP_KERNEL)
                    .map_err(|_| Refusal::NoMemory)
            }
            Ok(Some(Command::Remove { name })) => {
                self.add_all();
                let name = Name::new(name);
                let remove = Removal { line, start, name };
                self.removes
                    .push(remove, GFP_KERNEL)
                    .map_err(|_| Refusal::NoMemory)
            }
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = pushed {
            self.fail(line, start, refusal);
        }
    }

    fn fail(&mut self, line: usize, start: usize, refusal: Refusal) {
        let failed = FailedLine {
            line,
            start,
            refusal,
        };
        // Without memory `errors` does not show the line, but the write fails all the same.
        let _ = self.failed.push(failed, GFP_KERNEL);
        match self.first {
            Some((first, _)) if first < line => {}
            _ => self.first = Some((line, refusal)),
        }
    }

    /// Registers the probes of the collected lines, in one batch.
    fn add_all(&mut self) {
        let mut adds = take(&mut self.adds);
        let Some(engine) = engine().filter(|_| !adds.is_empty()) else {
            return;
        };
        let registry = self.registry;
        let mut doomed = Doomed::new();
        let mut registry = registry.lock();
        let mut requests = KVVec::new();
        // Without memory `request` refuses the lines.
        let _ = requests.reserve(adds.len(), GFP_KERNEL);
        for (tag, add) in adds.iter_mut().enumerate() {
            match request(&mut registry, &mut requests, tag, add) {
                Ok(name) => add.made = Some(name),
                Err(refusal) => self.fail(add.line, add.start, refusal),
            }
        }
        engine.register(&mut requests);
        for request in &requests {
            let Some(add) = adds.get(request.tag) else {
                continue;
            };
            if let Err(refusal) = settle(&mut registry, add, request.result, &mut doomed) {
                self.fail(add.line, add.start, refusal);
            }
        }
    }

    /// Removes the probes of the collected lines, in one batch. The registry is not locked during the
    /// grace period, because `doomed` is dropped after the lock.
    fn remove_all(&mut self) {
        let removes = take(&mut self.removes);
        if removes.is_empty() {
            return;
        }
        let registry = self.registry;
        let mut doomed = Doomed::new();
        let mut registry = registry.lock();
        for remove in &removes {
            if let Err(refusal) = registry.doom(&remove.name, &mut doomed) {
                self.fail(remove.line, remove.start, refusal);
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
) -> Result<Name, Refusal> {
    let (name, probe) = registry.insert(add.kind, add.name, &add.target, add.written)?;
    let addr = match add.target {
        TargetSpec::Address(0) => Err(Refusal::NotText),
        target => resolve(&Unresolved::from(&target)),
    };
    let request = Request::new(probe, addr, tag);
    if requests.push_within_capacity(request).is_err() {
        registry.forget(&name);
        return Err(Refusal::NoMemory);
    }
    Ok(name)
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
    // SAFETY: the registry drops the directory before the probe.
    let make_files = |dir: &Dir, named: Pin<&Named>| unsafe { probe_dir::make(dir, named) };
    match registered {
        Ok(()) if registry.adopt(name, make_files).is_ok() => Ok(()),
        Ok(()) => {
            // If there is no memory to remove the probe either, it stays, without files.
            registry.doom(name, doomed)?;
            Err(Refusal::NoMemory)
        }
        Err(refusal) => {
            registry.forget(name);
            Err(refusal)
        }
    }
}
