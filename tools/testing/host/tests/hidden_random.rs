// SPDX-License-Identifier: GPL-2.0

//! Random functions with several of our sites each, as int3s and as jumps: what native kprobes see.

#[path = "common/code.rs"]
#[allow(dead_code)] // other tests use the rest
mod code;
#[path = "common/natives.rs"]
mod natives;
#[path = "common/random.rs"]
mod random;

use code::{function, index, START};
use natives::{Armed, Seen, Site};
use random::Random;
use rkprobes_host::eligibility::hidden::their_length;
use rkprobes_host::insn_decode::{decode, Insn};

/// Makes instructions. Many are branches, and some have operands that look like instructions.
fn random_code(random: &mut Random) -> Vec<u8> {
    let mut code = Vec::new();
    let len = 30 + random.below(80);
    while code.len() < len {
        match random.below(5) {
            0 => code.extend([random.pick(&[0xeb, 0x74, 0xe3]), random.below(64) as u8]),
            1 => code.extend([random.pick(&[0xeb, 0x75]), 0xff - random.below(64) as u8]),
            2 => {
                code.push(random.pick(&[0xb8, 0x3d, 0x05]));
                code.extend((random.next() as u32).to_le_bytes());
            }
            3 => {
                let bytes = random.instruction();
                let len = decode(&bytes, START).map_or(0, |insn| usize::from(insn.len));
                code.extend(&bytes[..len]);
            }
            _ => code.push(random.pick(&[0x55, 0x90, 0xfa, 0x5d])),
        }
    }
    code
}

/// Makes up to four sites, as jumps where that is possible.
fn random_sites(random: &mut Random, code: &[u8]) -> (Vec<Insn>, Vec<Site>) {
    let function = function(code);
    let index = index(&[]);
    let insns: Vec<Insn> = function.instructions().collect();
    let mut sites: Vec<Site> = Vec::new();
    for _ in 0..1 + random.below(4) {
        let insn = random.pick(&insns);
        let taken = sites
            .iter()
            .any(|site| START + site.offset as u64 == insn.addr);
        if taken || function.probe(insn.addr, &index).is_err() {
            continue;
        }
        let site = Site::new(&function, &insn, &index, &sites);
        sites.push(site);
    }
    // Some sites exist but are not armed.
    sites.retain(|_| random.below(4) > 0);
    for at in 0..sites.len() {
        let covered = sites.iter().any(|other| sites[at].covers(other));
        sites[at].jump = sites[at].region > 0 && !covered && random.below(2) == 0;
    }
    (insns, sites)
}

#[test]
fn native_kprobes_that_are_not_refused_are_safe() {
    let mut random = Random::new(11);
    let mut all = Seen::default();
    let mut whole = 0;
    for _ in 0..60_000 {
        let code = random_code(&mut random);
        let (insns, sites) = random_sites(&mut random, &code);
        whole += sites.iter().filter(|site| site.hidden.is_none()).count();
        let armed = Armed {
            start: START,
            insns: &insns,
            len: code.len(),
            sites: &sites,
        };
        let mut patched = code.clone();
        patched.extend([0x90; 16]);
        armed.patch(&mut patched, || (random.next() as u32).to_le_bytes());
        // At the start of an instruction the kernel decodes as we do. At other addresses its result
        // may be unknown; then any length is possible.
        let salt = random.next();
        let anything = |at: usize| (Random::new(salt ^ at as u64).next() % 16) as u8;
        let length = |at: usize| match insns.iter().find(|insn| insn.addr == START + at as u64) {
            Some(insn)
                if code[at..][..usize::from(insn.len)]
                    == patched[at..][..usize::from(insn.len)] =>
            {
                insn.len
            }
            _ => their_length(&patched[at..at + 15]).unwrap_or_else(|| anything(at)),
        };
        let seen = armed.check(length, &format!("{code:02x?}"));
        all.false_boundaries += seen.false_boundaries;
        all.in_front += seen.in_front;
        all.optimizable += seen.optimizable;
    }
    println!("{all:?}, {whole} sites refuse the whole function");
    assert!(
        all.false_boundaries > 10_000 && all.optimizable > 10_000,
        "{all:?}"
    );
    assert!(whole > 1000);
}
