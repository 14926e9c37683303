// SPDX-License-Identifier: GPL-2.0

//! The types of values: how long they are, and how they are shown.

use super::number;
use core::ffi::CStr;

/// A type of values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ValueType {
    /// The name in a line.
    pub(super) name: &'static str,
    /// Bytes in the record.
    pub(super) size: u8,
    /// How it is printed.
    pub(super) look: Look,
    /// The C type in `format`.
    pub(super) c_type: &'static CStr,
    /// The conversion in `print fmt`.
    pub(super) conversion: &'static str,
}

/// How a value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Unsigned,
    Signed,
    Hex,
    Char,
    Symbol,
    /// The value is the place of a string in the record.
    String,
}

impl ValueType {
    /// Whether `format` says that the value has a sign.
    pub(super) fn is_signed(&self) -> bool {
        matches!(self.look, Look::Signed | Look::String)
    }

    pub(super) fn is_string(&self) -> bool {
        self.look == Look::String
    }
}

const fn number_type(
    name: &'static str,
    size: u8,
    look: Look,
    c_type: &'static CStr,
    conversion: &'static str,
) -> ValueType {
    ValueType {
        name,
        size,
        look,
        c_type,
        conversion,
    }
}

const fn string_type(name: &'static str) -> ValueType {
    number_type(name, 4, Look::String, c"__data_loc char[]", "\\\"%s\\\"")
}

pub(super) static STRING: ValueType = string_type("string");
pub(super) static USER_STRING: ValueType = string_type("ustring");
pub(super) static SYMBOL_STRING: ValueType = string_type("symstr");
static U8: ValueType = number_type("u8", 1, Look::Unsigned, c"u8", "%u");
static U16: ValueType = number_type("u16", 2, Look::Unsigned, c"u16", "%u");
static U32: ValueType = number_type("u32", 4, Look::Unsigned, c"u32", "%u");
static U64: ValueType = number_type("u64", 8, Look::Unsigned, c"u64", "%Lu");
static S8: ValueType = number_type("s8", 1, Look::Signed, c"s8", "%d");
static S16: ValueType = number_type("s16", 2, Look::Signed, c"s16", "%d");
static S32: ValueType = number_type("s32", 4, Look::Signed, c"s32", "%d");
static S64: ValueType = number_type("s64", 8, Look::Signed, c"s64", "%Ld");
static X8: ValueType = number_type("x8", 1, Look::Hex, c"u8", "0x%x");
static X16: ValueType = number_type("x16", 2, Look::Hex, c"u16", "0x%x");
static X32: ValueType = number_type("x32", 4, Look::Hex, c"u32", "0x%x");
/// The type of a value without a type.
pub(super) static X64: ValueType = number_type("x64", 8, Look::Hex, c"u64", "0x%Lx");
static CHAR: ValueType = number_type("char", 1, Look::Char, c"u8", "'%c'");
static SYMBOL: ValueType = number_type("symbol", 8, Look::Symbol, c"u64", "%pS");

static ALL: [&ValueType; 17] = [
    &STRING,
    &USER_STRING,
    &SYMBOL_STRING,
    &U8,
    &U16,
    &U32,
    &U64,
    &S8,
    &S16,
    &S32,
    &S64,
    &X8,
    &X16,
    &X32,
    &X64,
    &CHAR,
    &SYMBOL,
];

/// The type with a name. The type of a bit field is its container.
pub(super) fn by_name(name: &[u8]) -> Option<&'static ValueType> {
    if name.first() == Some(&b'b') {
        return container(name);
    }
    ALL.into_iter().find(|it| it.name.as_bytes() == name)
}

/// The container of the bit field `bWIDTH@OFFSET/SIZE`.
fn container(name: &[u8]) -> Option<&'static ValueType> {
    let slash = name.iter().position(|byte| *byte == b'/')?;
    let size = name.get(slash..)?.get(1..)?;
    match number::unsigned(size)? {
        8 => Some(&U8),
        16 => Some(&U16),
        32 => Some(&U32),
        64 => Some(&U64),
        _ => None,
    }
}

/// A part of a value's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    width: u8,
    offset: u8,
}

impl Bits {
    /// Reads `bWIDTH@OFFSET/SIZE`. The container is known.
    pub(super) fn parse(name: &[u8], container: &ValueType) -> Option<Bits> {
        let (width, rest) = number::leading(name.strip_prefix(b"b")?)?;
        let (offset, rest) = number::leading(rest.strip_prefix(b"@")?)?;
        if width == 0 || rest.first() != Some(&b'/') {
            return None;
        }
        let end = width.checked_add(offset)?;
        if end > u64::from(container.size).checked_mul(8)? {
            return None;
        }
        Some(Bits {
            width: u8::try_from(width).ok()?,
            offset: u8::try_from(offset).ok()?,
        })
    }

    /// `width` bits from the bit `offset` on.
    pub(super) const fn new(width: u8, offset: u8) -> Bits {
        Bits { width, offset }
    }

    /// The bits of a value.
    pub(super) fn of(self, value: u64) -> u64 {
        let unused = 64_u32.saturating_sub(u32::from(self.width));
        let mask = u64::MAX.checked_shr(unused).unwrap_or(0);
        value.checked_shr(u32::from(self.offset)).unwrap_or(0) & mask
    }
}
