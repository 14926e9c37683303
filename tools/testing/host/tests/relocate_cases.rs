// SPDX-License-Identifier: GPL-2.0

//! Relocation, one situation a test: the bytes of the copy, or the reason of the refusal.

#[path = "common/random.rs"]
mod random;

use random::Random;
use rkprobes_host::out_of_line::relocate::{
    jmp_rel32, relocate, worst_copy_len, Copied, CopyRefusal,
};

/// An address of kernel text, so that return addresses fit a sign-extended push.
const ADDR: u64 = 0xffff_ffff_8100_0000;
/// A copy that is 0x1000 bytes after the original.
const DST: u64 = ADDR + 0x1000;

fn copy_to(dst: u64, bytes: &[u8]) -> Result<(Vec<u8>, bool), CopyRefusal> {
    let mut out = [0; 128];
    let Copied { len, falls_through } = relocate(bytes, ADDR, dst, &mut out)?;
    assert!(
        len <= worst_copy_len(bytes.len()),
        "{bytes:02x?} grows to {len}"
    );
    Ok((out[..len].to_vec(), falls_through))
}

#[track_caller]
fn copies(bytes: &[u8], copy: &[u8], falls_through: bool) {
    assert_eq!(
        copy_to(DST, bytes),
        Ok((copy.to_vec(), falls_through)),
        "{bytes:02x?}"
    );
}

#[track_caller]
fn refuses(bytes: &[u8], refusal: CopyRefusal) {
    assert_eq!(copy_to(DST, bytes), Err(refusal), "{bytes:02x?}");
    assert!(!refusal.text().is_empty());
}

#[test]
fn plain_instructions_stay_as_they_are() {
    copies(
        &[0x55, 0x48, 0x89, 0xe5, 0x90],
        &[0x55, 0x48, 0x89, 0xe5, 0x90],
        true,
    );
    copies(
        &[0x65, 0x48, 0x8b, 0x04, 0x25, 8, 0, 0, 0],
        &[0x65, 0x48, 0x8b, 0x04, 0x25, 8, 0, 0, 0],
        true,
    );
    copies(&[0x9c, 0xfa, 0xfb, 0x9d], &[0x9c, 0xfa, 0xfb, 0x9d], true);
    copies(&[], &[], true);
}

#[test]
fn rip_relative_operands_are_rebased() {
    // mov 0x1000(%rip),%rax
    copies(
        &[0x48, 0x8b, 0x05, 0x00, 0x10, 0, 0],
        &[0x48, 0x8b, 0x05, 0, 0, 0, 0],
        true,
    );
    // movl $1,-8(%rip): the immediate follows the displacement.
    copies(
        &[0xc7, 0x05, 0xf8, 0xff, 0xff, 0xff, 1, 0, 0, 0],
        &[0xc7, 0x05, 0xf8, 0xef, 0xff, 0xff, 1, 0, 0, 0],
        true,
    );
    // The second instruction follows a branch whose copy is longer.
    copies(
        &[0x74, 0x20, 0x48, 0x8d, 0x05, 0x00, 0x10, 0, 0],
        &[
            0x0f, 0x84, 0x1c, 0xf0, 0xff, 0xff, 0x48, 0x8d, 0x05, 0xfc, 0xff, 0xff, 0xff,
        ],
        true,
    );
}

#[test]
fn rip_relative_operand_out_of_reach() {
    let lea = [0x48, 0x8d, 0x05, 0, 0, 0, 0x80];
    assert!(copy_to(ADDR, &lea).is_ok());
    assert_eq!(copy_to(ADDR + 1, &lea), Err(CopyRefusal::OutOfRange));
    refuses(&[0x67, 0x8d, 0x05, 0, 0, 0, 0], CopyRefusal::EipRelative);
}

#[test]
fn short_jump_becomes_near() {
    copies(
        &[0xeb, 0x10, 0xcc, 0xcc, 0xcc],
        &[0xe9, 0x0d, 0xf0, 0xff, 0xff],
        false,
    );
}

#[test]
fn near_jump_loses_its_prefix() {
    // The CS prefix of a jump to a thunk is only padding.
    copies(
        &[0x2e, 0xe9, 0xfa, 0x0f, 0, 0],
        &[0xe9, 0xfb, 0xff, 0xff, 0xff],
        false,
    );
}

#[test]
fn nothing_after_a_jump_or_return_is_copied() {
    copies(&[0xc3, 0xcc, 0xcc, 0xcc, 0xcc], &[0xc3], false);
    copies(
        &[0x5b, 0xc2, 0x08, 0x00, 0xf4],
        &[0x5b, 0xc2, 0x08, 0x00],
        false,
    );
    copies(&[0xff, 0xe0, 0x0f, 0x0b, 0x06], &[0xff, 0xe0], false);
}

#[test]
fn conditional_jumps_become_near() {
    for cond in 0..16 {
        let copy = [0x90, 0x0f, 0x80 | cond, 0x1b, 0xf0, 0xff, 0xff];
        copies(&[0x90, 0x70 | cond, 0x1f], &copy, true);
    }
    copies(
        &[0x0f, 0x85, 0, 0x10, 0, 0],
        &[0x0f, 0x85, 0, 0, 0, 0],
        true,
    );
}

#[test]
fn jump_to_the_end_of_the_region() {
    copies(
        &[0x90, 0x90, 0x90, 0x74, 0x00],
        &[0x90, 0x90, 0x90, 0x0f, 0x84, 0xfc, 0xef, 0xff, 0xff],
        true,
    );
}

#[test]
fn jump_to_the_start_of_the_region_goes_to_the_original() {
    copies(
        &[0x90, 0x90, 0x90, 0x75, 0xfb],
        &[0x90, 0x90, 0x90, 0x0f, 0x85, 0xf7, 0xef, 0xff, 0xff],
        true,
    );
    copies(
        &[0xeb, 0xfe, 0x90, 0x90, 0x90],
        &[0xe9, 0xfb, 0xef, 0xff, 0xff],
        false,
    );
}

#[test]
fn jump_into_the_region() {
    refuses(&[0x74, 0x01, 0x90, 0x90, 0x90], CopyRefusal::JumpIntoRegion);
    refuses(&[0x90, 0x90, 0x90, 0x75, 0xfc], CopyRefusal::JumpIntoRegion);
    refuses(&[0xeb, 0x00, 0x90, 0x90, 0x90], CopyRefusal::JumpIntoRegion);
    refuses(
        &[0x90, 0xe8, 0xfb, 0xff, 0xff, 0xff],
        CopyRefusal::JumpIntoRegion,
    );
}

#[test]
fn counted_loops_go_through_a_short_jump() {
    copies(
        &[0xe2, 0x10],
        &[0xe2, 2, 0xeb, 5, 0xe9, 0x09, 0xf0, 0xff, 0xff],
        true,
    );
    copies(
        &[0xe3, 0x10],
        &[0xe3, 2, 0xeb, 5, 0xe9, 0x09, 0xf0, 0xff, 0xff],
        true,
    );
    copies(
        &[0x67, 0xe0, 0x10],
        &[0x67, 0xe0, 2, 0xeb, 5, 0xe9, 0x09, 0xf0, 0xff, 0xff],
        true,
    );
}

#[test]
fn call_pushes_the_original_return_address_and_jumps() {
    copies(
        &[0xe8, 0xfb, 0x1f, 0, 0],
        &[0x68, 0x05, 0x00, 0x00, 0x81, 0xe9, 0xf6, 0x0f, 0, 0],
        false,
    );
    // With the CS prefix of a call to a thunk.
    copies(
        &[0x2e, 0xe8, 0xfa, 0x1f, 0, 0],
        &[0x68, 0x06, 0x00, 0x00, 0x81, 0xe9, 0xf6, 0x0f, 0, 0],
        false,
    );
}

#[test]
fn call_of_the_next_instruction() {
    copies(
        &[0xe8, 0, 0, 0, 0],
        &[0x68, 0x05, 0x00, 0x00, 0x81, 0xe9, 0xfb, 0xef, 0xff, 0xff],
        false,
    );
}

#[test]
fn return_address_that_does_not_fit_a_push() {
    let mut out = [0; 32];
    let addr = 0x1234_5678_9abc_0000;
    let copied = relocate(&[0xe8, 0, 0, 0, 0], addr, addr, &mut out);
    assert_eq!(
        copied,
        Ok(Copied {
            len: 18,
            falls_through: false
        })
    );
    assert_eq!(out[..5], [0x68, 0x05, 0x00, 0xbc, 0x9a]);
    // movl $high,4(%rsp)
    assert_eq!(out[5..13], [0xc7, 0x44, 0x24, 4, 0x78, 0x56, 0x34, 0x12]);
}

#[test]
fn call_before_the_end_of_the_region() {
    refuses(&[0xe8, 0, 1, 0, 0, 0x90], CopyRefusal::CallNotLast);
    refuses(&[0xff, 0xd0, 0x90, 0x90, 0x90], CopyRefusal::CallNotLast);
}

#[test]
fn indirect_calls_become_jumps() {
    let push = [0x68, 0x05, 0x00, 0x00, 0x81];
    // lfence; call *%rax
    copies(
        &[0x0f, 0xae, 0xe8, 0xff, 0xd0],
        &[&[0x0f, 0xae, 0xe8], &push[..], &[0xff, 0xe0]].concat(),
        false,
    );
    // notrack call *%r11
    copies(
        &[0x90, 0x3e, 0x41, 0xff, 0xd3],
        &[&[0x90], &push[..], &[0x3e, 0x41, 0xff, 0xe3]].concat(),
        false,
    );
    // call *8(%rax)
    copies(
        &[0x90, 0x90, 0xff, 0x50, 0x08],
        &[&[0x90, 0x90], &push[..], &[0xff, 0x60, 0x08]].concat(),
        false,
    );
    // call *(%r12): R12 as base takes a SIB byte like RSP.
    copies(
        &[0x90, 0x41, 0xff, 0x14, 0x24],
        &[&[0x90], &push[..], &[0x41, 0xff, 0x24, 0x24]].concat(),
        false,
    );
}

#[test]
fn indirect_call_through_rip_relative_memory() {
    copies(
        &[0xff, 0x15, 0, 0x10, 0, 0],
        &[
            0x68, 0x06, 0x00, 0x00, 0x81, 0xff, 0x25, 0xfb, 0xff, 0xff, 0xff,
        ],
        false,
    );
}

#[test]
fn indirect_call_that_uses_the_stack_pointer() {
    refuses(&[0xff, 0xd4], CopyRefusal::CallThroughStack);
    refuses(&[0xff, 0x14, 0x24], CopyRefusal::CallThroughStack);
    refuses(&[0xff, 0x54, 0xc4, 0x08], CopyRefusal::CallThroughStack);
}

#[test]
fn jump_tables() {
    // jmp *table(,%rax,8), and a jump through RIP-relative memory.
    copies(
        &[0xff, 0x24, 0xc5, 0, 0, 0, 0x82],
        &[0xff, 0x24, 0xc5, 0, 0, 0, 0x82],
        false,
    );
    copies(
        &[0xff, 0x25, 0, 0x10, 0, 0],
        &[0xff, 0x25, 0, 0, 0, 0],
        false,
    );
}

#[test]
fn refusals() {
    let cases: &[(&[u8], CopyRefusal)] = &[
        (&[0x06], CopyRefusal::Undecodable),
        (&[0x48, 0x8b], CopyRefusal::Undecodable),
        (b"\x0f\x0bxen\x0f\xa2", CopyRefusal::ForcedEmulation),
        (&[0xff, 0x28], CopyRefusal::Far),
        (&[0x48, 0xcb], CopyRefusal::Far),
        (&[0x48, 0xcf], CopyRefusal::ReturnFromEvent),
        (&[0xf2, 0x0f, 0x01, 0xca], CopyRefusal::ReturnFromEvent),
        (&[0x0f, 0x05], CopyRefusal::System),
        (&[0x0f, 0x01, 0xc1], CopyRefusal::Vm),
        (&[0xc7, 0xf8, 0, 0, 0, 0], CopyRefusal::Transaction),
        (&[0xcc], CopyRefusal::Breakpoint),
        (&[0xcd, 0x80], CopyRefusal::SoftwareInterrupt),
        (&[0xf1], CopyRefusal::SoftwareInterrupt),
        (&[0x0f, 0x0b], CopyRefusal::UndefinedInsn),
        (&[0x0f, 0xb9, 0xc0], CopyRefusal::UndefinedInsn),
        (&[0xf4], CopyRefusal::Halt),
        (&[0x0f, 0x01, 0xc9], CopyRefusal::Halt),
        (&[0x8e, 0xd0], CopyRefusal::StackSegment),
        (&[0xf3, 0x0f, 0x1e, 0xfa], CopyRefusal::Endbr),
        (&[0x0f, 0x1f, 0x40, 0xd6], CopyRefusal::Endbr),
        (&[0x66, 0xe8, 0, 0, 0, 0], CopyRefusal::BranchPrefix),
        (&[0x66, 0xc3], CopyRefusal::BranchPrefix),
        (&[0x66, 0x74, 0x10], CopyRefusal::BranchPrefix),
        (&[0xd5, 0x10, 0xff, 0xd0], CopyRefusal::Apx),
    ];
    for (bytes, refusal) in cases {
        refuses(bytes, *refusal);
    }
}

#[test]
fn branch_target_out_of_reach() {
    assert_eq!(
        copy_to(ADDR - (3 << 30), &[0xeb, 0x10]),
        Err(CopyRefusal::OutOfRange)
    );
    assert_eq!(
        copy_to(ADDR - (3 << 30), &[0x74, 0x10]),
        Err(CopyRefusal::OutOfRange)
    );
    assert_eq!(
        copy_to(ADDR - (3 << 30), &[0xe8, 0, 0, 0, 0]),
        Err(CopyRefusal::OutOfRange)
    );
}

#[test]
fn jump_helper() {
    assert_eq!(jmp_rel32(ADDR, ADDR + 5), Ok([0xe9, 0, 0, 0, 0]));
    assert_eq!(jmp_rel32(ADDR, ADDR), Ok([0xe9, 0xfb, 0xff, 0xff, 0xff]));
    assert_eq!(jmp_rel32(0, u64::MAX), Ok([0xe9, 0xfa, 0xff, 0xff, 0xff]));
    assert_eq!(
        jmp_rel32(ADDR, ADDR + 4 - (1 << 31)),
        Err(CopyRefusal::OutOfRange)
    );
}

/// For any bytes a buffer of the worst length is enough. A buffer that is too short is refused,
/// without a write after its end.
#[test]
fn buffer_lengths() {
    let mut random = Random::new(5);
    for _ in 0..200_000 {
        let bytes = random.instruction();
        let region = &bytes[..1 + random.below(16)];
        let mut out = [0; worst_copy_len(16)];
        match relocate(region, ADDR, DST, &mut out) {
            Ok(Copied { len, .. }) => {
                assert!(len <= worst_copy_len(region.len()));
                for short in 0..len {
                    let copied = relocate(region, ADDR, DST, &mut out[..short]);
                    assert_eq!(copied, Err(CopyRefusal::NoSpace), "{region:02x?}");
                }
            }
            Err(refusal) => assert_ne!(refusal, CopyRefusal::NoSpace, "{region:02x?}"),
        }
    }
}
