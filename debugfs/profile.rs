// SPDX-License-Identifier: GPL-2.0

//! `profile`: a line for each site of all probes that were made by name.

use crate::debugfs::commands::Commands;
use crate::debugfs::file::File;
use crate::debugfs::sites::{
    show_sites,
    LINE, //
};
use crate::engine::engine;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;

/// `profile`
pub(super) struct ProfileFile;

impl File for ProfileFile {
    type Data = Commands;
    type Own = ();
    const NAME: &'static CStr = c"profile";
    const MODE: u16 = 0o400;

    fn size_hint(_commands: &Commands) -> usize {
        let count = engine().map_or(0, |engine| engine.probe_count());
        count.saturating_mul(LINE)
    }

    fn show(commands: &Commands, (): &(), out: &SeqFile) -> Result {
        commands.each(|name, named| show_sites(named, Some(name), out))
    }
}
