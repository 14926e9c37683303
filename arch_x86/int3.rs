// SPDX-License-Identifier: GPL-2.0

//! The int3: the die notifier, and the effect of a hit.

use crate::arch_x86::handlers::{
    post_handlers,
    pre_handlers,
    Lane, //
};
use crate::arch_x86::int3_table;
use crate::arch_x86::saved_regs::SavedRegs;
use crate::arch_x86::trap::Trap;
use crate::out_of_line::emulate::Regs;
use crate::sys::ffi;
use kernel::bindings::{
    notifier_block,
    pt_regs, //
};
use kernel::ffi::c_int;

/// The interrupt flag.
const FLAGS_IF: u64 = 1 << 9;

/// Runs the handlers of an int3, and then emulates its instruction or continues in a copy of it.
fn hit(trap: &Trap, regs: *mut pt_regs) {
    if pre_handlers(trap, regs, Lane::Int3) {
        return;
    }
    let mut saved = SavedRegs(regs);
    if trap.goes_on_in_copy() {
        saved.set_ip(trap.region_copy() as u64);
        return;
    }
    // A site with a post_handler has `steps`, or its instruction is emulated.
    let flags = saved.flags();
    let step = trap.step(flags & FLAGS_IF != 0);
    if let Some(emulation) = trap.emulation {
        emulation.apply(&mut saved, trap.addr as u64, trap.len);
        post_handlers(trap, regs, Lane::Int3);
    } else if let Some(step) = step {
        // Interrupts stay off until the int3 that follows the copy. There are two copies, and the
        // address of the int3 tells whether interrupts were on. So the CPU has to remember nothing.
        saved.set_flags(flags & !FLAGS_IF);
        saved.set_ip(step as u64);
    } else {
        saved.set_ip(trap.insn_copy() as u64);
    }
}

/// Handles the int3 that follows a copy of the instruction, after the instruction was executed.
fn stepped(trap: &Trap, at: usize, regs: *mut pt_regs) {
    let mut saved = SavedRegs(regs);
    let with_interrupts = trap.step(true);
    if with_interrupts.is_some_and(|step| at == step.wrapping_add(usize::from(trap.len))) {
        saved.set_flags(saved.flags() | FLAGS_IF);
    }
    saved.set_ip(trap.insn_end() as u64);
    post_handlers(trap, regs, Lane::Int3);
}

/// The die notifier. It claims the int3s that are in the table, and no others.
///
/// # Safety
///
/// Called by `notify_die` only.
#[link_section = ".kprobes.text"]
pub(crate) unsafe extern "C" fn int3_notify(
    _block: *mut notifier_block,
    event: kernel::ffi::c_ulong,
    args: *mut kernel::ffi::c_void,
) -> c_int {
    if event != ffi::die_val_DIE_INT3 as kernel::ffi::c_ulong {
        return ffi::NOTIFY_DONE as c_int;
    }
    // SAFETY: For DIE_INT3 `args` is a `die_args` whose registers are the exception's.
    let regs = unsafe { (*args.cast::<ffi::die_args>()).regs };
    // SAFETY: The registers belong to the exception that is being handled.
    let (cs, ip) = unsafe { ((*regs).__bindgen_anon_1.cs, (*regs).ip) };
    if cs & 3 != 0 {
        return ffi::NOTIFY_DONE as c_int;
    }
    let at = ip.wrapping_sub(1);
    let trap = int3_table::find(at);
    if trap.is_null() {
        return ffi::NOTIFY_DONE as c_int;
    }
    // SAFETY: A trap in the table is allocated, and a removed one stays so until
    // `wait_for_handlers()` has waited for this reader.
    let trap = unsafe { &*trap };
    if at == trap.addr && trap.takes_int3() {
        hit(trap, regs);
    } else if trap.step_ends().any(|end| end == at) {
        stepped(trap, at, regs);
    } else {
        // The bucket got another trap during the search, so this int3 does not belong to the module
        // any more. Or another tool has put an int3 on an entry that the function tracer pokes.
        return ffi::NOTIFY_DONE as c_int;
    }
    ffi::NOTIFY_STOP as c_int
}
