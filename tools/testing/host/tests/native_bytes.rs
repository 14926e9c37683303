// SPDX-License-Identifier: GPL-2.0

//! The original bytes under a native kprobe, from the text and from what the kernel has recorded.

use rkprobes_host::eligibility::native::{Native, Original};
use rkprobes_host::insn_decode::decode;
use rkprobes_host::insn_decode::opcodes::{INT3, JMP_REL32, NO_INSN};

const ADDR: u64 = 0xffff_ffff_8100_0000;
const DETOUR: u64 = 0xffff_ffff_a000_1000;
const SAVED: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
const PUSH: u8 = 0x55;

/// `first`, and then the distance to `to`.
fn jump(first: u8, to: u64) -> [u8; 5] {
    let rel = to.wrapping_sub(ADDR + 5) as i32;
    let [a, b, c, d] = rel.to_le_bytes();
    [first, a, b, c, d]
}

fn original(text: [u8; 5], opcode: u8, detour: u64) -> Original {
    let native = Native {
        addr: ADDR,
        text,
        opcode,
        saved: SAVED,
        detour,
    };
    native.original()
}

const FIVE: Original = Original::Jump([PUSH, 0x11, 0x22, 0x33, 0x44]);

#[test]
fn a_breakpoint_has_replaced_one_byte() {
    for detour in [0, DETOUR] {
        let text = [INT3, 0x48, 0x89, 0xe5, 0x90];
        assert_eq!(original(text, PUSH, detour), Original::Byte(PUSH));
    }
}

#[test]
fn a_jump_to_the_detour_has_replaced_five_bytes() {
    assert_eq!(original(jump(JMP_REL32, DETOUR), PUSH, DETOUR), FIVE);
}

#[test]
fn a_jump_that_is_being_removed_has_replaced_five_bytes() {
    assert_eq!(original(jump(INT3, DETOUR), PUSH, DETOUR), FIVE);
}

#[test]
fn a_jump_over_a_jump_has_replaced_five_bytes() {
    let five = Original::Jump([JMP_REL32, 0x11, 0x22, 0x33, 0x44]);
    assert_eq!(original(jump(JMP_REL32, DETOUR), JMP_REL32, DETOUR), five);
}

#[test]
fn a_disarmed_native_kprobe_has_replaced_nothing() {
    for detour in [0, DETOUR] {
        let text = [PUSH, 0x48, 0x89, 0xe5, 0x90];
        assert_eq!(original(text, PUSH, detour), Original::Byte(PUSH));
        let text = jump(JMP_REL32, ADDR + 0x40);
        assert_eq!(original(text, JMP_REL32, detour), Original::Byte(JMP_REL32));
    }
}

#[test]
fn a_jump_elsewhere_is_unknown() {
    let elsewhere = jump(JMP_REL32, DETOUR + 1);
    assert_eq!(original(elsewhere, PUSH, DETOUR), Original::Unknown);
    assert_eq!(original(elsewhere, PUSH, 0), Original::Unknown);
    assert_eq!(original([0x90; 5], PUSH, DETOUR), Original::Unknown);
}

#[test]
fn what_is_unknown_does_not_decode() {
    for begin in 0..5 {
        let mut bytes = [0x90; 15];
        bytes[begin..begin + 5].fill(NO_INSN);
        assert!(decode(&bytes[begin..], ADDR).is_err(), "{begin}");
    }
}
