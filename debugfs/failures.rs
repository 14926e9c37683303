// SPDX-License-Identifier: GPL-2.0

//! The lines that an open file could not carry out, and why.

use crate::arguments::ArgumentError;
use crate::command::places::parse_places;
use crate::command::target::TargetSpec;
use crate::command::{
    parse_line,
    without_comment,
    Command, //
};
use crate::containers::sort::sort_by_key;
use crate::debugfs::print::{
    show_refusal,
    Printable, //
};
use crate::eligibility::refusal::Refusal;
use core::mem::replace;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::sync::{
    new_mutex,
    Arc,
    Mutex, //
};

/// The most bytes of text that are kept for one open file.
const TEXT_MAX: usize = 4 << 20;

kernel::sync::global_lock! {
    // SAFETY: `init` is called before a file is made.
    unsafe(uninit) static SHOWN: Mutex<Option<Arc<WriteOutcome>>> = None;
}

/// Prepares `errors`.
///
/// # Safety
///
/// Called once, before a file is made.
pub(super) unsafe fn init() {
    // SAFETY: Called once, by the contract.
    unsafe { SHOWN.init() };
}

/// Frees what `errors` shows.
pub(super) fn forget() {
    let last = SHOWN.lock().take();
    drop(last);
}

/// What `errors` shows. `None` before the first write.
pub(super) fn shown() -> Option<Arc<WriteOutcome>> {
    SHOWN.lock().clone()
}

/// Makes `errors` show an outcome. An outcome of a file with single values is shown only if its write
/// `failed`, so that writes to such files leave the errors of `probes`.
pub(super) fn publish(outcome: &Arc<WriteOutcome>, failed: bool) {
    if failed || outcome.file.is_none() {
        let last = replace(&mut *SHOWN.lock(), Some(outcome.clone()));
        drop(last);
    }
}

/// Why a line failed.
#[derive(Clone, Copy)]
pub(super) enum LineError {
    /// The line as a whole.
    Refused(Refusal),
    /// The target with this number, from 0, of several.
    Target(usize, Refusal),
    /// An argument. The column is counted from the first argument.
    Argument(ArgumentError),
}

impl From<Refusal> for LineError {
    fn from(refusal: Refusal) -> Self {
        LineError::Refused(refusal)
    }
}

impl From<ArgumentError> for LineError {
    fn from(error: ArgumentError) -> Self {
        LineError::Argument(error)
    }
}

impl From<LineError> for Error {
    fn from(error: LineError) -> Self {
        match error {
            LineError::Refused(refusal) | LineError::Target(_, refusal) => refusal.into(),
            LineError::Argument(error) => Error::from_errno(error.reason.errno().wrapping_neg()),
        }
    }
}

/// The lines that failed in one write.
pub(super) struct Failures<'a> {
    lines: KVVec<(usize, &'a [u8], LineError)>,
    /// The first line that failed, and why.
    first: Option<(usize, LineError)>,
}

impl<'a> Failures<'a> {
    /// No line has failed yet.
    pub(super) const fn none() -> Self {
        Self {
            lines: KVVec::new(),
            first: None,
        }
    }

    /// Notes that a line failed. The order of calls does not matter.
    pub(super) fn add(&mut self, number: usize, text: &'a [u8], error: impl Into<LineError>) {
        let error = error.into();
        // Without memory `errors` does not show the line, but the write fails all the same.
        let _ = self.lines.push((number, text, error), GFP_KERNEL_ACCOUNT);
        match self.first {
            Some((first, _)) if first < number => {}
            _ => self.first = Some((number, error)),
        }
    }

    /// Why the first line failed.
    pub(super) fn first(&self) -> Option<LineError> {
        self.first.map(|(_, error)| error)
    }
}

/// A line that failed.
struct FailedLine {
    number: usize,
    /// Where it is in the text.
    start: usize,
    len: usize,
    error: LineError,
}

/// The lines that failed since a file was opened.
struct Failed {
    text: KVVec<u8>,
    lines: KVVec<FailedLine>,
    /// How many more lines failed, which there is no room for.
    more: usize,
}

impl Failed {
    /// Keeps a line.
    ///
    /// # Errors
    ///
    /// ENOMEM, also where the lines would take more than [`TEXT_MAX`] bytes.
    fn push(&mut self, number: usize, line: &[u8], error: LineError) -> Result {
        let start = self.text.len();
        let lines = self.lines.len().saturating_mul(size_of::<FailedLine>());
        if start.saturating_add(lines).saturating_add(line.len()) > TEXT_MAX {
            return Err(ENOMEM);
        }
        self.lines.reserve(1, GFP_KERNEL_ACCOUNT)?;
        self.text.extend_from_slice(line, GFP_KERNEL_ACCOUNT)?;
        let len = line.len();
        let failed = FailedLine {
            number,
            start,
            len,
            error,
        };
        Ok(self.lines.push(failed, GFP_KERNEL_ACCOUNT)?)
    }

    fn line(&self, failed: &FailedLine) -> &[u8] {
        let end = failed.start.saturating_add(failed.len);
        self.text.get(failed.start..end).unwrap_or(&[])
    }
}

/// Where in a line an argument is refused.
fn column(line: &[u8], error: &ArgumentError) -> usize {
    let arguments = match parse_line(line) {
        Ok(Some(Command::Add { arguments, .. })) => arguments.len(),
        _ => 0,
    };
    let start = without_comment(line).len().saturating_sub(arguments);
    start.saturating_add(error.column)
}

/// What became of the lines that were written to one open file.
#[pin_data]
pub(super) struct WriteOutcome {
    /// The file's name; `None` for `probes`.
    file: Option<&'static CStr>,
    #[pin]
    failed: Mutex<Failed>,
}

impl WriteOutcome {
    /// That of no line. `file` is the file's name, `None` for `probes`.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(file: Option<&'static CStr>) -> Result<Arc<Self>> {
        let failed = Failed {
            text: KVVec::new(),
            lines: KVVec::new(),
            more: 0,
        };
        Arc::pin_init(
            pin_init!(Self {
                file,
                failed <- new_mutex!(failed),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Adds the lines that failed in a write, which follow those of earlier writes.
    pub(super) fn add(&self, mut failures: Failures<'_>) {
        let failed = &mut *self.failed.lock();
        sort_by_key(&mut failures.lines, |(number, ..)| *number as u64);
        for (number, line, error) in &failures.lines {
            if failed.push(*number, line.trim_ascii(), *error).is_err() {
                failed.more = failed.more.saturating_add(1);
            }
        }
    }

    /// About how many bytes `show` shows.
    pub(super) fn size_hint(&self) -> usize {
        let failed = self.failed.lock();
        let lines = failed.lines.len().saturating_mul(96);
        lines.saturating_add(failed.text.len())
    }

    /// `LINE: text: reason` for each line of `probes` that failed, `FILE: text: reason` for other files.
    pub(super) fn show(&self, out: &SeqFile) {
        let failed = self.failed.lock();
        for line in &failed.lines {
            let text = failed.line(line);
            match self.file {
                Some(file) => seq_print!(out, "{}", file),
                None => seq_print!(out, "{}", line.number.saturating_add(1)),
            }
            seq_print!(out, ": {}: ", Printable(text));
            match line.error {
                LineError::Refused(refusal) => {
                    show_refusal(refusal, self.target(text, 0).as_ref(), out);
                }
                LineError::Target(number, refusal) => {
                    seq_print!(out, "target {}: ", number.saturating_add(1));
                    show_refusal(refusal, self.target(text, number).as_ref(), out);
                }
                LineError::Argument(error) => {
                    let column = column(text, &error).saturating_add(1);
                    seq_print!(
                        out,
                        "column {}: {}
",
                        column,
                        error.reason.text()
                    );
                }
            }
        }
        if failed.more > 0 {
            seq_print!(out, "and {} more lines\n", failed.more);
        }
    }

    /// The target with this number in a line.
    fn target<'a>(&self, text: &'a [u8], number: usize) -> Option<TargetSpec<'a>> {
        let places = match (self.file, parse_line(text)) {
            (None, Ok(Some(Command::Add { targets, .. }))) => targets.iter().nth(number),
            (None, _) => None,
            (Some(_), _) => parse_places(text).ok(),
        };
        places.and_then(|places| places.target())
    }
}
