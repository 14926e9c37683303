// SPDX-License-Identifier: GPL-2.0

//! Relocates any bytes. A copy consists of whole instructions, branches only to where the original
//! branches, and names only the memory that the original names.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rkprobes_host::insn_decode::{decode, Flow};
use rkprobes_host::out_of_line::relocate::{relocate, worst_copy_len, Copied};

/// Returns the addresses outside of a copy to which it branches or that its operands name. The jump
/// back will be at the end of the copy, so a branch to the end is inside.
fn references(code: &[u8], addr: u64) -> Vec<u64> {
    let end = addr.wrapping_add(code.len() as u64);
    let inside = |target: u64| (addr..=end).contains(&target);
    let mut rest = code;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let at = end.wrapping_sub(rest.len() as u64);
        let insn = decode(rest, at).expect("whole instructions");
        found.extend(insn.target().filter(|target| !inside(*target)));
        found.extend(insn.rip_target());
        rest = &rest[usize::from(insn.len)..];
    }
    found
}

/// Returns the addresses to which the original branches or that its operands name, and its
/// beginning and end, to which a copy may branch as well.
fn original_references(code: &[u8], addr: u64) -> Vec<u64> {
    let end = addr + code.len() as u64;
    let mut found = vec![addr, end];
    let mut rest = code;
    while !rest.is_empty() {
        let insn = decode(rest, end - rest.len() as u64).expect("whole instructions");
        found.extend(insn.target());
        found.extend(insn.rip_target());
        if !insn.flow.falls_through() && insn.flow != Flow::Next {
            break;
        }
        rest = &rest[usize::from(insn.len)..];
    }
    found
}

fuzz_target!(|input: (u32, i32, &[u8])| {
    let (addr, distance, bytes) = input;
    let bytes = &bytes[..bytes.len().min(64)];
    let addr = 0xffff_ffff_0000_0000 | u64::from(addr & !0x3ff);
    let dst = addr.wrapping_add_signed(i64::from(distance));
    // The copy is apart from the original, and does not go round the end of the address space.
    if dst.abs_diff(addr) < 1024 || dst.checked_add(1024).is_none() {
        return;
    }
    let mut out = [0; worst_copy_len(64)];
    if let Ok(Copied { len, .. }) = relocate(bytes, addr, dst, &mut out) {
        assert!(len <= worst_copy_len(bytes.len()));
        let known = original_references(bytes, addr);
        for target in references(&out[..len], dst) {
            assert!(
                known.contains(&target),
                "{target:#x} is not one of {known:#x?}"
            );
        }
    }
});
