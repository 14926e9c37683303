// SPDX-License-Identifier: GPL-2.0

//! Which bytes a native kprobe has replaced.
//!
//! The text and the kernel's own record of the native kprobe decide, never its flags: between versions
//! of the kernel the flags differ in when they are set. Since Linux 7.4 a native jump may be listed as
//! not optimized while it still is in the text.

use crate::insn_decode::opcodes::{
    INT3,
    JMP_REL32,
    JUMP_LEN, //
};

/// What the kernel has recorded of a native kprobe, and the text at its address.
#[derive(Clone, Copy, Debug)]
pub struct Native {
    /// The address.
    pub addr: u64,
    /// The text there now. Only the first byte is read if there is no detour.
    pub text: [u8; JUMP_LEN],
    /// The first byte of the original instruction.
    pub opcode: u8,
    /// The four bytes after it, as they were when a jump was written last.
    pub saved: [u8; JUMP_LEN - 1],
    /// The detour that a jump of this native kprobe goes to; 0 if it has none.
    pub detour: u64,
}

/// The original bytes of the instruction's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original {
    /// One byte was replaced, or none.
    Byte(u8),
    /// A jump was written over five bytes.
    Jump([u8; JUMP_LEN]),
    /// The text is neither what the kernel has recorded nor what a native kprobe writes.
    Unknown,
}

impl Native {
    /// The bytes that are there without this native kprobe.
    pub fn original(&self) -> Original {
        let [first, ..] = self.text;
        if matches!(first, INT3 | JMP_REL32) && self.leads_to_detour() {
            // An int3 in front of the rest of a jump is a jump that is being written or removed.
            let [a, b, c, d] = self.saved;
            return Original::Jump([self.opcode, a, b, c, d]);
        }
        // The byte of a native kprobe that is disarmed is the original one.
        if first == INT3 || first == self.opcode {
            return Original::Byte(self.opcode);
        }
        Original::Unknown
    }

    /// Whether the four bytes after the first are the distance from the jump's end to the detour.
    fn leads_to_detour(&self) -> bool {
        let [_, rel @ ..] = self.text;
        let end = self.addr.wrapping_add(JUMP_LEN as u64);
        let distance = i64::from(i32::from_le_bytes(rel));
        self.detour != 0 && end.wrapping_add_signed(distance) == self.detour
    }
}
