// SPDX-License-Identifier: GPL-2.0

//! The basic blocks of a function, and how control goes between them.

use crate::disassembly::Line;
use crate::text::Function;
use std::collections::BTreeSet;
use std::ops::Range;

/// A basic block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The offset of its first instruction.
    pub start: u64,
    /// The indexes of its instructions in the function.
    pub insns: Range<usize>,
    /// The offsets of the blocks that may follow.
    pub successors: Vec<u64>,
}

/// Where blocks begin by the jumps of the function.
pub fn leaders(function: &Function, lines: &[Line]) -> BTreeSet<u64> {
    let mut leaders = BTreeSet::from([0]);
    let mut is_reached = false;
    for (insn, line) in function.insns.iter().zip(lines) {
        leaders.extend(line.flow.target);
        if is_reached {
            leaders.insert(insn.offset);
        }
        is_reached = line.flow.target.is_some() && line.flow.falls_through;
    }
    leaders
}

/// The blocks that begin at `leaders`.
pub fn blocks(function: &Function, lines: &[Line], leaders: &BTreeSet<u64>) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut begin = None;
    for (index, (insn, line)) in function.insns.iter().zip(lines).enumerate() {
        if leaders.contains(&insn.offset) {
            begin = Some(index);
        }
        let Some(first) = begin else {
            continue;
        };
        let next_begins = leaders.contains(&insn.end()) || insn.end() >= function.size();
        if next_begins || !line.flow.falls_through {
            let next = Some(insn.end()).filter(|next| {
                line.flow.falls_through && leaders.contains(next) && *next < function.size()
            });
            let target = line.flow.target.filter(|target| leaders.contains(target));
            let mut successors: Vec<u64> = next.into_iter().chain(target).collect();
            successors.dedup();
            blocks.push(Block {
                start: function.insns[first].offset,
                insns: first..index + 1,
                successors,
            });
            begin = None;
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disassembly::lines;
    use crate::symbols::Symbols;
    use crate::text::tests::loop_function;

    #[test]
    fn a_loop_has_three_blocks() {
        let function = loop_function();
        let lines = lines(&function, &Symbols::default());
        let leaders = leaders(&function, &lines);
        assert_eq!(leaders, BTreeSet::from([0, 7, 0x10]));
        let blocks = blocks(&function, &lines, &leaders);
        let flows: Vec<_> = blocks
            .iter()
            .map(|block| (block.start, block.successors.clone()))
            .collect();
        assert_eq!(
            flows,
            [(0, vec![7, 0x10]), (7, vec![0x10, 7]), (0x10, vec![])]
        );
    }
}
