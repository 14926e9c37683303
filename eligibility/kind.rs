// SPDX-License-Identifier: GPL-2.0

//! The kinds of reserved text, with all that is known of each. A new kind is added to the one table
//! here.

use super::errno;
use core::ffi::CStr;

/// The bytes that entries of a kind cover.
enum Covers {
    /// One instruction, which must not be probed or be in a region.
    Site,
    /// Whole functions or sections, of any length.
    Area,
    /// A place that is jumped to. It may be probed, but must not be inside a region.
    Target,
}

macro_rules! kinds {
    ($(
        #[doc = $doc:literal]
        $kind:ident {
            covers: $covers:ident,
            errno: $errno:ident,
            word: $word:literal,
            refusal: $refusal:literal,
            in_region: $in_region:literal,
        }
    )*) => {
        /// Why text is reserved.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $(
                #[doc = $doc]
                $kind,
            )*
        }

        impl Kind {
            const ALL: &[Kind] = &[$(Kind::$kind),*];

            const fn covers(self) -> Covers {
                match self {
                    $(Kind::$kind => Covers::$covers,)*
                }
            }

            /// The error number, positive, of a probe on text of this kind.
            pub(super) const fn errno(self) -> i32 {
                match self {
                    $(Kind::$kind => errno::$errno,)*
                }
            }

            /// One word for listings.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Kind::$kind => $word,)*
                }
            }

            /// Why a probe on text of this kind is refused, and what to do.
            pub(super) const fn refusal(self) -> &'static CStr {
                match self {
                    $(Kind::$kind => $refusal,)*
                }
            }

            /// Why a region with text of this kind is not a jump.
            pub(super) const fn in_region(self) -> &'static str {
                match self {
                    $(Kind::$kind => $in_region,)*
                }
            }
        }
    };
}

kinds! {
    /// A jump label: a nop or a jump, which the kernel exchanges.
    JumpLabel {
        covers: Site,
        errno: EINVAL,
        word: "jump-label",
        refusal: c"jump label, which the kernel changes: choose the next instruction",
        in_region: "jump label in the region",
    }
    /// A static call, whose target the kernel exchanges.
    StaticCall {
        covers: Site,
        errno: EINVAL,
        word: "static-call",
        refusal: c"static call, which the kernel changes: choose the next instruction",
        in_region: "static call in the region",
    }
    /// The place where a function calls the function tracer.
    Ftrace {
        covers: Site,
        errno: EOPNOTSUPP,
        word: "ftrace",
        refusal: c"function entry without the function tracer: choose an offset",
        in_region: "function tracer's call in the region",
    }
    /// A BUG or WARN: the trap handler finds it by its address.
    Bug {
        covers: Site,
        errno: EINVAL,
        word: "bug",
        refusal: c"BUG or WARN, found by its address: choose another instruction",
        in_region: "BUG or WARN in the region",
    }
    /// An instruction with an exception-table entry.
    ExtableInsn {
        covers: Site,
        errno: EOPNOTSUPP,
        word: "exception-table",
        refusal: c"has an exception-table entry, a fault in our copy would find none: choose another instruction",
        in_region: "instruction with exception-table entry in the region",
    }
    /// The target of a jump label when it is switched on.
    JumpTarget {
        covers: Target,
        errno: EINVAL,
        word: "jump-label-target",
        refusal: c"something jumps here",
        in_region: "jump into the region",
    }
    /// The place where the exception table continues after a fault.
    ExtableFixup {
        covers: Target,
        errno: EINVAL,
        word: "exception-fixup",
        refusal: c"something jumps here",
        in_region: "jump into the region",
    }
    /// The target of a jump in another piece of a function.
    PieceTarget {
        covers: Target,
        errno: EINVAL,
        word: "piece-target",
        refusal: c"something jumps here",
        in_region: "jump into the region",
    }
    /// Text in the kernel's kprobe blacklist.
    Blacklist {
        covers: Area,
        errno: EINVAL,
        word: "kprobe-blacklist",
        refusal: c"in the kprobe blacklist: choose another function",
        in_region: "blacklisted text in the region",
    }
    /// Text that must not be instrumented: noinstr and entry sections.
    Noinstr {
        covers: Area,
        errno: EINVAL,
        word: "noinstr",
        refusal: c"noinstr or entry text: choose another function",
        in_region: "noinstr text in the region",
    }
    /// Text that runs between a breakpoint and our handler, or on the way back.
    Int3Path {
        covers: Area,
        errno: EINVAL,
        word: "int3-path",
        refusal: c"runs between a breakpoint and its handler: choose another function",
        in_region: "text of the breakpoint path in the region",
    }
    /// Text that a CPU runs without a usable interrupt table.
    NoTable {
        covers: Area,
        errno: EINVAL,
        word: "no-interrupt-table",
        refusal: c"runs without an interrupt table: choose another function",
        in_region: "text that runs without an interrupt table in the region",
    }
    /// Text that a CPU runs after it has reported that it is dead.
    DeadCpu {
        covers: Area,
        errno: EINVAL,
        word: "dead-cpu",
        refusal: c"runs on a CPU that is dead: choose another function",
        in_region: "text that a dead CPU runs in the region",
    }
    /// Text of a livepatch module.
    Livepatch {
        covers: Area,
        errno: EINVAL,
        word: "livepatch",
        refusal: c"text of a livepatch, which the kernel changes when it loads a module: probe the old function's entry",
        in_region: "text of a livepatch in the region",
    }
    /// Text of this module.
    OwnText {
        covers: Area,
        errno: EINVAL,
        word: "own-text",
        refusal: c"text of this module: choose another function",
        in_region: "text of this module in the region",
    }
    /// Bytes before a function: its type hash, or padding that mitigations fill.
    Preamble {
        covers: Area,
        errno: EINVAL,
        word: "preamble",
        refusal: c"bytes before a function: choose the function",
        in_region: "function preamble in the region",
    }
}

impl Kind {
    /// A place that is jumped to. It may be probed, but must not be inside a region.
    pub const fn is_target(self) -> bool {
        matches!(self.covers(), Covers::Target)
    }

    /// Whole functions or sections, of any length.
    pub const fn is_area(self) -> bool {
        matches!(self.covers(), Covers::Area)
    }

    /// The kind with the discriminant `number`.
    pub(super) fn from_number(number: u32) -> Option<Kind> {
        Kind::ALL.get(number as usize).copied()
    }
}
