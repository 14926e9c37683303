// SPDX-License-Identifier: GPL-2.0

//! Counts each instruction of each function by both sets of rules.

use crate::mainline;
use crate::tables::Tables;
use rkprobes_host::eligibility::reserved::Kind;
use rkprobes_host::eligibility::{collect_cross_branches, DecodedFunction, Region};
use rkprobes_host::heap::Heap;
use rkprobes_host::insn_decode::Insn;
use rkprobes_host::stock::Kernel;
use std::collections::BTreeMap;

/// One of this many addresses is kept as an example.
const SAMPLE: u64 = 101;

/// The counts of one set of rules for one choice of addresses.
#[derive(Default)]
pub struct Count {
    pub probeable: u64,
    pub optimizable: u64,
    /// The number of optimizable regions of one instruction.
    pub single: u64,
    pub refused: BTreeMap<&'static str, u64>,
}

impl Count {
    fn add(&mut self, region: Result<Region, &'static str>) {
        self.probeable += 1;
        match region {
            Ok(region) => {
                self.optimizable += 1;
                self.single += u64::from(region.single);
            }
            Err(reason) => *self.refused.entry(reason).or_default() += 1,
        }
    }

    /// The share that is optimizable, in percent.
    pub fn percent(&self) -> f64 {
        self.optimizable as f64 * 100.0 / self.probeable.max(1) as f64
    }
}

/// One set of rules.
#[derive(Default)]
pub struct Rules {
    /// Every instruction.
    pub all: Count,
    /// The fifth instruction of each function.
    pub fifth: Count,
    /// Optimizable although something jumps into the region.
    pub jumped_into: Vec<Landing>,
}

/// A place inside a region that something jumps to.
pub struct Landing {
    /// The probe, as symbol and offset.
    pub probe: String,
    /// The distance of the place from the probe.
    pub distance: u64,
    /// The source of the jump.
    pub from: String,
}

/// All counts.
#[derive(Default)]
pub struct Survey {
    pub functions: usize,
    pub ours: Rules,
    pub mainline: Rules,
    /// The reasons for which addresses are not probeable by our rules.
    pub refused: BTreeMap<&'static str, u64>,
    /// Every [`SAMPLE`]th address that both sets of rules can probe.
    pub sample: Vec<Site>,
    seen: u64,
}

/// An address that both sets of rules can probe, and the rules by which it is optimizable.
pub struct Site {
    pub addr: u64,
    pub place: String,
    pub ours: bool,
    pub mainline: bool,
}

/// Every address that something jumps to, with the source. The addresses come from all branches of
/// the text at once, which is another way than the rules use, because this result judges the rules.
type Landings = BTreeMap<u64, String>;

impl Survey {
    /// Counts over all functions of the image.
    pub fn of(kernel: &Kernel, tables: &Tables<'_>) -> Survey {
        let landings = landings(kernel, tables);
        let mut survey = Survey::default();
        let mut function = DecodedFunction::<Heap>::default();
        for found in &tables.functions {
            let Some(bytes) = kernel.bytes(found.start, found.end) else {
                continue;
            };
            let filled = function.analyse(found.start, bytes.len(), |to| to.copy_from_slice(bytes));
            filled.expect("memory for a function");
            survey.functions += 1;
            for piece in tables.pieces(found).chain(tables.neighbours(found)) {
                let bytes = kernel.bytes(piece.start, piece.end).unwrap_or(&[]);
                let whole = collect_cross_branches(piece.start, bytes, |branch| {
                    function.add_target(branch.to);
                });
                if !whole {
                    function.add_unknown();
                }
            }
            survey.count(found.names[0], &function, tables, &landings);
        }
        survey
    }

    fn count(
        &mut self,
        name: &str,
        ours: &DecodedFunction<Heap>,
        tables: &Tables<'_>,
        landings: &Landings,
    ) {
        let insns: Vec<Insn> = ours.instructions().collect();
        let theirs = mainline::Function::new(insns.clone(), ours.end(), tables);
        for (at, insn) in insns.iter().enumerate() {
            let place = || format!("{name}+{:#x}", insn.addr - ours.start());
            let mut both = (None, None);
            match ours.probe(insn.addr, &tables.index) {
                Ok(_) => {
                    let region = ours.region(insn.addr, &tables.index);
                    both.0 = Some(region.is_ok());
                    let region = region.map_err(|reason| reason.text());
                    self.ours.add(at, insn.addr, region, landings, place);
                }
                // Padding between functions.
                Err(_) if insn.is_int3() => {}
                Err(refusal) => *self.refused.entry(refusal.text()).or_default() += 1,
            }
            if mainline::Function::probeable(insn, tables) {
                let region = theirs.region(at, tables);
                both.1 = Some(region.is_ok());
                self.mainline.add(at, insn.addr, region, landings, place);
            }
            if let (Some(ours), Some(mainline)) = both {
                self.seen += 1;
                if self.seen.is_multiple_of(SAMPLE) {
                    self.sample.push(Site {
                        addr: insn.addr,
                        place: place(),
                        ours,
                        mainline,
                    });
                }
            }
        }
    }
}

impl Rules {
    fn add(
        &mut self,
        at: usize,
        addr: u64,
        region: Result<Region, &'static str>,
        landings: &Landings,
        place: impl Fn() -> String,
    ) {
        self.all.add(region);
        if at == 4 {
            self.fifth.add(region);
        }
        let Ok(region) = region else {
            return;
        };
        let end = addr + u64::from(region.len);
        if let Some((landing, from)) = landings.range(addr + 1..end).next() {
            self.jumped_into.push(Landing {
                probe: place(),
                distance: landing - addr,
                from: from.clone(),
            });
        }
    }
}

fn landings(kernel: &Kernel, tables: &Tables<'_>) -> Landings {
    let mut landings = Landings::new();
    for (addr, kind) in &tables.landings {
        let from = match kind {
            Kind::JumpTarget => "a jump label",
            _ => "the exception table",
        };
        landings.insert(*addr, from.to_string());
    }
    for function in &tables.functions {
        let bytes = kernel.bytes(function.start, function.end).unwrap_or(&[]);
        let mut at = 0;
        while let Ok(insn) =
            rkprobes_host::insn_decode::decode(&bytes[at..], function.start + at as u64)
        {
            at += usize::from(insn.len);
            if let Some(target) = insn.target() {
                let from = || format!("{}+{:#x}", function.names[0], insn.addr - function.start);
                landings.entry(target).or_insert_with(from);
            }
        }
    }
    landings
}
