// SPDX-License-Identifier: GPL-2.0

//! `explain`: what a probe on a target would be.

use crate::command::{
    parse_target,
    TargetSpec, //
};
use crate::debugfs::file::File;
use crate::debugfs::print::{
    show_candidates,
    shown,
    Printable, //
};
use crate::eligibility::refusal::{
    NotOptimizable,
    Refusal, //
};
use crate::eligibility::Region;
use crate::engine::{
    engine,
    Examination, //
};
use crate::sys::symbols;
use crate::sys::target::{
    resolve,
    Unresolved, //
};
use core::mem::replace;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::sync::{
    Arc,
    Mutex, //
};

/// `explain`: a write gives the target, a read shows the answer.
pub(super) struct ExplainFile;

impl File for ExplainFile {
    /// The last answer of all open files.
    type Data = Mutex<Option<Arc<Explained>>>;
    /// The last answer of this open file.
    type Own = Option<Arc<Explained>>;
    const NAME: &'static CStr = c"explain";
    const MODE: u16 = 0o600;

    fn show(last: &Self::Data, own: &Self::Own, out: &SeqFile) -> Result {
        let last = match own {
            Some(_) => None,
            None => last.lock().clone(),
        };
        if let Some(explained) = own.as_ref().or(last.as_ref()) {
            explained.show(out);
        }
        Ok(())
    }

    fn line(last: &Self::Data, own: &mut Self::Own, text: &[u8]) -> Result<(), Refusal> {
        let new = Explained::of(text)?;
        *own = Some(new.clone());
        let before = replace(&mut *last.lock(), Some(new.clone()));
        drop(before);
        new.result()
    }
}

/// A target, and what was found out about it.
pub(super) struct Explained {
    /// As it was written.
    target: KVVec<u8>,
    /// What a probe there would be, or why the target has no address.
    found: Result<Examination, Refusal>,
}

impl Explained {
    /// Examines the target that `text` gives.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    fn of(text: &[u8]) -> Result<Arc<Self>, Refusal> {
        let mut target = KVVec::new();
        target
            .extend_from_slice(text, GFP_KERNEL_ACCOUNT)
            .map_err(|_| Refusal::NoMemory)?;
        let found = parse_target(text).and_then(|target| examine(&target));
        Arc::new(Self { target, found }, GFP_KERNEL_ACCOUNT).map_err(|_| Refusal::NoMemory)
    }

    /// Why a target has no address. For an address where there can be no probe, the reason is the
    /// answer, and the write succeeds.
    fn result(&self) -> Result<(), Refusal> {
        self.found.as_ref().map(|_| ()).map_err(|refusal| *refusal)
    }

    /// Shows the answer.
    fn show(&self, out: &SeqFile) {
        let target = self.target.trim_ascii();
        seq_print!(out, "target {}\n", Printable(target));
        match &self.found {
            Ok(examination) => show_examination(examination, out),
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

fn examine(target: &TargetSpec<'_>) -> Result<Examination, Refusal> {
    let addr = resolve(&Unresolved::from(target))?;
    Ok(engine().ok_or(Refusal::NotText)?.examine(addr))
}

fn show_examination(examination: &Examination, out: &SeqFile) {
    let addr = examination.addr;
    seq_print!(out, "address {:#018x}\n", shown(addr, out));
    let function = symbols::function(addr);
    let start = function.as_ref().map_or(addr, |function| function.start);
    if let Some(function) = &function {
        let offset = addr.wrapping_sub(start);
        seq_print!(out, "symbol {}+{:#x}", function.name(), offset);
        if let Some(module) = function.module() {
            seq_print!(out, " [{}]", module);
        }
        seq_print!(out, "\n");
    }
    for insn in &examination.insns {
        let (offset, bytes) = (insn.addr.wrapping_sub(start), insn.bytes());
        seq_print!(out, "insn +{:#x} {}", offset, bytes.len());
        for byte in bytes {
            seq_print!(out, " {:02x}", byte);
        }
        seq_print!(out, "\n");
    }
    match examination.region {
        Err(refusal) => seq_print!(out, "probe no: {}\n", refusal.text()),
        Ok(None) => seq_print!(out, "probe yes\nlane ftrace\n"),
        Ok(Some(region)) => {
            seq_print!(out, "probe yes\nlane text\n");
            show_region(region, out);
        }
    }
}

fn show_region(region: Result<Region, NotOptimizable>, out: &SeqFile) {
    match region {
        Ok(region) => seq_print!(out, "region {}\noptimizable yes\n", region.len),
        Err(reason) => seq_print!(out, "optimizable no: {}\n", reason.text()),
    }
}
