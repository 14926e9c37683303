// SPDX-License-Identifier: GPL-2.0

//! Where a probe may be, and where its breakpoint may become a jump.
//!
//! A function is decoded once, from its live bytes, into two bitmaps: where instructions begin, and
//! where the function's own branches go. Every question about the function is answered from the
//! bitmaps and from the index of reserved text. The caller adds the branches of the function's
//! other pieces.
//!
//! # What a region must fulfil
//!
//! The region is the whole instructions that the five bytes of a jump cover. No task may reach its
//! inside, which is every byte after the first, in one of these ways:
//!
//! - By a branch. The bitmap has the branches of the function itself and those that the caller
//!   adds. The index has the branches of other pieces, of jump labels, and of exception fix-ups.
//! - By an indirect jump. The kernel is built without jump tables where it has retpolines or IBT,
//!   and with IBT every target of an indirect jump has an ENDBR, which no region may contain. A
//!   function that has a jump through a table nevertheless has no region of several instructions.
//!   An address in the function's own text that an instruction computes counts as a target.
//! - By a return. A call may only be the last instruction, so that it returns to the region's end.
//! - By waking up. RCU-tasks waits for preempted tasks, but not for tasks that sleep voluntarily.
//!   Therefore no instruction after the first may fault and sleep.
//! - In an unknown way. After a jump or return of the region only padding may follow.

mod branches;
pub mod errno;
mod function;
pub mod hidden;
mod kind;
pub mod native;
mod offsets;
pub mod refusal;
mod region;
pub mod reserved;
pub mod tables;

pub use branches::{
    collect_cross_branches,
    each_possible_jump,
    CrossBranch, //
};
pub use function::{
    leads_elsewhere,
    DecodedFunction, //
};
pub use region::Region;
