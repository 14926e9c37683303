// SPDX-License-Identifier: GPL-2.0

//! `errors`: the lines that the last writer could not carry out, and why.

use crate::debugfs::failures::shown;
use crate::debugfs::file::File;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;

/// `errors`: the lines that failed, and why.
pub(super) struct ErrorsFile;

impl File for ErrorsFile {
    type Data = ();
    type Own = ();
    const NAME: &'static CStr = c"errors";
    const MODE: u16 = 0o400;

    fn size_hint((): &()) -> usize {
        shown().map_or(0, |outcome| outcome.size_hint())
    }

    fn show((): &(), (): &(), out: &SeqFile) -> Result {
        if let Some(outcome) = shown() {
            outcome.show(out);
        }
        Ok(())
    }
}
