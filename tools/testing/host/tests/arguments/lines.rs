// SPDX-License-Identifier: GPL-2.0

//! Properties that hold for any line of arguments.

use super::arguments::{ArgumentError, Arguments, ProbePlace, HEAD};
use super::hit::{parse, parse_at, printed, record, Hit, Text, KERNEL, USER};
use rkprobes_host::heap::Heap;

/// A hit whose registers point into memory, at its end, or nowhere. Its memory has pointers and text.
fn hit() -> Hit {
    let mut hit = Hit::new();
    for (number, register) in (0_u64..).zip(hit.regs.iter_mut()) {
        *register = match number % 4 {
            0 => KERNEL + number * 8,
            1 => USER + number,
            2 => KERNEL + 0xfff - number,
            _ => number,
        };
    }
    for at in (0..0x100_u64).step_by(8) {
        hit.write(KERNEL + at, &(KERNEL + at * 3).to_le_bytes());
    }
    hit.write(KERNEL + 0x80, b"some text that is not very long\0");
    hit
}

/// Checks one line. Returns whether it is accepted.
pub fn check(line: &[u8]) -> bool {
    for place in [ProbePlace::Entry, ProbePlace::Inside] {
        match parse(line, place) {
            Ok(arguments) => {
                check_accepted(line, &arguments);
                let again = again(&arguments);
                check_again(&arguments, parse(&again, place));
            }
            Err(error) => check_refused(line, error),
        }
    }
    for function in ["work", "values", "vector", "nothing"] {
        match parse_at(line, function) {
            Ok(arguments) => {
                check_records(&arguments);
                check_again(&arguments, parse_at(&again(&arguments), function));
            }
            Err(error) => check_refused(line, error),
        }
    }
    parse(line, ProbePlace::Entry).is_ok()
}

fn check_refused(line: &[u8], error: ArgumentError) {
    assert!(error.column <= line.len(), "{error:?}");
    assert!(error.reason.text().contains(": "), "{error:?}");
    assert!(error.reason.errno() > 0);
}

/// The names and expressions, written again.
fn again(arguments: &Arguments<Heap>) -> Vec<u8> {
    let mut again = Vec::new();
    for field in arguments.fields() {
        again.extend_from_slice(field.name.to_bytes());
        again.push(b'=');
        again.extend_from_slice(field.expression);
        again.push(b' ');
    }
    again
}

/// The line written again makes equal arguments.
fn check_again(arguments: &Arguments<Heap>, again: Result<Arguments<Heap>, ArgumentError>) {
    let again = again.expect("the written line is accepted");
    assert_eq!(arguments.first_difference(&again), None);
    assert_eq!(
        record(&again, &hit(), 8192),
        record(arguments, &hit(), 8192)
    );
}

fn check_accepted(line: &[u8], arguments: &Arguments<Heap>) {
    for field in arguments.fields() {
        let mut places = line.windows(field.expression.len().max(1));
        assert!(places.any(|place| place == field.expression));
    }
    check_records(arguments);
}

fn check_records(arguments: &Arguments<Heap>) {
    let mut end = HEAD;
    for field in arguments.fields() {
        assert_eq!(field.offset, end);
        end += field.size;
        assert!(!field.name.is_empty() && !field.c_type.is_empty());
    }
    assert_eq!(arguments.fixed_len(), end);

    let hit = hit();
    let whole = record(arguments, &hit, 8192);
    assert!(arguments.has_strings() || whole.len() == end);
    for room in [0, end - 1, end, end + 1, end + 7, whole.len()] {
        let cut = record(arguments, &hit, room);
        assert_eq!(cut.is_empty(), room < end);
        assert!(printed(arguments, &cut).len() <= 0x10000);
    }
    assert_eq!(record(arguments, &hit, whole.len()), whole);
    let mut text = Text::default();
    arguments.print_fmt(&mut text).expect("a text has room");
    assert!(text.0.starts_with(b"\"(%lx)") && !text.0.contains(&0));

    // Any bytes can be printed.
    let mut wrong = whole.clone();
    for (number, byte) in (0_u8..=255).cycle().zip(wrong.iter_mut()) {
        *byte = byte.wrapping_mul(31) ^ number;
    }
    printed(arguments, &wrong);
}
