// SPDX-License-Identifier: GPL-2.0

//! Reads what an argument fetches.

use super::btf::{
    Type,
    Typed, //
};
use super::error::{
    ArgumentError,
    ArgumentRefusal as Reason, //
};
use super::facts::{
    KernelFacts,
    ProbePlace, //
};
use super::members;
use super::number;
use super::parameters::{
    parameter,
    position, //
};
use super::piece::Piece;
use super::program::{
    Access,
    Load,
    Space,
    TextRange, //
};
use super::registers;
use crate::containers::slab::{
    append,
    Array, //
};

/// How many dereferences may be nested.
const NESTED_MAX: usize = 8;

/// The access to what a kernel address refers to.
pub(super) const READ_KERNEL: Access = Access::Read {
    space: Space::Kernel,
    offset: 0,
};

/// What a dereference does with the value of its braces.
#[derive(Clone, Copy)]
enum Wrap<'a> {
    Read {
        access: Access,
        inner: Piece<'a>,
    },
    ThisCpu {
        then_read: bool,
        inner: Piece<'a>,
    },
    /// `(CAST)INNER->MEMBERS`
    Cast {
        cast: Piece<'a>,
        members: Piece<'a>,
        inner: Piece<'a>,
    },
}

impl<'a> Wrap<'a> {
    fn inner(self) -> Piece<'a> {
        match self {
            Wrap::Read { inner, .. } | Wrap::ThisCpu { inner, .. } | Wrap::Cast { inner, .. } => {
                inner
            }
        }
    }
}

/// Reads one `FETCH`.
pub(super) struct Fetcher<'f, F: KernelFacts> {
    pub(super) place: ProbePlace,
    pub(super) facts: &'f F,
    /// The function that the probe is at the entry of, if its type is known.
    pub(super) function: Option<Type<'f, F>>,
    /// The column of the expression, and the place where its text is kept.
    pub(super) column: usize,
    pub(super) kept: TextRange,
}

impl<'f, F: KernelFacts> Fetcher<'f, F> {
    /// Reads `FETCH`, and appends its accesses. Returns its first value, and the type of its last value
    /// if that is known.
    pub(super) fn fetch(
        &self,
        fetch: Piece<'_>,
        steps: &mut impl Array<Access>,
    ) -> Result<(Load, Option<Typed<'f, F>>), ArgumentError> {
        let mut wraps = [None; NESTED_MAX];
        let mut places = wraps.iter_mut();
        let mut leaf = fetch;
        while is_nested(leaf) {
            let place = places.next().ok_or(leaf.refuse(Reason::TooManyNested))?;
            let wrap = unwrap(leaf)?;
            leaf = wrap.inner();
            *place = Some(wrap);
        }
        let (load, mut typed) = self.leaf(leaf, steps)?;
        for wrap in wraps.into_iter().rev().flatten() {
            if matches!(load, Load::Comm | Load::Text(_)) {
                return Err(wrap.inner().refuse(Reason::StringDereferenced));
            }
            match wrap {
                Wrap::Read { access, .. } => {
                    typed = None;
                    append(steps, access)?;
                }
                Wrap::Cast { cast, members, .. } => {
                    typed = Some(members::of_cast(self.facts, cast, members, steps)?);
                }
                Wrap::ThisCpu { then_read, inner } => {
                    typed = None;
                    // The variable is not at the symbol's address: the access goes to this CPU's.
                    if inner.text.first() == Some(&b'@') {
                        steps.pop();
                    }
                    append(steps, Access::ThisCpu)?;
                    if then_read {
                        append(steps, READ_KERNEL)?;
                    }
                }
            }
        }
        Ok((load, typed))
    }

    /// Reads what has no braces.
    fn leaf(
        &self,
        leaf: Piece<'_>,
        steps: &mut impl Array<Access>,
    ) -> Result<(Load, Option<Typed<'f, F>>), ArgumentError> {
        if is_name_start(leaf.text) {
            return self.named(leaf, steps);
        }
        if let Some(chain) = leaf.strip_prefix(b"$current->") {
            let task = Type::structure(self.facts, b"task_struct");
            let task = task.ok_or(leaf.refuse(Reason::NoTypes))?;
            let typed = members::of_structure(task, 0, chain, steps)?;
            return Ok((Load::Current, Some(typed)));
        }
        Ok((self.untyped(leaf, steps)?, None))
    }

    /// Reads a parameter's name, and members of what it points to.
    fn named(
        &self,
        leaf: Piece<'_>,
        steps: &mut impl Array<Access>,
    ) -> Result<(Load, Option<Typed<'f, F>>), ArgumentError> {
        let function = self.function.ok_or(leaf.refuse(self.untyped_reason()))?;
        let (name, chain) = match leaf.split_at_arrow() {
            Some((name, chain)) => (name, Some(chain)),
            None => (leaf, None),
        };
        let (found, load) = position(&function, name.text)
            .and_then(|index| parameter(&function, index))
            .map_err(|reason| leaf.refuse(reason))?;
        let value = found.parameter_type;
        let typed = match chain {
            Some(chain) => members::of_pointer(value, name, chain, steps)?,
            None => Typed { value, bits: None },
        };
        Ok((load, Some(typed)))
    }

    /// Why parameters have no names.
    fn untyped_reason(&self) -> Reason {
        match self.place {
            ProbePlace::Inside => Reason::NotAtEntry,
            ProbePlace::Entries => Reason::SeveralFunctions,
            ProbePlace::Entry => Reason::NoTypes,
        }
    }

    /// Reads what has no type.
    fn untyped(
        &self,
        leaf: Piece<'_>,
        steps: &mut impl Array<Access>,
    ) -> Result<Load, ArgumentError> {
        let rest = leaf.skip(1);
        match leaf.text.first() {
            Some(b'$') => self
                .variable(rest.text)
                .map_err(|reason| leaf.refuse(reason)),
            Some(b'%') => registers::by_name(rest.text)
                .map(Load::Register)
                .ok_or(leaf.refuse(Reason::BadRegister)),
            Some(b'@') => {
                let address = self.address(leaf, rest)?;
                append(steps, READ_KERNEL)?;
                Ok(Load::Immediate(address))
            }
            Some(b'\\') => self.immediate(rest),
            _ => Err(leaf.refuse(Reason::BadFetch)),
        }
    }

    /// Reads the word after `$`.
    fn variable(&self, name: &[u8]) -> Result<Load, Reason> {
        if matches!(name, b"comm" | b"COMM") {
            return Ok(Load::Comm);
        }
        if name.starts_with(b"retval") {
            return Err(Reason::NotAtReturn);
        }
        if let Some(index) = name.strip_prefix(b"stack") {
            return self.stack(index);
        }
        if name == b"current" {
            return Ok(Load::Current);
        }
        let index = name.strip_prefix(b"arg").ok_or(Reason::BadVariable)?;
        self.argument(index)
    }

    fn stack(&self, index: &[u8]) -> Result<Load, Reason> {
        match index.first() {
            None => return Ok(Load::StackPointer),
            Some(byte) if byte.is_ascii_digit() => {}
            Some(_) => return Err(Reason::BadVariable),
        }
        let index = number::decimal(index).ok_or(Reason::BadVariable)?;
        if index > self.stack_words() {
            return Err(Reason::BadStackNumber);
        }
        let index = u16::try_from(index).map_err(|_| Reason::BadStackNumber)?;
        Ok(Load::Stack(index))
    }

    fn argument(&self, number: &[u8]) -> Result<Load, Reason> {
        // The types of the parameters have replaced this where they are known.
        if number == b"*" {
            return Err(match self.function {
                Some(_) => Reason::NoParameter,
                None => self.untyped_reason(),
            });
        }
        let number = number::decimal(number).ok_or(Reason::BadVariable)?;
        if number > self.stack_words() {
            return Err(Reason::BadArgumentNumber);
        }
        let number = u16::try_from(number).map_err(|_| Reason::BadArgumentNumber)?;
        let index = number.checked_sub(1).ok_or(Reason::BadArgumentNumber)?;
        if self.place == ProbePlace::Inside {
            return Err(Reason::NotAtEntry);
        }
        // The word before the arguments on the stack is the return address.
        Ok(match registers::of_argument(usize::from(index)) {
            Some(register) => Load::Register(register),
            None => Load::Stack(index.saturating_sub(5)),
        })
    }

    /// How many words a stack has.
    fn stack_words(&self) -> u64 {
        self.facts.stack_size() / 8
    }

    /// Reads the address after `@`.
    fn address(&self, leaf: Piece<'_>, address: Piece<'_>) -> Result<u64, ArgumentError> {
        match address.text.first() {
            Some(byte) if byte.is_ascii_digit() => {
                return number::unsigned(address.text).ok_or(leaf.refuse(Reason::BadAddress));
            }
            Some(b'+') => return Err(leaf.refuse(Reason::FileOffset)),
            _ => {}
        }
        let (symbol, offset) = match address.split_at_sign() {
            Some((symbol, offset)) => {
                let number = number::signed(offset.text);
                let number = number.ok_or(offset.refuse(Reason::BadSymbolOffset))?;
                (symbol, number)
            }
            None => (address, 0),
        };
        self.facts
            .symbol(symbol.text)
            .map(|start| start.wrapping_add_signed(offset))
            .ok_or(symbol.refuse(Reason::UnknownSymbol))
    }

    /// Reads the number or the string after `\`.
    fn immediate(&self, immediate: Piece<'_>) -> Result<Load, ArgumentError> {
        if let Some(text) = immediate.strip_prefix(b"\"") {
            let text = text
                .strip_suffix(b"\"")
                .ok_or(text.refuse_end(Reason::StringNotClosed))?;
            return Ok(Load::Text(self.kept_range(text)));
        }
        let bits = |number| 0_u64.wrapping_add_signed(number);
        let number = match immediate.text {
            [b'0'..=b'9', ..] => number::unsigned(immediate.text),
            [b'-', ..] => number::signed(immediate.text).map(bits),
            [b'+', rest @ ..] => number::signed(rest).map(bits),
            _ => None,
        };
        number
            .map(Load::Immediate)
            .ok_or(immediate.refuse(Reason::BadImmediate))
    }

    /// Where a piece of the expression is kept.
    fn kept_range(&self, piece: Piece<'_>) -> TextRange {
        let ahead = piece.column.saturating_sub(self.column);
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        let len = u32::try_from(piece.text.len()).unwrap_or(u32::MAX);
        let start = self.kept.start.saturating_add(ahead).min(self.kept.end);
        let end = start.saturating_add(len).min(self.kept.end);
        TextRange { start, end }
    }
}

const THIS_CPU_PTR: &[u8] = b"this_cpu_ptr(";
const THIS_CPU_READ: &[u8] = b"this_cpu_read(";

fn is_nested(piece: Piece<'_>) -> bool {
    matches!(piece.text.first(), Some(b'+' | b'-' | b'('))
        || piece.text.starts_with(THIS_CPU_PTR)
        || piece.text.starts_with(THIS_CPU_READ)
}

/// Reads the outer braces, and what is before them.
fn unwrap(piece: Piece<'_>) -> Result<Wrap<'_>, ArgumentError> {
    if let Some(rest) = piece.strip_prefix(THIS_CPU_PTR) {
        return Ok(Wrap::ThisCpu {
            then_read: false,
            inner: in_braces(rest)?,
        });
    }
    if let Some(rest) = piece.strip_prefix(THIS_CPU_READ) {
        return Ok(Wrap::ThisCpu {
            then_read: true,
            inner: in_braces(rest)?,
        });
    }
    if let Some(cast) = piece.strip_prefix(b"(") {
        return unwrap_cast(cast);
    }
    let (offset, rest) = piece
        .split_at_first(b'(')
        .ok_or(piece.refuse(Reason::NoBrace))?;
    let access = access(offset.text).ok_or(piece.refuse(Reason::BadOffset))?;
    Ok(Wrap::Read {
        access,
        inner: in_braces(rest)?,
    })
}

/// The offset after the brace that closes the one at `open`.
fn closing(text: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.iter().enumerate().skip(open) {
        match byte {
            b'(' => depth = depth.saturating_add(1),
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at.checked_add(1);
        }
    }
    None
}

/// Whether a text begins as a name does.
fn is_name_start(text: &[u8]) -> bool {
    let first = text.first();
    first.is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
}

/// Reads `STRUCTURE[,MEMBER])FETCH->MEMBERS`.
fn unwrap_cast(piece: Piece<'_>) -> Result<Wrap<'_>, ArgumentError> {
    let (cast, fetch) = piece
        .split_at_first(b')')
        .ok_or(piece.refuse_end(Reason::BraceNotClosed))?;
    // The value ends with the brace that closes its first one, or before the first arrow.
    let braces = match fetch.text.iter().position(|byte| *byte == b'(') {
        Some(open) if is_nested(fetch) => {
            let close = closing(fetch.text, open);
            close.ok_or(fetch.refuse_end(Reason::BraceNotClosed))?
        }
        _ => 0,
    };
    let refused = fetch.refuse_end(Reason::CastWithoutMember);
    let (_, after) = fetch.split(braces).ok_or(refused)?;
    let (between, members) = after.split_at_arrow().ok_or(refused)?;
    let end = braces.saturating_add(between.text.len());
    let (inner, _) = fetch.split(end).ok_or(refused)?;
    if braces != 0 && !between.text.is_empty() {
        return Err(between.refuse(Reason::CastWithoutMember));
    }
    let whole = inner.strip_prefix(b"(");
    let inner = whole
        .and_then(|whole| whole.strip_suffix(b")"))
        .unwrap_or(inner);
    Ok(Wrap::Cast {
        cast,
        members,
        inner,
    })
}

/// Reads `+|-[u]OFFSET`.
fn access(text: &[u8]) -> Option<Access> {
    let (sign, text) = text.split_first()?;
    let (space, digits) = match text.strip_prefix(b"u") {
        Some(digits) => (Space::User, digits),
        None => (Space::Kernel, text),
    };
    let offset = match sign {
        b'-' => number::negative(digits),
        _ => number::signed(digits),
    };
    let offset = i32::try_from(offset?).ok()?;
    Some(Access::Read { space, offset })
}

/// The piece before the closing brace.
fn in_braces(piece: Piece<'_>) -> Result<Piece<'_>, ArgumentError> {
    let (inner, after) = piece
        .split_at_last(b')')
        .ok_or(piece.refuse_end(Reason::BraceNotClosed))?;
    if !after.text.is_empty() {
        return Err(after.refuse(Reason::TextAfterBrace));
    }
    Ok(inner)
}
