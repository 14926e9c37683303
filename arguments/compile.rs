// SPDX-License-Identifier: GPL-2.0

//! Compiles the words of a line.

use super::error::{
    ArgumentError,
    ArgumentRefusal as Reason, //
};
use super::facts::{
    KernelFacts,
    ProbePlace, //
};
use super::fetch::{
    append,
    Fetcher,
    READ_KERNEL, //
};
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
/// The accesses that a dentry's name adds.
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
        let words = Piece::words(line, start);
        let mut arguments = Self {
            stack_size: facts.stack_size(),
            ..Self::default()
        };
        let count = words.clone().count();
        if let Some(first) = words.clone().next().filter(|_| count > ARGUMENTS_MAX) {
            return Err(first.refuse(Reason::TooManyArguments));
        }
        arguments.reserve(count, words.clone())?;
        for word in words {
            arguments.add(word, place, facts)?;
        }
        Ok(arguments)
    }

    /// Makes room for everything that the words need.
    fn reserve<'a>(
        &mut self,
        count: usize,
        words: impl Iterator<Item = Piece<'a>>,
    ) -> Result<(), NoMemory> {
        let (mut text, mut steps) = (0_usize, 0_usize);
        for word in words {
            let accesses = word.text.iter().filter(|byte| b"(@".contains(byte)).count();
            // The braces of this_cpu_read make two accesses.
            let accesses = accesses.saturating_mul(2).saturating_add(EXTRA_STEPS);
            steps = steps.saturating_add(accesses);
            text = text
                .saturating_add(word.text.len())
                .saturating_add(EXTRA_TEXT);
        }
        self.list.reserve(count)?;
        self.steps.reserve(steps)?;
        self.text.reserve(text)
    }

    /// Compiles one word.
    fn add(
        &mut self,
        word: Piece<'_>,
        place: ProbePlace,
        facts: &impl KernelFacts,
    ) -> Result<(), ArgumentError> {
        let (name, body) = match word.split_at_first(b'=') {
            Some((name, body)) => (Some(name), body),
            None => (None, word),
        };
        let name = self.add_name(word, name)?;
        if body.text.is_empty() {
            return Err(body.refuse(Reason::NoBody));
        }
        if body.text.len() > BODY_MAX {
            return Err(body.refuse(Reason::TooLong));
        }
        let expression = self.add_text(body.text)?;
        let (body, name_of) = split_name_of(body);
        let (fetch, type_name) = match body.split_at_first(b':') {
            Some((fetch, type_name)) => (fetch, Some(type_name)),
            None => (body, None),
        };
        let spec = match (name_of, type_name) {
            (Some(_), Some(type_name)) => return Err(type_name.refuse(Reason::BadType)),
            (Some(_), None) => TypeSpec::string(fetch),
            (None, type_name) => TypeSpec::parse(fetch, type_name)?,
        };

        let fetcher = Fetcher {
            place,
            facts,
            column: body.column,
            kept: expression,
        };
        let first = self.steps.as_slice().len();
        let load = fetcher.fetch(fetch, &mut self.steps)?;
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
        let bits = spec.bits()?;
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

    /// Keeps the name of the next argument, or makes one.
    fn add_name(
        &mut self,
        word: Piece<'_>,
        name: Option<Piece<'_>>,
    ) -> Result<TextRange, ArgumentError> {
        let start = self.text.as_slice().len();
        match name {
            Some(name) => {
                check_name(name.text).map_err(|reason| word.refuse(reason))?;
                self.add_text(name.text)?;
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
    let first = name.first().ok_or(Reason::NoName)?;
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if first.is_ascii_digit() || !name.iter().all(is_good) {
        return Err(Reason::BadName);
    }
    Ok(())
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
