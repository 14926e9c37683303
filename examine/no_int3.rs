// SPDX-License-Identifier: GPL-2.0

//! Text that a CPU runs where it cannot take an int3: while the CPU starts, resumes, dies, or
//! leaves the kernel.
//!
//! A CPU that starts, resumes or leaves has no interrupt table there, or a table without the stack,
//! the per-CPU base or the task register that the handler needs. An int3 resets the CPU. After a
//! CPU has reported that it is dead, neither the sync of a poke nor [`wait_for_handlers`] waits for
//! what it runs, so it may execute an int3 that is removed already, or a slot that is freed.
//!
//! The functions are found in the running kernel: the names below, and what the direct branches
//! from them reach. Kernels are built without suspend, hibernation, CPU hotplug or kexec, and
//! compilers make functions inline. So a name that the kernel lacks is ignored. A walk that does
//! not find all does not keep the module from loading, because most users never probe this text:
//! what the walk has found is reserved, and the log says what is missing.
//!
//! [`wait_for_handlers`]: crate::sys::locks::wait_for_handlers

use super::walk::{
    self,
    Walk, //
};
use crate::eligibility::reserved::{
    Index,
    Kind, //
};
use crate::sys::compat::not_supported;
use crate::sys::growable::Kernel;
use crate::sys::locks::TextLocks;
use crate::sys::symbols::{
    self,
    Symbol, //
};
use kernel::prelude::*;

/// Functions that run without a usable interrupt table, with all that they call.
///
/// - A CPU that starts or wakes up: arch/x86/kernel/head_64.S, with the vector of an encrypted
///   guest, and the C functions until the table is loaded (arch/x86/kernel/cpu/common.c).
/// - A CPU that resumes from suspend: arch/x86/kernel/acpi/wakeup_64.S.
/// - A CPU that enters the kernel of a hibernation image: arch/x86/power/hibernate_asm_64.S. The
///   kernel also executes a copy of core_restore_code.
/// - A CPU that crashes on Hyper-V: arch/x86/hyperv/hv_crash.c.
const WITHOUT: [&CStr; 15] = [
    c"secondary_startup_64",
    c"secondary_startup_64_no_verify",
    c"common_startup_64",
    c"verify_cpu",
    c"soft_restart_cpu",
    c"vc_boot_ghcb",
    c"early_setup_idt",
    c"cr4_init",
    c"cpu_init_exception_handling",
    c"wakeup_long64",
    c"kasan_unpoison_task_stack_below",
    c"restore_registers",
    c"restore_image",
    c"core_restore_code",
    c"hv_crash_c_entry",
];

/// A function that has no usable table before one of its calls.
struct Part {
    name: &'static CStr,
    /// The table is usable after the call of one of these.
    lasts: &'static [&'static CStr],
    /// Each kernel for several CPUs has the function and the call.
    is_needed: bool,
}

/// These functions call most of the kernel later, so only what they call before the table is usable
/// is followed.
///
/// - arch/x86/kernel/smpboot.c:start_secondary has the table after the call, which is in
///   [`WITHOUT`].
/// - arch/x86/power/cpu.c:__restore_processor_state loads the table and the per-CPU base before the
///   call. The compiler makes it or fix_processor_context inline, or neither.
const PARTLY: [Part; 3] = [
    Part {
        name: c"start_secondary",
        lasts: &[c"cpu_init_exception_handling"],
        is_needed: cfg!(CONFIG_SMP),
    },
    Part {
        name: c"restore_processor_state",
        lasts: &[c"fix_processor_context", c"syscall_init"],
        is_needed: false,
    },
    Part {
        name: c"__restore_processor_state",
        lasts: &[c"fix_processor_context", c"syscall_init"],
        is_needed: false,
    },
];

/// Functions that call nothing before the table is usable, or after it is lost.
///
/// - arch/x86/kernel/acpi/wakeup_64.S:do_suspend_lowlevel resumes in its middle.
/// - kernel/power/hibernate.c:create_image continues in the kernel of the image, with the registers
///   of the kernel that has loaded the image.
/// - arch/x86/kernel/machine_kexec_64.c:machine_kexec clears the per-CPU base before it leaves.
const ALONE: [&CStr; 5] = [
    c"do_suspend_lowlevel",
    c"create_image",
    c"hibernation_snapshot",
    c"machine_kexec",
    c"relocate_kernel",
];

/// The functions that report that their CPU is dead (kernel/cpu.c:cpuhp_ap_report_dead), and their
/// callers. What they call before that is not followed.
const DEAD_CALLERS: [&CStr; 8] = [
    c"native_play_dead",
    c"resume_play_dead",
    c"acpi_mp_play_dead",
    c"sev_es_play_dead",
    c"xen_pv_play_dead",
    c"play_dead_common",
    c"cpuhp_ap_report_dead",
    c"tboot_shutdown",
];

/// The functions that a dead CPU runs, with all that they call. cpuidle calls some of them through
/// pointers.
const DEAD: [&CStr; 8] = [
    c"cpuidle_play_dead",
    c"acpi_idle_play_dead",
    c"acpi_processor_ffh_play_dead",
    c"intel_idle_enter_dead",
    c"mwait_play_dead",
    c"hlt_play_dead",
    c"asm_acpi_mp_play_dead",
    c"sev_es_ap_hlt_loop",
];

/// Functions that this text calls, and that return at once: the beginnings of their names. They are
/// reserved, and not followed.
///
/// - The scheduler, because interrupts are off.
/// - On a kernel with lockdep, what it notes of a lock that is taken.
const NOT_TAKEN: [&[u8]; 2] = [b"preempt_schedule", b"mark_lock"];

/// The functions with these names, where they can be probed.
const RETURN_AT_ONCE: [&CStr; 3] = [
    c"preempt_schedule",
    c"preempt_schedule_notrace",
    c"mark_lock",
];

/// More functions than either walk finds on a kernel with all debug options.
const MOST: usize = 512;

/// Puts all of this text into `index`.
///
/// # Errors
///
/// ENOMEM.
pub(super) fn reserve(locks: &TextLocks, index: &mut Index<Kernel>) -> Result {
    let mut without = Walk::new("all that runs without an interrupt table", MOST, is_taken);
    without.add_alone(&ALONE)?;
    without.add_alone(&RETURN_AT_ONCE)?;
    without.add_alone(&PARTLY.map(|part| part.name))?;
    whole(without.add_names(&WITHOUT))?;
    for part in PARTLY {
        follow_part(&mut without, locks, &part)?;
    }
    follow(&mut without, locks)?;
    without.reserve(index, Kind::NoTable)?;

    let mut dead = Walk::new("all that runs on a dead CPU", MOST, is_taken);
    dead.add_alone(&DEAD_CALLERS)?;
    whole(dead.add_names(&DEAD))?;
    follow(&mut dead, locks)?;
    dead.reserve(index, Kind::DeadCpu)
}

/// Follows what a function of [`PARTLY`] calls while it has no table.
fn follow_part(walk: &mut Walk, locks: &TextLocks, part: &Part) -> Result {
    let Some(function) = symbols::function(symbols::lookup(part.name)) else {
        if part.is_needed {
            walk.unknown(part.name, "is not in this kernel");
        }
        return Ok(());
    };
    let mut found = false;
    for last in part.lasts {
        let last = symbols::lookup(last);
        if last != 0 && !found {
            found = whole(walk.follow_to(locks, &function, last))?.unwrap_or(true);
        }
    }
    if !found && part.is_needed {
        walk.unknown(part.name, "does not call what loads the table");
    }
    Ok(())
}

/// Follows all that was added, also after a function that cannot be followed.
fn follow(walk: &mut Walk, locks: &TextLocks) -> Result {
    while whole(walk.follow_all(locks, &[]))?.is_none() && !walk.is_lost() {}
    Ok(())
}

/// The result of a step of a walk; `None` if the step did not find all, which the log tells.
///
/// # Errors
///
/// ENOMEM.
fn whole<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error == not_supported() => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_taken(function: &Symbol) -> bool {
    walk::is_taken(function, &NOT_TAKEN)
}
