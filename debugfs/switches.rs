// SPDX-License-Identifier: GPL-2.0

//! `enabled`, `optimization` and `flush`: the files that act on all probes.

use crate::command::parse_switch;
use crate::debugfs::file::File;
use crate::eligibility::refusal::Refusal;
use crate::engine::engine;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// `enabled`: arms and disarms all probes.
pub(super) struct EnabledFile;

impl File for EnabledFile {
    type Data = ();
    type Own = ();
    const NAME: &'static CStr = c"enabled";
    const MODE: u16 = 0o600;

    fn show((): &(), (): &(), out: &SeqFile) -> Result {
        let armed = engine().ok_or(ENODEV)?.all_armed();
        seq_print!(out, "{}\n", u8::from(armed));
        Ok(())
    }

    fn line((): &(), (): &mut (), text: &[u8]) -> Result<(), Refusal> {
        let armed = parse_switch(text)?;
        engine().ok_or(Refusal::ModuleGoing)?.set_all_armed(armed)
    }
}

/// `optimization`: allows and forbids jumps.
pub(super) struct OptimizationFile;

impl File for OptimizationFile {
    type Data = ();
    type Own = ();
    const NAME: &'static CStr = c"optimization";
    const MODE: u16 = 0o600;

    fn show((): &(), (): &(), out: &SeqFile) -> Result {
        let allowed = engine().ok_or(ENODEV)?.optimization();
        seq_print!(out, "{}\n", u8::from(allowed));
        Ok(())
    }

    fn line((): &(), (): &mut (), text: &[u8]) -> Result<(), Refusal> {
        let allowed = parse_switch(text)?;
        engine()
            .ok_or(Refusal::ModuleGoing)?
            .set_optimization(allowed)
    }
}

/// `flush`: waits for a pass of the optimizer.
pub(super) struct FlushFile;

impl File for FlushFile {
    type Data = ();
    type Own = ();
    const NAME: &'static CStr = c"flush";
    const MODE: u16 = 0o200;

    fn line((): &(), (): &mut (), _text: &[u8]) -> Result<(), Refusal> {
        engine().ok_or(Refusal::ModuleGoing)?.flush()
    }
}
