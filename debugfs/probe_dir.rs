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
use crate::debugfs::sites::SitesFile;
use crate::debugfs::words;
use crate::eligibility::refusal::Refusal;
use crate::engine::{
    engine,
    ProbePtr,
    ProbeReport,
    ProbeText, //
};
use crate::trace::missed;
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
        dir.file::<TextFile>(named)?;
        dir.file::<SitesFile>(named)
    }
}

/// The registered sites of a probe, and what the engine knows of them.
///
/// # Errors
///
/// ENODEV: the module is being unloaded.
pub(super) fn reports(named: &Named) -> Result<impl Iterator<Item = (ProbePtr, ProbeReport)> + '_> {
    let engine = engine().ok_or(ENODEV)?;
    let report = |site| Some((site, engine.report(site)?));
    Ok(named.sites().iter().filter_map(report))
}

/// Shows what `word` says of the sites: the word alone if the probe has one target, else each word
/// once, after the number of sites that have it.
///
/// # Errors
///
/// ENODEV; ENOENT: no site is registered; ENOMEM.
fn show_words(named: &Named, out: &SeqFile, word: fn(&ProbeReport) -> &'static str) -> Result {
    let mut words: KVec<(&'static str, usize)> = KVec::new();
    for (_, report) in reports(named)? {
        let word = word(&report);
        match words.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => words.push((word, 1), GFP_KERNEL)?,
        }
    }
    for (word, count) in &words {
        match named.is_group() {
            true => seq_print!(out, "{} {}\n", count, word),
            false => seq_print!(out, "{}\n", word),
        }
    }
    match words.is_empty() {
        true => Err(ENOENT),
        false => Ok(()),
    }
}

/// `enable`: whether the probe runs.
struct EnableFile;

impl File for EnableFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"enable";
    const MODE: u16 = 0o600;

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        let (enabled, _) = named.settings().ok_or(ENOENT)?;
        seq_print!(out, "{}\n", u8::from(enabled));
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
        let (_, limit) = named.settings().ok_or(ENOENT)?;
        seq_print!(out, "{}\n", limit);
        Ok(())
    }

    fn line(named: &Named, (): &mut (), text: &[u8]) -> Result<(), Refusal> {
        let limit = parse_limit(text)?;
        let engine = engine().ok_or(Refusal::ModuleGoing)?;
        engine.set_limit(named.sites().iter(), limit)
    }
}

/// `hits`: how often the probe was hit, at all its sites.
struct HitsFile;

impl File for HitsFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"hits";
    const MODE: u16 = 0o400;

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        let hits = reports(named)?.fold(0usize, |sum, (_, site)| sum.wrapping_add(site.hits));
        seq_print!(out, "{}\n", hits);
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
        let sites = named.sites().iter();
        let missed = sites.fold(0u64, |sum, site| sum.wrapping_add(missed(site)));
        seq_print!(out, "recursion {}\n", missed);
        Ok(())
    }
}

/// `state`: one word for the state of the probe, or of each of its sites.
struct StateFile;

impl File for StateFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"state";
    const MODE: u16 = 0o400;

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        show_words(named, out, words::state)
    }
}

/// `reason`: why the probe, or each of its sites, is not a jump.
struct ReasonFile;

impl File for ReasonFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"reason";
    const MODE: u16 = 0o400;

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        show_words(named, out, words::reason)
    }
}

/// `text`: the bytes at each site, before it was armed and now.
struct TextFile;

impl File for TextFile {
    type Data = Named;
    type Own = ();
    const NAME: &'static CStr = c"text";
    const MODE: u16 = 0o400;

    fn show(named: &Named, (): &(), out: &SeqFile) -> Result {
        let engine = engine().ok_or(ENODEV)?;
        for text in named.sites().iter().filter_map(|site| engine.text_at(site)) {
            show_text(&text, out);
        }
        Ok(())
    }
}

fn show_text(text: &ProbeText, out: &SeqFile) {
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
}

fn show_bytes(what: &str, bytes: &[u8], out: &SeqFile) {
    seq_print!(out, "{}", what);
    for byte in bytes {
        seq_print!(out, " {:02x}", byte);
    }
    seq_print!(out, "\n");
}
