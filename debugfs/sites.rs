// SPDX-License-Identifier: GPL-2.0

//! `sites`: a line for each site of a probe, for tools.

use crate::debugfs::file::File;
use crate::debugfs::named::Named;
use crate::debugfs::print::shown;
use crate::debugfs::words;
use crate::engine::{
    engine,
    ProbeReport, //
};
use crate::optimizer::State;
use crate::sys::symbols;
use crate::trace::missed;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// About how long a line is.
pub(super) const LINE: usize = 96;

/// `sites`: the sites of a probe, and the places of its functions and patterns where there can be none.
pub(super) struct SitesFile;

impl File for SitesFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"sites";
    const MODE: u16 = 0o400;

    fn size_hint(named: &Named) -> usize {
        let set = named.sites().lock();
        let refused = set.slots().iter().map(|slot| slot.refused.len());
        let count = refused.fold(set.iter().count(), usize::saturating_add);
        count.saturating_mul(LINE)
    }

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        show_sites(named, None, out)?;
        let set = named.sites().lock();
        for site in set.slots().iter().flat_map(|slot| &slot.refused) {
            show_place(site.addr, out);
            seq_print!(out, " refused 0 0 {}\n", site.refusal.text());
        }
        Ok(())
    }
}

/// Shows a line for each registered site, after the `name` of the probe if there is one.
pub(super) fn show_sites(named: &Named, name: Option<&CStr>, out: &SeqFile) -> Result {
    let engine = engine().ok_or(ENODEV)?;
    let set = named.sites().lock();
    for site in set.iter() {
        let Some(report) = engine.report(site) else {
            continue;
        };
        if let Some(name) = name {
            seq_print!(out, "{} ", name);
        }
        show_site(&report, out);
        let (hits, missed) = (report.hits, missed(site));
        let (state, reason) = (words::state(&report), words::reason(&report));
        seq_print!(out, " {} {} {} {}\n", state, hits, missed, reason);
    }
    Ok(())
}

/// Shows the address of a site and its place. After its text was unloaded, it has the name that it had.
fn show_site(report: &ProbeReport, out: &SeqFile) {
    match (&report.name, report.state) {
        (Some(kept), State::Gone) => {
            seq_print!(out, "{:#018x} ", shown(report.addr, out));
            if let Some(module) = kept.module() {
                seq_print!(out, "{}:", module);
            }
            seq_print!(out, "{}+{:#x}", kept.function(), kept.offset);
        }
        _ => show_place(report.addr, out),
    }
}

/// Shows an address, and the target that names it.
fn show_place(addr: usize, out: &SeqFile) {
    seq_print!(out, "{:#018x} ", shown(addr, out));
    match symbols::function(addr) {
        None => seq_print!(out, "{:#x}", shown(addr, out)),
        Some(function) => {
            if let Some(module) = function.module() {
                seq_print!(out, "{}:", module);
            }
            let offset = addr.wrapping_sub(function.start);
            seq_print!(out, "{}+{:#x}", function.name(), offset);
        }
    }
}
