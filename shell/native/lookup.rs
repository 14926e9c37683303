// SPDX-License-Identifier: GPL-2.0

//! Where native kprobes are, and what they have replaced.

use crate::containers::search::next_of;
use crate::eligibility::native::{
    Native,
    Original, //
};
use crate::insn_decode::opcodes::{
    INT3,
    JMP_REL32,
    JUMP_LEN,
    NO_INSN, //
};
use crate::optimizer::Foreign;
use crate::sys::ffi;
use crate::sys::locks::{
    KprobeMutex,
    TextLocks, //
};
use crate::sys::symbols;

/// Whether a native kprobe is registered at `addr`. The answer may be old at once, unless the caller
/// holds `kprobe_mutex`.
pub(crate) fn kprobe_at(addr: usize) -> bool {
    // SAFETY: The function looks the address up with preemption off, and keeps nothing.
    unsafe { ffi::rk_kprobe_at(addr) }
}

/// Whether a native kprobe is registered in `start..end`, as [`kprobe_at`].
pub(crate) fn kprobe_in(start: usize, end: usize) -> bool {
    (start..end).any(kprobe_at)
}

/// The address of a handler of the native kprobe in `start..end` with the lowest address; 0 if there is
/// none.
pub(crate) fn handler_in(_held: &KprobeMutex, start: usize, end: usize) -> usize {
    let found = (start..end).find(|addr| kprobe_at(*addr));
    // SAFETY: `kprobe_mutex` is held, so the kprobe is not removed meanwhile.
    found.map_or(0, |addr| unsafe { ffi::rk_kprobe_handler(addr) })
}

/// Refuses an int3 on the instruction `addr..end` because of a native kprobe. A native jump may cover
/// `addr`, or a native kprobe is in the instruction's bytes.
///
/// # Errors
///
/// `KprobeHere`, `KprobeNear`.
pub(crate) fn check_natives(_locks: &TextLocks, addr: usize, end: usize) -> Result<(), Foreign> {
    if kprobe_at(addr) {
        return Err(Foreign::KprobeHere);
    }
    match kprobe_in(addr.wrapping_sub(JUMP_LEN - 1), end) {
        true => Err(Foreign::KprobeNear),
        false => Ok(()),
    }
}

/// Replaces in `bytes`, which were read at `start`, what native kprobes have written by what was there
/// before. Where that is unknown, no instruction decodes afterwards, so nothing of the function is probed.
pub(crate) fn put_back(_locks: &TextLocks, start: usize, bytes: &mut [u8]) {
    let table = symbols::kprobe_table();
    // SAFETY: The range is the kernel's table of kprobes, and `kprobe_mutex` is held.
    if !unsafe { ffi::rk_any_kprobe(table.start, table.end) } {
        return;
    }
    let mut at = 0usize;
    while let Some(found) = next_of([INT3, JMP_REL32], bytes, at) {
        let original = original_at(start.wrapping_add(found));
        let original = original
            .as_ref()
            .map_or(&[][..], |original| match original {
                Original::Byte(byte) => core::slice::from_ref(byte),
                Original::Jump(bytes) => bytes,
                Original::Unknown => &[NO_INSN; JUMP_LEN],
            });
        for (to, from) in bytes.iter_mut().skip(found).zip(original) {
            *to = *from;
        }
        at = found.wrapping_add(original.len().max(1));
    }
}

/// What the native kprobe at `addr` has replaced; `None` if there is none that replaces bytes. The text
/// locks are held.
fn original_at(addr: usize) -> Option<Original> {
    let mut native = ffi::rk_native::default();
    let group = symbols::address(symbols::Data::GroupHandler);
    // SAFETY: The text is mapped, because a native kprobe is there or the function reads nothing. The
    // text locks are held.
    unsafe { ffi::rk_native_at(addr, group, &mut native) }.then(|| {
        let native = Native {
            addr: addr as u64,
            text: native.text,
            opcode: native.opcode,
            saved: native.saved,
            detour: native.detour as u64,
        };
        native.original()
    })
}
