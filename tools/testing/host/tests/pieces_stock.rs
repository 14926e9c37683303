// SPDX-License-Identifier: GPL-2.0

//! All jumps that leave the pieces of functions of the stock kernel are found without decoding.

#![cfg(feature = "slow")]

#[path = "../src/bin/optimizable/tables.rs"]
#[allow(dead_code)] // the other user needs the rest
mod tables;

use rkprobes_host::eligibility::{collect_cross_branches, each_possible_jump};
use rkprobes_host::stock::Kernel;
use std::collections::BTreeSet;
use tables::PIECES;

#[test]
fn stock_kernel() {
    let mut kernel = Kernel::open(&Kernel::lab_image()).expect("the lab's kernel");
    kernel.patch_returns();
    let section = kernel.section(".text").expect("text");
    let symbols = kernel.functions(section);
    let starts: BTreeSet<u64> = symbols.iter().map(|symbol| symbol.start).collect();
    let text = section.addr..section.addr + section.bytes.len() as u64;
    let (mut jumps, mut possible) = (BTreeSet::new(), BTreeSet::new());
    for (first, last) in PIECES {
        let first = kernel.address(first).expect("the start of an area");
        let last = kernel.address(last).expect("the end of an area");
        let area = first..last;
        for piece in symbols.iter().filter(|symbol| area.contains(&symbol.start)) {
            let bytes = kernel
                .bytes(piece.start, piece.end)
                .expect("the bytes of a piece");
            let whole = collect_cross_branches(piece.start, bytes, |branch| {
                if !branch.call && area.contains(&branch.to) {
                    assert!(
                        starts.contains(&branch.to),
                        "{:?} jumps into {:#x}, which is no symbol of its area",
                        piece.names,
                        branch.to
                    );
                } else if !branch.call && text.contains(&branch.to) {
                    jumps.insert(branch.to);
                }
            });
            assert!(whole, "{:?} does not decode", piece.names);
        }
        let bytes = kernel.bytes(first, last).expect("the area");
        each_possible_jump(first, bytes, |to| {
            if text.contains(&to) && !area.contains(&to) {
                possible.insert(to);
            }
        });
    }
    let missing: Vec<_> = jumps.difference(&possible).collect();
    assert!(jumps.len() > 10_000, "{} jumps leave pieces", jumps.len());
    assert!(missing.is_empty(), "not found: {missing:x?}");
    println!(
        "{} addresses that pieces jump to, and {} that only look like such addresses",
        jumps.len(),
        possible.difference(&jumps).count()
    );
}
