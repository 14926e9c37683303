// SPDX-License-Identifier: GPL-2.0

//! `rkprobe`: looks into a running kernel with the probes of the module rkprobes.
//!
//! Each file is one concept. `files` reaches the module, `probes` has what it says of its probes,
//! `owner` removes the probes of this process, `text` reads instructions, `blocks` and `heat` count
//! them. `commands` has one file for each command.

#![forbid(unsafe_code)]

pub mod blocks;
pub mod cli;
pub mod commands;
pub mod disassembly;
pub mod error;
pub mod files;
pub mod glob;
pub mod graph;
pub mod heat;
pub mod instance;
pub mod kcore;
pub mod output;
pub mod owner;
pub mod probes;
pub mod symbols;
pub mod text;
pub mod top;
pub mod wait;
