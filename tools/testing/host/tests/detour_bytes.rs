// SPDX-License-Identifier: GPL-2.0

//! The bytes of the parts of a slot.

use rkprobes_host::out_of_line::relocate::CopyRefusal;
use rkprobes_host::out_of_line::slot_image::{jump, Image, DETOUR, SLOT};

const SLOT_AT: usize = 0xffff_ffff_c000_0000;
const SITE: usize = 0xffff_ffff_8100_0000;
const ENTRY: u64 = 0xffff_ffff_c010_0000;
const COUNTER: u64 = 0x0000_4321_8765_1234;
const NOP5: [u8; 5] = [0x0f, 0x1f, 0x44, 0x00, 0x00];

/// A slot with its detour and the copy of the first instruction, and the offset of the copy of the
/// region.
fn slot() -> (Image, usize) {
    let mut image = Image::new(SLOT_AT);
    let copy = image.detour(0x1122, ENTRY, SITE, &NOP5).unwrap();
    image.copy(SITE, &NOP5).unwrap();
    (image, copy)
}

/// The counting part that is added to the slot, and the jump at its end.
fn added(keep_flags: bool) -> (Vec<u8>, usize) {
    let (slot, copy) = slot();
    let mut image = Image::behind(SLOT_AT, slot.used());
    let entry = image.count(COUNTER, keep_flags, copy).unwrap();
    assert_eq!(entry, SLOT_AT + slot.used());
    assert!(image.bytes[..slot.used()].iter().all(|byte| *byte == 0xcc));
    assert!(image.bytes[image.used()..].iter().all(|byte| *byte == 0xcc));
    let mut bytes = image.bytes[slot.used()..image.used()].to_vec();
    let jump = bytes.split_off(bytes.len() - 5);
    assert_eq!(jump[0], 0xe9);
    let rel = i32::from_le_bytes(jump[1..].try_into().unwrap());
    let target = (SLOT_AT + image.used()).wrapping_add_signed(rel as isize);
    assert_eq!(target, copy);
    (bytes, entry)
}

#[test]
fn counting_part_when_the_flags_are_unused() {
    let counter = COUNTER.to_le_bytes();
    let expected = [
        &[0x50, 0x48, 0xb8][..],
        &counter,
        &[0x65, 0x48, 0xff, 0x00, 0x58],
    ];
    assert_eq!(added(false).0, expected.concat());
}

#[test]
fn counting_part_that_keeps_the_flags() {
    let (bytes, _) = added(true);
    assert_eq!((bytes.first(), bytes.last()), (Some(&0x9c), Some(&0x9d)));
    assert_eq!(bytes[1..bytes.len() - 1], added(false).0);
}

#[test]
fn counting_part_fits_after_the_longest_usual_slot_or_is_refused() {
    let (_, copy) = slot();
    for used in 0..=SLOT {
        let mut image = Image::behind(SLOT_AT, used);
        let result = image.count(COUNTER, true, copy);
        match used + 23 <= SLOT {
            true => assert_eq!((result, image.used()), (Ok(SLOT_AT + used), used + 23)),
            false => assert_eq!(result, Err(CopyRefusal::NoSpace)),
        }
    }
}

#[test]
fn a_copy_that_does_not_fall_through_ends_with_an_int3() {
    // ret; jmp *%rax; pop %rbx, ret, and padding
    for (bytes, len) in [
        (&[0xc3][..], 1),
        (&[0xff, 0xe0], 2),
        (&[0x5b, 0xc3, 0xcc, 0xcc, 0xcc], 2),
    ] {
        let mut image = Image::new(SLOT_AT);
        assert_eq!(image.copy(SITE, bytes), Ok(SLOT_AT));
        assert_eq!(image.used(), len + 1);
        // The next part begins after the int3.
        assert_eq!(image.copy(SITE, &NOP5), Ok(SLOT_AT + len + 1));
        assert_eq!(image.bytes[..=len], [&bytes[..len], &[0xcc]].concat());
    }
}

#[test]
fn jumps_to_the_parts_of_a_slot() {
    let (bytes, entry) = added(true);
    assert!(!bytes.is_empty());
    for to in [SLOT_AT + DETOUR, entry] {
        let jump = jump(SITE, to).unwrap();
        let rel = i32::from_le_bytes(jump[1..].try_into().unwrap());
        assert_eq!(jump[0], 0xe9);
        assert_eq!((SITE + 5).wrapping_add_signed(rel as isize), to);
    }
    assert_eq!(jump(SITE, SITE - (3 << 30)), Err(CopyRefusal::OutOfRange));
}
