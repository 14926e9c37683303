// SPDX-License-Identifier: GPL-2.0

//! `probe/NAME/`: the files of one probe.

use crate::command::{
    parse_limit,
    parse_switch, //
};
use crate::debugfs::file::{
    Dir,
    File, //
};
use crate::debugfs::named::Named;
use crate::debugfs::print::shown;
use crate::debugfs::words;
use crate::eligibility::refusal::Refusal;
use crate::engine::{
    engine,
    ProbeReport, //
};
use core::ptr::from_ref;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// Makes the files of a probe.
///
/// # Safety
///
/// `named` lives until `dir` is dropped.
///
/// # Errors
///
/// The errors of debugfs.
pub(super) unsafe fn make(dir: &Dir, named: Pin<&Named>) -> Result {
    let named = from_ref(named.get_ref());
    // SAFETY: The data lives until `dir` is dropped, by the contract.
    unsafe {
        dir.file::<EnableFile>(named)?;
        dir.file::<LimitFile>(named)?;
        dir.file::<HitsFile>(named)?;
        dir.file::<MissedFile>(named)?;
        dir.file::<StateFile>(named)?;
        dir.file::<ReasonFile>(named)?;
        dir.file::<TextFile>(named)
    }
}

/// What the engine knows of a probe.
///
/// # Errors
///
/// ENOENT: the probe is not registered.
fn report(named: &Named) -> Result<ProbeReport> {
    let engine = engine().ok_or(ENODEV)?;
    engine.report(named.probe()).ok_or(ENOENT)
}

/// `enable`: whether the probe runs.
struct EnableFile;

impl File for EnableFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"enable";
    const MODE: u16 = 0o600;

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        seq_print!(
            out,
            "{}\n",
            u8::from(named.is_enabled(report(named)?.enabled))
        );
        Ok(())
    }

    fn line(named: &Named, (): &mut (), text: &[u8]) -> Result<(), Refusal> {
        named.set_enabled(parse_switch(text)?)
    }
}

/// `limit`: the most hits a second; 0 is no limit.
struct LimitFile;

impl File for LimitFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"limit";
    const MODE: u16 = 0o600;

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        seq_print!(out, "{}\n", report(named)?.limit);
        Ok(())
    }

    fn line(named: &Named, (): &mut (), text: &[u8]) -> Result<(), Refusal> {
        let limit = parse_limit(text)?;
        let engine = engine().ok_or(Refusal::ModuleGoing)?;
        engine.set_limit(named.probe(), limit)
    }
}

/// `hits`: how often the probe was hit.
struct HitsFile;

impl File for HitsFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"hits";
    const MODE: u16 = 0o400;

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        seq_print!(out, "{}\n", report(named)?.hits);
        Ok(())
    }
}

/// `missed`: how often a hit called no handler, and why.
struct MissedFile;

impl File for MissedFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"missed";
    const MODE: u16 = 0o400;

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        seq_print!(out, "recursion {}\n", named.missed());
        Ok(())
    }
}

/// `state`: one word for the state of the probe.
struct StateFile;

impl File for StateFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"state";
    const MODE: u16 = 0o400;

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        seq_print!(out, "{}\n", words::state(&report(named)?));
        Ok(())
    }
}

/// `reason`: why the probe is not a jump.
struct ReasonFile;

impl File for ReasonFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"reason";
    const MODE: u16 = 0o400;

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        seq_print!(out, "{}\n", words::reason(&report(named)?));
        Ok(())
    }
}

/// `text`: the bytes at the probe, before it was armed and now.
struct TextFile;

impl File for TextFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"text";
    const MODE: u16 = 0o400;

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        let engine = engine().ok_or(ENODEV)?;
        let text = engine.text_at(named.probe()).ok_or(ENOENT)?;
        seq_print!(out, "address {:#018x}\n", shown(text.addr, out));
        show_bytes("original", text.original(), out);
        match text.current() {
            Some(bytes) => show_bytes("current", bytes, out),
            None => seq_print!(out, "current -\n"),
        }
        match text.detour {
            Some(detour) => seq_print!(out, "detour {:#018x}\n", shown(detour, out)),
            None => seq_print!(out, "detour -\n"),
        }
        Ok(())
    }
}

fn show_bytes(what: &str, bytes: &[u8], out: &SeqFile) {
    seq_print!(out, "{}", what);
    for byte in bytes {
        seq_print!(out, " {:02x}", byte);
    }
    seq_print!(out, "\n");
}
