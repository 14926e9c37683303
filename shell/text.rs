// SPDX-License-Identifier: GPL-2.0

//! Live text: whose an address is, and its bytes as they would be without probes.
//!
//! Text is read under the text locks only, so that nobody's half-done poke is taken for an
//! instruction.

use crate::containers::search::next_of;
use crate::eligibility::refusal::Refusal;
use crate::eligibility::reserved::Kind;
use crate::insn_decode::opcodes::{INT3, JMP_REL32, JUMP_LEN};
use crate::optimizer::{Optimizer, SiteLane};
use crate::shell::Shell;
use crate::sys::ffi;
use crate::sys::locks::TextLocks;
use crate::sys::symbols;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The modules that are being loaded, and whose blacklist is known; 0 is none. Changed under the
/// engine's lock.
///
/// A module whose loading fails before its notifiers are told, or while they are, is freed without a
/// word to those that come later (kernel/module/main.c:prepare_coming_module). So text of others
/// that are being loaded is refused. A module for which there is no room is probed when it is live.
static COMING: [AtomicUsize; 32] = [const { AtomicUsize::new(0) }; 32];

/// A module is being loaded, and its end will be told. The engine's lock is held.
pub(crate) fn module_comes(module: usize) {
    replace(0, module);
}

/// A module is live, or goes. The engine's lock is held.
pub(crate) fn module_has_come(module: usize) {
    replace(module, 0);
}

fn replace(from: usize, to: usize) {
    let mut all = COMING.iter();
    if let Some(entry) = all.find(|entry| entry.load(Ordering::Relaxed) == from) {
        entry.store(to, Ordering::Relaxed);
    }
}

/// Whether what is at `addr` goes with its module: no probe may be put there any more, and it may
/// still be executed.
pub(crate) fn is_going(addr: usize) -> bool {
    let mut coming = 0;
    // SAFETY: looks an address up; an out-parameter.
    unsafe { ffi::rk_module_text(addr, &mut coming) == ffi::rk_text_RK_TEXT_MODULE_GOING }
}

/// Whether `addr` is in module text (`true`) or the kernel's (`false`). The engine's lock is held.
///
/// # Errors
///
/// `NotText`, `ModuleComing`, `ModuleGoing`, or that it is our own.
pub(crate) fn check(addr: usize) -> Result<bool, Refusal> {
    if symbols::in_kernel_text(addr) {
        return Ok(false);
    }
    let mut coming = 0;
    // SAFETY: looks an address up; an out-parameter.
    let text = unsafe { ffi::rk_module_text(addr, &mut coming) };
    let told = |module| {
        COMING
            .iter()
            .any(|entry| entry.load(Ordering::Relaxed) == module)
    };
    if coming != 0 && !told(coming) {
        return Err(Refusal::ModuleComing);
    }
    match text {
        ffi::rk_text_RK_TEXT_MODULE | ffi::rk_text_RK_TEXT_MODULE_INIT => Ok(true),
        ffi::rk_text_RK_TEXT_MODULE_GOING => Err(Refusal::ModuleGoing),
        ffi::rk_text_RK_TEXT_OURS => Err(Refusal::Reserved(Kind::OwnText)),
        _ => Err(Refusal::NotText),
    }
}

/// Reads text as it would be without probes, ours or native ones. All of it is mapped. Says whether a
/// site of ours is in it, armed or not.
pub(crate) fn read_original(
    _locks: &TextLocks,
    optimizer: &Optimizer<Shell>,
    start: usize,
    bytes: &mut [u8],
) -> bool {
    read_without_natives(start, bytes);
    let end = start.saturating_add(bytes.len());
    let sites = optimizer.range(start, end);
    for id in sites {
        let Some(site) = optimizer.site(*id).filter(|site| site.state().in_text()) else {
            continue;
        };
        let changed = if site.state().is_jump() { JUMP_LEN } else { 1 };
        if site.lane == SiteLane::Text {
            let original = site.payload.trap.original().get(..changed).unwrap_or(&[]);
            put_back(bytes, site.addr.wrapping_sub(start), original);
        }
    }
    !sites.is_empty()
}

/// The same, for text that has no probes of ours yet. The text locks are held.
pub(crate) fn read_without_natives(start: usize, bytes: &mut [u8]) {
    // SAFETY: the text of a function, which is mapped; the locks keep others from writing it
    // meanwhile.
    unsafe {
        core::ptr::copy_nonoverlapping(start as *const u8, bytes.as_mut_ptr(), bytes.len());
    }
    put_back_natives(start, bytes);
}

fn put_back_natives(start: usize, bytes: &mut [u8]) {
    let table = symbols::kprobe_table();
    // SAFETY: the kernel's table; the caller's caller holds the locks.
    if !unsafe { ffi::rk_any_kprobe(table.start, table.end) } {
        return;
    }
    let mut at = 0usize;
    while let Some(found) = next_of([INT3, JMP_REL32], bytes, at) {
        let mut saved = [0u8; JUMP_LEN];
        // SAFETY: out-parameter of 5 bytes; the caller's caller holds the locks.
        let len = unsafe { ffi::rk_kprobe_original(start.wrapping_add(found), saved.as_mut_ptr()) };
        put_back(bytes, found, saved.get(..len).unwrap_or(&[]));
        at = found.wrapping_add(len.max(1));
    }
}

fn put_back(bytes: &mut [u8], at: usize, original: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(original) {
        *to = *from;
    }
}
