// SPDX-License-Identifier: GPL-2.0

//! One write to `probes`: many lines, each on its own.
//!
//! Lines that follow each other and do the same make one batch, so that the CPUs are synchronized
//! once for all of them; the order between additions and removals is kept.

use crate::command::{parse_line, Command, ProbeKind, TargetSpec};
use crate::containers::sort::sort_by_key;
use crate::debugfs::named::{Doomed, Name, Registry};
use crate::eligibility::refusal::Refusal;
use crate::engine::{engine, Request};
use crate::sys::symbols;
use crate::sys::target::c_string;
use core::fmt::Write;
use core::mem::take;
use kernel::fmt;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::sync::Mutex;

/// A line that failed.
struct Failed {
    /// Counted from 0.
    line: usize,
    /// Where it begins in the text.
    start: usize,
    refusal: Refusal,
}

/// What became of a write.
pub(crate) struct Said {
    text: KVVec<u8>,
    failed: KVVec<Failed>,
    /// The errno of the first line that failed.
    pub(crate) result: Result,
}

impl Said {
    /// Of no write.
    pub(crate) const fn nothing() -> Self {
        Self {
            text: KVVec::new(),
            failed: KVVec::new(),
            result: Ok(()),
        }
    }

    /// About how many bytes `show` shows.
    pub(crate) fn size_hint(&self) -> usize {
        self.failed
            .len()
            .saturating_mul(96)
            .saturating_add(self.text.len())
    }

    /// `LINE: text: reason` for each line that failed.
    pub(crate) fn show(&self, out: &SeqFile) {
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

/// The line that begins at `start`, without white space around it.
fn line_at(text: &[u8], start: usize) -> &[u8] {
    let rest = text.get(start..).unwrap_or(&[]);
    let line = rest.split(|byte| *byte == b'\n').next();
    line.unwrap_or(&[]).trim_ascii()
}

/// Bytes of a user, with what is no ASCII character written in hexadecimal.
pub(crate) struct Printable<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            match byte {
                b' '..=b'~' => f.write_char(char::from(*byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

/// The addresses that an ambiguous symbol has.
pub(crate) fn show_candidates(target: &TargetSpec<'_>, out: &SeqFile) {
    let TargetSpec::Symbol { module, symbol, .. } = target else {
        return;
    };
    let Ok(symbol) = c_string(symbol.as_bytes()) else {
        return;
    };
    let module = module.and_then(|module| c_string(module.as_bytes()).ok());
    let candidates = symbols::candidates(module.as_deref(), &symbol);
    for addr in candidates.addrs() {
        seq_print!(out, " {:#018x}", addr);
    }
    let more = candidates.found.saturating_sub(candidates.addrs().count());
    if more > 0 {
        seq_print!(out, " and {} more", more);
    }
}

/// A line that adds a probe.
struct Add<'a> {
    line: usize,
    start: usize,
    kind: ProbeKind,
    name: Option<&'a str>,
    target: TargetSpec<'a>,
    /// As it is written.
    written: &'a [u8],
    /// Its name in the registry, if it is there.
    made: Option<Name>,
}

/// A line that removes one.
struct Remove {
    line: usize,
    start: usize,
    name: Name,
}

/// A write that is being worked on. One of `adds` and `removes` is empty.
struct Batch<'a> {
    registry: &'a Mutex<Registry>,
    adds: KVVec<Add<'a>>,
    removes: KVVec<Remove>,
    failed: KVVec<Failed>,
    /// The first line that failed, and why.
    first: Option<(usize, Refusal)>,
}

/// Does what the lines of `text` say.
pub(crate) fn run(registry: &Mutex<Registry>, text: KVVec<u8>) -> Said {
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
    Said {
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
                let add = Add {
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
                let remove = Remove { line, start, name };
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
        let failed = Failed {
            line,
            start,
            refusal,
        };
        // Without memory the line is not told of, but it counts.
        let _ = self.failed.push(failed, GFP_KERNEL);
        match self.first {
            Some((first, _)) if first < line => {}
            _ => self.first = Some((line, refusal)),
        }
    }

    /// Registers what was collected, in one batch.
    fn add_all(&mut self) {
        let mut adds = take(&mut self.adds);
        let Some(engine) = engine().filter(|_| !adds.is_empty()) else {
            return;
        };
        let registry = self.registry;
        let mut doomed = Doomed::new();
        let mut registry = registry.lock();
        let mut requests = KVVec::new();
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

    /// Removes what was collected, in one batch. The registry is free while its grace period lasts.
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

/// Puts a probe into the registry, and among those to be registered.
fn request(
    registry: &mut Registry,
    requests: &mut KVVec<Request>,
    tag: usize,
    add: &Add<'_>,
) -> Result<Name, Refusal> {
    let (name, probe) = registry.insert(add.kind, add.name, &add.target, add.written)?;
    let request = Request::new(probe, tag);
    if requests.push_within_capacity(request).is_err() {
        registry.forget(&name);
        return Err(Refusal::NoMemory);
    }
    Ok(name)
}

/// Gives a probe its files if it was registered, else takes it out of the registry.
fn settle(
    registry: &mut Registry,
    add: &Add<'_>,
    registered: Result<(), Refusal>,
    doomed: &mut Doomed,
) -> Result<(), Refusal> {
    let Some(name) = &add.made else {
        return Ok(());
    };
    match registered {
        Ok(()) if registry.make_files(name).is_ok() => Ok(()),
        Ok(()) => {
            // If there is not even memory for that, it stays, without files.
            registry.doom(name, doomed)?;
            Err(Refusal::NoMemory)
        }
        Err(refusal) => {
            registry.forget(name);
            Err(refusal)
        }
    }
}
