// SPDX-License-Identifier: GPL-2.0

//! Containers of the pure files: arrays that grow or fail, slabs, sorting and searching.

pub mod search;
pub mod slab;
pub mod sort;
