// SPDX-License-Identifier: GPL-2.0

//! The kernel's waits.

pub(crate) mod rcu {
    pub(crate) use crate::cpu::synchronize_rcu;
}
