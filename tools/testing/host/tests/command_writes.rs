// SPDX-License-Identifier: GPL-2.0

//! How writes become lines, and which writes report: any cut of a text gives equal lines.

use rkprobes_host::command::writes::{keep, split_unfinished, Lines, Writes, BLOCK_MIN, LINE_MAX};

/// The lines that a text makes when it is written in blocks of these sizes, as the module does it.
fn lines_of(text: &[u8], mut size: impl FnMut() -> usize) -> Vec<(usize, Vec<u8>)> {
    let (mut lines, mut rest, mut number) = (Vec::new(), Vec::new(), 0);
    let mut run = |text: &[u8]| {
        let mut reader = Lines::new(text, number);
        for (number, line) in reader.by_ref() {
            lines.push((number, keep(line).to_vec()));
        }
        number = reader.number();
    };
    let mut at = 0;
    while at < text.len() {
        let end = text.len().min(at + size());
        rest.extend_from_slice(&text[at..end]);
        let (whole, unfinished) = split_unfinished(&rest);
        run(whole);
        rest = keep(unfinished).to_vec();
        at = end;
    }
    run(&rest);
    lines
}

#[test]
fn each_cut_gives_equal_lines() {
    let mut text = Vec::new();
    for number in 0..300_usize {
        text.extend_from_slice(&b"p:x vfs_read+0x10 and more"[..number % 27]);
        text.push(b'\n');
    }
    text.extend_from_slice(&vec![b'a'; LINE_MAX]);
    text.push(b'\n');
    text.extend_from_slice(&vec![b'b'; 3 * LINE_MAX]);
    text.extend_from_slice(b"\np:last vfs_read");
    let whole = lines_of(&text, || usize::MAX >> 1);
    assert_eq!(whole.len(), 303);
    assert_eq!(whole[302], (302, b"p:last vfs_read".to_vec()));
    assert_eq!(whole[300].1.len(), LINE_MAX);
    assert_eq!(whole[301].1.len(), LINE_MAX + 1);
    for size in (1..=17).chain([LINE_MAX, LINE_MAX + 1, LINE_MAX + 2, 8192]) {
        assert_eq!(lines_of(&text, || size), whole, "{size}");
    }
    let mut state = 1_u64;
    let random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
        1 + (state >> 33) as usize % 97
    };
    assert_eq!(lines_of(&text, random), whole);
}

#[test]
fn lines_without_text() {
    assert_eq!(Lines::new(b"", 0).count(), 0);
    let blank: Vec<_> = Lines::new(b"\n\na", 7).collect();
    assert_eq!(
        blank,
        [
            (7, b"".as_slice()),
            (8, b"".as_slice()),
            (9, b"a".as_slice())
        ]
    );
    assert_eq!(
        split_unfinished(b"a\nb"),
        (b"a\n".as_slice(), b"b".as_slice())
    );
    assert_eq!(split_unfinished(b"ab"), (b"".as_slice(), b"ab".as_slice()));
    assert_eq!(
        split_unfinished(b"ab\n"),
        (b"ab\n".as_slice(), b"".as_slice())
    );
}

#[test]
fn only_writers_of_whole_lines_get_errors_from_writes() {
    let mut lines = Writes::default();
    for len in [1, 20, BLOCK_MIN - 1] {
        assert!(lines.note(len, true), "{len}");
    }
    // One block, or one unfinished line, and the writer is one that writes in blocks.
    for (len, ends_line) in [(BLOCK_MIN, true), (5, false)] {
        let mut writes = lines;
        assert!(!writes.note(len, ends_line));
        assert!(!writes.note(20, true));
    }
}
