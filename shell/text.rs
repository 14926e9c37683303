// SPDX-License-Identifier: GPL-2.0

//! The bytes of live text, as they are and as they would be without probes.
//!
//! Text that is decoded is read under the text locks only, so that no half-done poke of another task is
//! taken for an instruction.

use crate::insn_decode::opcodes::JUMP_LEN;
use crate::optimizer::{
    Backend,
    Optimizer,
    SiteLane, //
};
use crate::shell::native::lookup;
use crate::shell::site::SiteMemory;
use crate::sys::locks::TextLocks;

/// The bytes of the text at `addr` now.
///
/// # Safety
///
/// `N` bytes are mapped there.
pub(crate) unsafe fn live<const N: usize>(addr: usize) -> [u8; N] {
    let mut bytes = [0; N];
    for (offset, byte) in bytes.iter_mut().enumerate() {
        // SAFETY: The byte is mapped by the contract. Others may poke it, so the load is volatile.
        *byte = unsafe { (addr.wrapping_add(offset) as *const u8).read_volatile() };
    }
    bytes
}

/// Reads text as it would be without probes, ours or native ones. Returns whether a site of ours is in it,
/// armed or not.
///
/// # Safety
///
/// All of it is mapped.
pub(crate) unsafe fn read_original<B: Backend<Site = SiteMemory>>(
    locks: &TextLocks,
    optimizer: &Optimizer<B>,
    start: usize,
    bytes: &mut [u8],
) -> bool {
    // SAFETY: The text is mapped by the contract.
    unsafe { read_without_natives(locks, start, bytes) };
    let end = start.saturating_add(bytes.len());
    let sites = optimizer.range(start, end);
    for id in sites {
        let Some(site) = optimizer.site(*id).filter(|site| site.state().in_text()) else {
            continue;
        };
        let changed = if site.state().is_jump() { JUMP_LEN } else { 1 };
        if site.lane == SiteLane::Text {
            let original = site.payload.trap().original().iter().take(changed);
            let at = site.addr.wrapping_sub(start);
            for (to, from) in bytes.iter_mut().skip(at).zip(original) {
                *to = *from;
            }
        }
    }
    !sites.is_empty()
}

/// Reads text as it would be without native kprobes. There are no probes of ours in it.
///
/// # Safety
///
/// All of it is mapped.
pub(crate) unsafe fn read_without_natives(locks: &TextLocks, start: usize, bytes: &mut [u8]) {
    // SAFETY: The text is mapped by the contract, and the locks keep others from writing it meanwhile.
    unsafe {
        core::ptr::copy_nonoverlapping(start as *const u8, bytes.as_mut_ptr(), bytes.len());
    }
    lookup::put_back(locks, start, bytes);
}
