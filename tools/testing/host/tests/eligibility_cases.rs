// SPDX-License-Identifier: GPL-2.0

//! Which addresses can be probed and which regions can become a jump, one situation a test.

#[path = "model/array.rs"]
#[allow(dead_code)] // other tests use the rest
mod array;
#[path = "common/code.rs"]
#[allow(dead_code)] // other tests use the rest
mod code;

use array::{with_memory_for, Room};
use code::{function, index, region, START};
use rkprobes_host::containers::slab::{Arrays, NoMemory};
use rkprobes_host::eligibility::errno;
use rkprobes_host::eligibility::refusal::{NotOptimizable, Refusal};
use rkprobes_host::eligibility::reserved::Kind;
use rkprobes_host::eligibility::{
    collect_cross_branches, leads_elsewhere, CrossBranch, DecodedFunction, Region,
};
use rkprobes_host::heap::Heap;
use rkprobes_host::out_of_line::relocate::CopyRefusal;

const MOV_IMM: &[u8] = &[0xb8, 1, 0, 0, 0];
const PUSH: &[u8] = &[0x55];
const MOV: &[u8] = &[0x48, 0x89, 0xe5];
const SUB: &[u8] = &[0x48, 0x83, 0xec, 0x10];
const CALL: &[u8] = &[0xe8, 0, 1, 0, 0];
const CALL_REG: &[u8] = &[0xff, 0xd0];
const RET: &[u8] = &[0xc3];
const NOP: &[u8] = &[0x90];
const NOP3: &[u8] = &[0x0f, 0x1f, 0x00];
const INT3: &[u8] = &[0xcc];

fn many(len: u8) -> Result<Region, NotOptimizable> {
    Ok(Region { len, single: false })
}

fn single(len: u8) -> Result<Region, NotOptimizable> {
    Ok(Region { len, single: true })
}

/// The region at the first byte of `parts`, without reserved text.
fn first(parts: &[&[u8]]) -> Result<Region, NotOptimizable> {
    region(&parts.concat(), 0, &[])
}

#[test]
fn whole_instructions_that_cover_five_bytes() {
    assert_eq!(first(&[MOV_IMM, RET]), single(5));
    assert_eq!(first(&[PUSH, MOV, SUB, RET]), many(8));
    assert_eq!(first(&[PUSH, PUSH, PUSH, PUSH, PUSH, RET]), many(5));
    let mov_imm64 = [&[0x48, 0xb8][..], &[7; 8]].concat();
    assert_eq!(first(&[&mov_imm64, RET]), single(10));
    assert_eq!(first(&[PUSH, PUSH, PUSH, PUSH, &mov_imm64, RET]), many(14));
}

#[test]
fn the_end_of_the_function() {
    assert_eq!(first(&[PUSH, SUB]), many(5));
    assert_eq!(first(&[PUSH, MOV]), Err(NotOptimizable::LeavesFunction));
    assert_eq!(first(&[RET]), Err(NotOptimizable::LeavesFunction));
    // The last instruction is incomplete.
    let cut = first(&[PUSH, &MOV_IMM[..4]]);
    assert_eq!(cut, Err(NotOptimizable::Undecodable));
}

#[test]
fn a_jump_of_the_function_lands_in_the_region() {
    // push; mov; sub; and a jmp to each byte of these.
    for (target, expected) in [
        (0, many(8)),
        (1, Err(NotOptimizable::JumpInside)),
        (2, Err(NotOptimizable::JumpInside)),
        (4, Err(NotOptimizable::JumpInside)),
        (7, Err(NotOptimizable::JumpInside)),
        (8, many(8)),
    ] {
        for jump in [&[0xeb][..], &[0x75], &[0xe3], &[0xe2]] {
            let rel = target - (8 + jump.len() as i8 + 1);
            let code = [PUSH, MOV, SUB, jump, &[rel as u8]].concat();
            assert_eq!(region(&code, 0, &[]), expected, "{jump:x?} to {target}");
        }
        for jump in [&[0xe9][..], &[0x0f, 0x84], &[0xe8]] {
            let rel = i32::from(target) - (8 + jump.len() as i32 + 4);
            let code = [PUSH, MOV, SUB, jump, &rel.to_le_bytes()].concat();
            assert_eq!(region(&code, 0, &[]), expected, "{jump:x?} to {target}");
        }
    }
}

#[test]
fn a_jump_of_the_region_itself() {
    // A jmp, jcc or loop that leaves the region, or branches to its first byte, is relocated.
    assert_eq!(first(&[MOV, &[0x74, 0x10], RET]), many(5));
    assert_eq!(first(&[MOV, &[0x74, 0xfb], RET]), many(5));
    assert_eq!(
        first(&[&[0x74, 0x02], MOV, RET]),
        Err(NotOptimizable::JumpInside)
    );
    assert_eq!(first(&[&[0xe3, 0x10], MOV, RET]), many(5));
    assert_eq!(first(&[&[0xe9, 0, 1, 0, 0], INT3]), single(5));
}

#[test]
fn calls_come_last() {
    assert_eq!(first(&[CALL, RET]), single(5));
    assert_eq!(first(&[MOV, CALL, RET]), many(8));
    assert_eq!(first(&[MOV, CALL_REG, RET]), many(5));
    assert_eq!(
        first(&[CALL_REG, MOV, RET]),
        Err(NotOptimizable::CallNotLast)
    );
    // Alternatives turn a call of an indirect thunk into this.
    let lfence = [0x0f, 0xae, 0xe8];
    assert_eq!(first(&[&lfence, CALL_REG, RET]), many(5));
    assert_eq!(
        first(&[CALL_REG, NOP3, RET]),
        Err(NotOptimizable::CallNotLast)
    );
    assert_eq!(first(&[&[0x2e], CALL, RET]), single(6));
    assert_eq!(
        first(&[&[0x2e], CALL_REG, NOP3]),
        Err(NotOptimizable::CallNotLast)
    );
    let call_mem = [0xff, 0x50, 0x18];
    assert_eq!(
        first(&[&call_mem, MOV, RET]),
        Err(NotOptimizable::CallNotLast)
    );
    assert_eq!(first(&[MOV, &call_mem, RET]), many(6));
}

#[test]
fn only_padding_follows_a_jump_or_return() {
    assert_eq!(first(&[RET, INT3, INT3, INT3, INT3]), many(5));
    assert_eq!(first(&[RET, NOP, NOP3]), many(5));
    assert_eq!(first(&[PUSH, RET, INT3, INT3, INT3]), many(5));
    assert_eq!(first(&[&[0xeb, 0x10], NOP3]), many(5));
    assert_eq!(first(&[RET, PUSH, MOV]), Err(NotOptimizable::UnknownEntry));
    // An int3 that is reached is not padding.
    let reached = first(&[PUSH, INT3, INT3, INT3, INT3]);
    assert_eq!(reached, Err(NotOptimizable::Copy(CopyRefusal::Breakpoint)));
}

#[test]
fn an_instruction_that_may_sleep_comes_first() {
    let outs = [0x6e];
    assert_eq!(first(&[&outs, SUB]), many(5));
    assert_eq!(first(&[SUB, &outs]), Err(NotOptimizable::MaySleep));
    let halt = Err(NotOptimizable::Copy(CopyRefusal::Halt));
    assert_eq!(first(&[SUB, &[0xf4]]), halt);
}

#[test]
fn an_endbr_is_never_covered() {
    let endbr = [0xf3, 0x0f, 0x1e, 0xfa];
    let covered = Err(NotOptimizable::Copy(CopyRefusal::Endbr));
    assert_eq!(first(&[PUSH, &endbr, RET]), covered);
    // The kernel writes this over an ENDBR that is no branch target.
    assert_eq!(first(&[PUSH, &[0x0f, 0x1f, 0x40, 0xd6]]), covered);
}

#[test]
fn jump_tables() {
    let indexed = [0xff, 0x24, 0xc5, 0, 0, 0, 0x81];
    let untracked = [0x3e, 0xff, 0xe0];
    for jump in [&indexed[..], &untracked] {
        let refused = first(&[PUSH, SUB, jump]);
        assert_eq!(refused, Err(NotOptimizable::JumpTable), "{jump:x?}");
        assert_eq!(first(&[MOV_IMM, jump]), single(5), "{jump:x?}");
    }
    // Tail calls, through a pointer and through a register.
    assert_eq!(first(&[PUSH, SUB, &[0xff, 0x25, 0, 1, 0, 0]]), many(5));
    assert_eq!(first(&[PUSH, SUB, &[0xff, 0xe0]]), many(5));
}

#[test]
fn an_address_of_the_function_that_is_computed() {
    // A lea of the address of the second instruction, relative to the end of the lea at 12.
    let lea = [&[0x48, 0x8d, 0x05][..], &(-11i32).to_le_bytes()].concat();
    assert_eq!(first(&[PUSH, SUB, &lea]), Err(NotOptimizable::JumpInside));
    let mov = [&[0x48, 0xc7, 0xc0][..], &(START as u32 + 1).to_le_bytes()].concat();
    assert_eq!(first(&[PUSH, SUB, &mov]), Err(NotOptimizable::JumpInside));
}

#[test]
fn bytes_that_do_not_decode() {
    // 06 is not an instruction in 64-bit mode.
    let code = [PUSH, MOV, SUB, &[0x06], PUSH].concat();
    let function = function(&code);
    let index = index(&[]);
    assert_eq!(function.probe(START, &index).map(|insn| insn.len), Ok(1));
    assert_eq!(
        function.region(START, &index),
        Err(NotOptimizable::Undecodable)
    );
    let inside = function.probe(START + 2, &index);
    assert_eq!(inside, Err(Refusal::InsideInstruction));
    for behind in [8, 9] {
        let refused = function.probe(START + behind, &index);
        assert_eq!(refused, Err(Refusal::Undecodable), "{behind}");
    }
    assert_eq!(
        function.probe(START + 10, &index),
        Err(Refusal::OutsideFunction)
    );
    assert_eq!(
        function.probe(START - 1, &index),
        Err(Refusal::OutsideFunction)
    );
}

#[test]
fn reserved_text_in_the_region() {
    let code = [PUSH, MOV, SUB, RET].concat();
    for kind in [
        Kind::JumpLabel,
        Kind::StaticCall,
        Kind::Ftrace,
        Kind::Bug,
        Kind::ExtableInsn,
        Kind::Blacklist,
        Kind::Noinstr,
        Kind::Int3Path,
        Kind::NoTable,
        Kind::DeadCpu,
        Kind::Livepatch,
        Kind::OwnText,
        Kind::Preamble,
    ] {
        let refused = Err(NotOptimizable::Reserved(kind));
        assert_eq!(region(&code, 0, &[(4, 8, kind)]), refused, "{kind:?}");
        assert_eq!(region(&code, 0, &[(7, 20, kind)]), refused, "{kind:?}");
        assert_eq!(region(&code, 0, &[(8, 9, kind)]), many(8), "{kind:?}");
        assert_eq!(region(&code, 1, &[(0, 1, kind)]), many(7), "{kind:?}");
    }
}

#[test]
fn places_that_tables_jump_to() {
    let code = [PUSH, MOV, SUB, RET].concat();
    for (kind, reason) in [
        (Kind::JumpTarget, NotOptimizable::JumpLabelTargetInside),
        (Kind::ExtableFixup, NotOptimizable::FixupInside),
    ] {
        assert_eq!(region(&code, 0, &[(0, 1, kind)]), many(8));
        assert_eq!(region(&code, 0, &[(1, 2, kind)]), Err(reason));
        assert_eq!(region(&code, 0, &[(4, 5, kind)]), Err(reason));
        assert_eq!(region(&code, 0, &[(8, 9, kind)]), many(8));
        let probe = function(&code).probe(START + 1, &index(&[(1, 2, kind)]));
        assert!(probe.is_ok(), "{probe:?}");
    }
}

#[test]
fn probes_in_reserved_text() {
    let function = function(&[PUSH, MOV, SUB, RET].concat());
    for (kind, errno) in [
        (Kind::JumpLabel, errno::EINVAL),
        (Kind::StaticCall, errno::EINVAL),
        (Kind::Bug, errno::EINVAL),
        (Kind::Blacklist, errno::EINVAL),
        (Kind::Noinstr, errno::EINVAL),
        (Kind::Int3Path, errno::EINVAL),
        (Kind::NoTable, errno::EINVAL),
        (Kind::DeadCpu, errno::EINVAL),
        (Kind::Livepatch, errno::EINVAL),
        (Kind::OwnText, errno::EINVAL),
        (Kind::Preamble, errno::EINVAL),
        (Kind::ExtableInsn, errno::EOPNOTSUPP),
        (Kind::Ftrace, errno::EOPNOTSUPP),
    ] {
        let refused = function.probe(START + 1, &index(&[(1, 4, kind)]));
        assert_eq!(refused, Err(Refusal::Reserved(kind)));
        assert_eq!(Refusal::Reserved(kind).errno(), errno, "{kind:?}");
        // The refusal names the kind even if the address is inside an instruction.
        let inside = function.probe(START + 2, &index(&[(1, 4, kind)]));
        assert_eq!(inside, Err(Refusal::Reserved(kind)));
    }
}

#[test]
fn instructions_that_can_be_probed() {
    let cases: &[&[u8]] = &[
        PUSH,
        NOP,
        RET,
        CALL,
        CALL_REG,
        &[0xc2, 8, 0],
        &[0x74, 0x10],
        &[0x0f, 0x84, 0, 1, 0, 0],
        &[0xe2, 0xfe],
        &[0xe3, 0x10],
        &[0xff, 0xe0],
        &[0xff, 0x60, 0x18],
        &[0xff, 0x15, 0, 1, 0, 0],
        &[0xfa],
        &[0xfb],
        &[0x9c],
        &[0x9d],
        &[0x48, 0x8b, 0x05, 0, 1, 0, 0],
        &[0xf0, 0x0f, 0xc1, 0x07],
        &[0xf3, 0x48, 0xa5],
        &[0x0f, 0x01, 0xcb],
    ];
    for code in cases {
        let probed = function(code).probe(START, &index(&[]));
        assert_eq!(
            probed.map(|insn| usize::from(insn.len)),
            Ok(code.len()),
            "{code:x?}"
        );
    }
}

#[test]
fn instructions_that_cannot_be_probed() {
    use CopyRefusal::*;
    let cases: &[(&[u8], CopyRefusal, i32)] = &[
        (INT3, Breakpoint, errno::EILSEQ),
        (&[0xcd, 0x80], SoftwareInterrupt, errno::EILSEQ),
        (&[0xf1], SoftwareInterrupt, errno::EILSEQ),
        (&[0x0f, 0x0b], UndefinedInsn, errno::EILSEQ),
        (&[0x0f, 0xb9, 0xc0], UndefinedInsn, errno::EILSEQ),
        (&[0xf4], Halt, errno::EOPNOTSUPP),
        (&[0x8e, 0xd0], StackSegment, errno::EINVAL),
        (&[0x0f, 0x05], System, errno::EOPNOTSUPP),
        (&[0x48, 0xcf], ReturnFromEvent, errno::EOPNOTSUPP),
        (&[0xcb], Far, errno::EOPNOTSUPP),
        (&[0x0f, 0x01, 0xc1], Vm, errno::EOPNOTSUPP),
        (&[0xf3, 0x0f, 0x1e, 0xfa], Endbr, errno::EOPNOTSUPP),
        (&[0xff, 0x54, 0x24, 8], CallThroughStack, errno::EOPNOTSUPP),
    ];
    for (code, reason, errno) in cases {
        let refused = function(code).probe(START, &index(&[]));
        assert_eq!(refused, Err(Refusal::Copy(*reason)), "{code:x?}");
        assert_eq!(Refusal::Copy(*reason).errno(), *errno, "{code:x?}");
    }
}

#[test]
fn branches_of_other_pieces() {
    let mut function = function(&[PUSH, MOV, SUB, RET].concat());
    let index = index(&[]);
    function.add_target(START + 8);
    function.add_target(START - 1);
    assert_eq!(function.region(START, &index), many(8));
    function.add_target(START + 4);
    let refused = function.region(START, &index);
    assert_eq!(refused, Err(NotOptimizable::JumpInside));
    function.add_unknown();
    let refused = function.region(START, &index);
    assert_eq!(refused, Err(NotOptimizable::Undecodable));
    assert!(function.probe(START, &index).is_ok());
}

#[test]
fn branches_that_leave_a_piece() {
    // A jmp to the end of the piece, a jcc inside, a call to an address before its start.
    let code = [
        &[0xeb, 8][..],
        &[0x74, 0],
        &[0xe8, 0xf0, 0xff, 0xff, 0xff],
        NOP,
    ]
    .concat();
    let mut found = Vec::new();
    assert!(collect_cross_branches(START, &code, |branch| found.push(branch)));
    let branch = |from, to, call| CrossBranch {
        from: START + from,
        to,
        call,
    };
    assert_eq!(
        found,
        [branch(0, START + 10, false), branch(4, START - 7, true)]
    );
    assert!(!collect_cross_branches(START, &[0x90, 0x06], |_| ()));
    // Padding after the last instruction is not an unknown instruction, at any length.
    for fill in [&[0x00][..], &[0x00, 0x00, 0x00], &[0xcc], &[0xcc, 0x00]] {
        let code = [&[0x90][..], fill].concat();
        assert!(collect_cross_branches(START, &code, |_| panic!("a branch")));
    }
    assert!(!collect_cross_branches(START, &[0x90, 0x06, 0x00], |_| ()));
}

#[test]
fn one_function_after_another() {
    let index = index(&[]);
    let mut function = function(&[PUSH, MOV, SUB, &[0xeb, 0xf7], &[0x06], &[0; 200]].concat());
    assert!(function.region(START, &index).is_err());
    let code = [PUSH, MOV, SUB, RET].concat();
    let other = START + 0x1000;
    let filled = function.analyse(other, code.len(), |to| to.copy_from_slice(&code));
    assert_eq!(filled, Ok(()));
    assert_eq!(function.region(other, &index), many(8));
    assert_eq!((function.start(), function.end()), (other, other + 9));
    assert!(function.contains(other + 8) && !function.contains(START));
    assert_eq!(function.bytes_from(other + 8), RET);
    assert_eq!(function.instructions().count(), 4);
    function.clear();
    assert!(!function.contains(other));
}

#[test]
fn unused_flags() {
    const XOR: &[u8] = &[0x31, 0xc0];
    const CMP: &[u8] = &[0x48, 0x39, 0xc8];
    const ADC: &[u8] = &[0x48, 0x11, 0xc8];
    const INC: &[u8] = &[0x48, 0xff, 0xc0];
    const SHL_CL: &[u8] = &[0xd3, 0xe0];
    const SETNE: &[u8] = &[0x0f, 0x95, 0xc0];
    const CMOVE: &[u8] = &[0x0f, 0x44, 0xc1];
    const PUSHF: &[u8] = &[0x9c];
    const JNE: &[u8] = &[0x75, 0x00];
    const JMP: &[u8] = &[0xeb, 0x00];
    const INVALID: &[u8] = &[0x06];
    let eight = [NOP; 8].concat();
    for (parts, dead) in [
        (&[SUB, RET][..], true),
        (&[MOV, PUSH, XOR, RET], true),
        (&[MOV, CMP, JNE], true),
        (&[&eight[..7], CMP, RET], true),
        (&[&eight, CMP, RET], false),
        (&[MOV, ADC, CMP], false),
        (&[MOV, SETNE, CMP], false),
        (&[CMOVE, CMP], false),
        (&[PUSHF, CMP], false),
        (&[INC, JNE], false),
        (&[INC, CMP], true),
        (&[SHL_CL, RET], false),
        (&[SHL_CL, CMP], true),
        (&[JNE, CMP], false),
        (&[JMP, CMP], false),
        (&[MOV, CALL, CMP], false),
        (&[CALL_REG, CMP], false),
        (&[MOV, RET, CMP], false),
        (&[MOV, INT3, CMP], false),
        (&[MOV, INVALID, CMP], false),
        (&[MOV], false),
    ] {
        let found = function(&parts.concat()).flags_are_dead(START, &index(&[]));
        assert_eq!(found, dead, "{parts:02x?}");
    }
    assert!(!function(SUB).flags_are_dead(START - 1, &index(&[])));
}

#[test]
fn flags_before_text_that_others_patch() {
    let code = function(&[MOV, NOP3, SUB, RET].concat());
    let dead = |entries: &[_]| code.flags_are_dead(START, &index(entries));
    assert!(dead(&[]));
    // The jump label may become a jump. A jump to the following code does not matter.
    assert!(!dead(&[(3, 6, Kind::JumpLabel)]));
    assert!(!dead(&[(6, 10, Kind::StaticCall)]));
    assert!(dead(&[(6, 7, Kind::JumpTarget)]));
    assert!(dead(&[(10, 11, Kind::JumpLabel)]));
}

struct Rooms;

impl Arrays for Rooms {
    type Of<T> = Room<T>;
}

#[test]
fn without_memory_there_is_no_function() {
    for left in 0..3 {
        let mut function = DecodedFunction::<Rooms>::default();
        let result = with_memory_for(left, || function.analyse(START, 200, |to| to.fill(0x90)));
        assert_eq!(result, Err(NoMemory), "{left}");
        assert!(!function.contains(START));
        assert_eq!(function.instructions().count(), 0);
    }
    let mut function = DecodedFunction::<Heap>::default();
    assert_eq!(function.analyse(START, 0, |_| ()), Ok(()));
    assert!(!function.contains(START));
}

/// The offset of `rcu_tasks_holdout` in these tests. Instructions need four bytes for it.
const HOLDOUT: i32 = 0x4a4;

fn with_holdout(code: &[u8]) -> DecodedFunction<Heap> {
    let mut function = DecodedFunction::default();
    function.forbid_quiescent_stores(HOLDOUT);
    function
        .analyse(START, code.len(), |bytes| bytes.copy_from_slice(code))
        .unwrap();
    function
}

#[test]
fn stores_that_rcu_tasks_takes_for_a_quiescent_state() {
    let store = Err(Refusal::Copy(CopyRefusal::QuiescentStore));
    let inside = Err(NotOptimizable::Copy(CopyRefusal::QuiescentStore));
    let none = index(&[]);
    for code in [
        // movb $0, 0x4a4(%rax), and with %r12 and %rsp as base, and movb %cl, 0x4a4(%rdi)
        &[0xc6, 0x80, 0xa4, 0x04, 0, 0, 0][..],
        &[0x41, 0xc6, 0x84, 0x24, 0xa4, 0x04, 0, 0, 0],
        &[0xc6, 0x84, 0x24, 0xa4, 0x04, 0, 0, 0],
        &[0x88, 0x8f, 0xa4, 0x04, 0, 0],
    ] {
        let function = with_holdout(&[PUSH, code, RET].concat());
        assert_eq!(function.probe(START + 1, &none).map(|_| ()), store);
        assert!(function.probe(START, &none).is_ok());
        assert_eq!(function.region(START, &none), inside, "{code:x?}");
    }
    for code in [
        // cmpb $0, 0x4a4(%rax); movb $0, 0x4a5(%rax); movb $0, 0x4a4(%rip); movb 0x4a4(%rax), %cl
        &[0x80, 0xb8, 0xa4, 0x04, 0, 0, 0][..],
        &[0xc6, 0x80, 0xa5, 0x04, 0, 0, 0],
        &[0xc6, 0x05, 0xa4, 0x04, 0, 0, 0],
        &[0x8a, 0x88, 0xa4, 0x04, 0, 0],
        // Stores of other sizes belong to other structures: movl %ecx, 0x4a4(%rdi);
        // movq %rcx, 0x4a4(%rdi); movl $0, 0x4a4(%rax)
        &[0x89, 0x8f, 0xa4, 0x04, 0, 0],
        &[0x48, 0x89, 0x8f, 0xa4, 0x04, 0, 0],
        &[0xc7, 0x80, 0xa4, 0x04, 0, 0, 0, 0, 0, 0],
    ] {
        let function = with_holdout(&[code, RET].concat());
        assert!(function.probe(START, &none).is_ok(), "{code:x?}");
        assert!(function.region(START, &none).is_ok(), "{code:x?}");
    }
}

#[test]
fn bytes_that_lead_elsewhere() {
    let text = |addr| addr == START + 0x100 || addr == 0x1234;
    let leads = |parts: &[&[u8]]| leads_elsewhere(&parts.concat(), START, text);
    assert!(!leads(&[PUSH, MOV, SUB]));
    assert!(!leads(&[MOV_IMM]));
    // call START + 0x105; jmp rel32; je rel8
    assert!(leads(&[CALL]));
    assert!(leads(&[PUSH, &[0xe9, 0, 0, 0, 0]]));
    assert!(leads(&[PUSH, &[0x74, 0x10]]));
    // lea 0xf9(%rip), %rax has the address START + 0x100; lea 0xfa(%rip), %rax has none of text.
    assert!(leads(&[&[0x48, 0x8d, 0x05, 0xf9, 0, 0, 0]]));
    assert!(!leads(&[&[0x48, 0x8d, 0x05, 0xfa, 0, 0, 0]]));
    // mov $0x1234, %eax
    assert!(leads(&[PUSH, &[0xb8, 0x34, 0x12, 0, 0]]));
    // jmp *0x0(,%rax,8)
    assert!(leads(&[&[0xff, 0x24, 0xc5, 0, 0, 0, 0]]));
    // An instruction that is cut.
    assert!(leads(&[&[0x48, 0x8d]]));
}

#[test]
fn blocks_begin_where_branches_go_and_after_them() {
    const TEST: &[u8] = &[0x48, 0x85, 0xff];
    const JMP: &[u8] = &[0xeb, 6];
    let je = |rel: u8| [0x74, rel];
    let code = [
        PUSH,      // +0
        TEST,      // +1
        &je(0xf9), // +4: back to +255, outside
        CALL,      // +6: no end
        SUB,       // +11
        JMP,       // +15: to +23
        NOP3,      // +17: padding
        INT3,      // +20: padding
        MOV,       // +21: after padding
        // one byte of padding up to the target
        RET, // +24
        INT3,
        MOV_IMM,   // +26
        &je(0xf9), // +31: to +26
        RET,       // +33
    ]
    .concat();
    let blocks = |reserved: &[(u64, u64, Kind)]| -> Vec<u64> {
        let (function, index) = (function(&code), index(reserved));
        let blocks = function.blocks(&index);
        blocks.map(|insn| insn.addr - START).collect()
    };
    assert_eq!(blocks(&[]), [0, 6, 21, 26, 33]);
    let function = function(&code);
    let index = index(&[]);
    let insns = function.instructions_of_blocks(&index);
    let insns: Vec<_> = insns.map(|insn| insn.addr - START).collect();
    assert_eq!(insns, [0, 1, 4, 6, 11, 15, 21, 24, 26, 31, 33]);
    // A jump label is the last instruction of its block. Its target begins one, and so does a fixup.
    let label = (11, 15, Kind::JumpLabel);
    assert_eq!(blocks(&[label]), [0, 6, 15, 21, 26, 33]);
    let target = (24, 25, Kind::JumpTarget);
    assert_eq!(blocks(&[target]), [0, 6, 21, 24, 26, 33]);
    let fixup = (1, 2, Kind::ExtableFixup);
    assert_eq!(blocks(&[fixup]), [0, 1, 6, 21, 26, 33]);
}
