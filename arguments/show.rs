// SPDX-License-Identifier: GPL-2.0

//! Describes records: the fields of `format`, the print format, and the text of a record.

use super::program::{
    Argument,
    Arguments,
    TextRange, //
};
use super::types::Look;
use crate::containers::slab::{
    Array,
    Arrays, //
};
use core::ffi::CStr;
use core::fmt::{
    self,
    Write, //
};

/// The text of a string that could not be read.
const FAULT: &[u8] = b"(fault)";

/// A field of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgumentField<'a> {
    /// The C type, as `format` has it.
    pub c_type: &'a CStr,
    /// The name.
    pub name: &'a CStr,
    /// The offset in the record.
    pub offset: usize,
    /// The size in bytes.
    pub size: usize,
    /// Whether the type has a sign.
    pub is_signed: bool,
    /// The argument without its name, as it was written.
    pub expression: &'a [u8],
}

/// Where a record is printed.
pub trait Printer: Write {
    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// The output is full.
    fn bytes(&mut self, bytes: &[u8]) -> fmt::Result;
    /// Writes an address as a symbol, as `%pS` does.
    ///
    /// # Errors
    ///
    /// The output is full.
    fn symbol(&mut self, address: u64) -> fmt::Result;
}

impl<A: Arrays> Arguments<A> {
    /// The fields of the record after its head, in order.
    pub fn fields(&self) -> impl Iterator<Item = ArgumentField<'_>> {
        self.list.as_slice().iter().map(|argument| {
            let size = usize::from(argument.value_type.size);
            ArgumentField {
                c_type: self.c_str(argument.c_type),
                name: self.c_str(argument.name),
                offset: argument.offset,
                size: size.saturating_mul(usize::from(argument.count.max(1))),
                is_signed: argument.value_type.is_signed(),
                expression: self.text_at(argument.expression),
            }
        })
    }

    fn c_str(&self, range: TextRange) -> &CStr {
        CStr::from_bytes_with_nul(self.text_at(range)).unwrap_or_default()
    }

    fn name(&self, argument: &Argument) -> &str {
        self.c_str(argument.name).to_str().unwrap_or("")
    }

    /// The index of the first argument in which the records of `self` and `other` differ: events of
    /// one name share their fields.
    pub fn first_difference(&self, other: &Self) -> Option<usize> {
        let ours = self.fields().map(|field| (field.name, field.c_type));
        let theirs = other.fields().map(|field| (field.name, field.c_type));
        let same = ours.zip(theirs).take_while(|(ours, theirs)| ours == theirs);
        let same = same.count();
        (same < self.len().max(other.len())).then_some(same)
    }

    /// Writes the print format of the event.
    ///
    /// # Errors
    ///
    /// The output is full.
    pub fn print_fmt(&self, out: &mut impl Write) -> fmt::Result {
        out.write_str("\"(%lx)")?;
        for argument in self.list.as_slice() {
            write!(out, " {}=", self.name(argument))?;
            let conversion = argument.value_type.conversion;
            if argument.count == 0 {
                out.write_str(conversion)?;
                continue;
            }
            for index in 0..argument.count {
                out.write_str(if index == 0 { "{" } else { "," })?;
                out.write_str(conversion)?;
            }
            out.write_str("}")?;
        }
        out.write_str("\", REC->__probe_ip")?;
        for argument in self.list.as_slice() {
            let name = self.name(argument);
            let (before, after) = if argument.value_type.is_string() {
                (", __get_str(", ")")
            } else {
                (", REC->", "")
            };
            if argument.count == 0 {
                write!(out, "{before}{name}{after}")?;
            }
            for index in 0..argument.count {
                write!(out, "{before}{name}[{index}]{after}")?;
            }
        }
        Ok(())
    }

    /// Prints the arguments of a record, each with a space before it. What is not in the record is
    /// printed as 0, or as a fault.
    ///
    /// # Errors
    ///
    /// The output is full.
    pub fn print(&self, record: &[u8], out: &mut impl Printer) -> fmt::Result {
        for argument in self.list.as_slice() {
            write!(out, " {}=", self.name(argument))?;
            for (index, place) in argument.places().enumerate() {
                if argument.count != 0 {
                    out.write_str(if index == 0 { "{" } else { "," })?;
                }
                print_value(argument, record, place, out)?;
            }
            if argument.count != 0 {
                out.write_str("}")?;
            }
        }
        Ok(())
    }
}

fn print_value(
    argument: &Argument,
    record: &[u8],
    place: usize,
    out: &mut impl Printer,
) -> fmt::Result {
    let size = argument.value_type.size;
    let value = value_at(record, place, size);
    match argument.value_type.look {
        Look::Unsigned => write!(out, "{value}"),
        Look::Signed => write!(out, "{}", sign_extended(value, size)),
        Look::Hex => write!(out, "{value:#x}"),
        Look::Char => {
            let [byte, ..] = value.to_le_bytes();
            out.bytes(&[b'\'', byte, b'\''])
        }
        Look::Symbol => out.symbol(value),
        Look::String => match string_at(record, value) {
            None => out.bytes(FAULT),
            Some(text) => {
                out.bytes(b"\"")?;
                out.bytes(text)?;
                out.bytes(b"\"")
            }
        },
    }
}

/// The value of `size` bytes.
fn value_at(record: &[u8], place: usize, size: u8) -> u64 {
    let end = place.saturating_add(usize::from(size));
    let bytes = record.get(place..end).unwrap_or(&[]);
    let shifted = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    bytes.iter().rev().fold(0, shifted)
}

fn sign_extended(value: u64, size: u8) -> i64 {
    let unused = 64_u32.saturating_sub(u32::from(size).saturating_mul(8));
    let upper = value.checked_shl(unused).unwrap_or(0);
    let upper = i64::from_ne_bytes(upper.to_ne_bytes());
    upper.checked_shr(unused).unwrap_or(0)
}

/// The text of a string, without its final zero.
fn string_at(record: &[u8], word: u64) -> Option<&[u8]> {
    let start = usize::try_from(word & 0xffff).ok()?;
    let len = usize::try_from(word >> 16).ok()?;
    if len == 0 {
        return None;
    }
    let text = record.get(start..start.checked_add(len)?)?;
    text.split(|byte| *byte == 0).next()
}
