// SPDX-License-Identifier: GPL-2.0

//! How files write text of a user, and what they add to the reason of a refusal.

use crate::command::target::TargetSpec;
use crate::eligibility::refusal::Refusal;
use crate::sys::{
    ffi,
    target, //
};
use core::fmt::Write;
use core::ptr::from_ref;
use kernel::fmt;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// Bytes that a user wrote. Bytes that are no printable ASCII characters become hexadecimal.
pub(super) struct Printable<'a>(pub(super) &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            match byte {
                b' '..=b'~' => f.write_char(char::from(*byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

/// `addr`, or 0 if the task that opened the file may not see addresses, as in `/proc/kallsyms`.
pub(super) fn shown(addr: usize, out: &SeqFile) -> usize {
    let seq = from_ref(out).cast_mut().cast();
    // SAFETY: A seq_file that is shown has its open file.
    match unsafe { ffi::rk_shows_addresses(seq) } {
        true => addr,
        false => 0,
    }
}

/// Shows a reason, and what only the target can tell: the addresses of an ambiguous symbol, or the size
/// of the function that the offset is outside of.
pub(super) fn show_refusal(refusal: Refusal, target: Option<&TargetSpec<'_>>, out: &SeqFile) {
    seq_print!(out, "{}", refusal.text());
    match (refusal, target) {
        (Refusal::AmbiguousSymbol, Some(target)) => show_candidates(target, out),
        (Refusal::OutsideFunction, Some(target)) => {
            if let Some(size) = target::size(target) {
                seq_print!(out, " than its size, {:#x}", size);
            }
        }
        _ => {}
    }
    seq_print!(out, "\n");
}

/// Shows the addresses of an ambiguous symbol. Shows nothing if there is no memory to find them.
fn show_candidates(target: &TargetSpec<'_>, out: &SeqFile) {
    let Ok(Some(candidates)) = target::candidates(target) else {
        return;
    };
    for addr in candidates.addrs() {
        seq_print!(out, " {:#018x}", shown(addr, out));
    }
    let more = candidates.found.saturating_sub(candidates.addrs().count());
    if more > 0 {
        seq_print!(out, " and {} more", more);
    }
}
