// SPDX-License-Identifier: GPL-2.0

//! `blacklist`: the text where no probe may be, and why.

use crate::debugfs::file::File;
use crate::debugfs::print::shown;
use crate::eligibility::reserved::{
    Entry,
    Kind, //
};
use crate::engine::engine;
use crate::sys::symbols;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// About how long the file is.
const SIZE: usize = 256 << 10;

/// `blacklist`
pub(super) struct BlacklistFile;

impl File for BlacklistFile {
    type Data = ();
    type Own = ();
    const NAME: &'static CStr = c"blacklist";
    const MODE: u16 = 0o400;

    fn size_hint((): &()) -> usize {
        SIZE
    }

    fn show((): &(), (): &(), out: &SeqFile) -> Result {
        for area in &engine().ok_or(ENODEV)?.areas()? {
            show_area(area, out);
        }
        Ok(())
    }
}

/// Shows each function of an area, or its own text as one range.
fn show_area(area: &Entry, out: &SeqFile) {
    let (mut at, end) = (area.start as usize, area.end as usize);
    let reason = area.kind.text();
    if area.kind == Kind::OwnText {
        let (at, end) = (shown(at, out), shown(end, out));
        seq_print!(out, "{at:#018x}-{end:#018x} [rkprobes] {reason}\n");
        return;
    }
    while at < end {
        let function = symbols::function(at);
        let name = function.as_ref().map_or(c"-", |function| function.name());
        let next = function.as_ref().map_or(end, |function| function.end());
        let next = next.clamp(at.saturating_add(1), end);
        let (from, to) = (shown(at, out), shown(next, out));
        seq_print!(out, "{from:#018x}-{to:#018x} {name} {reason}\n");
        at = next;
    }
}
