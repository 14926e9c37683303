// SPDX-License-Identifier: GPL-2.0

//! An event's arguments: what a hit records besides its address.
//!
//! The language is that of kprobe_events, so that its lines and their consumers can be moved:
//! `[NAME=]FETCH[:TYPE]`. [`Arguments::parse`] reads the words of a line, resolves symbols and lays
//! out the record. [`Arguments::run`] evaluates all arguments on a hit: it allocates nothing, writes
//! only inside of the record, and goes on after a fault. The rest describes the record to its
//! readers: [`Arguments::fields`], [`Arguments::print_fmt`] and [`Arguments::print`].
//!
//! # The record
//!
//! [`HEAD`] bytes are the caller's: `struct trace_entry` and the address of the probe. The values
//! follow one another without padding. The value of a string is a word: the string's offset in the
//! record, and its length with the final zero in the upper half. The strings follow the last value.
//!
//! # Differences from kprobe_events
//!
//! After a fault, kprobe_events leaves in the record what was in its memory before, and a string's
//! word may refer to the next string. Here the value is 0, and the string is a fault. A string that does
//! not fit is cut, where kprobe_events loses the record. A line that kprobe_events accepts and
//! executes wrongly is refused: text after a brace, offsets of more than 32 bits, and an array of
//! strings that no memory holds.

mod btf;
mod compile;
mod error;
mod facts;
mod fetch;
mod members;
mod number;
mod parameters;
mod piece;
mod program;
mod registers;
mod run;
mod show;
mod store;
mod types;

pub use btf::{
    KernelTypes,
    FUNC, //
};
pub use error::{
    ArgumentError,
    ArgumentRefusal, //
};
pub use facts::{
    KernelFacts,
    ProbePlace, //
};
pub use program::{
    Arguments,
    Space,
    ARGUMENTS_MAX,
    FIXED_MAX,
    HEAD, //
};
pub use registers::{
    HitRegisters,
    REGISTERS, //
};
pub use run::HitMemory;
pub use show::{
    ArgumentField,
    Printer, //
};
