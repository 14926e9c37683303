// SPDX-License-Identifier: GPL-2.0

//! Sorting in place that cannot panic.
//!
//! The sorts of `core` panic when an order contradicts itself, and objtool does not know their
//! functions as such that do not return. This is a quick sort that leaves parts on which it does
//! badly to a heap sort: no memory, at most `n log n` steps.

/// Parts up to this length are sorted by insertion.
const SHORT: usize = 12;

/// Sorts by `key`, ascending; equal elements may change places.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    let splits = items.len().checked_ilog2().unwrap_or(0).saturating_mul(2);
    quick_sort(items, &key, splits);
}

/// Splits at most `splits` times, one inside the other: so deep it recurses at most.
fn quick_sort<T, K: Ord>(mut items: &mut [T], key: &impl Fn(&T) -> K, mut splits: u32) {
    while items.len() > SHORT {
        if splits == 0 {
            return heap_sort(items, key);
        }
        splits = splits.saturating_sub(1);
        let at = split(items, key);
        let Some((low, high)) = items.split_at_mut_checked(at) else {
            return;
        };
        let (short, long) = match low.len() < high.len() {
            true => (low, high),
            false => (high, low),
        };
        quick_sort(short, key, splits);
        items = long;
    }
    insertion_sort(items, key);
}

/// Brings what is below the middle element's key to the front and what is above it to the back;
/// says where the back begins, which is neither at the beginning nor at the end.
fn split<T, K: Ord>(items: &mut [T], key: &impl Fn(&T) -> K) -> usize {
    let last = items.len().saturating_sub(1);
    let Some(middle) = items.get(last / 2).map(key) else {
        return 0;
    };
    let (mut low, mut high) = (0usize, last);
    loop {
        while items.get(low).is_some_and(|item| key(item) < middle) {
            low = low.saturating_add(1);
        }
        while high > 0 && items.get(high).is_some_and(|item| key(item) > middle) {
            high = high.saturating_sub(1);
        }
        if low >= high || low > last {
            return high.saturating_add(1);
        }
        items.swap(low, high);
        low = low.saturating_add(1);
        high = high.saturating_sub(1);
    }
}

fn insertion_sort<T, K: Ord>(items: &mut [T], key: &impl Fn(&T) -> K) {
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

fn heap_sort<T, K: Ord>(items: &mut [T], key: &impl Fn(&T) -> K) {
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
fn sift_down<T, K: Ord>(heap: &mut [T], mut root: usize, key: &impl Fn(&T) -> K) {
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
