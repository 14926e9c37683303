// SPDX-License-Identifier: GPL-2.0

//! The layout that Rust shares with assembly (detour_entry.S, detour.h) and with C.

use crate::arch_x86::handlers::Lane;
use crate::arch_x86::trap::Trap;
use crate::out_of_line::slot_image::RETURN;
use crate::sys::ffi;
use core::mem::offset_of;

const _: () = {
    // detour_entry.S takes the probe from the beginning of a trap.
    assert!(offset_of!(Trap, direct) == 0);
    // It finds the trap by the return address of the detour's call.
    assert!(RETURN == ffi::RK_DETOUR_TRAP as usize);
    // It takes the handler and the counter from the probe.
    assert!(offset_of!(ffi::rkprobe, pre_handler) == ffi::RK_PROBE_PRE as usize);
    assert!(offset_of!(ffi::rkprobe, hits) == ffi::RK_PROBE_HITS as usize);
    // It sets and tests one bit of the busy flag. Every lane has the bit, and the jump has no other.
    let bit = 1 << ffi::RK_LANE_BIT;
    assert!(Lane::Jump as u32 == bit);
    assert!(Lane::Int3 as u32 == ffi::RK_LANE_INT3);
    assert!(Lane::Int3 as u32 & bit != 0 && Lane::Ftrace as u32 & bit != 0);
};
