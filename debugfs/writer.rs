// SPDX-License-Identifier: GPL-2.0

//! The writes of one open file: which lines run, and which write reports a failure.

use crate::command::writes::{
    keep,
    split_unfinished,
    Lines,
    Writes,
    BLOCK_MIN, //
};
use crate::debugfs::failures::{
    publish,
    Failures,
    LineError,
    WriteOutcome, //
};
use crate::sys::ffi;
use core::mem::take;
use kernel::current;
use kernel::iov::IovIterSource;
use kernel::prelude::*;
use kernel::sync::{
    aref::ARef,
    Arc, //
};
use kernel::task::Task;

/// The most bytes that one write takes. The caller writes the rest in another write.
const WRITE_MAX: usize = 4 << 20;

/// What carries lines out.
pub(super) type Run<'a> = dyn for<'t> FnMut(Lines<'t>, &mut Failures<'t>) + 'a;

/// The writes of one open file.
pub(super) struct Writer {
    outcome: Arc<WriteOutcome>,
    /// The unfinished last line.
    rest: KVVec<u8>,
    /// The task that has written the end of `rest`.
    author: Option<ARef<Task>>,
    /// The number of the next line, counted from 0.
    number: usize,
    writes: Writes,
    /// The first failure that no write has reported.
    unreported: Option<LineError>,
    /// The end of a write ends a line, unless the write is a block of a longer text.
    ends_lines: bool,
}

impl Writer {
    /// No writes yet. `file` is `None` for a file whose lines `errors` numbers. `ends_lines`: the end of a
    /// write ends a line, unless the write is a block of a longer text.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(file: Option<&'static CStr>, ends_lines: bool) -> Result<Self> {
        Ok(Self {
            outcome: WriteOutcome::new(file)?,
            rest: KVVec::new(),
            author: None,
            number: 0,
            writes: Writes::default(),
            unreported: None,
            ends_lines,
        })
    }

    /// Takes the bytes of one write and carries out the lines that they complete. Returns how many
    /// bytes it took.
    ///
    /// # Errors
    ///
    /// EFAULT and ENOMEM, before a line runs. Else the errno of the first line that failed, if a write
    /// reports it.
    pub(super) fn write(
        &mut self,
        from: &mut IovIterSource<'_>,
        run: &mut Run<'_>,
    ) -> Result<usize> {
        let count = from.len().min(WRITE_MAX);
        if count == 0 {
            return Ok(0);
        }
        // This task does not know that a line was begun.
        if self.is_cut() && !is_killed(current!()) {
            self.rest.clear();
        }
        let before = self.rest.len();
        let mut text = KVVec::with_capacity(before.saturating_add(count), GFP_KERNEL_ACCOUNT)?;
        text.extend_from_slice(&self.rest, GFP_KERNEL_ACCOUNT)?;
        text.resize(before.saturating_add(count), 0, GFP_KERNEL_ACCOUNT)?;
        let copied = from.copy_from_iter(text.get_mut(before..).unwrap_or(&mut []));
        if copied == 0 {
            return Err(EFAULT);
        }
        text.truncate(before.saturating_add(copied));
        let (lines, unfinished) = match self.ends_lines && copied < BLOCK_MIN {
            true => (text.as_slice(), [].as_slice()),
            false => split_unfinished(&text),
        };
        let mut rest = KVVec::new();
        rest.extend_from_slice(keep(unfinished), GFP_KERNEL_ACCOUNT)?;
        let reports = self.writes.note(copied, rest.is_empty());
        let first = self.run(lines, run);
        self.author = (!rest.is_empty()).then(|| ARef::from(&**current!()));
        self.rest = rest;
        match first {
            Some(error) if reports => Err(error.into()),
            _ => {
                self.unreported = self.unreported.or(first);
                Ok(copied)
            }
        }
    }

    /// Carries out the unfinished line when the file is closed. It is dropped if a signal has ended
    /// the task that wrote it or the task that closes the file, because then it may be a part of what
    /// was meant. These may be two tasks: a child has inherited the file, or a socket holds it and the
    /// kernel closes it.
    ///
    /// # Errors
    ///
    /// The errno of the first failure that no write has reported.
    pub(super) fn end(&mut self, run: &mut Run<'_>) -> Result {
        let cut = self.is_cut() || is_killed(current!());
        let rest = take(&mut self.rest);
        self.author = None;
        if !rest.is_empty() && !cut {
            let first = self.run(&rest, run);
            self.unreported = self.unreported.or(first);
        }
        self.unreported
            .take()
            .map_or(Ok(()), |error| Err(error.into()))
    }

    /// Whether a signal has ended the writer of the unfinished line.
    fn is_cut(&self) -> bool {
        self.author.as_deref().is_some_and(is_killed)
    }

    /// Carries out lines. Returns why the first one failed that did.
    fn run(&mut self, text: &[u8], run: &mut Run<'_>) -> Option<LineError> {
        let lines = Lines::new(text, self.number);
        self.number = self.number.saturating_add(lines.clone().count());
        if text.is_empty() {
            return None;
        }
        let mut failures = Failures::none();
        run(lines, &mut failures);
        let first = failures.first();
        self.outcome.add(failures);
        publish(&self.outcome, first.is_some());
        first
    }
}

/// Whether a signal has ended a task, or is ending it.
fn is_killed(task: &Task) -> bool {
    // SAFETY: The task's structure lives, because there is a reference to it.
    unsafe { ffi::rk_killed_by_signal(task.as_ptr().cast()) }
}
