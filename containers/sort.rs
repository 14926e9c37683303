// SPDX-License-Identifier: GPL-2.0

//! Sorting in place that cannot panic.
//!
//! The sorts of `core` panic when an order contradicts itself, and objtool does not know that their
//! panic functions do not return. This is a radix sort in place. It spreads the elements by the
//! highest bits of the distance between their key and the least key, then sorts each part in this
//! way. It allocates no memory. Parts that are left after some rounds are sorted by a heap sort, so
//! the use of the stack is bounded.

/// The most bits of a key that one round uses.
const DIGIT_BITS: u32 = 7;
/// The number of values of these bits.
const DIGITS: usize = 1 << DIGIT_BITS;
/// Nested rounds. Each has half a kilobyte on the stack, and one of them twice that.
const ROUNDS: usize = 3;
/// Parts up to this length are sorted by insertion.
const SHORT: usize = 16;

/// Sorts by `key`, ascending. Elements with equal keys may be exchanged.
pub fn sort_by_key<T>(items: &mut [T], key: impl Fn(&T) -> u64) {
    let mut counts = [[0; DIGITS]; ROUNDS];
    match u32::try_from(items.len()) {
        Ok(_) => radix_sort(items, &key, &mut counts),
        Err(_) => heap_sort(items, &key),
    }
}

/// Sorts by rounds; each round uses one of `counts`.
fn radix_sort<T>(mut items: &mut [T], key: &impl Fn(&T) -> u64, counts: &mut [[u32; DIGITS]]) {
    if items.len() <= SHORT {
        return insertion_sort(items, key);
    }
    // From the least key, because the addresses of text may lie on both sides of a large power of
    // two.
    let (least, most) = items
        .iter()
        .map(key)
        .fold((u64::MAX, 0), |(least, most), key| {
            (least.min(key), most.max(key))
        });
    if least == most {
        return;
    }
    let Some((counts, further)) = counts.split_first_mut() else {
        return heap_sort(items, key);
    };
    // So few bits that several elements share each value, because a round has a cost for each
    // value, too.
    let bits = items.len().ilog2().saturating_sub(2).min(DIGIT_BITS);
    let counts = counts.get_mut(..1 << bits).unwrap_or(&mut []);
    let mask = counts.len().saturating_sub(1);
    let shift = u64::BITS
        .saturating_sub(most.wrapping_sub(least).leading_zeros())
        .saturating_sub(bits);
    spread(items, counts, |item: &T| {
        key(item).wrapping_sub(least).wrapping_shr(shift) as usize & mask
    });
    for len in counts {
        let Some((part, rest)) = items.split_at_mut_checked(*len as usize) else {
            return;
        };
        radix_sort(part, key, further);
        items = rest;
    }
}

/// Brings the elements of each digit together, the lowest digit first, and counts them.
fn spread<T>(items: &mut [T], counts: &mut [u32], digit: impl Fn(&T) -> usize) {
    counts.fill(0);
    for item in &*items {
        if let Some(count) = counts.get_mut(digit(item)) {
            *count = count.wrapping_add(1);
        }
    }
    // The place of the next element of each digit.
    let mut heads = [0_u32; DIGITS];
    let mut end = 0_u32;
    for (head, count) in heads.iter_mut().zip(&*counts) {
        *head = end;
        end = end.wrapping_add(*count);
    }
    end = 0;
    for (own, count) in counts.iter().enumerate() {
        end = end.wrapping_add(*count);
        // Each turn advances one of the heads, even if `digit` gives different results for one
        // element.
        while let Some(at) = heads.get(own).copied().filter(|at| *at < end) {
            let at = at as usize;
            let to = items.get(at).map_or(own, &digit);
            let Some(head) = heads.get_mut(to) else {
                break;
            };
            let place = *head as usize;
            if place >= items.len() {
                break;
            }
            *head = head.wrapping_add(1);
            if to != own {
                items.swap(at, place);
            }
        }
    }
}

fn insertion_sort<T>(items: &mut [T], key: &impl Fn(&T) -> u64) {
    for end in 1..items.len() {
        let Some((mut place, sorted)) = items.get_mut(..=end).and_then(<[T]>::split_last_mut)
        else {
            return;
        };
        let moved = key(place);
        for before in sorted.iter_mut().rev() {
            if key(before) <= moved {
                break;
            }
            core::mem::swap(before, place);
            place = before;
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

/// Moves the element at `root` down until no element below it is greater.
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
