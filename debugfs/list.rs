// SPDX-License-Identifier: GPL-2.0

//! `list`: all probes, in the format of kprobes.

use crate::debugfs::file::File;
use crate::debugfs::print::shown;
use crate::debugfs::words::list_flags;
use crate::engine::{
    engine,
    ListRow, //
};
use crate::sys::symbols;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// About how long a line is.
const LINE: usize = 96;

/// `list`
pub(super) struct ListFile;

impl File for ListFile {
    type Data = ();
    type Own = ();
    const NAME: &'static CStr = c"list";
    const MODE: u16 = 0o400;

    fn size_hint((): &()) -> usize {
        let count = engine().map_or(0, |engine| engine.probe_count());
        count.saturating_mul(LINE)
    }

    fn show((): &(), (): &(), out: &SeqFile) -> Result {
        for row in &engine().ok_or(ENODEV)?.list()? {
            show_row(row, out);
        }
        Ok(())
    }
}

fn show_row(row: &ListRow, out: &SeqFile) {
    seq_print!(out, "{:016x}  k  ", shown(row.addr, out));
    // After the text was unloaded, another function may be at the address.
    let function = symbols::function(row.addr).filter(|_| !row.gone);
    let kept = row.name.as_ref().filter(|_| row.gone);
    let module = match (&function, kept) {
        (Some(function), _) => {
            let offset = row.addr.wrapping_sub(function.start);
            seq_print!(out, "{}+{:#x}", function.name(), offset);
            function.module()
        }
        (None, Some(kept)) => {
            seq_print!(out, "{}+{:#x}", kept.function(), kept.offset);
            kept.module()
        }
        (None, None) => {
            seq_print!(out, "{:#x}+0x0", shown(row.addr, out));
            None
        }
    };
    if let Some(module) = module {
        seq_print!(out, "  [{}]", module);
    }
    for (nth, flag) in list_flags(row).enumerate() {
        let gap = match (nth, module) {
            (0, None) => "  ",
            (0, Some(_)) => " ",
            _ => "",
        };
        seq_print!(out, "{}{}", gap, flag);
    }
    seq_print!(out, "\n");
}
