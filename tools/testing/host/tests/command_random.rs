// SPDX-License-Identifier: GPL-2.0

//! The parser on seeded random lines, and on correct lines with damage.

#[path = "common/lines.rs"]
mod lines;
#[path = "common/random.rs"]
mod random;

use random::Random;
use rkprobes_host::command::target::parse_target;
use rkprobes_host::command::{parse_line, parse_switch};

const GOOD: [&[u8]; 16] = [
    b"p:name vfs_read+12",
    b"p vfs_read",
    b"p:x 9p:v9fs$x+0x1f",
    b"p:_A9\tfoo.isra.0.cold+010 \r",
    b"p 0xffffffff81000000",
    b"c:n rktest_functions:rktest_alu+18446744073709551615",
    b"c 0x0",
    b"c:n vfs_read+4 limit=100 enable=0",
    b"vfs_read+*",
    b"-:name",
    b"-:a_probe_with_a_name_that_is_sixty_three_bytes_long_so_it_is_just",
    b"# a comment",
    b"",
    b"1",
    b"0\n",
    b"off",
];

const WORDS: [&[u8]; 26] = [
    b"p",
    b"c",
    b"-",
    b":",
    b" ",
    b"+",
    b"0x",
    b"9",
    b"f",
    b"m",
    b".",
    b"$",
    b"\n",
    b"#",
    b"\0",
    b"\xff",
    b"\x7f",
    b"on",
    b" limit=",
    b" enable=",
    b" limit=%di",
    b" x=+8(%sp)",
    b"18446744073709551616",
    b"ffffffffffffffffff",
    b"\t\r",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Makes text from the parts of command lines, or from any bytes.
fn garbage(random: &mut Random, line: &mut Vec<u8>) {
    for _ in 0..random.below(12) {
        match random.below(8) {
            0 => line.push(random.next() as u8),
            _ => line.extend_from_slice(random.pick(&WORDS)),
        }
    }
}

/// Damages a line at one to four places.
fn mutate(random: &mut Random, line: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(line.len() + 1);
        let end = at + random.below(line.len() - at + 1);
        match random.below(6) {
            0 if at < line.len() => line[at] ^= 1 << random.below(8),
            1 if at < line.len() => line[at] = random.next() as u8,
            2 => {
                line.drain(at..end);
            }
            3 => line.extend_from_within(at..end),
            4 => line.truncate(at),
            _ => {
                let word = random.pick(&WORDS);
                line.splice(at..at, word.iter().copied());
            }
        }
    }
}

/// Checks `count` lines. Returns how many were accepted, as a line, a target or a switch.
fn check(seed: u64, count: u64) -> u64 {
    let mut random = Random::new(seed);
    let mut line = Vec::new();
    let mut accepted = 0;
    for turn in 0..count {
        line.clear();
        if turn % 4 == 0 {
            garbage(&mut random, &mut line);
        } else {
            line.extend_from_slice(random.pick(&GOOD));
            mutate(&mut random, &mut line);
        }
        lines::check(&line);
        let taken =
            parse_line(&line).is_ok() || parse_target(&line).is_ok() || parse_switch(&line).is_ok();
        accepted += u64::from(taken);
    }
    accepted
}

#[test]
fn random_lines() {
    const COUNT: u64 = 300_000;
    let accepted = check(1, COUNT);
    println!("{COUNT} lines, {accepted} accepted");
    // Many lines must be accepted and many refused, or the lines test nothing.
    assert!((COUNT / 10..COUNT * 9 / 10).contains(&accepted));
}

#[test]
#[cfg_attr(not(feature = "slow"), ignore = "takes a minute: --features slow")]
fn many_random_lines() {
    const THREADS: u64 = 4;
    const EACH: u64 = 10_000_000;
    let threads: Vec<_> = (0..THREADS)
        .map(|seed| std::thread::spawn(move || check(seed + 100, EACH)))
        .collect();
    let accepted: u64 = threads
        .into_iter()
        .map(|thread| thread.join().expect("a line that does not hold"))
        .sum();
    println!("{} lines, {accepted} accepted", THREADS * EACH);
    assert!(accepted > 0);
}
