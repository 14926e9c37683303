// SPDX-License-Identifier: GPL-2.0

//! The instructions of a function as they are without probes, and what a probe on each would be.
//!
//! The module says where instructions begin. The bytes come from kcore in one read. Where a probe may
//! have changed them, and where there is no kcore, the module is asked for each instruction.

use crate::error::{Error, Kind, Result};
use crate::files::{Explain, Explainer, Files};
use crate::kcore::Kcore;
use serde::Serialize;

/// The most instructions that the module is asked for one by one.
const MANY: usize = 5000;
/// The first bytes of an int3, a jump and a call, which probes and tracers write.
const PATCHES: [u8; 3] = [0xcc, 0xe9, 0xe8];
const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Insn {
    /// Where it begins in the function.
    pub offset: u64,
    /// Its length in bytes.
    pub len: usize,
    /// What a probe would be: `jump`, `int3`, `ftrace` or `no`.
    pub lane: String,
    /// Why it would be no jump, or `-`.
    pub reason: String,
    /// Its bytes; none if they are unknown.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

impl Insn {
    /// Where the next instruction begins.
    pub fn end(&self) -> u64 {
        self.offset + self.len as u64
    }
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The module that it is in.
    pub module: Option<String>,
    /// Where it begins; 0 if the kernel hides addresses.
    pub start: u64,
    /// Its instructions, and the padding between them.
    pub insns: Vec<Insn>,
}

impl Function {
    /// Reads the function that a target is in. The target has no offset.
    ///
    /// # Errors
    ///
    /// `Refused`: there is no such function, or there can be no probe in it; `Missing`.
    pub fn read(files: &Files, target: &str) -> Result<Self> {
        let mut explainer = Explainer::open(files)?;
        let kcore = Kcore::open(&files.proc("kcore")).ok();
        Self::from_answers(&mut explainer, target, |start, len| {
            kcore.as_ref()?.read(start, len).ok()
        })
    }

    /// Reads the function from the answers of the module, and the bytes of the text now.
    ///
    /// # Errors
    ///
    /// As [`Function::read`].
    pub fn from_answers(
        explainer: &mut dyn Explain,
        target: &str,
        now: impl Fn(u64, usize) -> Option<Vec<u8>>,
    ) -> Result<Self> {
        let all = format!("{target}+*");
        let answer = explainer.ask(&all).map_err(|error| Error {
            text: error.text.replacen(&all, target, 1),
            ..error
        })?;
        let mut function = Self::parse(&answer, target)?;
        function.set_bytes(now);
        function.ask_bytes(explainer, target)?;
        Ok(function)
    }

    /// Reads the answer for a whole function.
    fn parse(answer: &str, target: &str) -> Result<Self> {
        let mut function = Self {
            name: String::new(),
            module: None,
            start: 0,
            insns: Vec::new(),
        };
        for line in answer.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "address" => function.start = hex(rest).unwrap_or(0),
                "symbol" => {
                    let (name, module) = rest.split_once(' ').unwrap_or((rest, ""));
                    let name = name.rsplit_once("+0x").map_or(name, |(name, _)| name);
                    function.name = name.to_owned();
                    let module = module.trim_matches(['[', ']']);
                    function.module = Some(module.to_owned()).filter(|module| !module.is_empty());
                }
                "at" => function.insns.extend(insn(rest)),
                "probe" => {
                    let reason = rest.strip_prefix("no: ").unwrap_or(rest);
                    return Err(Error::new(Kind::Refused, format!("{target}: {reason}")));
                }
                _ => {}
            }
        }
        match function.insns.is_empty() {
            true => Err(Error::new(
                Kind::Refused,
                format!("{target}: the module names no instruction"),
            )),
            false => Ok(function),
        }
    }

    /// How long it is.
    pub fn size(&self) -> u64 {
        self.insns.last().map_or(0, Insn::end)
    }

    /// What names the function.
    pub fn target(&self) -> String {
        match &self.module {
            Some(module) => format!("{module}:{}", self.name),
            None => self.name.clone(),
        }
    }

    /// Takes the bytes of the text as it is now, except where a probe may have changed them.
    fn set_bytes(&mut self, now: impl Fn(u64, usize) -> Option<Vec<u8>>) {
        let length = usize::try_from(self.size()).unwrap_or(0);
        let Some(text) = Some(self.start)
            .filter(|start| *start != 0)
            .and_then(|start| now(start, length))
        else {
            return;
        };
        let mut changed = 0;
        for insn in &mut self.insns {
            let start = usize::try_from(insn.offset).unwrap_or(usize::MAX);
            let bytes = start
                .checked_add(insn.len)
                .and_then(|end| text.get(start..end));
            let Some(bytes) = bytes else {
                continue;
            };
            if bytes.first().is_some_and(|byte| PATCHES.contains(byte)) {
                changed = insn.offset + 5;
            }
            if insn.offset >= changed {
                insn.bytes = bytes.to_vec();
            }
        }
    }

    /// Asks the module for the bytes that are not known yet.
    fn ask_bytes(&mut self, explainer: &mut dyn Explain, target: &str) -> Result<()> {
        let mut asked = 0;
        for index in 0..self.insns.len() {
            let insn = &self.insns[index];
            if !insn.bytes.is_empty() {
                continue;
            }
            asked += 1;
            if asked > MANY {
                break;
            }
            let answer = explainer.ask(&format!("{target}+{:#x}", insn.offset))?;
            for (offset, bytes) in answer.lines().filter_map(covered) {
                let known = self.insns.binary_search_by_key(&offset, |insn| insn.offset);
                if let Some(insn) = known.ok().and_then(|known| self.insns.get_mut(known)) {
                    if insn.bytes.is_empty() && insn.len == bytes.len() {
                        insn.bytes = bytes;
                    }
                }
            }
            // The answer for the entry is about the instruction after the ENDBR.
            let insn = &mut self.insns[index];
            if insn.bytes.is_empty() && insn.offset == 0 && insn.len == ENDBR64.len() {
                insn.bytes = ENDBR64.to_vec();
            }
        }
        Ok(())
    }
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim_start_matches('+').strip_prefix("0x")?, 16).ok()
}

/// Reads a line `at`.
fn insn(text: &str) -> Option<Insn> {
    let mut words = text.splitn(4, ' ');
    Some(Insn {
        offset: hex(words.next()?)?,
        len: words.next()?.parse().ok()?,
        lane: words.next()?.to_owned(),
        reason: words.next()?.to_owned(),
        bytes: Vec::new(),
    })
}

/// Reads a line `insn`.
fn covered(line: &str) -> Option<(u64, Vec<u8>)> {
    let mut words = line.strip_prefix("insn ")?.split(' ');
    let offset = hex(words.next()?)?;
    let _len = words.next()?;
    let byte = |word| u8::from_str_radix(word, 16).ok();
    Some((offset, words.map(byte).collect::<Option<_>>()?))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Answers that were recorded.
    #[derive(Default)]
    pub struct Recorded(pub HashMap<String, String>, pub usize);

    impl Explain for Recorded {
        fn ask(&mut self, target: &str) -> Result<String> {
            self.1 += 1;
            let unknown = || Error::new(Kind::Refused, format!("{target}: unknown"));
            self.0.get(target).cloned().ok_or_else(unknown)
        }
    }

    /// The loop of the module rktest_victim.
    pub const LOOP: &str = "\
target v:loop+*
address 0xffffffffc0001000
symbol loop+0x0 [v]
at +0x0 2 jump -
at +0x2 3 jump -
at +0x5 2 jump -
at +0x7 4 jump -
at +0xb 3 jump -
at +0xe 2 int3 a jump into it
at +0x10 6 jump -
at +0x16 5 no padding
";
    pub const LOOP_TEXT: [u8; 27] = [
        0x31, 0xc0, 0x48, 0x85, 0xff, 0x74, 0x09, 0x48, 0x83, 0xc0, 0x03, 0x48, 0xff, 0xcf, 0x75,
        0xf7, 0x48, 0x05, 0x56, 0x34, 0x12, 0x00, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc,
    ];

    pub fn loop_function() -> Function {
        let mut recorded = Recorded::default();
        recorded.0.insert("v:loop+*".to_owned(), LOOP.to_owned());
        Function::from_answers(&mut recorded, "v:loop", |_, len| {
            Some(LOOP_TEXT[..len].to_vec())
        })
        .unwrap()
    }

    #[test]
    fn a_function_is_read_in_one_answer_if_no_probe_is_there() {
        let function = loop_function();
        assert_eq!(
            (function.name.as_str(), function.module.as_deref()),
            ("loop", Some("v"))
        );
        assert_eq!(function.target(), "v:loop");
        assert_eq!(function.size(), 27);
        assert_eq!(function.insns[3].bytes, [0x48, 0x83, 0xc0, 0x03]);
        assert_eq!(function.insns[5].reason, "a jump into it");
    }

    #[test]
    fn bytes_under_a_probe_are_asked_for() {
        let mut text = LOOP_TEXT;
        text[7..12].copy_from_slice(&[0xe9, 1, 2, 3, 4]);
        let mut recorded = Recorded::default();
        recorded.0.insert("v:loop+*".to_owned(), LOOP.to_owned());
        recorded.0.insert(
            "v:loop+0x7".to_owned(),
            "insn +0x7 4 48 83 c0 03\ninsn +0xb 3 48 ff cf\nprobe yes\n".to_owned(),
        );
        let function =
            Function::from_answers(&mut recorded, "v:loop", |_, len| Some(text[..len].to_vec()))
                .unwrap();
        assert_eq!(function.insns, loop_function().insns);
        assert_eq!(recorded.1, 2);
    }

    #[test]
    fn a_refusal_is_passed_on() {
        let error = Function::parse("target x\nprobe no: blacklisted\n", "x").unwrap_err();
        assert_eq!(error.text, "x: blacklisted");
        assert_eq!(error.kind, Kind::Refused);
    }
}
