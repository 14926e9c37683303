// SPDX-License-Identifier: GPL-2.0

//! The CPUs: each is a thread. Their sections with interrupts off are what RCU waits for.
//!
//! A section holds the lock of its CPU, and `synchronize_rcu` takes and releases each of these locks. So
//! a section that began before the wait ends before the wait does, and what it did is ordered before
//! the end of the wait. A section that begins after the CPU's turn sees what was done before the wait.
//! RCU guarantees no more than that: sections of two CPUs are not ordered by it.

use core::cell::{Cell, RefCell};
use loom::sync::Mutex;
use loom::thread::{self, JoinHandle};

/// How many CPUs take hits. The writer is one more thread, which takes none while they do.
pub(crate) const CPUS: usize = 2;

loom::lazy_static! {
    static ref SECTIONS: [Mutex<()>; CPUS] = [Mutex::new(()), Mutex::new(())];
}

loom::thread_local! {
    static NUMBER: Cell<usize> = Cell::new(0);
    static BUSY: Cell<u32> = Cell::new(0);
    static NMI: RefCell<Option<Nmi>> = RefCell::new(None);
}

/// What an NMI does, and after which access to the busy flag it comes.
struct Nmi {
    accesses: usize,
    run: fn(),
}

/// An NMI comes after so many more accesses of this CPU to the busy flag.
pub(crate) fn nmi_after(accesses: usize, run: fn()) {
    NMI.with(|nmi| *nmi.borrow_mut() = Some(Nmi { accesses, run }));
}

/// The busy flag was accessed.
fn accessed() {
    let run = NMI.with(|nmi| {
        let mut nmi = nmi.borrow_mut();
        let next = nmi.as_mut()?;
        next.accesses -= 1;
        if next.accesses == 0 {
            nmi.take().map(|nmi| nmi.run)
        } else {
            None
        }
    });
    if let Some(run) = run {
        run();
    }
}

/// A counter that each CPU has for itself.
pub(crate) type PerCpu = [Cell<usize>; CPUS];

/// Makes the locks, so that the first use of one orders nothing.
pub(crate) fn boot() {
    assert_eq!(SECTIONS.len(), CPUS);
}

/// Starts a CPU.
pub(crate) fn start(number: usize, run: impl FnOnce() + 'static) -> JoinHandle<()> {
    thread::spawn(move || {
        NUMBER.with(|of_this| of_this.set(number));
        run();
    })
}

/// A section with interrupts off: an int3, a detour, a call of the function tracer.
pub(crate) fn interrupts_off<R>(run: impl FnOnce() -> R) -> R {
    let number = NUMBER.with(Cell::get);
    let _section = SECTIONS[number].lock();
    run()
}

pub(crate) fn synchronize_rcu() {
    for section in SECTIONS.iter() {
        drop(section.lock());
    }
}

/// The per-CPU variable `rk_busy`. Unsafe because the instruction that it replaces is.
///
/// # Safety
///
/// There is no condition.
pub(crate) unsafe fn busy() -> u32 {
    let busy = BUSY.with(Cell::get);
    accessed();
    busy
}

/// Sets `rk_busy`. Unsafe because the instruction that it replaces is.
///
/// # Safety
///
/// There is no condition.
pub(crate) unsafe fn set_busy(busy: u32) {
    BUSY.with(|of_this| of_this.set(busy));
    accessed();
}

/// Counts a hit on this CPU.
///
/// # Safety
///
/// The counter is allocated.
pub(crate) unsafe fn add_hit(hits: *mut PerCpu) {
    let number = NUMBER.with(Cell::get);
    // SAFETY: the caller's promise. No other thread has this CPU's part.
    let hits = unsafe { &(*hits)[number] };
    hits.set(hits.get() + 1);
}
