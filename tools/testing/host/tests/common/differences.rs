// SPDX-License-Identifier: GPL-2.0

//! The table of explained differences from another decoder.

use rkprobes_host::insn_decode::{Insn, Prefixes};

/// One row: the instructions that it explains, and how many of them occurred.
struct Row {
    line: usize,
    class: String,
    opcodes: Vec<std::ops::RangeInclusive<u8>>,
    met: u64,
}

/// The rows of a table.
pub struct Differences(Vec<Row>);

impl Differences {
    /// Parses lines of `encoding map opcodes: why` or `lock encoding *: why`.
    pub fn parse(text: &str) -> Self {
        let rows = text.lines().enumerate().filter_map(|(index, line)| {
            if line.is_empty() || line.starts_with('#') {
                return None;
            }
            let (key, why) = line.split_once(": ").expect("`: ` before the reason");
            assert!(!why.is_empty(), "line {} has no reason", index + 1);
            let mut words = key.split(' ');
            let class = format!("{} {}", words.next().unwrap(), words.next().unwrap());
            let opcodes = words.map(opcode_range).collect();
            Some(Row {
                line: index + 1,
                class,
                opcodes,
                met: 0,
            })
        });
        Differences(rows.collect())
    }

    /// Counts a difference. Returns false if no row explains it.
    pub fn explain(&mut self, insn: &Insn) -> bool {
        let class = if insn.prefixes.has(Prefixes::LOCK) {
            format!("lock {:?}", insn.encoding)
        } else {
            format!("{:?} {:?}", insn.encoding, insn.map)
        };
        let row = self.0.iter_mut().find(|row| {
            row.class == class && row.opcodes.iter().any(|range| range.contains(&insn.opcode))
        });
        match row {
            Some(row) => {
                row.met += 1;
                true
            }
            None => false,
        }
    }

    /// Adds the counts of another thread, which has an equal table.
    pub fn merge(&mut self, other: &Differences) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.met += theirs.met;
        }
    }

    /// The number of explained differences.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|row| row.met).sum()
    }

    /// The lines of the rows that explained nothing.
    pub fn unused(&self) -> Vec<usize> {
        let unused = self.0.iter().filter(|row| row.met == 0);
        unused.map(|row| row.line).collect()
    }
}

fn opcode_range(word: &str) -> std::ops::RangeInclusive<u8> {
    let hex = |digits| u8::from_str_radix(digits, 16).expect("a hexadecimal opcode");
    match word.split_once('-') {
        _ if word == "*" => 0..=255,
        Some((first, last)) => hex(first)..=hex(last),
        None => hex(word)..=hex(word),
    }
}
