// SPDX-License-Identifier: GPL-2.0

//! Bindings to `helpers.h`, generated in Kbuild.

#![allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unsafe_op_in_unsafe_fn,
    improper_ctypes,
    unreachable_pub,
    dead_code
)]

use kernel::ffi;

include!(env!("RKPROBES_BINDINGS"));
