// SPDX-License-Identifier: GPL-2.0

//! The modelled addresses and the bytes of the compiler.

use super::optimizer::SiteLane;

/// Bytes of modelled text.
pub const SIZE: usize = 16;
/// The end of the function whose module can be unloaded. The text of the kernel follows it.
pub const MODULE_END: usize = 9;
/// The first modelled address.
pub const BASE: usize = 0x1000;
/// The length of a jump.
pub const JUMP: usize = 5;

/// The addresses of probes.
///
/// The function's instructions are at 0, 2, 3 and 7; it ends at 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// 0: its jump would cover `Middle` and `Inner`, and its detour returns to 7.
    Outer,
    /// 2: one byte, no jump possible.
    Middle,
    /// 3: its jump would cover 7, to which the detour of `Outer` returns.
    Inner,
    /// 10: one instruction of five bytes, in text that stays.
    Single,
    /// 15: an ftrace entry.
    Entry,
}

impl Place {
    /// All places.
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

    /// Its lane.
    pub fn lane(self) -> SiteLane {
        match self {
            Place::Entry => SiteLane::Ftrace,
            _ => SiteLane::Text,
        }
    }

    /// Whether it is in the text of the module.
    pub fn in_module(self) -> bool {
        self.offset() < MODULE_END
    }
}

/// The length of the instruction that begins at an offset.
pub fn instruction(at: usize) -> usize {
    match at {
        0 => 2,
        2 => 1,
        3 => 4,
        7 => 2,
        _ => JUMP,
    }
}

/// The byte of the compiler at an offset.
pub fn original(at: usize) -> u8 {
    0x10 + at as u8
}
