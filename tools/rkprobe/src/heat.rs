// SPDX-License-Identifier: GPL-2.0

//! How often each instruction of a function has run.

use crate::blocks::{blocks, leaders, Block};
use crate::disassembly::Line;
use crate::error::Result;
use crate::output::{bar, Output, Style};
use crate::probes::Site;
use crate::text::Function;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How often a block has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hot {
    /// The block.
    pub block: Block,
    /// `None` if there can be no probe.
    pub hits: Option<u64>,
    /// Why there is no probe, or the probe counts less than it should.
    pub note: Option<String>,
}

/// How often the parts of a function have run.
pub struct Heat {
    /// The function.
    pub function: Function,
    /// Its instructions as text.
    pub lines: Vec<Line>,
    /// Its blocks, by their addresses.
    pub blocks: Vec<Hot>,
    /// For each instruction, if each has a probe of its own.
    pub each: Option<Vec<Option<u64>>>,
    /// How long it was counted.
    pub seconds: f64,
}

/// An ENDBR, and what the kernel writes over an ENDBR that no indirect call needs.
const ENDBRS: [[u8; 4]; 2] = [[0xf3, 0x0f, 0x1e, 0xfa], [0x0f, 0x1f, 0x40, 0xd6]];

/// A probe on an entry is after the ENDBR.
fn leader_of(function: &Function, offset: u64) -> u64 {
    match function.insns.first() {
        Some(first) if first.lane == "ftrace" && offset == first.end() => 0,
        Some(first) if ENDBRS.iter().any(|bytes| first.bytes == bytes) && offset == 4 => 0,
        _ => offset,
    }
}

impl Heat {
    /// Joins the instructions with the counts of their sites. `every`: each instruction has a site of
    /// its own, otherwise each block has one.
    pub fn new(
        function: Function,
        lines: Vec<Line>,
        sites: &[Site],
        every: bool,
        seconds: f64,
    ) -> Self {
        let mut counts = BTreeMap::new();
        for site in sites {
            let (_, offset) = site.place();
            counts.insert(leader_of(&function, offset), site);
            if every {
                counts.insert(offset, site);
            }
        }
        let hits = |offset: &u64| {
            counts
                .get(offset)
                .filter(|site| !site.is_refused())
                .map(|site| site.hits)
        };
        let starts: BTreeSet<u64> = match every {
            true => leaders(&function, &lines),
            false => counts.keys().copied().collect(),
        };
        let hot = |block: Block| {
            let note = counts
                .get(&block.start)
                .and_then(|site| match site.state.as_str() {
                    "refused" => Some(site.reason.clone()),
                    "gone" | "disabled" => Some(format!("{}: {}", site.state, site.reason)),
                    _ if site.missed > 0 => Some(format!("{} missed", site.missed)),
                    _ => None,
                });
            Hot {
                hits: hits(&block.start),
                block,
                note,
            }
        };
        let blocks = blocks(&function, &lines, &starts)
            .into_iter()
            .map(hot)
            .collect();
        let each = every.then(|| {
            let offsets = function.insns.iter().map(|insn| insn.offset);
            offsets.map(|offset| hits(&offset)).collect()
        });
        Self {
            function,
            lines,
            blocks,
            each,
            seconds,
        }
    }

    /// How often the function was called.
    pub fn entries(&self) -> Option<u64> {
        self.blocks
            .first()
            .filter(|first| first.block.start == 0)?
            .hits
    }

    /// The hits of the hottest block.
    pub fn most(&self) -> u64 {
        self.blocks
            .iter()
            .filter_map(|hot| hot.hits)
            .max()
            .unwrap_or(0)
    }

    /// How hot it is, from 0 to 4. `None` if it never ran.
    pub fn level(&self, hits: u64) -> Option<u8> {
        let most = self.most();
        if hits == 0 || most == 0 {
            return None;
        }
        let part = hits as f64 / most as f64;
        Some(match part {
            part if part >= 0.5 => 4,
            part if part >= 0.1 => 3,
            part if part >= 0.01 => 2,
            part if part >= 0.001 => 1,
            _ => 0,
        })
    }

    /// Hits for each call, in percent.
    pub fn share(&self, hits: u64) -> Option<f64> {
        let entries = self.entries().filter(|entries| *entries > 0)?;
        Some(100.0 * hits as f64 / entries as f64)
    }

    fn summary(&self) -> String {
        let count =
            |test: &dyn Fn(&Hot) -> bool| self.blocks.iter().filter(|hot| test(hot)).count();
        let unknown = match count(&|hot| hot.hits.is_none()) {
            0 => String::new(),
            unknown => format!(", {unknown} without a probe"),
        };
        format!(
            "{}: {} calls in {:.1} s; {} blocks: {} hot, {} never ran{unknown}",
            self.function.target(),
            self.entries()
                .map_or("?".to_owned(), |entries| entries.to_string()),
            self.seconds,
            self.blocks.len(),
            count(&|hot| hot.hits.and_then(|hits| self.level(hits)) == Some(4)),
            count(&|hot| hot.hits == Some(0)),
        )
    }

    /// Writes the annotated disassembly.
    ///
    /// # Errors
    ///
    /// `Pipe`, `Io`.
    pub fn show(&self, out: &mut Output<'_>) -> Result<()> {
        let summary = out.paint(Style::Bold, &self.summary());
        out.line(&summary)?;
        let heads = format!(
            "{:>12} {:>7}  {:<10}  {:<8} ",
            "HITS", "SHARE", "", "OFFSET"
        );
        let heads = out.paint(Style::Bold, &heads);
        out.line(&heads)?;
        let mut inside: Option<&Hot> = None;
        for (index, (insn, line)) in self.function.insns.iter().zip(&self.lines).enumerate() {
            let begins = self
                .blocks
                .iter()
                .find(|hot| hot.block.insns.start == index);
            inside = begins.or(inside.filter(|hot| hot.block.insns.contains(&index)));
            let own = match &self.each {
                Some(each) => each.get(index).copied().flatten(),
                None => inside.and_then(|hot| hot.hits),
            };
            // What no block has is padding, or text that a jump through a table may reach.
            let style = match own.filter(|_| inside.is_some()) {
                None => Style::Dim,
                Some(hits) => self.level(hits).map_or(Style::Dim, Style::Heat),
            };
            let numbers = match (begins.is_some() || self.each.is_some(), own) {
                _ if inside.is_none() => " ".repeat(32),
                (true, Some(hits)) => self.numbers(hits),
                (true, None) => format!("{:>12} {:>7}  {:<10}", "?", "", ""),
                (false, _) => " ".repeat(32),
            };
            let note = begins.and_then(|hot| hot.note.as_deref());
            let note = note.map_or(String::new(), |note| format!("  ; {note}"));
            let mark = if begins.is_some() {
                '┌'
            } else if inside.is_some() {
                '│'
            } else {
                ' '
            };
            let text = format!(
                "{numbers}  {mark}+{:<7} {}{note}",
                format!("{:#x}", insn.offset),
                line.text
            );
            let text = out.paint(style, text.trim_end());
            out.line(&text)?;
        }
        Ok(())
    }

    fn numbers(&self, hits: u64) -> String {
        let share = self
            .share(hits)
            .map_or(String::new(), |share| format!("{share:.1}%"));
        let part = hits as f64 / self.most().max(1) as f64;
        format!("{hits:>12} {share:>7}  {:<10}", bar(part, 10))
    }

    /// The whole as a value for JSON.
    pub fn report(&self) -> Report<'_> {
        let block = |hot: &Hot| {
            let insns = hot.block.insns.clone();
            let instructions = insns.clone().map(|index| {
                let insn = &self.function.insns[index];
                Instruction {
                    offset: insn.offset,
                    bytes: insn
                        .bytes
                        .iter()
                        .map(|byte| format!("{byte:02x}"))
                        .collect(),
                    text: self.lines[index]
                        .text
                        .split_whitespace()
                        .collect::<Vec<_>>()
                        .join(" "),
                    hits: self.each.as_ref().and_then(|each| each[index]),
                }
            });
            BlockReport {
                start: hot.block.start,
                end: self.function.insns[insns.end - 1].end(),
                hits: hot.hits,
                share: hot.hits.and_then(|hits| self.share(hits)),
                level: hot.hits.and_then(|hits| self.level(hits)),
                note: hot.note.clone(),
                successors: hot.block.successors.clone(),
                instructions: instructions.collect(),
            }
        };
        Report {
            function: &self.function.name,
            module: self.function.module.as_deref(),
            seconds: self.seconds,
            entries: self.entries(),
            blocks: self.blocks.iter().map(block).collect(),
        }
    }
}

/// The heat of a function for JSON. Offsets are in bytes from the begin of the function.
#[derive(Serialize)]
pub struct Report<'a> {
    function: &'a str,
    module: Option<&'a str>,
    seconds: f64,
    /// Calls; null if the entry has no probe.
    entries: Option<u64>,
    blocks: Vec<BlockReport>,
}

#[derive(Serialize)]
struct BlockReport {
    start: u64,
    end: u64,
    hits: Option<u64>,
    /// Percent of the entries.
    share: Option<f64>,
    /// From 0, cold, to 4, hot; null if it never ran.
    level: Option<u8>,
    note: Option<String>,
    successors: Vec<u64>,
    instructions: Vec<Instruction>,
}

#[derive(Serialize)]
struct Instruction {
    offset: u64,
    bytes: String,
    text: String,
    /// Only if each instruction has a probe of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    hits: Option<u64>,
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::disassembly::lines;
    use crate::symbols::Symbols;
    use crate::text::tests::loop_function;

    fn sites(text: &str) -> Vec<Site> {
        text.lines().filter_map(Site::parse).collect()
    }

    pub fn loop_heat() -> Heat {
        let function = loop_function();
        let lines = lines(&function, &Symbols::default());
        let sites = sites(
            "0xffffffffc0001000 v:loop+0x0 optimized 2 0 -\n\
             0xffffffffc0001007 v:loop+0x7 optimized 20 0 -\n\
             0xffffffffc0001010 v:loop+0x10 refused 0 0 blacklisted\n",
        );
        Heat::new(function, lines, &sites, false, 1.5)
    }

    #[test]
    fn blocks_have_counts_bars_and_reasons() {
        let mut buffer = Vec::new();
        let mut out = Output::buffer(&mut buffer, false);
        loop_heat().show(&mut out).unwrap();
        drop(out);
        let expected = "\
v:loop: 2 calls in 1.5 s; 3 blocks: 1 hot, 0 never ran, 1 without a probe
        HITS   SHARE              OFFSET
           2  100.0%  █           ┌+0x0     xor     %eax,%eax
                                  │+0x2     test    %rdi,%rdi
                                  │+0x5     je      +0x10
          20 1000.0%  ██████████  ┌+0x7     add     $0x3,%rax
                                  │+0xb     dec     %rdi
                                  │+0xe     jne     +0x7
           ?                      ┌+0x10    add     $0x123456,%rax  ; blacklisted
                                  │+0x16    ?
";
        let text = String::from_utf8(buffer).unwrap();
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn json_has_the_blocks() {
        let value = serde_json::to_value(loop_heat().report()).unwrap();
        assert_eq!(value["entries"], 2);
        assert_eq!(value["blocks"][1]["hits"], 20);
        assert_eq!(value["blocks"][1]["share"], 1000.0);
        assert_eq!(value["blocks"][2]["hits"], serde_json::Value::Null);
        assert_eq!(
            value["blocks"][0]["instructions"][0]["text"],
            "xor %eax,%eax"
        );
    }

    #[test]
    fn every_instruction_has_its_count() {
        let function = loop_function();
        let lines = lines(&function, &Symbols::default());
        let sites = sites(
            "0xffffffffc0001000 v:loop+0x0 optimized 2 0 -\n\
             0xffffffffc0001002 v:loop+0x2 armed 2 0 x\n\
             0xffffffffc000100b v:loop+0xb optimized 20 0 -\n",
        );
        let heat = Heat::new(function, lines, &sites, true, 1.0);
        let each = heat.each.as_ref().unwrap();
        assert_eq!(each[..5], [Some(2), Some(2), None, None, Some(20)]);
        assert_eq!(heat.blocks.len(), 3);
        assert_eq!(heat.blocks[1].hits, None);
    }
}
