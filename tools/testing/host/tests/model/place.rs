// SPDX-License-Identifier: GPL-2.0

//! Where things are: the modelled addresses, and what the compiler put there.

use super::optimizer::SiteLane;

/// Bytes of modelled text.
pub const SIZE: usize = 16;
/// Where the function ends whose module can go; behind it is the kernel's own text.
pub const MODULE_END: usize = 9;
/// What the modelled addresses start at.
pub const BASE: usize = 0x1000;
/// The length of a jump.
pub const JUMP: usize = 5;

/// The addresses where probes stand.
///
/// The function's instructions are at 0, 2, 3 and 7; it ends at 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// 0: its jump would cover `Middle` and `Inner`, and its detour returns to 7.
    Outer,
    /// 2: one byte, no jump possible.
    Middle,
    /// 3: its jump would cover 7, where the detour of `Outer` returns to.
    Inner,
    /// 10: one instruction of five bytes, in text that stays.
    Single,
    /// 15: an ftrace entry.
    Entry,
}

impl Place {
    /// All of them.
    pub const ALL: [Place; 5] = [
        Place::Outer,
        Place::Middle,
        Place::Inner,
        Place::Single,
        Place::Entry,
    ];

    /// Its offset in the modelled text.
    pub fn offset(self) -> usize {
        match self {
            Place::Outer => 0,
            Place::Middle => 2,
            Place::Inner => 3,
            Place::Single => 10,
            Place::Entry => 15,
        }
    }

    /// Its address.
    pub fn addr(self) -> usize {
        BASE + self.offset()
    }

    /// The length of its first instruction.
    pub fn first(self) -> usize {
        match self {
            Place::Outer => 2,
            Place::Middle | Place::Entry => 1,
            Place::Inner => 4,
            Place::Single => 5,
        }
    }

    /// The bytes that its jump would cover.
    pub fn region(self) -> usize {
        match self {
            Place::Outer => 7,
            Place::Inner => 6,
            Place::Single => 5,
            Place::Middle | Place::Entry => 0,
        }
    }

    /// How it is reached.
    pub fn lane(self) -> SiteLane {
        match self {
            Place::Entry => SiteLane::Ftrace,
            _ => SiteLane::Text,
        }
    }

    /// Whether it is in the text that can go.
    pub fn in_module(self) -> bool {
        self.offset() < MODULE_END
    }
}

/// The length of the instruction at an offset where one begins.
pub fn instruction(at: usize) -> usize {
    match at {
        0 => 2,
        2 => 1,
        3 => 4,
        7 => 2,
        _ => JUMP,
    }
}

/// The byte that the compiler put there.
pub fn original(at: usize) -> u8 {
    0x10 + at as u8
}
