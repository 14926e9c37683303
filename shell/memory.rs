// SPDX-License-Identifier: GPL-2.0

//! The memory that hits reach: the int3 table and the slots, with the lock that protects both.

use crate::arch_x86::int3_table::{
    Retired,
    Table, //
};
use crate::shell::slots::Slots;
use kernel::prelude::*;

/// How many copies of an instruction post_handlers need; see `Trap::step`.
pub(crate) const STEPS: usize = 2;

/// The int3 table and the executable memory.
pub(crate) struct Memory {
    pub(crate) table: Table,
    pub(crate) slots: Slots,
}

impl Memory {
    const fn new() -> Self {
        Self {
            table: Table::new(),
            slots: Slots::new(),
        }
    }

    /// Takes a slot for the copies that post_handlers need, and room for the int3s that follow them.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn take_steps(&mut self) -> Result<usize> {
        self.table.reserve(STEPS)?;
        self.slots.take().inspect_err(|_| self.table.release(STEPS))
    }

    /// Gives both back.
    pub(crate) fn give_steps(&mut self, slot: usize) {
        self.table.release(STEPS);
        self.slots.give(slot);
    }
}

kernel::sync::global_lock! {
    // SAFETY: The module's init function calls `init` before anything else.
    pub(crate) unsafe(uninit) static MEMORY: Mutex<Memory> = Memory::new();
}

/// Takes the tables that were replaced, which readers may still be in.
pub(crate) fn take_retired() -> Retired {
    MEMORY.lock().table.take_retired()
}

/// Frees all of it. No hit is possible any more.
pub(crate) fn free() {
    let memory = core::mem::replace(&mut *MEMORY.lock(), Memory::new());
    drop(memory);
}
