// SPDX-License-Identifier: GPL-2.0

//! The results of can_probe and can_optimize of the kernel for a function with int3s and jumps of
//! ours. Checks that a native kprobe that they allow, and that we do not refuse, is safe.

use rkprobes_host::eligibility::hidden::{Hidden, Stretch};
use rkprobes_host::eligibility::reserved::Index;
use rkprobes_host::eligibility::DecodedFunction;
use rkprobes_host::heap::Heap;
use rkprobes_host::insn_decode::{Flow, Insn};

/// One of our sites, with the addresses at which it refuses native kprobes.
pub struct Site {
    pub offset: usize,
    pub region: usize,
    pub jump: bool,
    /// `None` if it refuses the whole function.
    pub hidden: Option<Hidden>,
}

impl Site {
    /// Makes the site at an instruction. It refuses what examine.rs makes it refuse if the sites of
    /// `others` exist already.
    pub fn new(
        function: &DecodedFunction<Heap>,
        insn: &Insn,
        index: &Index<Heap>,
        others: &[Site],
    ) -> Self {
        let region = function
            .region(insn.addr, index)
            .map_or(0, |found| found.len);
        let mut site = Site {
            offset: (insn.addr - function.start()) as usize,
            region: usize::from(region),
            jump: false,
            hidden: function.hidden(insn.addr, insn.len, region, index),
        };
        if others
            .iter()
            .any(|other| site.meets(other) || other.meets(&site))
        {
            site.hidden = None;
        }
        site
    }

    fn meets(&self, other: &Site) -> bool {
        let stretch = self.hidden.as_ref().map(|hidden| hidden.stretch);
        let distance = other.offset.checked_sub(self.offset);
        let pair = stretch.zip(distance);
        pair.is_some_and(|(stretch, distance)| stretch.runs_over(self.region, distance))
    }

    /// Whether a jump of this site would cover `other` after its first byte.
    pub fn covers(&self, other: &Site) -> bool {
        self.offset < other.offset && other.offset < self.offset + self.region
    }

    /// The number of replaced bytes.
    pub fn replaced(&self) -> usize {
        if self.jump {
            5
        } else {
            1
        }
    }

    /// Whether the kernel refuses to register a kprobe at an offset of the function at `start`.
    pub fn refuses(&self, start: u64, at: usize) -> bool {
        let Some(hidden) = &self.hidden else {
            return true;
        };
        let Stretch { int3, jump } = hidden.stretch;
        let end = usize::from(if self.jump { jump } else { int3 });
        let addr = start + at as u64;
        let in_front = |range: &rkprobes_host::eligibility::hidden::Span| {
            range.start <= addr && addr < range.end
        };
        (self.offset < at && at < self.offset + end) || hidden.ranges().iter().any(in_front)
    }
}

/// A function with our sites armed.
pub struct Armed<'a> {
    pub start: u64,
    /// Its instructions, without any probe.
    pub insns: &'a [Insn],
    pub len: usize,
    pub sites: &'a [Site],
}

/// Counts of the checked cases.
#[derive(Debug, Default)]
pub struct Seen {
    /// Addresses that the kernel takes for instructions but that are inside an instruction or a
    /// jump of ours.
    pub false_boundaries: u64,
    /// Instructions shortly before the target of a branch that the kernel does not see.
    pub in_front: u64,
    /// The instructions counted in `in_front` that the rules of the kernel allow to become jumps.
    pub optimizable: u64,
}

impl Armed<'_> {
    fn refused(&self, at: usize) -> bool {
        self.sites.iter().any(|site| site.refuses(self.start, at))
    }

    /// Patches the original text.
    pub fn patch(&self, bytes: &mut [u8], mut displacement: impl FnMut() -> [u8; 4]) {
        for site in self.sites {
            bytes[site.offset] = if site.jump { 0xe9 } else { 0xcc };
            if site.jump {
                bytes[site.offset + 1..site.offset + 5].copy_from_slice(&displacement());
            }
        }
    }

    /// Asserts that each native kprobe that is not refused is at the start of an instruction, and
    /// cannot become a jump if a branch of the function goes into that jump. `length` is the length
    /// that the decoder of the kernel finds at an offset of the patched text, or 0 if it refuses
    /// the bytes. `what` names the function.
    pub fn check(&self, length: impl Fn(usize) -> u8, what: &str) -> Seen {
        let mut seen = Seen::default();
        if self.sites.iter().any(|site| site.hidden.is_none()) {
            return seen;
        }
        let mut visited = vec![false; self.len];
        let mut at = 0;
        let mut whole = true;
        while at < self.len {
            let len = usize::from(length(at));
            if len == 0 {
                // can_probe refuses all later addresses, and can_optimize refuses the function.
                whole = false;
                break;
            }
            visited[at] = true;
            at += len;
        }
        let mut is_true = vec![false; self.len];
        for insn in self.insns {
            is_true[(insn.addr - self.start) as usize] = true;
        }
        let replaced = |at: usize| {
            let mut sites = self.sites.iter();
            sites.any(|site| site.offset <= at && at < site.offset + site.replaced())
        };
        let is_site = |at: usize| self.sites.iter().any(|site| site.offset == at);
        for at in (0..self.len).filter(|at| visited[*at]) {
            if !is_true[at] || (replaced(at) && !is_site(at)) {
                seen.false_boundaries += 1;
                assert!(self.refused(at), "{what}: a kprobe at +{at:#x}");
            }
        }
        if !whole {
            return seen;
        }
        let branches = || {
            let branches = self.insns.iter().filter(|insn| {
                matches!(
                    insn.flow,
                    Flow::Jmp { .. } | Flow::Jcc { .. } | Flow::Loop { .. }
                )
            });
            branches.filter_map(|insn| {
                let from = (insn.addr - self.start) as usize;
                let to = usize::try_from(insn.target()?.wrapping_sub(self.start)).ok()?;
                (to < self.len).then_some((from, to))
            })
        };
        let sees = |from: usize| visited[from] && !replaced(from);
        for (_, to) in branches().filter(|(from, _)| !sees(*from)) {
            for at in to.saturating_sub(4)..to {
                // With a site of ours in its first five bytes a native kprobe does not become a
                // jump.
                let ours = self.sites.iter();
                let mut ours = ours.filter(|site| at <= site.offset && site.offset < at + 5);
                if !visited[at] || !is_true[at] || replaced(at) || ours.next().is_some() {
                    continue;
                }
                seen.in_front += 1;
                let inside = |(from, to): (usize, usize)| sees(from) && at < to && to <= at + 5;
                if branches().any(inside) {
                    continue;
                }
                seen.optimizable += 1;
                assert!(
                    self.refused(at),
                    "{what}: a jump at +{at:#x}, a branch to +{to:#x}"
                );
            }
        }
        seen
    }
}
