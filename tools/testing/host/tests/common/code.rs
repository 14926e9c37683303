// SPDX-License-Identifier: GPL-2.0

//! Functions and indices made from bytes.

use rkprobes_host::eligibility::refusal::NotOptimizable;
use rkprobes_host::eligibility::reserved::{Index, Kind};
use rkprobes_host::eligibility::{DecodedFunction, Region};
use rkprobes_host::heap::Heap;

/// The address of the functions.
pub const START: u64 = 0xffff_ffff_8100_1000;

/// The function that consists of `code`.
pub fn function(code: &[u8]) -> DecodedFunction<Heap> {
    let mut function = DecodedFunction::default();
    let filled = function.analyse(START, code.len(), |to| to.copy_from_slice(code));
    assert_eq!(filled, Ok(()));
    function
}

/// An index whose entries are given by their offsets in the function.
pub fn index(entries: &[(u64, u64, Kind)]) -> Index<Heap> {
    let mut index = Index::default();
    for (start, end, kind) in entries {
        let pushed = index.push(START + start, START + end, *kind);
        assert_eq!(pushed, Ok(()));
    }
    index.seal();
    index
}

/// The region at an offset of `code`.
pub fn region(
    code: &[u8],
    offset: u64,
    entries: &[(u64, u64, Kind)],
) -> Result<Region, NotOptimizable> {
    function(code).region(START + offset, &index(entries))
}
