// SPDX-License-Identifier: GPL-2.0

//! Reads members of structures: `MEMBER.MEMBER->MEMBER`, and casts before them.

use super::btf::{
    KernelTypes,
    Member,
    Type,
    Typed, //
};
use super::error::{
    ArgumentError,
    ArgumentRefusal as Reason, //
};
use super::piece::Piece;
use super::program::{
    Access,
    Space, //
};
use super::types::Bits;
use crate::containers::slab::{
    append,
    Array, //
};

/// Reads `chain` after a value that is a pointer to a structure.
pub(super) fn of_pointer<'t, T: KernelTypes>(
    pointer: Type<'t, T>,
    name: Piece<'_>,
    chain: Piece<'_>,
    steps: &mut impl Array<Access>,
) -> Result<Typed<'t, T>, ArgumentError> {
    let structure = pointer.pointee().filter(Type::is_structure);
    let structure = structure.ok_or(name.refuse(Reason::NoPointer))?;
    of_structure(structure, 0, chain, steps)
}

/// Reads `chain` after a value that is the address of the byte `inside` of a structure.
pub(super) fn of_structure<'t, T: KernelTypes>(
    structure: Type<'t, T>,
    inside: i32,
    chain: Piece<'_>,
    steps: &mut impl Array<Access>,
) -> Result<Typed<'t, T>, ArgumentError> {
    let (mut structure, mut inside, mut chain) = (structure, inside, chain);
    loop {
        let (path, rest) = match chain.split_at_arrow() {
            Some((path, rest)) => (path, Some(rest)),
            None => (chain, None),
        };
        let member = along(structure, path)?;
        let offset = i32::try_from(member.offset / 8).ok();
        let offset = offset.and_then(|offset| offset.checked_sub(inside));
        append(
            steps,
            Access::Read {
                space: Space::Kernel,
                offset: offset.ok_or(path.refuse(Reason::MemberTooFar))?,
            },
        )?;
        let value = member.member_type;
        let Some(rest) = rest else {
            let bits = bits_of(&member);
            return Ok(Typed { value, bits });
        };
        let pointee = value.pointee().filter(Type::is_structure);
        structure = pointee.ok_or(path.refuse(Reason::NoPointer))?;
        inside = 0;
        chain = rest;
    }
}

/// Reads `STRUCTURE[,MEMBER]` of a cast, and the members after it.
pub(super) fn of_cast<'t, T: KernelTypes>(
    types: &'t T,
    cast: Piece<'_>,
    chain: Piece<'_>,
    steps: &mut impl Array<Access>,
) -> Result<Typed<'t, T>, ArgumentError> {
    let (name, path) = match cast.split_at_first(b',') {
        Some((name, path)) => (name, Some(path)),
        None => (cast, None),
    };
    let structure = Type::structure(types, name.text).ok_or(name.refuse(Reason::NoStructure))?;
    let inside = match path {
        None => 0,
        Some(path) if path.split_at_arrow().is_some() => return Err(path.refuse(Reason::BadCast)),
        Some(path) => {
            let member = along(structure, path)?;
            let bytes = member.offset.checked_div(8).filter(|_| member.width == 0);
            let bytes = bytes.and_then(|bytes| i32::try_from(bytes).ok());
            bytes.ok_or(path.refuse(Reason::BadCast))?
        }
    };
    of_structure(structure, inside, chain, steps)
}

/// The member at the end of `MEMBER.MEMBER`, with its offset in the first structure.
fn along<'t, T: KernelTypes>(
    structure: Type<'t, T>,
    path: Piece<'_>,
) -> Result<Member<'t, T>, ArgumentError> {
    let (mut structure, mut start, mut path) = (structure, 0_u32, path);
    loop {
        let (name, rest) = match path.split_at_first(b'.') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        let member = structure.member(name.text);
        let mut member = member.ok_or(name.refuse(Reason::NoMember))?;
        let offset = start.checked_add(member.offset);
        member.offset = offset.ok_or(name.refuse(Reason::MemberTooFar))?;
        let Some(rest) = rest else {
            return Ok(member);
        };
        (structure, start, path) = (member.member_type, member.offset, rest);
    }
}

/// The bits of a bit field in the bytes from its first one on.
fn bits_of<T: KernelTypes>(member: &Member<'_, T>) -> Option<Bits> {
    let offset = u8::try_from(member.offset % 8).unwrap_or(0);
    (member.width != 0).then(|| Bits::new(member.width, offset))
}
