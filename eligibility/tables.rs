// SPDX-License-Identifier: GPL-2.0

//! The kernel's tables of addresses in text. Each entry has offsets of 32 bits, relative to the
//! place of the offset itself.
//!
//! Every function here reads a table from its bytes and the address of its first byte. Bytes at the
//! end that are not a whole entry are ignored.

/// Bytes of a short jump label.
const SHORT_JUMP: u64 = 2;
/// Bytes of a long jump label.
const LONG_JUMP: u64 = 5;
/// The flag in the key of a jump label in initialization text
/// (linux/jump_label.h:jump_entry_is_init).
const IS_INIT: u8 = 2;

/// An entry of the table of jump labels (linux/jump_label.h:struct jump_entry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JumpLabel {
    /// The address of the NOP or jump.
    pub code: u64,
    /// The target of the jump.
    pub target: u64,
    /// The label is in initialization text, which is freed after the initialization.
    pub init: bool,
}

/// An entry of the exception table (asm/extable.h:struct exception_table_entry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The address of the instruction that may fault.
    pub insn: u64,
    /// The address where execution continues after the fault.
    pub fixup: u64,
}

/// The jump labels of a table.
pub fn jump_labels(bytes: &[u8], addr: u64) -> impl Iterator<Item = JumpLabel> + '_ {
    entries(bytes, addr, 16).map(|(at, entry)| JumpLabel {
        code: relative(at, entry, 0),
        target: relative(at, entry, 4),
        init: entry.get(8).is_some_and(|key| key & IS_INIT != 0),
    })
}

/// The bytes of a jump label, by the first one: a jump of two or five bytes, or the NOP of that
/// size.
pub const fn jump_label_len(first: u8) -> u64 {
    match first {
        0xeb | 0x66 => SHORT_JUMP,
        _ => LONG_JUMP,
    }
}

/// The addresses of a table of static calls (linux/static_call_types.h:struct static_call_site).
pub fn static_calls(bytes: &[u8], addr: u64) -> impl Iterator<Item = u64> + '_ {
    entries(bytes, addr, 8).map(|(at, entry)| relative(at, entry, 0))
}

/// The addresses of a table of BUGs and WARNs (linux/bug.h:struct bug_entry). An entry has `size`
/// bytes, which depends on the kernel's configuration.
pub fn bugs(bytes: &[u8], addr: u64, size: usize) -> impl Iterator<Item = u64> + '_ {
    entries(bytes, addr, size).map(|(at, entry)| relative(at, entry, 0))
}

/// The entries of an exception table.
pub fn faults(bytes: &[u8], addr: u64) -> impl Iterator<Item = Fault> + '_ {
    entries(bytes, addr, 12).map(|(at, entry)| Fault {
        insn: relative(at, entry, 0),
        fixup: relative(at, entry, 4),
    })
}

/// The entries of `size` bytes, each with its address.
fn entries(bytes: &[u8], addr: u64, size: usize) -> impl Iterator<Item = (u64, &[u8])> {
    let size = size.max(1);
    let mut next = addr;
    bytes.chunks_exact(size).map(move |entry| {
        let at = next;
        next = next.wrapping_add(size as u64);
        (at, entry)
    })
}

/// The address to which the offset in byte `offset` of the entry at `at` leads.
fn relative(at: u64, entry: &[u8], offset: usize) -> u64 {
    let word = entry.get(offset..).and_then(|rest| rest.first_chunk());
    let distance = word.map_or(0, |word| i32::from_le_bytes(*word));
    at.wrapping_add(offset as u64)
        .wrapping_add_signed(distance.into())
}
