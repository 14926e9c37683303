// SPDX-License-Identifier: GPL-2.0

//! The decisions of native kprobes for the text, from a description of their rules.
//!
//! A native kprobe is optimizable if all of this holds: No instruction of its function has an
//! exception-table entry. No jump of the function goes to one of the five bytes after the
//! breakpoint. Each instruction of the region may be followed by a jump when it is copied. No site
//! of the function tracer, jump label or static call is in the region.

use crate::tables::Tables;
use rkprobes_host::eligibility::reserved::Kind;
use rkprobes_host::eligibility::Region;
use rkprobes_host::insn_decode::{Encoding, Flow, Insn, OpcodeMap, Prefixes};
use std::collections::BTreeSet;

/// The opcode bytes after `0F` that may be copied, one bit for each.
const BOOSTABLE_0F: [u32; 8] = [
    0x8000_034c, // 02-03 06 08-09 1f
    0x0002_000f, // 20-23 31
    0x0000_ffff, // 40-4f
    0xc0f0_cfff, // 60-6b 6e-6f 74-77 7e-7f
    0xffff_0000, // 90-9f
    0xf8ff_bb3b, // a0-a1 a3-a5 a8-a9 ab-ad af-b7 bb-bf
    0xbb2e_ff03, // c0-c1 c8-cf d1-d3 d5 d8-d9 db-dd df
    0x772e_bb26, // e1-e2 e5 e8-e9 eb-ed ef f1-f3 f5 f8-fa fc-fe
];

/// A decoded function, with the facts that mainline needs about the whole function.
pub struct Function {
    end: u64,
    insns: Vec<Insn>,
    jumps: BTreeSet<u64>,
    whole: bool,
    extable: bool,
}

impl Function {
    pub fn new(insns: Vec<Insn>, end: u64, tables: &Tables<'_>) -> Self {
        let is_jump = |insn: &&Insn| {
            matches!(
                insn.flow,
                Flow::Jmp { .. } | Flow::Jcc { .. } | Flow::Loop { .. }
            )
        };
        Function {
            end,
            jumps: insns
                .iter()
                .filter(is_jump)
                .filter_map(Insn::target)
                .collect(),
            whole: insns.last().is_some_and(|insn| insn.end() >= end),
            extable: insns.iter().any(|insn| tables.extable.contains(&insn.addr)),
            insns,
        }
    }

    /// Whether the instruction can have a breakpoint.
    pub fn probeable(insn: &Insn, tables: &Tables<'_>) -> bool {
        let reserved =
            tables
                .index
                .within(insn.addr, insn.addr + 1)
                .any(|entry| match entry.kind {
                    Kind::Bug => entry.start == insn.addr,
                    Kind::Int3Path | Kind::NoTable | Kind::DeadCpu | Kind::ExtableInsn => false,
                    Kind::StaticCall => entry.end - entry.start == 5,
                    kind => !kind.is_target(),
                });
        let flow = match insn.flow {
            Flow::Int3 | Flow::Int | Flow::Undefined | Flow::ReturnFromEvent => false,
            Flow::JmpMem | Flow::CallMem | Flow::Apx | Flow::Far => false,
            Flow::Vm => !matches!(insn.modrm, Some(0xc0..=0xc7)),
            _ => true,
        };
        !reserved && flow && !insn.casts_shadow() && !insn.is_endbr()
    }

    /// The region of instruction `index`, or why there is none.
    pub fn region(&self, index: usize, tables: &Tables<'_>) -> Result<Region, &'static str> {
        let start = self.insns[index].addr;
        if self.end - start < 5 {
            return Err("function ends");
        }
        if !self.whole {
            return Err("function does not decode");
        }
        if self.extable {
            return Err("exception table in the function");
        }
        if self.jumps.range(start + 1..=start + 5).next().is_some() {
            return Err("jump into the region or right behind");
        }
        for (count, insn) in self.insns[index..].iter().enumerate() {
            if !boostable(insn) {
                return Err(refusal(insn, count));
            }
            let end = insn.end();
            if end >= start + 5 {
                let reserved = tables.index.within(start, end).any(|entry| {
                    matches!(
                        entry.kind,
                        Kind::Ftrace | Kind::JumpLabel | Kind::StaticCall
                    )
                });
                return match reserved {
                    true => Err("reserved site in the region"),
                    false => Ok(Region {
                        len: (end - start) as u8,
                        single: count == 0,
                    }),
                };
            }
        }
        Err("function ends")
    }
}

fn refusal(insn: &Insn, count: usize) -> &'static str {
    match (insn.flow, count) {
        (Flow::Next, _) => "instruction that is not boostable",
        (_, 0) => "branch or call at the probe",
        _ => "branch or call in the region",
    }
}

/// Whether a copy of the instruction may be followed by a jump.
fn boostable(insn: &Insn) -> bool {
    if insn.forced_emulation {
        return false;
    }
    // The decoder of the kernel counts one opcode byte after VEX, EVEX or XOP, for every map.
    let map = match insn.encoding {
        Encoding::Legacy => insn.map,
        _ => OpcodeMap::Primary,
    };
    let slash = insn.modrm.map_or(0, |modrm| (modrm >> 3) & 7);
    match map {
        OpcodeMap::Map0F => {
            let word = BOOSTABLE_0F[usize::from(insn.opcode / 32)];
            word >> (insn.opcode % 32) & 1 != 0
        }
        OpcodeMap::Primary => {
            let prefixes = Prefixes::CS.with(Prefixes::ADDRESS_SIZE);
            !insn.prefixes.has(prefixes)
                && match insn.opcode {
                    0x62 | 0x70..=0x7f | 0x9a | 0xcc..=0xce | 0xd6 | 0xd8..=0xdf => false,
                    0xe0..=0xe3 | 0xe8 | 0xe9 | 0xeb | 0xf0..=0xf4 => false,
                    0xc0 | 0xc1 | 0xd0..=0xd3 => slash != 6,
                    0xf6 | 0xf7 => slash != 1,
                    0xfe => slash < 2,
                    0xff => matches!(slash, 0 | 1 | 4),
                    _ => true,
                }
        }
        _ => false,
    }
}
