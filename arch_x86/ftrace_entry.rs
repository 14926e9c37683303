// SPDX-License-Identifier: GPL-2.0

//! A hit at a function's entry, which ftrace hands over.

use crate::arch_x86::handlers::{
    post_handlers,
    pre_handlers,
    Lane, //
};
use crate::arch_x86::int3_table;
use crate::arch_x86::saved_regs::SavedRegs;
use crate::out_of_line::emulate::Regs;
use kernel::bindings::pt_regs;

/// Runs the handlers of the entry at `ip`. Returns whether a pre_handler has changed the instruction
/// pointer.
///
/// # Safety
///
/// Called by `rk_ftrace_fn` (ftrace_ops.c) only, with interrupts off and the registers of the traced
/// function.
#[no_mangle]
#[link_section = ".kprobes.text"]
unsafe extern "C" fn rk_ftrace_hit(ip: kernel::ffi::c_ulong, regs: *mut pt_regs) -> bool {
    let trap = int3_table::find(ip);
    if trap.is_null() {
        return false;
    }
    // SAFETY: A trap in the table is alive, and stays so for a grace period; interrupts are off.
    let trap = unsafe { &*trap };
    // A detach does not wait for callbacks: the bucket may belong to another site by now.
    if trap.addr != ip {
        return false;
    }
    if pre_handlers(trap, regs, Lane::Ftrace) {
        return true;
    }
    SavedRegs(regs).set_ip(trap.insn_end() as u64);
    post_handlers(trap, regs, Lane::Ftrace);
    false
}
