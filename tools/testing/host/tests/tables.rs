// SPDX-License-Identifier: GPL-2.0

//! The kernel's tables of relative addresses.

use rkprobes_host::eligibility::tables::{
    bugs, faults, jump_label_len, jump_labels, static_calls, Fault, JumpLabel,
};

/// The address of each table.
const TABLE: u64 = 0xffff_ffff_8200_0000;

/// The bytes of `words`.
fn bytes(words: &[i32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn jump_labels_are_relative_to_their_own_words() {
    let table = bytes(&[-0x1000, -0x2000, 1, 0, 0x10, -0x10, 3, -1]);
    let labels: Vec<_> = jump_labels(&table, TABLE).collect();
    let expected = [
        JumpLabel {
            code: TABLE - 0x1000,
            target: TABLE + 4 - 0x2000,
            init: false,
        },
        JumpLabel {
            code: TABLE + 16 + 0x10,
            target: TABLE + 20 - 0x10,
            init: true,
        },
    ];
    assert_eq!(labels, expected);
}

#[test]
fn a_jump_label_has_two_or_five_bytes() {
    // jmp rel8, xchg %ax,%ax; jmp rel32, nopl 0(%rax,%rax).
    assert_eq!([0xeb, 0x66].map(jump_label_len), [2, 2]);
    assert_eq!([0xe9, 0x0f].map(jump_label_len), [5, 5]);
}

#[test]
fn static_calls_and_bugs_are_relative_to_their_first_words() {
    let table = bytes(&[-8, 99, -16, 99]);
    let calls: Vec<_> = static_calls(&table, TABLE).collect();
    assert_eq!(calls, [TABLE - 8, TABLE + 8 - 16]);

    let table = bytes(&[-8, 99, 99, -16, 99, 99]);
    let of_twelve: Vec<_> = bugs(&table, TABLE, 12).collect();
    assert_eq!(of_twelve, [TABLE - 8, TABLE + 12 - 16]);
}

#[test]
fn faults_have_an_instruction_and_a_fixup() {
    let table = bytes(&[i32::MIN, 0x7000_0000, 7]);
    let fault = Fault {
        insn: TABLE - 0x8000_0000,
        fixup: TABLE + 4 + 0x7000_0000,
    };
    assert_eq!(faults(&table, TABLE).collect::<Vec<_>>(), [fault]);
}

#[test]
fn a_part_of_an_entry_is_no_entry() {
    let table = bytes(&[1, 2, 3, 4, 5]);
    assert_eq!(jump_labels(&table, TABLE).count(), 1);
    assert_eq!(faults(&table, TABLE).count(), 1);
    assert_eq!(static_calls(&table[..7], TABLE).count(), 0);
    assert_eq!(
        bugs(&table, TABLE, 0).count(),
        20,
        "an entry has a byte at least"
    );
    assert_eq!(jump_labels(&[], TABLE).count(), 0);
}
