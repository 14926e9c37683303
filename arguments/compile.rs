// SPDX-License-Identifier: GPL-2.0

//! Compiles the words of a line.

use super::btf::{
    KernelTypes,
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
use super::fetch::{
    Fetcher,
    READ_KERNEL, //
};
use super::number;
use super::parameters::parameter;
use super::piece::Piece;
use super::program::{
    Access,
    Argument,
    Arguments,
    Load,
    Space,
    Store,
    TextRange,
    ARGUMENTS_MAX,
    FIXED_MAX,
    HEAD, //
};
use super::store::TypeSpec;
use crate::containers::slab::{
    append,
    Array,
    Arrays,
    NoMemory, //
};
use core::fmt::{
    self,
    Write, //
};

/// The longest name.
const NAME_MAX: usize = 32;
/// The longest text after a name.
const BODY_MAX: usize = 255;
/// More than the bytes of a generated name and of a C type, with their zeros.
const EXTRA_TEXT: usize = 40;
/// The most accesses that an argument's type adds: those of a dentry's name.
const EXTRA_STEPS: usize = 3;

/// Names of other fields.
const RESERVED: [&str; 8] = [
    "common_type",
    "common_flags",
    "common_preempt_count",
    "common_pid",
    "common_tgid",
    "__probe_ip",
    "__probe_ret_ip",
    "__probe_func",
];

/// Whose name `%pd` and `%pD` record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NameOf {
    Dentry,
    File,
}

impl<A: Arrays> Arguments<A> {
    /// Compiles the words of `line` from the byte `start` on.
    ///
    /// # Errors
    ///
    /// The first argument that is refused, with the column in `line`.
    pub fn parse(
        line: &[u8],
        start: usize,
        place: ProbePlace,
        facts: &impl KernelFacts,
    ) -> Result<Self, ArgumentError> {
        let function = match place {
            ProbePlace::Entry => facts.function(),
            ProbePlace::Entries | ProbePlace::Inside => None,
        };
        let function = function.and_then(|(set, number)| Type::new(facts, set, number));
        let mut arguments = Self {
            stack_size: facts.stack_size(),
            ..Self::default()
        };
        arguments.reserve(line, start, function)?;
        for word in Piece::words(line, start) {
            for word in expand(word, function) {
                arguments.add(word, place, facts, function)?;
            }
        }
        Ok(arguments)
    }

    /// Makes room for everything that the words need.
    fn reserve<T: KernelTypes>(
        &mut self,
        line: &[u8],
        start: usize,
        function: Option<Type<'_, T>>,
    ) -> Result<(), ArgumentError> {
        // `$argN` is kept as the parameter's name, and so is the argument's own name.
        let parameters = function.iter().flat_map(|function| function.parameters());
        let names = parameters.flatten().map(|parameter| parameter.name.len());
        let longest = names.max().unwrap_or(0);
        let (mut count, mut text, mut steps) = (0_usize, 0_usize, 0_usize);
        for word in Piece::words(line, start).flat_map(|word| expand(word, function)) {
            let accesses = word
                .text
                .iter()
                .filter(|byte| b"(@>".contains(byte))
                .count();
            // The braces of this_cpu_read make two accesses.
            let accesses = accesses.saturating_mul(2).saturating_add(EXTRA_STEPS);
            steps = steps.saturating_add(accesses);
            let kept = word.text.len().saturating_add(longest).saturating_mul(2);
            text = text.saturating_add(kept).saturating_add(EXTRA_TEXT);
            count = count.saturating_add(1);
        }
        let first = Piece::words(line, start).next();
        if let Some(first) = first.filter(|_| count > ARGUMENTS_MAX) {
            return Err(first.refuse(Reason::TooManyArguments));
        }
        self.list.reserve(count)?;
        self.steps.reserve(steps)?;
        self.text.reserve(text)?;
        Ok(())
    }

    /// Compiles one word.
    fn add<F: KernelFacts>(
        &mut self,
        word: Piece<'_>,
        place: ProbePlace,
        facts: &F,
        function: Option<Type<'_, F>>,
    ) -> Result<(), ArgumentError> {
        let (name, body) = match word.split_at_first(b'=') {
            Some((name, body)) => (Some(name), body),
            None => (None, word),
        };
        // Without a name in the line, `$argN` has the name and the type of the parameter.
        let numbered = match (name, function, parameter_index(word.text)) {
            (None, Some(function), Some(index)) if function.parameters().next().is_some() => {
                Some(parameter(&function, index).map_err(|reason| word.refuse(reason))?)
            }
            _ => None,
        };
        let name = match (&numbered, name) {
            (Some((parameter, _)), _) if has_own_name(word.text) => Some(parameter.name),
            (None, Some(name)) => {
                check_name(name.text).map_err(|reason| word.refuse(reason))?;
                Some(name.text)
            }
            _ => name_of_word(word.text),
        };
        let name = self.add_name(word, name)?;
        if body.text.is_empty() {
            return Err(body.refuse(Reason::NoBody));
        }
        if body.text.len() > BODY_MAX {
            return Err(body.refuse(Reason::TooLong));
        }
        let expression = match &numbered {
            Some((parameter, _)) => {
                let type_at = without_type(body.text).len();
                let named = self.add_text(parameter.name)?;
                let typed = self.add_text(body.skip(type_at).text)?;
                TextRange {
                    end: typed.end,
                    ..named
                }
            }
            None => self.add_text(body.text)?,
        };
        let (body, name_of) = split_name_of(body);
        let (fetch, type_name) = match body.split_at_first(b':') {
            Some((fetch, type_name)) => (fetch, Some(type_name)),
            None => (body, None),
        };
        let mut spec = match (name_of, type_name) {
            (Some(_), Some(type_name)) => return Err(type_name.refuse(Reason::BadType)),
            (Some(_), None) => TypeSpec::string(fetch),
            (None, type_name) => TypeSpec::parse(fetch, type_name)?,
        };

        let fetcher = Fetcher {
            place,
            facts,
            function,
            column: body.column,
            kept: expression,
        };
        let first = self.steps.as_slice().len();
        let (load, typed) = match numbered {
            Some((parameter, load)) => {
                let value = parameter.parameter_type;
                (load, Some(Typed { value, bits: None }))
            }
            None => fetcher.fetch(fetch, &mut self.steps)?,
        };
        let mut bits = None;
        match typed.filter(|_| name_of.is_none()) {
            Some(typed) if type_name.is_none() => {
                spec.value_type = typed.value.value_type();
                bits = typed.bits;
            }
            Some(typed) if spec.is_text() => self.add_text_access(&typed, &spec)?,
            _ => {}
        }
        if let Some(name_of) = name_of {
            if matches!(load, Load::Comm | Load::Text(_)) {
                return Err(fetch.refuse(Reason::StringDereferenced));
            }
            self.add_name_of(name_of, facts)?;
        }
        let offset = self.end;
        let end = offset.saturating_add(spec.size());
        if end > FIXED_MAX.saturating_add(HEAD) {
            return Err(body.refuse(Reason::EventTooBig));
        }
        let store = spec.store(load, first, &mut self.steps)?;
        let bits = spec.bits()?.or(bits);
        let has_steps = self.steps.as_slice().len() > first;
        let store = match (store, load) {
            (Store::Value, Load::Register(number)) if !has_steps && bits.is_none() => {
                let size = spec.value_type.size;
                Store::Register { number, size }
            }
            _ => store,
        };
        let c_type = self.add_c_type(&spec)?;
        let argument = Argument {
            load,
            steps: index(first)..index(self.steps.as_slice().len()),
            store,
            value_type: spec.value_type,
            bits,
            count: spec.count,
            offset,
            name,
            c_type,
            expression,
        };
        append(&mut self.list, argument)?;
        self.end = end;
        Ok(())
    }

    /// Appends the access from a `char *` to its text. The text of an array is at the value's address.
    fn add_text_access<T: KernelTypes>(
        &mut self,
        typed: &Typed<'_, T>,
        spec: &TypeSpec<'_>,
    ) -> Result<(), ArgumentError> {
        if typed.value.is_text() {
            return Ok(());
        }
        if !typed.value.is_text_pointer() {
            return Err(spec.name.refuse(Reason::NoText));
        }
        let space = spec.text_space();
        append(&mut self.steps, Access::Read { space, offset: 0 })?;
        Ok(())
    }

    /// Keeps the name of the next argument, or makes one.
    fn add_name(
        &mut self,
        word: Piece<'_>,
        name: Option<&[u8]>,
    ) -> Result<TextRange, ArgumentError> {
        let start = self.text.as_slice().len();
        match name {
            Some(name) => {
                self.add_text(name)?;
            }
            None => {
                let number = self.len().saturating_add(1);
                self.write(format_args!("arg{number}"))?;
            }
        }
        let kept = self.text.as_slice().get(start..).unwrap_or(&[]);
        let mut others = self.list.as_slice().iter();
        if RESERVED.iter().any(|other| other.as_bytes() == kept)
            || others.any(|other| without_zero(self.text_at(other.name)) == kept)
        {
            return Err(word.refuse(Reason::NameInUse));
        }
        self.end_text(start)
    }

    /// Keeps the C type of an argument.
    fn add_c_type(&mut self, spec: &TypeSpec<'_>) -> Result<TextRange, ArgumentError> {
        let start = self.text.as_slice().len();
        self.add_text(spec.value_type.c_type.to_bytes())?;
        if spec.count != 0 {
            self.write(format_args!("[{}]", spec.count))?;
        }
        self.end_text(start)
    }

    /// Appends the accesses that lead from a dentry, or from a file, to the dentry's name.
    fn add_name_of(
        &mut self,
        name_of: NameOf,
        facts: &impl KernelFacts,
    ) -> Result<(), ArgumentError> {
        let read = |offset| Access::Read {
            space: Space::Kernel,
            offset,
        };
        if name_of == NameOf::File {
            append(&mut self.steps, read(facts.file_dentry()))?;
        }
        append(&mut self.steps, read(facts.dentry_name()))?;
        append(&mut self.steps, READ_KERNEL)?;
        Ok(())
    }

    fn add_text(&mut self, text: &[u8]) -> Result<TextRange, NoMemory> {
        let start = index(self.text.as_slice().len());
        for byte in text {
            append(&mut self.text, *byte)?;
        }
        let end = index(self.text.as_slice().len());
        Ok(TextRange { start, end })
    }

    fn write(&mut self, text: fmt::Arguments<'_>) -> Result<(), NoMemory> {
        KeptText(&mut self.text)
            .write_fmt(text)
            .map_err(|_| NoMemory)
    }

    /// Appends the final zero of the text that begins at `start`.
    fn end_text(&mut self, start: usize) -> Result<TextRange, ArgumentError> {
        append(&mut self.text, 0)?;
        let end = index(self.text.as_slice().len());
        let start = index(start);
        Ok(TextRange { start, end })
    }
}

/// Writes to the kept text.
struct KeptText<'t, T>(&'t mut T);

impl<T: Array<u8>> Write for KeptText<'_, T> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes()
            .try_for_each(|byte| append(self.0, byte))
            .map_err(|_| fmt::Error)
    }
}

/// Arrays have fewer elements than a line has bytes, and some more.
fn index(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn without_zero(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\0").unwrap_or(text)
}

fn check_name(name: &[u8]) -> Result<(), Reason> {
    if name.len() > NAME_MAX {
        return Err(Reason::NameTooLong);
    }
    if name.is_empty() {
        return Err(Reason::NoName);
    }
    match is_name(name) {
        true => Ok(()),
        false => Err(Reason::BadName),
    }
}

/// Whether a text is a C identifier.
fn is_name(text: &[u8]) -> bool {
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let first = text.first();
    first.is_some_and(|byte| !byte.is_ascii_digit()) && text.iter().all(is_good)
}

/// The part of a word before its type.
fn without_type(word: &[u8]) -> &[u8] {
    word.split(|byte| *byte == b':').next().unwrap_or(word)
}

/// The name that a word has if the line gives none: that of a parameter.
fn name_of_word(word: &[u8]) -> Option<&[u8]> {
    Some(without_type(word)).filter(|name| has_own_name(word) && is_name(name))
}

/// Whether a word may have the name of its parameter. For kprobe_events, the name of a dentry is no
/// parameter.
fn has_own_name(word: &[u8]) -> bool {
    !word.ends_with(b":%pd") && !word.ends_with(b":%pD")
}

/// The number of the parameter in `$argN` or `$argN:TYPE`, from 0.
fn parameter_index(word: &[u8]) -> Option<usize> {
    let number = number::decimal(without_type(word).strip_prefix(b"$arg")?)?;
    usize::try_from(number.checked_sub(1)?).ok()
}

/// The word, or in the place of `$arg*` the names of all parameters.
fn expand<'a, T: KernelTypes>(
    word: Piece<'a>,
    function: Option<Type<'a, T>>,
) -> impl Iterator<Item = Piece<'a>> {
    let all = function.filter(|_| word.text == b"$arg*");
    let names = all.into_iter().flat_map(|function| function.parameters());
    let names = names.map(move |parameter| Piece {
        text: parameter.map_or(&[], |parameter| parameter.name),
        column: word.column,
    });
    let is_other = names.clone().next().is_none();
    is_other.then_some(word).into_iter().chain(names)
}

/// Splits `:%pd` or `:%pD` off.
fn split_name_of(body: Piece<'_>) -> (Piece<'_>, Option<NameOf>) {
    if let Some(fetch) = body.strip_suffix(b":%pd") {
        return (fetch, Some(NameOf::Dentry));
    }
    match body.strip_suffix(b":%pD") {
        Some(fetch) => (fetch, Some(NameOf::File)),
        None => (body, None),
    }
}
