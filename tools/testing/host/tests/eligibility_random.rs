// SPDX-License-Identifier: GPL-2.0

//! Properties that hold for any bytes: nothing panics, and each eligible region is safe.

#[path = "common/code.rs"]
#[allow(dead_code)]
mod code;
#[path = "common/random.rs"]
mod random;

use code::{function, index, START};
use random::Random;
use rkprobes_host::eligibility::reserved::{Index, Kind};
use rkprobes_host::eligibility::{collect_cross_branches, DecodedFunction, Region};
use rkprobes_host::heap::Heap;
use rkprobes_host::insn_decode::{decode, Flow, Insn};
use rkprobes_host::optimizer::MAX_REGION;
use rkprobes_host::out_of_line::relocate::{relocate, worst_copy_len, CopyRefusal};

/// Makes bytes that decode for a while, with short jumps among them.
fn random_code(random: &mut Random) -> Vec<u8> {
    let mut code = Vec::new();
    let len = 1 + random.below(80);
    while code.len() < len {
        match random.below(4) {
            0 => code.extend([random.pick(&[0xeb, 0x74, 0xe3]), random.below(64) as u8]),
            1 => code.extend([random.pick(&[0xeb, 0x75]), 0xff - random.below(64) as u8]),
            2 => {
                let bytes = random.instruction();
                let len = decode(&bytes, START).map_or(1, |insn| usize::from(insn.len));
                code.extend(&bytes[..len]);
            }
            _ => code.push(random.pick(&[0x55, 0x90, 0xc3, 0xcc, 0xfa, 0x5d])),
        }
    }
    code.truncate(len);
    code
}

fn random_index(random: &mut Random, len: usize) -> Index<Heap> {
    const KINDS: [Kind; 5] = [
        Kind::JumpLabel,
        Kind::ExtableInsn,
        Kind::JumpTarget,
        Kind::ExtableFixup,
        Kind::Blacklist,
    ];
    let mut entries = Vec::new();
    for _ in 0..random.below(3) {
        let start = random.below(len) as u64;
        let end = start + 1 + random.below(6) as u64;
        entries.push((start, end, random.pick(&KINDS)));
    }
    index(&entries)
}

/// The instructions that a linear decode finds.
fn straight(code: &[u8]) -> Vec<Insn> {
    let mut insns = Vec::new();
    let mut at = 0;
    while let Ok(insn) = decode(&code[at..], START + at as u64) {
        at += usize::from(insn.len);
        insns.push(insn);
    }
    insns
}

/// Checks a region against the bytes, without the code that found the region.
fn check_region(code: &[u8], addr: u64, region: Region, index: &Index<Heap>) {
    let end = addr + u64::from(region.len);
    let insns = straight(code);
    let inside: Vec<_> = insns
        .iter()
        .filter(|i| addr <= i.addr && i.addr < end)
        .collect();
    assert!(region.len >= 5 && usize::from(region.len) <= MAX_REGION);
    assert_eq!(inside.first().map(|insn| insn.addr), Some(addr));
    assert_eq!(inside.last().map(|insn| insn.end()), Some(end));
    assert_eq!(region.single, inside.len() == 1);
    assert!(insns
        .last()
        .is_some_and(|insn| insn.end() == START + code.len() as u64));
    for insn in &insns {
        let lands = insn
            .target()
            .is_some_and(|target| addr < target && target < end);
        assert!(!lands, "{insn:x?} goes into the region");
    }
    for insn in &inside {
        let call = matches!(
            insn.flow,
            Flow::Call { .. } | Flow::CallReg { .. } | Flow::CallMem
        );
        assert!(
            !call || insn.end() == end,
            "{insn:x?} returns into the region"
        );
    }
    for entry in index.within(addr, end) {
        assert!(entry.kind.is_target() && entry.start <= addr, "{entry:x?}");
    }
    let from = (addr - START) as usize;
    let mut copy = [0; worst_copy_len(MAX_REGION)];
    let bytes = &code[from..from + usize::from(region.len)];
    let copied = relocate(bytes, addr, addr + 0x1000_0000, &mut copy);
    // At other addresses the distance to the memory of an operand is one more reason.
    let fits = copied.is_ok() || copied == Err(CopyRefusal::OutOfRange);
    assert!(fits, "{bytes:x?}: {copied:?}");
}

fn check(function: &DecodedFunction<Heap>, code: &[u8], index: &Index<Heap>) -> usize {
    let mut regions = 0;
    for offset in 0..code.len() as u64 + 4 {
        let addr = START + offset;
        let boundary = function.instructions().any(|insn| insn.addr == addr);
        let probed = function.probe(addr, index);
        assert!(boundary || probed.is_err(), "{code:x?} {offset}");
        let region = function.region(addr, index);
        if let (Ok(_), Ok(region)) = (probed, region) {
            check_region(code, addr, region, index);
            regions += 1;
        }
    }
    regions
}

#[test]
fn regions_of_random_functions_are_eligible() {
    let mut random = Random::new(7);
    let mut regions = 0;
    for _ in 0..20_000 {
        let code = random_code(&mut random);
        let index = random_index(&mut random, code.len());
        regions += check(&function(&code), &code, &index);
    }
    assert!(regions > 10_000, "only {regions} regions");
}

#[test]
fn random_bytes_are_answered() {
    let mut random = Random::new(8);
    for _ in 0..20_000 {
        let len = random.below(40);
        let code: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        let index = random_index(&mut random, len.max(1));
        check(&function(&code), &code, &index);
        collect_cross_branches(START, &code, |_| ());
    }
}

#[test]
fn functions_at_the_ends_of_the_address_space() {
    let index = index(&[]);
    for start in [0, 1, u64::MAX - 8, u64::MAX - 3, u64::MAX] {
        let mut function = DecodedFunction::<Heap>::default();
        let filled = function.analyse(start, 8, |to| to.fill(0x90));
        assert_eq!(filled, Ok(()));
        for offset in 0..12 {
            let addr = start.wrapping_add(offset);
            let _ = (function.probe(addr, &index), function.region(addr, &index));
        }
    }
}
