// SPDX-License-Identifier: GPL-2.0

//! `explain`: what a probe at a target would be.

use crate::cli;
use crate::disassembly::{lines, Line};
use crate::error::{Error, Kind, Result};
use crate::files::{Explain, Explainer, Files};
use crate::output::{Output, Style};
use crate::symbols::Symbols;
use crate::text::{Function, Insn};
use serde_json::json;

/// How many instructions are shown before and after the place.
const AROUND: usize = 6;

/// The answer of the module for one place.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    address: String,
    symbol: String,
    /// The offsets of the instructions that a jump would cover.
    covered: Vec<u64>,
    refusal: Option<String>,
    lane: String,
    region: Option<u64>,
    not_optimizable: Option<String>,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let mut answer = Self::default();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "address" => answer.address = rest.to_owned(),
                "symbol" => answer.symbol = rest.to_owned(),
                "insn" => {
                    let offset = rest
                        .split(' ')
                        .next()
                        .and_then(|word| word.strip_prefix("+0x"));
                    answer
                        .covered
                        .extend(offset.and_then(|word| u64::from_str_radix(word, 16).ok()));
                }
                "probe" => answer.refusal = rest.strip_prefix("no: ").map(str::to_owned),
                "lane" => answer.lane = rest.to_owned(),
                "region" => answer.region = rest.parse().ok(),
                "optimizable" => {
                    answer.not_optimizable = rest.strip_prefix("no: ").map(str::to_owned)
                }
                _ => {}
            }
        }
        answer
    }

    /// What a probe would be, in words.
    fn verdict(&self) -> (Style, String) {
        match (&self.refusal, &self.not_optimizable, self.lane.as_str()) {
            (Some(reason), ..) => (Style::Bad, format!("no probe: {reason}")),
            (_, Some(reason), _) => (Style::Heat(3), format!("an int3 that stays one: {reason}")),
            (_, _, "ftrace") => (Style::Good, "the function tracer would call it".to_owned()),
            _ => {
                let region = self.region.unwrap_or(0);
                (
                    Style::Good,
                    format!("an int3 that becomes a jump over {region} bytes"),
                )
            }
        }
    }

    fn offset(&self) -> Option<u64> {
        let place = self.symbol.split(' ').next()?;
        u64::from_str_radix(place.rsplit_once("+0x")?.1, 16).ok()
    }
}

/// `explain`
pub(super) fn explain(files: &Files, out: &mut Output<'_>, options: &cli::Explain) -> Result<bool> {
    files.check()?;
    let target = options.target.as_str();
    if target.contains([',', '?', '[']) || target.contains("+blocks") {
        return Err(Error::new(Kind::Usage, format!("{target}: not one place"))
            .next("name one place, or one function with --all"));
    }
    match target.strip_suffix("+*") {
        Some(function) => all(files, out, function),
        None if options.all => {
            let function = target
                .rsplit_once('+')
                .map_or(target, |(function, _)| function);
            all(files, out, function)
        }
        None => one(files, out, target),
    }
}

fn row(insn: &Insn, line: &Line) -> String {
    format!("+{:<7} {:<44}", format!("{:#x}", insn.offset), line.text)
}

fn all(files: &Files, out: &mut Output<'_>, target: &str) -> Result<bool> {
    let function = Function::read(files, target)?;
    let symbols = Symbols::read(files).unwrap_or_default();
    let lines = lines(&function, &symbols);
    if out.json {
        let row = |(insn, line): (&Insn, &Line)| json!({ "offset": insn.offset, "len": insn.len, "lane": insn.lane, "reason": insn.reason, "text": line.text });
        let rows: Vec<_> = function.insns.iter().zip(&lines).map(row).collect();
        out.json(
            &json!({ "function": function.name, "module": function.module, "instructions": rows }),
        )?;
        return Ok(true);
    }
    for (insn, line) in function.insns.iter().zip(&lines) {
        let style = match insn.lane.as_str() {
            "jump" | "ftrace" => Style::Good,
            "int3" => Style::Heat(3),
            _ => Style::Bad,
        };
        let reason = if insn.reason == "-" { "" } else { &insn.reason };
        let lane = out.paint(style, &format!("{:<6}", insn.lane));
        out.line(&format!("{lane} {} {reason}", row(insn, line)))?;
    }
    Ok(true)
}

fn one(files: &Files, out: &mut Output<'_>, target: &str) -> Result<bool> {
    let answer = Answer::parse(&Explainer::open(files)?.ask(target)?);
    let (style, verdict) = answer.verdict();
    if out.json {
        out.json(&json!({ "target": target, "address": answer.address, "symbol": answer.symbol,
            "probe": answer.refusal.is_none(), "refusal": answer.refusal, "lane": answer.lane, "region": answer.region,
            "optimizable": answer.region.is_some(), "not_optimizable": answer.not_optimizable, "covered": answer.covered }))?;
        return Ok(true);
    }
    let head = out.paint(Style::Bold, &answer.symbol);
    out.line(&format!("{head} at {}", answer.address))?;
    let verdict = out.paint(style, &verdict);
    out.line(&verdict)?;
    // The function is shown if the module can read it.
    let base = match answer.address.as_str() {
        "" | "0x0000000000000000" => target
            .rsplit_once('+')
            .map_or(target, |(function, _)| function),
        address => address,
    };
    if let Ok(function) = Function::read(files, base) {
        show_around(files, out, &function, &answer)?;
    }
    Ok(true)
}

fn show_around(
    files: &Files,
    out: &mut Output<'_>,
    function: &Function,
    answer: &Answer,
) -> Result<()> {
    let symbols = Symbols::read(files).unwrap_or_default();
    let lines = lines(function, &symbols);
    let place = answer.offset().unwrap_or(0);
    let index = function.insns.partition_point(|insn| insn.end() <= place);
    let shown = index.saturating_sub(AROUND)..function.insns.len().min(index + AROUND + 1);
    let end = place + answer.region.unwrap_or(0);
    for number in shown {
        let (Some(insn), Some(line)) = (function.insns.get(number), lines.get(number)) else {
            break;
        };
        let inside = insn.offset >= place && insn.offset < end;
        let mark = match (number == index, inside) {
            (true, _) => '>',
            (false, true) => '|',
            _ => ' ',
        };
        let text = format!("{mark} {}", row(insn, line));
        let text = match mark {
            ' ' => out.paint(Style::Dim, text.trim_end()),
            _ => text,
        };
        out.line(&text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let answer = Answer::parse(
            "target vfs_read+0x17\naddress 0xffffffff905cc7a7\nsymbol vfs_read+0x17\ninsn +0x17 8 65 48\nprobe yes\n\
             lane text\nregion 8\noptimizable yes\n",
        );
        assert_eq!((answer.offset(), answer.region), (Some(0x17), Some(8)));
        assert_eq!(answer.covered, [0x17]);
        assert_eq!(
            answer.verdict(),
            (
                Style::Good,
                "an int3 that becomes a jump over 8 bytes".to_owned()
            )
        );
        let answer = Answer::parse("symbol a+0x1 [m]\nprobe no: inside an instruction\n");
        assert_eq!(answer.offset(), Some(1));
        assert_eq!(
            answer.verdict(),
            (Style::Bad, "no probe: inside an instruction".to_owned())
        );
    }
}
