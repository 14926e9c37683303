// SPDX-License-Identifier: GPL-2.0

//! Reads the kernel's type information, BTF (Documentation/bpf/btf.rst of the kernel).

use super::types::{
    self,
    Bits,
    ValueType, //
};

/// The kinds of types (include/uapi/linux/btf.h).
pub(super) mod kind {
    pub(crate) const INT: u32 = 1;
    pub(crate) const PTR: u32 = 2;
    pub(crate) const ARRAY: u32 = 3;
    pub(crate) const STRUCT: u32 = 4;
    pub(crate) const UNION: u32 = 5;
    pub(crate) const ENUM: u32 = 6;
    pub(crate) const TYPEDEF: u32 = 8;
    pub(crate) const VOLATILE: u32 = 9;
    pub(crate) const CONST: u32 = 10;
    pub(crate) const RESTRICT: u32 = 11;
    pub(crate) const FUNC: u32 = 12;
    pub(crate) const FUNC_PROTO: u32 = 13;
    pub(crate) const TYPE_TAG: u32 = 18;
    pub(crate) const ENUM64: u32 = 19;
}

/// The kind of functions, for [`KernelTypes::find`].
pub const FUNC: u32 = kind::FUNC;

/// Bytes of a type before its members, parameters or other parts.
const HEAD: usize = 12;

/// The most modifiers and type names between a type and what it is. Kernels have fewer than 10.
const MODIFIERS_MAX: usize = 64;

/// The most unnamed structures of one structure that wait to be searched, as for
/// kernel/trace/trace_btf.c:btf_find_struct_member.
const UNNAMED_MAX: usize = 16;

/// The types of the kernel and of its modules.
pub trait KernelTypes {
    /// The types of the kernel, or of the kernel and one module.
    type Set: Copy;
    /// The set that has a named type of this kind, and the type's number there.
    fn find(&self, kind: u32, name: &[u8]) -> Option<(Self::Set, u32)>;
    /// All bytes of a type: its head and what follows it.
    fn bytes(&self, set: Self::Set, number: u32) -> Option<&[u8]>;
    /// The name at an offset of the set's texts.
    fn name(&self, set: Self::Set, offset: u32) -> Option<&[u8]>;
}

/// A type.
pub(super) struct Type<'t, T: KernelTypes> {
    types: &'t T,
    set: T::Set,
    info: u32,
    /// The size in bytes, or the number of the type that this one is made from.
    size_or_type: u32,
    /// What follows the head.
    parts: &'t [u8],
}

impl<T: KernelTypes> Clone for Type<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: KernelTypes> Copy for Type<'_, T> {}

/// A member of a structure.
pub(super) struct Member<'t, T: KernelTypes> {
    /// Its offset in the structure, in bits.
    pub(super) offset: u32,
    /// How many bits it has if it is a bit field, else 0.
    pub(super) width: u8,
    pub(super) member_type: Type<'t, T>,
}

/// A parameter of a function.
pub(super) struct Parameter<'t, T: KernelTypes> {
    pub(super) name: &'t [u8],
    pub(super) parameter_type: Type<'t, T>,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

impl<'t, T: KernelTypes> Type<'t, T> {
    /// The type with a number. Modifiers and the names of types are skipped.
    pub(super) fn new(types: &'t T, set: T::Set, number: u32) -> Option<Self> {
        let mut number = number;
        for _ in 0..MODIFIERS_MAX {
            let bytes = types.bytes(set, number)?;
            let it = Type {
                types,
                set,
                info: word(bytes, 4)?,
                size_or_type: word(bytes, 8)?,
                parts: bytes.get(HEAD..)?,
            };
            match it.kind() {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    number = it.size_or_type
                }
                _ => return Some(it),
            }
        }
        None
    }

    /// The structure of a name.
    pub(super) fn structure(types: &'t T, name: &[u8]) -> Option<Self> {
        let (set, number) = types.find(kind::STRUCT, name)?;
        Self::new(types, set, number)
    }

    pub(super) fn kind(&self) -> u32 {
        self.info >> 24 & 0x7f
    }

    /// How many members or parameters there are.
    fn count(&self) -> usize {
        (self.info & 0xff_ffff) as usize
    }

    fn other(&self, number: u32) -> Option<Self> {
        Self::new(self.types, self.set, number)
    }

    /// The size of a value in bytes; `None` for what is no value.
    pub(super) fn size(&self) -> Option<u32> {
        match self.kind() {
            kind::PTR => Some(8),
            kind::INT | kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 => {
                Some(self.size_or_type)
            }
            _ => None,
        }
    }

    /// Whether it has members.
    pub(super) fn is_structure(&self) -> bool {
        matches!(self.kind(), kind::STRUCT | kind::UNION)
    }

    /// What a pointer refers to.
    pub(super) fn pointee(&self) -> Option<Self> {
        match self.kind() {
            kind::PTR => self.other(self.size_or_type),
            _ => None,
        }
    }

    /// The parameters and what is returned, of a function's type.
    fn prototype(&self) -> Option<Self> {
        match self.kind() {
            kind::FUNC => self.other(self.size_or_type),
            _ => None,
        }
        .filter(|it| it.kind() == kind::FUNC_PROTO)
    }

    /// The parameters of a function.
    pub(super) fn parameters(&self) -> impl Iterator<Item = Option<Parameter<'t, T>>> + Clone {
        let prototype = self.prototype();
        let count = prototype.map_or(0, |it| it.count());
        (0..count).map(move |index| {
            let it = prototype?;
            let part = it.parts.get(index.checked_mul(8)?..)?;
            Some(Parameter {
                name: it.types.name(it.set, word(part, 0)?)?,
                parameter_type: it.other(word(part, 4)?)?,
            })
        })
    }

    /// What a function returns.
    pub(super) fn returned(&self) -> Option<Self> {
        let prototype = self.prototype()?;
        prototype.other(prototype.size_or_type)
    }

    /// The member of a name, also in unnamed structures inside.
    pub(super) fn member(&self, name: &[u8]) -> Option<Member<'t, T>> {
        let mut unnamed = [(0, 0); UNNAMED_MAX];
        let mut waiting = 0_usize;
        let mut structure = *self;
        let mut start = 0_u32;
        loop {
            if !structure.is_structure() {
                return None;
            }
            for part in structure.parts.chunks_exact(12).take(structure.count()) {
                let (name_at, number, place) = (word(part, 0)?, word(part, 4)?, word(part, 8)?);
                let (offset, width) = match structure.info >> 31 {
                    0 => (place, 0),
                    _ => (place & 0xff_ffff, u8::try_from(place >> 24).ok()?),
                };
                let offset = start.checked_add(offset)?;
                if name_at == 0 {
                    *unnamed.get_mut(waiting)? = (number, offset);
                    waiting = waiting.checked_add(1)?;
                } else if self.types.name(self.set, name_at)? == name {
                    return Some(Member {
                        offset,
                        width,
                        member_type: self.other(number)?,
                    });
                }
            }
            // An unnamed bit field is no structure.
            loop {
                waiting = waiting.checked_sub(1)?;
                let (number, offset) = *unnamed.get(waiting)?;
                structure = self.other(number)?;
                start = offset;
                if structure.is_structure() {
                    break;
                }
            }
        }
    }

    /// The encoding and the bits of an integer.
    fn integer(&self) -> Option<(bool, u32)> {
        const SIGNED: u32 = 1 << 24;
        let data = word(self.parts, 0).filter(|_| self.kind() == kind::INT)?;
        Some((data & SIGNED != 0, data & 0xff))
    }

    /// The type of a value in a line that has none: kernel/trace/trace_probe.c:fetch_type_from_btf_type.
    pub(super) fn value_type(&self) -> &'static ValueType {
        let name = match (self.kind(), self.integer()) {
            (kind::ENUM, _) => "s32",
            (kind::ENUM64, _) => "s64",
            (_, Some((true, 8))) => "s8",
            (_, Some((true, 16))) => "s16",
            (_, Some((true, 32))) => "s32",
            (_, Some((true, 64))) => "s64",
            (_, Some((false, 8))) => "u8",
            (_, Some((false, 16))) => "u16",
            (_, Some((false, 32))) => "u32",
            (_, Some((false, 64))) => "u64",
            _ => "x64",
        };
        types::by_name(name.as_bytes()).unwrap_or(&types::X64)
    }

    /// Whether it is a `char`. The kernel's have no sign.
    fn is_char(&self) -> bool {
        self.integer() == Some((false, 8))
    }

    /// Whether it is an array of `char`.
    pub(super) fn is_text(&self) -> bool {
        let element = word(self.parts, 0).filter(|_| self.kind() == kind::ARRAY);
        let element = element.and_then(|number| self.other(number));
        element.is_some_and(|element| element.is_char())
    }

    /// Whether it is a pointer to `char`.
    pub(super) fn is_text_pointer(&self) -> bool {
        self.pointee().is_some_and(|pointee| pointee.is_char())
    }
}

/// A value of a known type.
pub(super) struct Typed<'t, T: KernelTypes> {
    pub(super) value: Type<'t, T>,
    /// The bits of a bit field.
    pub(super) bits: Option<Bits>,
}
