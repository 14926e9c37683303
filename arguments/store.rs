// SPDX-License-Identifier: GPL-2.0

//! Reads the type of an argument, and decides how its value gets into the record.

use super::error::{
    ArgumentError,
    ArgumentRefusal as Reason, //
};
use super::number;
use super::piece::Piece;
use super::program::{
    Access,
    Load,
    Space,
    Store, //
};
use super::types::{
    self,
    Bits,
    ValueType,
    STRING,
    SYMBOL_STRING,
    USER_STRING,
    X64, //
};
use crate::containers::slab::Array;

/// The largest array.
const ARRAY_MAX: u64 = 64;

/// The type of an argument.
#[derive(Clone, Copy)]
pub(super) struct TypeSpec<'a> {
    /// The type's name, if the argument has one; else an empty piece of the argument.
    pub(super) name: Piece<'a>,
    pub(super) value_type: &'static ValueType,
    /// The size of the array; 0 is no array.
    pub(super) count: u8,
}

impl<'a> TypeSpec<'a> {
    /// The type `string` of what has no type in the line.
    pub(super) fn string(fetch: Piece<'a>) -> Self {
        TypeSpec {
            name: Piece { text: &[], ..fetch },
            value_type: &STRING,
            count: 0,
        }
    }

    /// Reads the type that follows `fetch`.
    pub(super) fn parse(
        fetch: Piece<'a>,
        name: Option<Piece<'a>>,
    ) -> Result<TypeSpec<'a>, ArgumentError> {
        let (name, count) = match name.map(|name| (name, name.split_at_first(b'['))) {
            Some((_, Some((name, size)))) => (Some(name), array_size(size)?),
            Some((name, None)) => (Some(name), 0),
            None => (None, 0),
        };
        let place = name.unwrap_or(Piece { text: &[], ..fetch });
        if matches!(fetch.text, b"$comm" | b"$COMM") || fetch.text.starts_with(b"\\\"") {
            if count != 0 || name.is_some_and(|name| name.text != b"string") {
                return Err(place.refuse(Reason::NeedsStringType));
            }
            return Ok(TypeSpec::string(fetch));
        }
        let value_type = match name {
            Some(name) => types::by_name(name.text).ok_or(name.refuse(Reason::BadType))?,
            None => &X64,
        };
        Ok(TypeSpec {
            name: place,
            value_type,
            count,
        })
    }

    /// Whether it is `string` or `ustring`.
    pub(super) fn is_text(&self) -> bool {
        self.value_type == &STRING || self.value_type == &USER_STRING
    }

    /// Where a text of this type is that the value points to.
    pub(super) fn text_space(&self) -> Space {
        match self.value_type == &USER_STRING {
            true => Space::User,
            false => Space::Kernel,
        }
    }

    /// Bytes in the record.
    pub(super) fn size(&self) -> usize {
        usize::from(self.value_type.size).saturating_mul(usize::from(self.count.max(1)))
    }

    /// The part of the value's bits that is recorded.
    pub(super) fn bits(&self) -> Result<Option<Bits>, ArgumentError> {
        if self.name.text.first() != Some(&b'b') {
            return Ok(None);
        }
        Bits::parse(self.name.text, self.value_type)
            .map(Some)
            .ok_or(self.name.refuse(Reason::BadBitField))
    }

    /// How a value gets into the record. The last of its accesses, those from `first` on, is removed
    /// if the store replaces it.
    pub(super) fn store(
        &self,
        load: Load,
        first: usize,
        steps: &mut impl Array<Access>,
    ) -> Result<Store, ArgumentError> {
        let last = steps.as_slice().get(first..).and_then(<[_]>::last).copied();
        let store = if self.value_type == &SYMBOL_STRING {
            self.symbol_store(load, last)?
        } else if self.value_type.is_string() {
            self.string_store(load, last)?
        } else {
            match last {
                Some(Access::Read { space, offset }) => Store::Memory { space, offset },
                Some(Access::ThisCpu) | None => Store::Value,
            }
        };
        let is_array = self.count != 0;
        if is_array && !self.may_be_array(store, last) {
            return Err(self.name.refuse(Reason::NotInMemory));
        }
        let replaces = match store {
            // The strings of an array are where its elements point.
            Store::String { .. } => !is_array && last.is_some(),
            Store::Memory { .. } => true,
            Store::Value | Store::Register { .. } | Store::SymbolString => false,
        };
        if replaces {
            steps.pop();
        }
        Ok(store)
    }

    fn may_be_array(&self, store: Store, last: Option<Access>) -> bool {
        match store {
            Store::Memory { space, .. } => space == Space::Kernel,
            Store::String { .. } => last.is_some(),
            Store::Value | Store::Register { .. } | Store::SymbolString => false,
        }
    }

    fn string_store(&self, load: Load, last: Option<Access>) -> Result<Store, ArgumentError> {
        let refused = Err(self.name.refuse(Reason::NotInMemory));
        let (space, offset) = match (last, load) {
            (Some(Access::Read { .. }), _) if self.count != 0 => (Space::Kernel, 0),
            (Some(Access::Read { space, offset }), _) => (space, offset),
            (Some(Access::ThisCpu), _) => return refused,
            (None, Load::Immediate(_) | Load::Comm | Load::Text(_)) => (Space::Kernel, 0),
            (None, _) => return refused,
        };
        let space = match self.text_space() {
            Space::User => Space::User,
            Space::Kernel => space,
        };
        Ok(Store::String { space, offset })
    }

    fn symbol_store(&self, load: Load, last: Option<Access>) -> Result<Store, ArgumentError> {
        match (last, load) {
            (
                Some(Access::Read {
                    space: Space::Kernel,
                    ..
                }),
                _,
            )
            | (None, Load::Register(_) | Load::Stack(_)) => Ok(Store::SymbolString),
            _ => Err(self.name.refuse(Reason::BadSymbolString)),
        }
    }
}

/// Reads `NUMBER]`.
fn array_size(text: Piece<'_>) -> Result<u8, ArgumentError> {
    let (size, after) = text
        .split_at_first(b']')
        .ok_or(text.refuse_end(Reason::ArrayNotClosed))?;
    if !after.text.is_empty() {
        return Err(after.refuse(Reason::TextAfterArray));
    }
    match number::unsigned(size.text) {
        None | Some(0) => Err(size.refuse(Reason::BadArraySize)),
        Some(count) if count <= ARRAY_MAX => {
            u8::try_from(count).map_err(|_| size.refuse(Reason::ArrayTooBig))
        }
        Some(_) => Err(size.refuse(Reason::ArrayTooBig)),
    }
}
