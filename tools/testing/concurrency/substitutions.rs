// SPDX-License-Identifier: GPL-2.0

//! What the host replaces in the module's files.

/// The file, the text that is replaced wherever the file has it (at least once), and the replacement.
pub const SUBSTITUTIONS: &[(&str, &str, &str)] = &[
    (
        "arch_x86/int3_table.rs",
        "core::sync::atomic::",
        "crate::atomic::",
    ),
    // A static of the model checker is made anew for each execution.
    (
        "arch_x86/int3_table.rs",
        "static CURRENT: AtomicPtr<Buckets> = AtomicPtr::new(null_mut());",
        "loom::lazy_static! {
    static ref CURRENT: AtomicPtr<Buckets> = AtomicPtr::new(null_mut());
}",
    ),
    // Three addresses fill it, so collisions and growth need few steps.
    (
        "arch_x86/int3_table.rs",
        "const SMALLEST: usize = 256;",
        "const SMALLEST: usize = 4;",
    ),
    (
        "arch_x86/probe_list.rs",
        "core::sync::atomic::",
        "crate::atomic::",
    ),
    // The atomics of the model checker cannot be made in constants.
    (
        "arch_x86/probe_list.rs",
        "pub(crate) const fn new() -> Self {",
        "pub(crate) fn new() -> Self {",
    ),
    // A volatile access is READ_ONCE or WRITE_ONCE: a relaxed atomic access.
    (
        "arch_x86/probe_list.rs",
        "(*self.0).flags & flag != 0",
        "(*self.0).flags.load(Ordering::Relaxed) & flag != 0",
    ),
    (
        "arch_x86/probe_list.rs",
        "flags.read_volatile();",
        "(*flags).load(Ordering::Relaxed);",
    ),
    (
        "arch_x86/probe_list.rs",
        "flags.write_volatile(if on { old | flag } else { old & !flag });",
        "(*flags).store(if on { old | flag } else { old & !flag }, Ordering::Relaxed);",
    ),
    (
        "arch_x86/probe_list.rs",
        "addr_of!((*probe).flags).read_volatile()",
        "(*addr_of!((*probe).flags)).load(Ordering::Relaxed)",
    ),
    (
        "arch_x86/trap.rs",
        "core::sync::atomic::",
        "crate::atomic::",
    ),
    // Here it is an address only: detour_entry.rs of this crate calls its handler.
    (
        "arch_x86/trap.rs",
        "addr_of_mut!(ffi::rk_any_probe)",
        "addr_of_mut!(ffi::RK_ANY_PROBE).cast()",
    ),
    (
        "arch_x86/handlers.rs",
        "core::sync::atomic::",
        "crate::atomic::",
    ),
    ("arch_x86/handlers.rs", "use core::arch::asm;", ""),
    (
        "arch_x86/handlers.rs",
        "pub(crate) static MISSED: AtomicU64 = AtomicU64::new(0);",
        "loom::lazy_static! {
    pub(crate) static ref MISSED: AtomicU64 = AtomicU64::new(0);
}",
    ),
    (
        "arch_x86/handlers.rs",
        r#"asm!(
            "movl %gs:{flag}(%rip), {busy:e}",
            flag = sym ffi::rk_busy,
            busy = out(reg) busy,
            options(att_syntax, nostack, preserves_flags, readonly),
        );"#,
        "busy = crate::cpu::busy();",
    ),
    (
        "arch_x86/handlers.rs",
        r#"asm!(
            "movl {busy:e}, %gs:{flag}(%rip)",
            flag = sym ffi::rk_busy,
            busy = in(reg) busy,
            options(att_syntax, nostack, preserves_flags),
        );"#,
        "crate::cpu::set_busy(busy);",
    ),
    (
        "arch_x86/handlers.rs",
        r#"asm!("incq %gs:({})", in(reg) hits, options(att_syntax, nostack))"#,
        "crate::cpu::add_hit(hits)",
    ),
    // Here the assembly has nothing to do for unwinders.
    (
        "arch_x86/handlers.rs",
        "ffi::rk_call_pre_handler(probe, regs, Some(handler))",
        "handler(probe, regs)",
    ),
    // A failed assertion goes through these functions.
    (
        "arch_x86/handlers.rs",
        r#"unsafe extern "C" fn rk_detour_"#,
        r#"pub(crate) unsafe extern "C-unwind" fn rk_detour_"#,
    ),
];
