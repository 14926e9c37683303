// SPDX-License-Identifier: GPL-2.0

//! What the kernel offers: bindings, symbols, locks, memory. Nothing is decided here.

pub(crate) mod compat;
mod error;
pub(crate) mod ffi;
pub(crate) mod functions;
pub(crate) mod growable;
pub(crate) mod locks;
pub(crate) mod notifier;
pub(crate) mod processor;
pub(crate) mod registering;
pub(crate) mod release;
pub(crate) mod stats;
pub(crate) mod symbols;
pub(crate) mod target;
pub(crate) mod task;
pub(crate) mod types;
pub(crate) mod warning;
