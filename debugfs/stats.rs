// SPDX-License-Identifier: GPL-2.0

//! `stats`: what the module has, and what it has done since it was loaded.

use crate::debugfs::file::File;
use crate::engine::engine;
use crate::sys::stats;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// `stats`
pub(super) struct StatsFile;

impl File for StatsFile {
    type Data = ();
    type Own = ();
    const NAME: &'static CStr = c"stats";
    const MODE: u16 = 0o400;

    fn show((): &(), (): &(), out: &SeqFile) -> Result {
        let counts = engine().ok_or(ENODEV)?.counts();
        for (name, value) in [
            ("probes", counts.probes),
            ("sites", counts.sites),
            ("armed", counts.armed),
            ("optimizing", counts.optimizing),
            ("optimized", counts.optimized),
            ("unoptimizing", counts.unoptimizing),
            ("freeing", counts.freeing),
            ("passes", counts.passes),
            ("batches", stats::get(&stats::BATCHES)),
            ("sync_rounds", stats::get(&stats::SYNC_ROUNDS)),
            ("grace_periods", stats::get(&stats::GRACE_PERIODS)),
            ("hits", counts.hits),
            ("missed", counts.missed),
            ("foreign_text", stats::get(&stats::FOREIGN_TEXT)),
            (
                "refused_in_handlers",
                stats::get(&stats::REFUSED_IN_HANDLERS),
            ),
            ("dead_handlers", stats::get(&stats::DEAD_HANDLERS)),
            ("reserved", counts.reserved),
            ("index_ns", stats::get(&stats::INDEX_TIME)),
            ("slots", counts.slots),
            ("slot_memory", counts.slot_memory),
        ] {
            seq_print!(out, "{} {}\n", name, value);
        }
        Ok(())
    }
}
