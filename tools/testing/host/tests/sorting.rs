// SPDX-License-Identifier: GPL-2.0

//! The sort agrees with the sort of the standard library, and ends for orders that contradict
//! themselves.

use rkprobes_host::containers::sort::sort_by_key;
use std::cell::Cell;

/// Marsaglia's xorshift.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn sorts_as_the_standard_library() {
    let mut state = 1;
    for len in 0..200_u64 {
        for values in [1, 2, 10, 1000, u64::MAX] {
            let mut items: Vec<u64> = (0..len).map(|_| random(&mut state) % values).collect();
            let mut sorted = items.clone();
            sorted.sort_unstable();
            for _ in 0..2 {
                sort_by_key(&mut items, |item| *item);
                assert_eq!(items, sorted);
            }
            items.reverse();
            sort_by_key(&mut items, |item| *item);
            assert_eq!(items, sorted);
        }
    }
}

#[test]
fn keeps_all_elements_when_the_order_contradicts_itself() {
    let state = Cell::new(1);
    let no_order = |_: &u64| {
        let mut next = state.get();
        let key = random(&mut next);
        state.set(next);
        key
    };
    for len in 0..200 {
        let mut items: Vec<u64> = (0..len).collect();
        sort_by_key(&mut items, no_order);
        items.sort_unstable();
        assert!(items.into_iter().eq(0..len));
    }
}

/// Keys that change when they are read again: all elements claim one place.
#[test]
fn ends_when_keys_change_during_the_sort() {
    for len in 2..100_usize {
        let asked = Cell::new(0);
        let mut items: Vec<u64> = (0..len as u64).collect();
        sort_by_key(&mut items, |item| {
            asked.set(asked.get() + 1);
            match asked.get() > 2 * len {
                true => len as u64,
                false => u64::from(*item + 1 == len as u64) * len as u64,
            }
        });
        items.sort_unstable();
        assert!(items.into_iter().eq(0..len as u64));
    }
}

/// Runs of equal keys and of ascending keys, as in the tables of the kernel.
#[test]
fn takes_n_log_n_steps() {
    for items in [
        vec![7_u64; 40_000],
        (0..40_000).collect(),
        (0..40_000).map(|n| n % 700).collect(),
        (0..40_000)
            .map(|n| ((n % 200) << 40) | (n * n % 997))
            .collect(),
    ] {
        let (mut items, asked) = (items, Cell::new(0));
        let mut sorted = items.clone();
        sorted.sort_unstable();
        sort_by_key(&mut items, |item| {
            asked.set(asked.get() + 1);
            *item
        });
        assert_eq!(items, sorted);
        assert!(asked.get() < 40_000 * 40, "{} keys", asked.get());
    }
}
