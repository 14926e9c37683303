// SPDX-License-Identifier: GPL-2.0

//! Sorting in place that cannot panic.
//!
//! The sorts of `core` panic when an order contradicts itself, and objtool does not know their
//! functions as such that do not return. This is a radix sort in place: it spreads the elements by
//! the highest bits of how far their keys are from the least, then each part in the same way. It needs no
//! memory; parts that are left after some rounds go to a heap sort, so the stack is bounded.

/// Bits of a key that one round looks at.
const DIGIT_BITS: u32 = 6;
/// The values that these bits have.
const DIGITS: usize = 1 << DIGIT_BITS;
/// Rounds, one inside the other: each has a kilobyte on the stack.
const ROUNDS: u32 = 3;
/// Parts up to this length are sorted by insertion.
const SHORT: usize = 24;

/// Sorts by `key`, ascending; equal elements may change places.
pub fn sort_by_key<T>(items: &mut [T], key: impl Fn(&T) -> u64) {
    radix_sort(items, &key, ROUNDS);
}

fn radix_sort<T>(mut items: &mut [T], key: &impl Fn(&T) -> u64, rounds: u32) {
    if items.len() <= SHORT {
        return insertion_sort(items, key);
    }
    // Where the keys begin must not matter: addresses of text may go across a large power of two.
    let (least, most) = items
        .iter()
        .map(key)
        .fold((u64::MAX, 0), |(least, most), key| {
            (least.min(key), most.max(key))
        });
    if least == most {
        return;
    }
    if rounds == 0 {
        return heap_sort(items, key);
    }
    let shift = u64::BITS
        .saturating_sub(most.wrapping_sub(least).leading_zeros())
        .saturating_sub(DIGIT_BITS);
    let digit = |item: &T| (key(item).wrapping_sub(least) >> shift) as usize % DIGITS;
    for len in spread(items, digit) {
        let Some((part, rest)) = items.split_at_mut_checked(len) else {
            return;
        };
        radix_sort(part, key, rounds.saturating_sub(1));
        items = rest;
    }
}

/// Brings elements of one digit together, the lowest to the front; says how many each digit has.
fn spread<T>(items: &mut [T], digit: impl Fn(&T) -> usize) -> [usize; DIGITS] {
    let mut counts = [0_usize; DIGITS];
    for item in &*items {
        if let Some(count) = counts.get_mut(digit(item)) {
            *count = count.saturating_add(1);
        }
    }
    // Where the next element of each digit goes.
    let mut heads = [0_usize; DIGITS];
    let mut end = 0_usize;
    for (head, count) in heads.iter_mut().zip(&counts) {
        *head = end;
        end = end.saturating_add(*count);
    }
    end = 0;
    for (own, count) in counts.iter().enumerate() {
        end = end.saturating_add(*count);
        // Each turn moves one of the heads on, also where digits are not the same each time.
        while let Some(at) = heads.get(own).copied().filter(|at| *at < end) {
            let to = items.get(at).map_or(own, &digit);
            let Some(head) = heads.get_mut(to) else {
                break;
            };
            let place = *head;
            *head = place.saturating_add(1);
            if to != own && place < items.len() {
                items.swap(at, place);
            }
        }
    }
    counts
}

fn insertion_sort<T>(items: &mut [T], key: &impl Fn(&T) -> u64) {
    for end in 1..items.len() {
        for at in (1..=end).rev() {
            let before = at.saturating_sub(1);
            if items.get(before).map(key) <= items.get(at).map(key) {
                break;
            }
            items.swap(before, at);
        }
    }
}

fn heap_sort<T>(items: &mut [T], key: &impl Fn(&T) -> u64) {
    let len = items.len();
    for root in (0..len / 2).rev() {
        sift_down(items, root, key);
    }
    for end in (1..len).rev() {
        items.swap(0, end);
        if let Some(heap) = items.get_mut(..end) {
            sift_down(heap, 0, key);
        }
    }
}

/// Moves the element at `root` down to where none below it is greater.
fn sift_down<T>(heap: &mut [T], mut root: usize, key: &impl Fn(&T) -> u64) {
    loop {
        let left = root.saturating_mul(2).saturating_add(1);
        let right = left.saturating_add(1);
        let mut greatest = root;
        for child in [left, right] {
            if heap.get(child).map(key) > heap.get(greatest).map(key) {
                greatest = child;
            }
        }
        if greatest == root {
            return;
        }
        heap.swap(root, greatest);
        root = greatest;
    }
}
