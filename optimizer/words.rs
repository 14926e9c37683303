// SPDX-License-Identifier: GPL-2.0

//! The words in which the optimizer and its backend talk about sites.

/// The most bytes that a region can cover: 4 bytes and one instruction of 15 bytes.
pub const MAX_REGION: usize = 19;

/// The number of a pass of the optimizer. The first pass has number 1; 0 stands for no pass.
pub type Pass = u64;

/// How the hits of a site come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SiteLane {
    /// By an int3 or a jump, poked into the text.
    Text,
    /// By the function's ftrace entry.
    Ftrace,
}

/// A change of the text at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Poke {
    /// Original byte to int3, or ftrace on.
    Arm,
    /// Int3 to the original byte, or ftrace off.
    Disarm,
    /// Int3 to jump.
    Optimize,
    /// Jump to int3 and the original bytes after it.
    Unoptimize,
}

/// Why a poke was not done: the text has changed since our last poke, another user of the text
/// claims it, or memory is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Foreign {
    /// The bytes at the site are neither ours nor the original ones.
    Bytes,
    /// A native kprobe is at the site's address.
    KprobeHere,
    /// A native kprobe's instruction bytes overlap the bytes to be poked.
    KprobeNear,
    /// Tasks are registering native kprobes, and one of these may be in bytes that the site hides.
    KprobesComing,
    /// Another site's jump covers the address, and could not be removed.
    Jump,
    /// ftrace refused to attach or detach.
    Ftrace,
    /// There was no memory to attach or detach through ftrace.
    NoMemory,
}

/// When the delayed optimizer should run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// After the optimizer's delay.
    Normal,
    /// Much later, because foreign bytes prevent the work now.
    Retry,
}

/// Where a jump goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JumpTo {
    /// To the detour, which calls the handlers.
    Detour,
    /// To the part of the slot that counts the hit and calls no handler.
    Count,
}

/// Which handlers a probe has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Handlers {
    /// None: the probe counts its hits.
    None,
    /// A handler before the instruction.
    Pre,
    /// A handler after the instruction, and maybe one before it.
    Post,
}

impl Handlers {
    /// How many handlers and how many post_handlers the probe adds to its site.
    pub(super) fn counts(self) -> (u32, u32) {
        match self {
            Handlers::None => (0, 0),
            Handlers::Pre => (1, 0),
            Handlers::Post => (1, 1),
        }
    }
}
