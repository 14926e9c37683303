// SPDX-License-Identifier: GPL-2.0

//! Compiled arguments: what each one fetches, and where its value is in the record.

use super::types::{
    Bits,
    ValueType, //
};
use crate::containers::slab::{
    Array,
    Arrays, //
};
use core::ops::Range;

/// Bytes of the record before the first value.
pub const HEAD: usize = 16;

/// The largest number of bytes that the values of an event may have, without the strings' text.
pub const FIXED_MAX: usize = 3072;

/// The largest number of arguments of an event.
pub const ARGUMENTS_MAX: usize = 128;

/// An address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// The kernel's.
    Kernel,
    /// The current task's.
    User,
}

/// The arguments of an event.
///
/// # Invariants
///
/// The ranges of each argument are in `steps` and in `text`. The values end at `end`.
pub struct Arguments<A: Arrays> {
    pub(super) list: A::Of<Argument>,
    pub(super) steps: A::Of<Access>,
    /// Names and C types, each with a final zero, and expressions.
    pub(super) text: A::Of<u8>,
    /// Bytes of the record before the strings.
    pub(super) end: usize,
    /// The size of a stack, to which it is aligned.
    pub(super) stack_size: u64,
}

impl<A: Arrays> Default for Arguments<A> {
    fn default() -> Self {
        Self {
            list: A::Of::default(),
            steps: A::Of::default(),
            text: A::Of::default(),
            end: HEAD,
            stack_size: 0,
        }
    }
}

impl<A: Arrays> Arguments<A> {
    /// How many arguments there are.
    pub fn len(&self) -> usize {
        self.list.as_slice().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the record without the strings' text: the smallest record that
    /// [`run`](Arguments::run) accepts.
    pub fn fixed_len(&self) -> usize {
        self.end
    }

    /// Whether records have strings, so that their length differs.
    pub fn has_strings(&self) -> bool {
        let mut list = self.list.as_slice().iter();
        list.any(|argument| argument.value_type.is_string())
    }

    /// Whether both were compiled to one program: they are if they have one text, and the symbols and the
    /// types in it are what they were.
    pub fn is_same(&self, other: &Self) -> bool {
        self.list.as_slice() == other.list.as_slice()
            && self.steps.as_slice() == other.steps.as_slice()
            && self.text.as_slice() == other.text.as_slice()
    }

    /// The kept text at `range`.
    pub(super) fn text_at(&self, range: TextRange) -> &[u8] {
        let range = range.start as usize..range.end as usize;
        self.text.as_slice().get(range).unwrap_or(&[])
    }

    /// The accesses of an argument.
    pub(super) fn steps_of(&self, argument: &Argument) -> &[Access] {
        let range = argument.steps.start as usize..argument.steps.end as usize;
        self.steps.as_slice().get(range).unwrap_or(&[])
    }
}

/// A range of kept text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TextRange {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) load: Load,
    pub(super) steps: Range<u32>,
    pub(super) store: Store,
    pub(super) value_type: &'static ValueType,
    pub(super) bits: Option<Bits>,
    /// The size of the array; 0 is no array.
    pub(super) count: u8,
    /// The offset in the record.
    pub(super) offset: usize,
    pub(super) name: TextRange,
    pub(super) c_type: TextRange,
    pub(super) expression: TextRange,
}

impl Argument {
    /// The offsets in the record of the value, or of the elements of the array.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        let size = usize::from(self.value_type.size);
        let first = self.offset;
        (0..usize::from(self.count.max(1)))
            .map(move |index| first.saturating_add(index.saturating_mul(size)))
    }
}

/// The first value of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// A register, by number.
    Register(u8),
    /// The stack pointer.
    StackPointer,
    /// A word of the stack, by index.
    Stack(u16),
    /// A number.
    Immediate(u64),
    /// The address of the task's name.
    Comm,
    /// The address of the task.
    Current,
    /// A string of the line.
    Text(TextRange),
}

/// What makes the next value of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// The word at the address that is the value and the offset.
    Read { space: Space, offset: i32 },
    /// This CPU's address of a per-CPU variable.
    ThisCpu,
}

/// How the last value gets into the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// The register `number` is recorded: the most frequent argument has a short way.
    Register { number: u8, size: u8 },
    /// It is recorded.
    Value,
    /// What is at the address is recorded.
    Memory { space: Space, offset: i32 },
    /// The string at the address is recorded.
    String { space: Space, offset: i32 },
    /// The symbol and offset of the address are recorded as a string.
    SymbolString,
}
