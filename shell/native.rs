// SPDX-License-Identifier: GPL-2.0

//! Native kprobes: where they are, what they have replaced, and what they are refused.

pub(crate) mod blacklist;
pub(crate) mod fence;
pub(crate) mod lookup;
