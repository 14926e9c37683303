// SPDX-License-Identifier: GPL-2.0

//! `explain`: what a probe on a target would be, or on each instruction of a function.

use crate::command::places::{
    parse_places,
    Places, //
};
use crate::debugfs::file::File;
use crate::debugfs::print::{
    show_refusal,
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
    Examination,
    FunctionSurvey,
    Verdict, //
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

/// What was found out.
enum Answer {
    /// What a probe at an address would be.
    Place(Examination),
    /// What a probe on each instruction of the function at an address would be.
    Function(usize, Result<FunctionSurvey, Refusal>),
}

impl Answer {
    /// Whether memory was missing for the whole answer.
    fn lacks_memory(&self) -> bool {
        let lacks = |verdict: &Verdict| *verdict == Err(Refusal::NoMemory);
        match self {
            Answer::Place(examination) => lacks(&examination.region),
            Answer::Function(_, Err(refusal)) => *refusal == Refusal::NoMemory,
            Answer::Function(_, Ok(survey)) => survey.insns.iter().any(|insn| lacks(&insn.verdict)),
        }
    }
}

/// A target, and what was found out about it.
pub(super) struct Explained {
    /// As it was written.
    target: KVVec<u8>,
    /// The answer, or why the target has no address.
    found: Result<Answer, Refusal>,
}

impl Explained {
    /// Examines the target that `text` gives.
    ///
    /// # Errors
    ///
    /// `NoMemory`, `Interrupted`.
    fn of(text: &[u8]) -> Result<Arc<Self>, Refusal> {
        let mut target = KVVec::new();
        target
            .extend_from_slice(text, GFP_KERNEL_ACCOUNT)
            .map_err(|_| Refusal::NoMemory)?;
        let found = parse_places(text).and_then(|places| answer(&places));
        if let Ok(Answer::Function(_, Err(Refusal::Interrupted))) = found {
            return Err(Refusal::Interrupted);
        }
        Arc::new(Self { target, found }, GFP_KERNEL_ACCOUNT).map_err(|_| Refusal::NoMemory)
    }

    /// Why a target has no address, or that memory was missing. For an address where there can be no
    /// probe, the reason is the answer, and the write succeeds.
    fn result(&self) -> Result<(), Refusal> {
        match &self.found {
            Ok(answer) if answer.lacks_memory() => Err(Refusal::NoMemory),
            Ok(_) => Ok(()),
            Err(refusal) => Err(*refusal),
        }
    }

    /// Shows the answer.
    fn show(&self, out: &SeqFile) {
        let target = self.target.trim_ascii();
        seq_print!(out, "target {}\n", Printable(target));
        match &self.found {
            Ok(Answer::Place(examination)) => show_examination(examination, out),
            Ok(Answer::Function(addr, survey)) => show_function(*addr, survey, out),
            Err(refusal) => {
                let places = parse_places(target).ok();
                let target = places.and_then(|places| places.target());
                seq_print!(out, "probe no: ");
                show_refusal(*refusal, target.as_ref(), out);
            }
        }
    }
}

fn answer(places: &Places<'_>) -> Result<Answer, Refusal> {
    let (target, is_function) = match places {
        Places::Place(target) => (target, false),
        Places::Function(target) => (target, true),
        Places::Blocks(_) | Places::Matching { .. } => return Err(Refusal::ManyPlaces),
    };
    let addr = resolve(&Unresolved::from(target))?;
    let engine = engine().ok_or(Refusal::NotText)?;
    Ok(match is_function {
        false => Answer::Place(engine.examine(addr)),
        true => Answer::Function(addr, engine.survey(addr)),
    })
}

/// Shows an address, and the function that it is in. Returns where the function begins.
fn show_place(addr: usize, out: &SeqFile) -> usize {
    seq_print!(out, "address {:#018x}\n", shown(addr, out));
    let Some(function) = symbols::function(addr) else {
        return addr;
    };
    let offset = addr.wrapping_sub(function.start);
    seq_print!(out, "symbol {}+{:#x}", function.name(), offset);
    if let Some(module) = function.module() {
        seq_print!(out, " [{}]", module);
    }
    seq_print!(out, "\n");
    function.start
}

/// Shows a line for each instruction of a function.
fn show_function(addr: usize, survey: &Result<FunctionSurvey, Refusal>, out: &SeqFile) {
    let start = survey.as_ref().map_or(addr, |survey| survey.start);
    show_place(start, out);
    match survey {
        Err(refusal) => seq_print!(out, "probe no: {}\n", refusal.text()),
        Ok(survey) => {
            for insn in &survey.insns {
                let offset = insn.addr.wrapping_sub(survey.start);
                let (lane, reason) = lane(&insn.verdict);
                seq_print!(out, "at +{offset:#x} {} {lane} {reason}\n", insn.len);
            }
        }
    }
}

/// One word for what a probe would be, and why it would be no jump.
fn lane(verdict: &Verdict) -> (&'static str, &'static str) {
    match verdict {
        Ok(Some(Ok(_))) => ("jump", "-"),
        Ok(Some(Err(reason))) => ("int3", reason.text()),
        Ok(None) => ("ftrace", "-"),
        Err(refusal) => ("no", refusal.text()),
    }
}

fn show_examination(examination: &Examination, out: &SeqFile) {
    let start = show_place(examination.addr, out);
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
