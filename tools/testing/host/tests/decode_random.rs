// SPDX-License-Identifier: GPL-2.0

//! The decoder against iced-x86 on seeded random byte strings.

#[path = "common/differences.rs"]
mod differences;
#[path = "common/iced.rs"]
mod iced;
#[path = "common/random.rs"]
mod random;

use differences::Differences;
use random::Random;
use rkprobes_host::insn_decode::{decode, DecodeError, MAX_INSN_LEN};

const TABLE: &str = include_str!("data/decode_differences.txt");
const ADDR: u64 = 0xffff_ffff_8123_4567;

/// Compares `count` strings. Returns the explained differences.
fn compare(seed: u64, count: u64) -> Differences {
    let mut table = Differences::parse(TABLE);
    let mut random = Random::new(seed);
    for _ in 0..count {
        let bytes = random.instruction();
        let bytes = &bytes[..MAX_INSN_LEN];
        match (decode(bytes, ADDR), iced::decode(bytes, ADDR)) {
            (Ok(ours), Some(theirs)) => {
                let difference = iced::difference(&ours, &theirs);
                assert_eq!(difference, None, "{bytes:02x?}: {ours:?}, {}", theirs.0);
            }
            (Ok(ours), None) => {
                assert!(
                    table.explain(&ours),
                    "not in the table: {bytes:02x?}: {ours:?}"
                );
            }
            (Err(error), theirs) => {
                assert_eq!(error, DecodeError::Invalid, "{bytes:02x?}");
                assert!(
                    theirs.is_none(),
                    "refused: {bytes:02x?}: {}",
                    theirs.unwrap().0
                );
            }
        }
    }
    table
}

#[test]
fn random_strings() {
    let table = compare(1, 2_000_000);
    println!("2000000 strings, {} explained differences", table.total());
}

/// Compares 100 million strings. Every row of the table must be needed.
#[test]
#[cfg_attr(not(feature = "slow"), ignore = "takes a minute: --features slow")]
fn many_random_strings() {
    const THREADS: u64 = 4;
    const EACH: u64 = 25_000_000;
    let threads: Vec<_> = (0..THREADS)
        .map(|seed| std::thread::spawn(move || compare(seed + 100, EACH)))
        .collect();
    let mut total = Differences::parse(TABLE);
    for thread in threads {
        total.merge(&thread.join().expect("a difference"));
    }
    println!(
        "{} strings, {} explained differences, 0 others",
        THREADS * EACH,
        total.total()
    );
    assert!(
        total.unused().is_empty(),
        "rows not needed: lines {:?}",
        total.unused()
    );
}
