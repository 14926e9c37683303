// SPDX-License-Identifier: GPL-2.0

//! Instructions that are executed outside of their function: copies, emulation, and slots.

pub mod emulate;
pub mod relocate;
pub mod slot_image;
