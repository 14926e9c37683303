// SPDX-License-Identifier: GPL-2.0

//! Why arguments are refused: the reasons, their error numbers and texts.

use crate::containers::slab::NoMemory;
use crate::eligibility::errno;

/// Why arguments are refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgumentError {
    /// The offset in the line, in bytes.
    pub column: usize,
    /// The reason.
    pub reason: ArgumentRefusal,
}

/// Why an argument is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentRefusal {
    /// More arguments than an event may have.
    TooManyArguments,
    /// `=` without a name.
    NoName,
    /// A name that is longer than the limit.
    NameTooLong,
    /// A name that is no C identifier.
    BadName,
    /// A name that another argument or a field of every event has.
    NameInUse,
    /// Nothing after `NAME=`.
    NoBody,
    /// A body that is longer than the limit.
    TooLong,
    /// Neither a register nor anything else that can be fetched.
    BadFetch,
    /// An unknown word after `$`.
    BadVariable,
    /// A stack entry outside of every stack.
    BadStackNumber,
    /// An argument's number that is 0 or too large.
    BadArgumentNumber,
    /// `$argN` at a probe that is not at a function's entry.
    NotAtEntry,
    /// `$retval` at a probe that is not at a function's return.
    NotAtReturn,
    /// An unknown register.
    BadRegister,
    /// An address that is no number.
    BadAddress,
    /// `@+OFFSET`, which is for files.
    FileOffset,
    /// No symbol has the name.
    UnknownSymbol,
    /// An offset after a symbol that is no number.
    BadSymbolOffset,
    /// An immediate that is no number.
    BadImmediate,
    /// An immediate string without its final quotation mark.
    StringNotClosed,
    /// An offset without a brace.
    NoBrace,
    /// The offset of a dereference is no number, or has more than 32 bits.
    BadOffset,
    /// A brace that is not closed.
    BraceNotClosed,
    /// Text after a closed brace.
    TextAfterBrace,
    /// More dereferences than an argument may have.
    TooManyNested,
    /// `$comm` or an immediate string inside a dereference.
    StringDereferenced,
    /// An unknown type.
    BadType,
    /// `$comm` or an immediate string with another type than `string`.
    NeedsStringType,
    /// A string type, or an array, for a value that is not in memory.
    NotInMemory,
    /// `symstr` for a value that is not an address.
    BadSymbolString,
    /// A bit field that is not in its container.
    BadBitField,
    /// An array's size without its closing bracket.
    ArrayNotClosed,
    /// Text after an array's size.
    TextAfterArray,
    /// An array's size that is 0 or no number.
    BadArraySize,
    /// An array that is longer than the limit.
    ArrayTooBig,
    /// The record would be longer than the limit.
    EventTooBig,
    /// A name or a cast where the kernel has no type information.
    NoTypes,
    /// A parameter's name at a probe on several functions.
    SeveralFunctions,
    /// The function has no such parameter.
    NoParameter,
    /// A parameter whose place is not one register or word.
    ByValue,
    /// `->` after what is no pointer to a structure.
    NoPointer,
    /// The structure has no such member.
    NoMember,
    /// The offset of a member is too large.
    MemberTooFar,
    /// No structure has the name.
    NoStructure,
    /// A cast without a member after it.
    CastWithoutMember,
    /// The member in a cast is a bit field, or behind a pointer.
    BadCast,
    /// A string type for a value that is neither `char *` nor an array of `char`.
    NoText,
    /// No memory.
    OutOfMemory,
}

impl ArgumentRefusal {
    /// The error number, positive.
    pub const fn errno(self) -> i32 {
        match self {
            ArgumentRefusal::UnknownSymbol
            | ArgumentRefusal::NoTypes
            | ArgumentRefusal::NoParameter
            | ArgumentRefusal::NoMember => errno::ENOENT,
            ArgumentRefusal::OutOfMemory => errno::ENOMEM,
            ArgumentRefusal::TooManyArguments
            | ArgumentRefusal::TooLong
            | ArgumentRefusal::TooManyNested
            | ArgumentRefusal::EventTooBig => errno::E2BIG,
            _ => errno::EINVAL,
        }
    }

    /// The reason, and what the user can do.
    pub const fn text(self) -> &'static str {
        match self {
            ArgumentRefusal::TooManyArguments => {
                "too many arguments: at most 128, use a second event"
            }
            ArgumentRefusal::NoName => "no argument name before =: write NAME=FETCH or FETCH",
            ArgumentRefusal::NameTooLong => "argument name too long: at most 32 bytes",
            ArgumentRefusal::BadName => {
                "bad argument name: use letters, digits and _, a letter or _ first"
            }
            ArgumentRefusal::NameInUse => {
                "argument name in use, or the name of a field of every event: choose another name"
            }
            ArgumentRefusal::NoBody => "no argument after =: write NAME=FETCH",
            ArgumentRefusal::TooLong => "argument too long: at most 255 bytes after the name",
            ArgumentRefusal::BadFetch => {
                "bad argument: write NAME, %REG, $stackN, $argN, $comm, @SYMBOL, \\NUMBER or +OFFSET(FETCH)"
            }
            ArgumentRefusal::BadVariable => {
                "unknown variable: use $stack, $stackN, $argN, $comm or $current"
            }
            ArgumentRefusal::BadStackNumber => {
                "entry outside of the stack: choose a smaller number"
            }
            ArgumentRefusal::BadArgumentNumber => "bad argument number: the first is $arg1",
            ArgumentRefusal::NotAtEntry => {
                "parameters are known at a function's entry only: use a register, or probe the entry"
            }
            ArgumentRefusal::NotAtReturn => {
                "$retval is known at a function's return only: use %ax after a call"
            }
            ArgumentRefusal::BadRegister => {
                "unknown register: use ax bx cx dx si di bp sp r8 to r15 ip flags cs ss orig_ax"
            }
            ArgumentRefusal::BadAddress => {
                "bad address: write decimal or 0x and hex digits, up to 64 bits"
            }
            ArgumentRefusal::FileOffset => {
                "file offsets are for user programs: write @ADDRESS or @SYMBOL"
            }
            ArgumentRefusal::UnknownSymbol => {
                "unknown symbol: look in /proc/kallsyms, and load the module that has it"
            }
            ArgumentRefusal::BadSymbolOffset => {
                "bad offset after the symbol: write @SYMBOL+NUMBER or @SYMBOL-NUMBER"
            }
            ArgumentRefusal::BadImmediate => {
                "bad immediate: write \\NUMBER, \\-NUMBER or \\\"TEXT\""
            }
            ArgumentRefusal::StringNotClosed => {
                "string not closed: end it with \", and use no spaces in it"
            }
            ArgumentRefusal::NoBrace => "dereference without a brace: write +OFFSET(FETCH)",
            ArgumentRefusal::BadOffset => {
                "bad offset: write a number from -0x80000000 to 0x7fffffff"
            }
            ArgumentRefusal::BraceNotClosed => "brace not closed: write +OFFSET(FETCH)",
            ArgumentRefusal::TextAfterBrace => {
                "text after the closing brace: write +OFFSET(FETCH)[:TYPE]"
            }
            ArgumentRefusal::TooManyNested => {
                "too many dereferences: at most 8, or add up their offsets"
            }
            ArgumentRefusal::StringDereferenced => {
                "$comm and immediate strings cannot be dereferenced: use them alone"
            }
            ArgumentRefusal::BadType => {
                "unknown type: use u8 to u64, s8 to s64, x8 to x64, char, string, ustring, symbol, \
                 symstr or bWIDTH@OFFSET/SIZE"
            }
            ArgumentRefusal::NeedsStringType => {
                "$comm and immediate strings are of the type string: leave the type out"
            }
            ArgumentRefusal::NotInMemory => {
                "strings and arrays are read from kernel memory: write +0(FETCH), or for strings \
                 +u0(FETCH)"
            }
            ArgumentRefusal::BadSymbolString => {
                "symstr needs an address: use a register, the stack, or +OFFSET(FETCH)"
            }
            ArgumentRefusal::BadBitField => {
                "bad bit field: write bWIDTH@OFFSET/SIZE, with WIDTH + OFFSET at most SIZE"
            }
            ArgumentRefusal::ArrayNotClosed => "array not closed: write TYPE[NUMBER]",
            ArgumentRefusal::TextAfterArray => "text after the array's size: write TYPE[NUMBER]",
            ArgumentRefusal::BadArraySize => "bad array size: write a number from 1 to 64",
            ArgumentRefusal::ArrayTooBig => "array too big: at most 64 elements",
            ArgumentRefusal::EventTooBig => {
                "event too big: at most 3072 bytes of values, use a second event"
            }
            ArgumentRefusal::NoTypes => {
                "no type information (BTF) about it: use registers and offsets"
            }
            ArgumentRefusal::SeveralFunctions => {
                "names of parameters are for one function: use $argN, or a line for each function"
            }
            ArgumentRefusal::NoParameter => {
                "the function has no such parameter: $arg* records all that it has"
            }
            ArgumentRefusal::ByValue => {
                "a structure is passed by value here: use a register or $stackN"
            }
            ArgumentRefusal::NoPointer => {
                "-> needs a pointer to a structure: use a cast, as (STRUCTURE)NAME->MEMBER"
            }
            ArgumentRefusal::NoMember => {
                "the structure has no such member: write MEMBER, MEMBER.MEMBER or MEMBER->MEMBER"
            }
            ArgumentRefusal::MemberTooFar => "the member is too far away: use another pointer",
            ArgumentRefusal::NoStructure => {
                "unknown structure: write its name alone, as (file)%di->f_flags"
            }
            ArgumentRefusal::CastWithoutMember => {
                "a cast needs a member: write (STRUCTURE)FETCH->MEMBER, and braces around @SYMBOL+OFFSET"
            }
            ArgumentRefusal::BadCast => {
                "bad member in the cast: choose one that is in the structure and no bit field"
            }
            ArgumentRefusal::NoText => {
                "not a text: use string for char * and arrays of char, or give an offset"
            }
            ArgumentRefusal::OutOfMemory => "out of memory: try again with fewer probes",
        }
    }
}

impl From<NoMemory> for ArgumentError {
    fn from(_: NoMemory) -> Self {
        ArgumentError {
            column: 0,
            reason: ArgumentRefusal::OutOfMemory,
        }
    }
}
