// SPDX-License-Identifier: GPL-2.0

//! The files of tracefs.

use crate::command::writes::Lines;
use crate::debugfs::commands::Commands;
use crate::debugfs::failures::Failures;
use crate::debugfs::file::File;
use crate::debugfs::named::LineFile;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;

/// `rkprobe_events` of tracefs: the probes that were made by its lines. It behaves as `kprobe_events`.
pub(super) struct EventsFile;

impl File for EventsFile {
    type Data = Commands;
    type Own = ();
    const NAME: &'static CStr = c"rkprobe_events";
    const MODE: u16 = 0o640;
    const MANY_LINES: bool = true;
    const IN_TRACEFS: bool = true;

    fn opened(commands: &Commands, truncates: bool) -> Result {
        match truncates {
            true => Ok(commands.clear_events()?),
            false => Ok(()),
        }
    }

    fn size_hint(commands: &Commands) -> usize {
        commands.named.lock().size_hint()
    }

    fn show(commands: &Commands, (): &(), out: &SeqFile) -> Result {
        commands.named.lock().show_events(out);
        Ok(())
    }

    fn lines<'t>(commands: &Commands, (): &mut (), lines: Lines<'t>, failures: &mut Failures<'t>) {
        commands.lines(LineFile::Events, lines, failures);
    }
}

/// `rkprobe_profile` of tracefs: the hits and misses of the probes of `rkprobe_events`.
pub(super) struct EventProfileFile;

impl File for EventProfileFile {
    type Data = Commands;
    type Own = ();
    const NAME: &'static CStr = c"rkprobe_profile";
    const MODE: u16 = 0o440;
    const IN_TRACEFS: bool = true;

    fn size_hint(commands: &Commands) -> usize {
        commands.named.lock().size_hint()
    }

    fn show(commands: &Commands, (): &(), out: &SeqFile) -> Result {
        commands.named.lock().show_profile(out);
        Ok(())
    }
}
