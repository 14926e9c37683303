// SPDX-License-Identifier: GPL-2.0

//! The index of reserved text: examples, and a comparison with a plain list.

#[path = "model/array.rs"]
#[allow(dead_code)]
mod array;
#[path = "common/random.rs"]
mod random;

use array::{with_memory_for, Room};
use random::Random;
use rkprobes_host::containers::slab::{Arrays, NoMemory};
use rkprobes_host::eligibility::reserved::{Entry, Index, Kind, TEXT_BASE};
use rkprobes_host::heap::Heap;

const TEXT: u64 = 0xffff_ffff_8100_0000;

const KINDS: [Kind; 16] = [
    Kind::JumpLabel,
    Kind::StaticCall,
    Kind::Ftrace,
    Kind::Bug,
    Kind::ExtableInsn,
    Kind::JumpTarget,
    Kind::ExtableFixup,
    Kind::PieceTarget,
    Kind::Blacklist,
    Kind::Noinstr,
    Kind::Int3Path,
    Kind::NoTable,
    Kind::DeadCpu,
    Kind::Livepatch,
    Kind::OwnText,
    Kind::Preamble,
];

fn index(entries: &[(u64, u64, Kind)]) -> Index<Heap> {
    let mut index = Index::default();
    for (start, end, kind) in entries {
        index.push(TEXT + start, TEXT + end, *kind).unwrap();
    }
    index.seal();
    index
}

/// The number of entries.
fn count<A: Arrays>(index: &Index<A>) -> usize {
    index.within(TEXT_BASE, u64::MAX).count()
}

#[test]
fn an_empty_index_reserves_nothing() {
    let index = index(&[]);
    assert_eq!(count(&index), 0);
    assert_eq!(index.reserved(0, u64::MAX), None);
    assert_eq!(index.within(TEXT, TEXT + 100).count(), 0);
}

#[test]
fn every_kind_is_found() {
    for kind in KINDS {
        let index = index(&[(10, 15, kind)]);
        let (start, end) = (TEXT + 10, TEXT + 15);
        let entry = Entry { start, end, kind };
        for addr in 0..30 {
            let found: Vec<_> = index.within(TEXT + addr, TEXT + addr + 1).collect();
            let expected = if (10..15).contains(&addr) {
                vec![entry]
            } else {
                vec![]
            };
            assert_eq!(found, expected, "{kind:?} {addr}");
        }
        let reserved = index.reserved(start, end);
        assert_eq!(reserved, (!kind.is_target()).then_some(kind));
    }
}

#[test]
fn targets_are_free_to_be_probed_but_not_inside() {
    let mut index = index(&[]);
    index.push(TEXT + 8, TEXT + 9, Kind::JumpTarget).unwrap();
    index.seal();
    assert_eq!(index.reserved(TEXT + 8, TEXT + 9), None);
    let against = |start, end| index.against_jump(TEXT + start, TEXT + end);
    let inside = (Some(Kind::JumpTarget), None);
    assert_eq!(against(7, 12), inside);
    assert_eq!(against(7, 9), inside);
    assert_eq!(against(8, 13), (None, None), "the region begins there");
    assert_eq!(against(3, 8), (None, None), "the region ends there");
    index.push(TEXT + 10, TEXT + 12, Kind::JumpLabel).unwrap();
    index
        .push(TEXT + 12, TEXT + 13, Kind::ExtableFixup)
        .unwrap();
    index.seal();
    let against = |start, end| index.against_jump(TEXT + start, TEXT + end);
    assert_eq!(against(7, 13), (inside.0, Some(Kind::JumpLabel)));
    assert_eq!(
        against(8, 13),
        (Some(Kind::ExtableFixup), Some(Kind::JumpLabel))
    );
}

#[test]
fn long_areas_are_found_from_their_middle() {
    let index = index(&[
        (0x1000, 0x900_0000, Kind::OwnText),
        (0x2000, 0x2005, Kind::Ftrace),
    ]);
    assert_eq!(index.reserved(TEXT + 0xfff, TEXT + 0x1000), None);
    for at in [0x1000, 0x2004, 0x8ff_ffff] {
        assert!(
            index.reserved(TEXT + at, TEXT + at + 1).is_some(),
            "{at:#x}"
        );
    }
    assert_eq!(index.reserved(TEXT + 0x900_0000, TEXT + 0x900_0001), None);
}

#[test]
fn overlapping_areas_keep_all_bytes() {
    let index = index(&[
        (0, 10, Kind::Blacklist),
        (5, 8, Kind::Noinstr),
        (5, 20, Kind::Noinstr),
        (20, 22, Kind::Int3Path),
    ]);
    for at in 0..22 {
        assert!(index.reserved(TEXT + at, TEXT + at + 1).is_some(), "{at}");
    }
    let kinds: Vec<_> = index.areas().map(|area| area.kind).collect();
    assert_eq!(kinds, [Kind::Blacklist, Kind::Noinstr, Kind::Int3Path]);
}

#[test]
fn the_end_of_the_address_space() {
    let mut index: Index<Heap> = Index::default();
    index.push(u64::MAX - 4, u64::MAX, Kind::Bug).unwrap();
    index.push(0, 100, Kind::Bug).unwrap();
    index.push(TEXT + 10, TEXT, Kind::Bug).unwrap();
    index.seal();
    assert_eq!(count(&index), 1);
    assert_eq!(index.reserved(u64::MAX - 1, u64::MAX), Some(Kind::Bug));
    assert_eq!(index.reserved(0, 100), None);
}

#[test]
fn nothing_is_found_before_the_seal() {
    let mut index = index(&[(0, 5, Kind::JumpLabel)]);
    index.push(TEXT + 20, TEXT + 25, Kind::JumpLabel).unwrap();
    assert_eq!(index.reserved(TEXT + 20, TEXT + 21), None);
    index.discard();
    index.seal();
    assert_eq!(count(&index), 1);
    index.push(TEXT + 20, TEXT + 25, Kind::JumpLabel).unwrap();
    index.push(TEXT + 30, TEXT + 300, Kind::Blacklist).unwrap();
    index.push(TEXT + 40, TEXT + 45, Kind::Bug).unwrap();
    index.discard_unless(|addr| addr == TEXT + 40);
    index.seal();
    assert_eq!(count(&index), 2);
    assert_eq!(index.reserved(TEXT, TEXT + 1), Some(Kind::JumpLabel));
    assert_eq!(index.reserved(TEXT + 40, TEXT + 41), Some(Kind::Bug));
    assert_eq!(index.reserved(TEXT + 20, TEXT + 40), None);
    index.push(TEXT + 20, TEXT + 25, Kind::JumpLabel).unwrap();
    index.seal();
    assert_eq!(index.reserved(TEXT + 20, TEXT + 21), Some(Kind::JumpLabel));
}

struct Rooms;

impl Arrays for Rooms {
    type Of<T> = Room<T>;
}

#[test]
fn without_memory_the_index_is_unchanged() {
    let mut index: Index<Rooms> = Index::default();
    index.push(TEXT, TEXT + 5, Kind::Bug).unwrap();
    index.seal();
    let pushed = with_memory_for(0, || index.push(TEXT + 9, TEXT + 10, Kind::Bug));
    assert_eq!(pushed, Err(NoMemory));
    index.seal();
    assert_eq!(count(&index), 1);
    assert_eq!(index.reserved(TEXT, TEXT + 1), Some(Kind::Bug));
}

/// The entries of an index as a plain list.
#[derive(Default)]
struct Model(Vec<Entry>);

impl Model {
    fn kinds_at(&self, addr: u64) -> Vec<Kind> {
        let there = self.0.iter().filter(|e| e.start <= addr && addr < e.end);
        let mut kinds: Vec<_> = there.map(|entry| entry.kind).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }
}

fn compare(index: &Index<Heap>, model: &Model, step: usize) {
    for addr in (TEXT..TEXT + 0x400).step_by(step) {
        let mut kinds: Vec<_> = index.within(addr, addr + 1).map(|e| e.kind).collect();
        kinds.sort();
        kinds.dedup();
        let expected = model.kinds_at(addr);
        // Of overlapping areas only one is kept.
        let sites = |kinds: &[Kind]| -> Vec<Kind> {
            kinds
                .iter()
                .copied()
                .filter(|kind| !kind.is_area())
                .collect()
        };
        assert_eq!(sites(&kinds), sites(&expected), "{addr:#x}");
        let area = |kinds: &[Kind]| kinds.iter().any(|kind| kind.is_area());
        assert_eq!(area(&kinds), area(&expected), "{addr:#x}");
    }
}

#[test]
fn random_entries_agree_with_a_list() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let (mut index, mut model) = (Index::default(), Model::default());
        for _ in 0..3 {
            for _ in 0..random.below(40) {
                let kind = random.pick(&KINDS);
                let len = 1 + random.below(if kind.is_area() { 100 } else { 16 }) as u64;
                let start = TEXT + random.below(0x380) as u64;
                let end = start + len;
                index.push(start, end, kind).unwrap();
                model.0.push(Entry { start, end, kind });
            }
            index.seal();
            compare(&index, &model, 1);
        }
        // An area that was clipped at the border of two areas is not compared.
        model.0.retain(|entry| !entry.kind.is_area());
        let (from, to) = (TEXT + 0x100, TEXT + 0x200);
        index.remove(from, to);
        model
            .0
            .retain(|entry| !(from <= entry.start && entry.start < to));
        for entry in &model.0 {
            assert!(index.within(entry.start, entry.end).any(|e| e == *entry));
        }
        let sites = index.within(from, to).filter(|e| !e.kind.is_area());
        assert!(sites.into_iter().all(|entry| entry.start < from));
    }
}
