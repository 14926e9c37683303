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
    ProbeReport,
    ProbeText, //
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
        dir.file::<TextFile>(named)?;
        dir.file::<SitesFile>(named)
    }
}

/// How often a word is shown, and the module after it.
struct Shown<'a> {
    word: &'static str,
    module: Option<&'a CStr>,
    count: usize,
}

/// Words, each once.
struct Words<'a>(KVec<Shown<'a>>);

impl<'a> Words<'a> {
    fn add(&mut self, word: &'static str, module: Option<&'a CStr>, more: usize) -> Result {
        let is_known = |shown: &&mut Shown<'_>| shown.word == word && shown.module == module;
        match self.0.iter_mut().find(is_known) {
            Some(shown) => shown.count = shown.count.saturating_add(more),
            None => {
                let count = more;
                let shown = Shown {
                    word,
                    module,
                    count,
                };
                self.0.push(shown, GFP_KERNEL)?;
            }
        }
        Ok(())
    }
}

/// What a file says of sites, and of targets that have none.
struct Says {
    /// Of a site, and whether the module's name follows.
    site: fn(&ProbeReport, bool) -> (&'static str, bool),
    /// Of a target whose module is not loaded, and whether the module's name follows.
    waiting: (&'static str, bool),
    /// Of a target that has no site in its module.
    refused: fn(Refusal) -> &'static str,
}

/// Shows what a file says of the sites: the word alone if the probe has one target, else each word
/// once, after the number of sites, or of targets without sites, that have it.
///
/// # Errors
///
/// ENODEV; ENOENT: no site is registered; ENOMEM.
fn show_words(named: &Named, out: &SeqFile, says: &Says) -> Result {
    let engine = engine().ok_or(ENODEV)?;
    let set = named.sites().lock();
    let mut words = Words(KVec::new());
    for slot in set.slots() {
        let module = slot.module();
        let mut count = 0usize;
        for report in slot.iter().filter_map(|site| engine.report(site)) {
            let (word, names) = (says.site)(&report, module.is_some());
            words.add(word, module.filter(|_| names), 1)?;
            count = count.saturating_add(1);
        }
        match (slot.problem, module) {
            (Some(problem), _) => {
                words.add((says.refused)(problem.refusal), None, problem.count)?
            }
            (None, Some(module)) if count == 0 => {
                let (word, names) = says.waiting;
                let targets = named.targets_in(module);
                words.add(word, Some(module).filter(|_| names), targets)?;
            }
            _ => {}
        }
    }
    for shown in &words.0 {
        if named.is_group() {
            seq_print!(out, "{} ", shown.count);
        }
        seq_print!(out, "{}", shown.word);
        if let Some(module) = shown.module {
            seq_print!(out, " {}", module);
        }
        seq_print!(out, "\n");
    }
    match words.0.is_empty() {
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
        named.sites().set_wanted(parse_switch(text)?)
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
        named.sites().set_limit(parse_limit(text)?)
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
        seq_print!(out, "{}\n", named.sites().lock().hits());
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
        seq_print!(out, "recursion {}\n", named.sites().lock().missed());
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
        let says = Says {
            site: words::state_of_site,
            waiting: (words::WAITING, true),
            refused: |_| "refused",
        };
        show_words(named, out, &says)
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
        let says = Says {
            site: |report, _| (words::reason(report), false),
            waiting: (words::NOT_LOADED, false),
            refused: Refusal::text,
        };
        show_words(named, out, &says)
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
        let set = named.sites().lock();
        for text in set.iter().filter_map(|site| engine.text_at(site)) {
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
