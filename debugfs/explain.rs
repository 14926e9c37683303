// SPDX-License-Identifier: GPL-2.0

//! What a probe at some target would be: the text of `explain`.

use crate::command::{parse_target, TargetSpec};
use crate::debugfs::commands::{show_candidates, Printable};
use crate::eligibility::refusal::{NotOptimizable, Refusal};
use crate::eligibility::Region;
use crate::engine::engine;
use crate::examine::{Facts, Session};
use crate::insn_decode::opcodes::JUMP_LEN;
use crate::insn_decode::MAX_INSN_LEN;
use crate::optimizer::Optimizer;
use crate::shell::Shell;
use crate::sys::symbols;
use crate::sys::target;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// A target, and what was found out about it.
pub(crate) struct Explained {
    /// As it was written.
    target: KVVec<u8>,
    /// Of an address, or why the target is none.
    found: Result<Explanation, Refusal>,
}

impl Explained {
    /// Of no target.
    pub(crate) const fn nothing() -> Self {
        Self {
            target: KVVec::new(),
            found: Err(Refusal::BadTarget),
        }
    }

    /// Of the target that `text` says.
    pub(crate) fn of(text: KVVec<u8>) -> Self {
        let addr = parse_target(&text).and_then(|target| address(&target));
        let engine = engine().ok_or(Refusal::NotText);
        let found = addr.and_then(|addr| Ok(engine?.explain(addr)));
        Self {
            target: text,
            found,
        }
    }

    /// The errno of a target that is none. Of one where there can be no probe, that is the answer.
    pub(crate) fn result(&self) -> Result {
        match &self.found {
            Ok(_) => Ok(()),
            Err(refusal) => Err((*refusal).into()),
        }
    }

    /// Shows it; nothing if nobody has asked.
    pub(crate) fn show(&self, out: &SeqFile) {
        let target = self.target.trim_ascii();
        if target.is_empty() {
            return;
        }
        seq_print!(out, "target {}\n", Printable(target));
        match &self.found {
            Ok(explanation) => explanation.show(out),
            Err(refusal) => {
                seq_print!(out, "probe no: {}", refusal.text());
                if let (Refusal::AmbiguousSymbol, Ok(target)) = (refusal, parse_target(target)) {
                    show_candidates(&target, out);
                }
                seq_print!(out, "\n");
            }
        }
    }
}

/// The address of a target.
fn address(target: &TargetSpec<'_>) -> Result<usize, Refusal> {
    let (base, offset) = match target {
        TargetSpec::Address(addr) => (*addr, 0),
        TargetSpec::Symbol {
            module,
            symbol,
            offset,
        } => {
            let module = match module {
                Some(module) => Some(target::c_string(module.as_bytes())?),
                None => None,
            };
            let symbol = target::c_string(symbol.as_bytes())?;
            (
                symbols::resolve(module.as_deref(), &symbol)? as u64,
                *offset,
            )
        }
    };
    let base = usize::try_from(base).map_err(|_| Refusal::NotText)?;
    let offset = usize::try_from(offset).map_err(|_| Refusal::OutsideFunction)?;
    target::in_function(base, offset)
}

/// What a probe at an address would be, or why there can be none.
pub(crate) struct Explanation {
    addr: usize,
    /// As [`Facts::region`].
    region: Result<Option<Result<Region, NotOptimizable>>, Refusal>,
    /// Address, length and bytes of the instructions that a jump would cover.
    insns: KVec<(usize, u8, [u8; MAX_INSN_LEN])>,
}

impl Explanation {
    /// That of a probe at `addr`.
    pub(crate) fn of(session: &mut Session<'_>, optimizer: &Optimizer<Shell>, addr: usize) -> Self {
        let found = session.facts(optimizer, addr);
        let mut explanation = Self {
            addr,
            region: found.map(|Facts { region, .. }| region),
            insns: KVec::new(),
        };
        if explanation.add_insns(session).is_err() {
            explanation.region = Err(Refusal::NoMemory);
        }
        explanation
    }

    /// Adds the instructions, the one that `addr` may be inside included.
    fn add_insns(&mut self, session: &Session<'_>) -> Result {
        let function = session.function();
        let start = self.addr as u64;
        let end = start.wrapping_add(JUMP_LEN as u64);
        for insn in function.instructions() {
            if insn.end() > start && insn.addr < end {
                let mut bytes = [0; MAX_INSN_LEN];
                for (to, from) in bytes.iter_mut().zip(function.bytes_from(insn.addr)) {
                    *to = *from;
                }
                self.insns
                    .push((insn.addr as usize, insn.len, bytes), GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    fn show(&self, out: &SeqFile) {
        seq_print!(out, "address {:#018x}\n", self.addr);
        let function = symbols::function(self.addr);
        let start = function
            .as_ref()
            .map_or(self.addr, |function| function.start);
        if let Some(function) = &function {
            let offset = self.addr.wrapping_sub(start);
            seq_print!(out, "symbol {}+{:#x}", function.name(), offset);
            if let Some(module) = function.module() {
                seq_print!(out, " [{}]", module);
            }
            seq_print!(out, "\n");
        }
        for (addr, len, bytes) in &self.insns {
            seq_print!(out, "insn +{:#x} {}", addr.wrapping_sub(start), len);
            for byte in bytes.iter().take(usize::from(*len)) {
                seq_print!(out, " {:02x}", byte);
            }
            seq_print!(out, "\n");
        }
        match self.region {
            Err(refusal) => seq_print!(out, "probe no: {}\n", refusal.text()),
            Ok(None) => seq_print!(out, "probe yes\nlane ftrace\n"),
            Ok(Some(region)) => {
                seq_print!(out, "probe yes\nlane text\n");
                show_region(region, out);
            }
        }
    }
}

fn show_region(region: Result<Region, NotOptimizable>, out: &SeqFile) {
    match region {
        Ok(region) => seq_print!(out, "region {}\noptimizable yes\n", region.len),
        Err(reason) => seq_print!(out, "optimizable no: {}\n", reason.text()),
    }
}
