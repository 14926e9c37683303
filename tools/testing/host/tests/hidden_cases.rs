// SPDX-License-Identifier: GPL-2.0

//! What native kprobes do not see: a case for each way.

#[path = "common/code.rs"]
#[allow(dead_code)] // other tests use the rest
mod code;

use code::{function, index, START};
use rkprobes_host::eligibility::hidden::{their_length, Hidden, Stretch};
use rkprobes_host::eligibility::reserved::Kind;

/// What a site at the start of `code` hides when `entries` are reserved.
fn with(code: &[u8], entries: &[(u64, u64, Kind)]) -> Option<Hidden> {
    let (function, index) = (function(code), index(entries));
    let insn = function.probe(START, &index).expect("a site");
    let region = function
        .region(START, &index)
        .map_or(0, |region| region.len);
    function.hidden(START, insn.len, region, &index)
}

/// The ends of the stretch and the ranges, as offsets.
fn told(code: &[u8]) -> (u8, u8, Vec<(u64, u64)>) {
    let hidden = with(code, &[]).expect("what is hidden");
    let ranges = hidden.ranges().iter();
    let ranges = ranges.map(|range| (range.start - START, range.end - START));
    let Stretch { int3, jump } = hidden.stretch;
    (int3, jump, ranges.collect())
}

/// `code` with NOPs up to 40 bytes.
fn padded(code: &[u8]) -> Vec<u8> {
    let mut code = code.to_vec();
    code.resize(40, 0x90);
    code
}

#[test]
fn in_step_where_the_instruction_ends() {
    // push r15, push r14, push r13: after the first prefix is an instruction of one byte, and so at
    // +5.
    assert_eq!(
        told(&padded(&[0x41, 0x57, 0x41, 0x56, 0x41, 0x55])),
        (2, 6, vec![])
    );
    // An instruction of one byte.
    assert_eq!(told(&padded(&[0x55])), (1, 5, vec![]));
}

#[test]
fn a_branch_under_the_int3() {
    // jz +6; after the int3, 04 90 is add al, 0x90.
    assert_eq!(told(&padded(&[0x74, 0x04])), (3, 5, vec![(2, 6)]));
    // Every kind of branch that the kernel looks for.
    for branch in [
        &[0xeb, 0x10][..],
        &[0xe2, 0x10],
        &[0xe3, 0x10],
        &[0xe9, 0x10, 0, 0, 0],
        &[0x0f, 0x85, 0x10, 0, 0, 0],
    ] {
        let target = branch.len() as u64 + 0x10;
        assert_eq!(
            told(&padded(branch)).2,
            [(target - 4, target)],
            "{branch:02x?}"
        );
    }
}

#[test]
fn a_branch_in_the_region() {
    // push rbp; jmp +13.
    assert_eq!(told(&padded(&[0x55, 0xeb, 0x0a])), (1, 5, vec![(9, 13)]));
}

#[test]
fn a_branch_swallowed_after_the_int3() {
    // mov eax, imm32: its operand is `00 00` and `00 3d disp32`, which contains jmp +13.
    let code = padded(&[0xb8, 0x00, 0x00, 0x00, 0x3d, 0xeb, 0x06]);
    assert_eq!(told(&code), (9, 9, vec![(9, 13)]));
}

#[test]
fn a_branch_swallowed_after_the_jump() {
    // Three bytes, and a mov whose operand at +5 is the start of another mov, which contains jmp
    // +12.
    let code = padded(&[0x55, 0x55, 0x55, 0xb8, 0x00, 0xb8, 0x00, 0x00, 0xeb, 0x02]);
    assert_eq!(told(&code), (1, 10, vec![(8, 12)]));
}

#[test]
fn branches_that_do_not_matter() {
    // A call, branches that leave the function, and a branch to the start of the function.
    assert_eq!(told(&padded(&[0x55, 0xe8, 0x08, 0, 0, 0])).2, []);
    assert_eq!(told(&padded(&[0x55, 0xeb, 0x70])).2, []);
    assert_eq!(told(&padded(&[0x55, 0xeb, 0xfd])).2, []);
    // A target in the stretch: jmp +3, and after the int3 its bytes are add [rax + disp32], edx.
    assert_eq!(told(&padded(&[0xeb, 0x01, 0x90])), (7, 7, vec![]));
}

#[test]
fn ranges_are_in_the_function_and_joined() {
    let code = padded(&[0x90, 0x90, 0xeb, 0x06]);
    let (function, index) = (function(&code), index(&[]));
    let hidden = function
        .hidden(START + 2, 2, 0, &index)
        .expect("what is hidden");
    assert_eq!(hidden.ranges().len(), 1);
    // jmp +1, from +5: the range has no addresses before the function.
    let code = padded(&[0x90, 0x90, 0x90, 0x90, 0x90, 0xeb, 0xfa]);
    let function = code::function(&code);
    let hidden = function
        .hidden(START + 5, 2, 0, &index)
        .expect("what is hidden");
    assert_eq!(hidden.ranges()[0].start, START);
    assert_eq!(hidden.ranges()[0].end, START + 1);
    // jz +18 and jz +20: one range from 14 to 20.
    assert_eq!(told(&padded(&[0x55, 0x74, 0x0f, 0x74, 0x0f])).2, [(14, 20)]);
    // jz +20 and jz +30: two ranges.
    assert_eq!(
        told(&padded(&[0x55, 0x74, 0x11, 0x74, 0x19])).2,
        [(16, 20), (26, 30)]
    );
}

#[test]
fn too_many_ranges() {
    // After each jmp is a compare. Its operand is taken for a mov, which swallows the next jmp.
    let code = |branches: u8| {
        let mut code = vec![0xb8, 0x00, 0x00, 0x00, 0xb8];
        for branch in 0..branches {
            code.extend([0xeb, 53 + branch, 0x90, 0x3c, 0xb8]);
        }
        code.resize(100, 0x90);
        code
    };
    let ranges = (0..4).map(|branch| (56 + 6 * branch, 60 + 6 * branch));
    assert_eq!(told(&code(4)), (29, 29, ranges.collect()));
    assert_eq!(with(&code(5), &[]), None);
}

#[test]
fn never_in_step() {
    let code = [0xb8; 200];
    assert_eq!(with(&code, &[]), None);
    // At the end of the function.
    assert_eq!(with(&code[..40], &[]), None);
}

#[test]
fn bytes_that_may_change() {
    let code = padded(&[0xb8, 0x00, 0x00, 0x00, 0x3d]);
    for kind in [
        Kind::JumpLabel,
        Kind::StaticCall,
        Kind::ExtableInsn,
        Kind::Bug,
    ] {
        assert_eq!(with(&code, &[(8, 9, kind)]), None, "{kind:?}");
        assert!(with(&code, &[(9, 10, kind)]).is_some(), "{kind:?}");
    }
    // A target does not make the bytes change.
    assert!(with(&code, &[(8, 9, Kind::JumpTarget)]).is_some());
}

#[test]
fn lengths_that_are_unknown() {
    // VEX, and an FPU instruction after more prefixes than the kernel keeps.
    assert_eq!(with(&padded(&[0xb8, 0xc5, 0xf8, 0x28, 0xc1]), &[]), None);
    let lengths: [(&[u8], Option<u8>); 9] = [
        (&[0x55], Some(1)),
        (&[0x60, 0xff], Some(1)),
        (&[0x48, 0x48, 0x89, 0xe5], Some(2)),
        (&[0x48, 0x66, 0x90], Some(2)),
        (&[0x66, 0x48, 0x66, 0x90], None),
        (&[0xff, 0xff, 0xff], Some(2)),
        (&[0xc7, 0x78, 0x01, 1, 2, 3, 4], Some(7)),
        (&[0x0f, 0x20, 0x05, 1, 2, 3, 4], None),
        (&[0xf3, 0x0f, 0x55, 0xff], None),
    ];
    for (bytes, len) in lengths {
        assert_eq!(their_length(bytes), len, "{bytes:02x?}");
    }
    assert_eq!(their_length(&[]), None);
}

#[test]
fn another_site_in_the_stretch() {
    let stretch = Stretch { int3: 3, jump: 9 };
    let over: Vec<usize> = (1..12)
        .filter(|distance| stretch.runs_over(6, *distance))
        .collect();
    // The other site is between the end of the int3's instruction and the end of the region, so
    // this site cannot become a jump.
    assert_eq!(over, [1, 2, 6, 7, 8]);
}
