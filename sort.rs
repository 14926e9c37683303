// SPDX-License-Identifier: GPL-2.0

//! Sorting in place that cannot panic.
//!
//! The sorts of `core` panic when an order contradicts itself, and objtool does not know their
//! functions as such that do not return. This is a heap sort: no memory, no recursion, the same
//! number of steps for every input of a size.

/// Sorts by `key`, ascending; equal elements may change places.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    let len = items.len();
    for root in (0..len / 2).rev() {
        sift_down(items, root, &key);
    }
    for end in (1..len).rev() {
        items.swap(0, end);
        if let Some(heap) = items.get_mut(..end) {
            sift_down(heap, 0, &key);
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
