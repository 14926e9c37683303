// SPDX-License-Identifier: GPL-2.0

//! The branches that leave a function or piece, and the jumps that its bytes may contain.

use crate::containers::search::next_of;
use crate::insn_decode::opcodes::{
    INT3,
    JMP_REL32, //
};
use crate::insn_decode::{
    decode_into,
    Flow,
    Insn, //
};

/// A branch that leaves its function or piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossBranch {
    /// The address of the branch.
    pub from: u64,
    /// The address of its target.
    pub to: u64,
    /// It is a call. A call goes to the start of a function, except in assembly.
    pub call: bool,
}

/// Gives `sink` the target of every jump with a displacement of 32 bits that `bytes` may contain,
/// at any byte. These are the targets of all such jumps, and more. Nothing is decoded.
pub fn each_possible_jump(start: u64, bytes: &[u8], mut sink: impl FnMut(u64)) {
    // The first byte of a Jcc, which is 0F 80 to 0F 8F.
    const ESCAPE: u8 = 0x0f;
    let mut from = 0_usize;
    while let Some(at) = next_of([JMP_REL32, ESCAPE], bytes, from) {
        from = at.wrapping_add(1);
        let rest = match bytes.get(at..) {
            Some([JMP_REL32, rest @ ..] | [ESCAPE, 0x80..=0x8f, rest @ ..]) => rest,
            _ => continue,
        };
        if let Some(displacement) = rest.first_chunk().copied() {
            // The address after the displacement.
            let next = bytes.len().wrapping_sub(rest.len()).wrapping_add(4);
            let next = start.wrapping_add(next as u64);
            sink(next.wrapping_add_signed(i32::from_le_bytes(displacement).into()));
        }
    }
}

/// Decodes a function or piece and gives `sink` the direct branches that leave it. Returns `false`
/// if the bytes do not decode to the end. Padding at the end is accepted, because the size of a
/// symbol extends to the next symbol, in a module even across the end of a section.
pub fn collect_cross_branches(start: u64, bytes: &[u8], mut sink: impl FnMut(CrossBranch)) -> bool {
    let mut at = 0_usize;
    let mut insn = Insn::NONE;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if decode_into(&mut insn, rest, start.wrapping_add(at as u64)).is_err() {
            return rest.iter().all(|byte| matches!(*byte, 0x00 | INT3));
        }
        if let Some(to) = insn.target() {
            if to.wrapping_sub(start) >= bytes.len() as u64 {
                sink(CrossBranch {
                    from: insn.addr,
                    to,
                    call: matches!(insn.flow, Flow::Call { .. }),
                });
            }
        }
        at = at.saturating_add(usize::from(insn.len));
    }
    true
}
