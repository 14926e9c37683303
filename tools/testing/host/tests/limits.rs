// SPDX-License-Identifier: GPL-2.0

//! When a probe exceeds its limit of hits a second.

use rkprobes_host::optimizer::rate::{pause, RateWindow, PERIOD};

/// Checks a probe with `rate` hits a second in `turns` periods. Returns the first period in which
/// the limit is exceeded.
fn looks(window: &mut RateWindow, limit: u32, rate: u64, turns: u64) -> Option<u64> {
    (1..=turns).find(|turn| {
        let now = 5_000 + turn * PERIOD;
        window.exceeded(limit, now, 70 + turn * PERIOD * rate / 1000)
    })
}

fn begin() -> RateWindow {
    RateWindow {
        begin: 5_000,
        hits: 70,
    }
}

#[test]
fn at_the_limit_is_not_over_it() {
    for limit in [10, 1000, 123_450] {
        let mut window = begin();
        assert_eq!(looks(&mut window, limit, u64::from(limit), 1000), None);
        assert_eq!(window.begin, 5_000 + 1000 * PERIOD);
    }
}

#[test]
fn above_the_limit_is_seen_within_a_second() {
    for (rate, turn) in [(1100, 114), (2000, 63), (10_011, 13), (1_000_000_000, 1)] {
        assert_eq!(looks(&mut begin(), 1000, rate, 1000), Some(turn), "{rate}");
    }
}

/// A timer of 4 ms and the start of the work follow.
const _: () = assert!(PERIOD <= 10);

#[test]
fn the_counts_are_read_often_and_take_a_part_of_a_cpu() {
    assert_eq!((pause(0), pause(PERIOD * 50)), (PERIOD, PERIOD));
    for took in [500, 1000, 50_000] {
        assert_eq!(pause(took), took / 50, "a twentieth of the time");
    }
    assert!(pause(u64::MAX) >= PERIOD);
}

#[test]
fn a_burst_may_use_a_whole_second() {
    let mut window = begin();
    assert!(!window.exceeded(1000, 5_001, 1070));
    assert!(window.exceeded(1000, 5_001, 1071));
    assert!(!window.exceeded(1000, 6_000, 1070), "the window is over");
    assert!(!window.exceeded(1000, 6_001, 2070), "and the next begins");
}

#[test]
fn a_late_look_allows_more() {
    assert!(!begin().exceeded(1000, 15_000, 10_070));
    assert!(begin().exceeded(1000, 15_000, 10_071));
}

#[test]
fn extremes_are_no_overflow() {
    assert!(begin().exceeded(0, 5_000, 71));
    assert!(!begin().exceeded(0, u64::MAX, 70));
    assert!(!begin().exceeded(u32::MAX, u64::MAX, u64::MAX));
    assert!(begin().exceeded(u32::MAX, 5_000, u64::MAX));
    // A clock or a counter that goes backwards.
    assert!(!begin().exceeded(1, 0, 70));
    assert!(begin().exceeded(1, 6_000, 0));
}
