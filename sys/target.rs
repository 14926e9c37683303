// SPDX-License-Identifier: GPL-2.0

//! From a target to an address.

use crate::command::target::{
    module_bytes,
    TargetSpec, //
};
use crate::eligibility::refusal::Refusal;
use crate::sys::symbols;
use kernel::fmt;
use kernel::prelude::*;
use kernel::str::{
    CStr,
    CString, //
};

/// What a target begins with.
#[derive(Clone, Copy)]
enum Origin<'a> {
    /// "symbol" or "module:symbol".
    Name(&'a CStr),
    /// A symbol, in any text or in one module.
    Symbol {
        module: Option<&'a str>,
        symbol: &'a str,
    },
    Address(u64),
}

/// A target before it is resolved: a symbol or an address, and an offset from it. Each interface has
/// its own way to write one, and all are resolved in one way.
#[derive(Clone, Copy)]
pub(crate) struct Unresolved<'a> {
    origin: Origin<'a>,
    offset: u64,
}

impl<'a> Unresolved<'a> {
    /// `offset` bytes from the beginning of "symbol" or "module:symbol".
    pub(crate) const fn name(name: &'a CStr, offset: u64) -> Self {
        Self {
            origin: Origin::Name(name),
            offset,
        }
    }

    /// `offset` bytes from `addr`, in the function of `addr`.
    pub(crate) const fn address(addr: u64, offset: u64) -> Self {
        Self {
            origin: Origin::Address(addr),
            offset,
        }
    }
}

impl<'a> From<&TargetSpec<'a>> for Unresolved<'a> {
    fn from(target: &TargetSpec<'a>) -> Self {
        match *target {
            TargetSpec::Address(addr) => Self::address(addr, 0),
            TargetSpec::Symbol {
                module,
                symbol,
                offset,
            } => Self {
                origin: Origin::Symbol { module, symbol },
                offset,
            },
        }
    }
}

/// The address of a target. Says nothing about whether an instruction begins there.
///
/// # Errors
///
/// `UnknownSymbol`, `AmbiguousSymbol`, `BadTarget` for a name that is not UTF-8, `NoFunction`,
/// `OutsideFunction`, `NoMemory`.
pub(crate) fn resolve(target: &Unresolved<'_>) -> Result<usize, Refusal> {
    let base = match target.origin {
        Origin::Address(addr) => {
            let addr = usize::try_from(addr).map_err(|_| Refusal::NotText)?;
            symbols::bounds(addr).ok_or(Refusal::NoFunction)?;
            addr
        }
        Origin::Name(name) => name_address(name)?,
        Origin::Symbol { module, symbol } => {
            let module = module.map(module_string);
            let symbol = c_string(symbol.as_bytes())?;
            symbols::resolve(module.transpose()?.as_deref(), &symbol)?
        }
    };
    let offset = usize::try_from(target.offset).map_err(|_| Refusal::OutsideFunction)?;
    in_function(base, offset)
}

/// The address of "symbol" or "module:symbol".
fn name_address(name: &CStr) -> Result<usize, Refusal> {
    let mut parts = name.to_bytes().splitn(2, |byte| *byte == b':');
    let (Some(module), Some(symbol)) = (parts.next(), parts.next()) else {
        return symbols::resolve(None, name);
    };
    let module = core::str::from_utf8(module).map_err(|_| Refusal::BadTarget)?;
    symbols::resolve(Some(&*module_string(module)?), &c_string(symbol)?)
}

/// The candidates of a target whose symbol is ambiguous; `None` for an address.
///
/// # Errors
///
/// `NoMemory`.
pub(crate) fn candidates(target: &TargetSpec<'_>) -> Result<Option<symbols::Candidates>, Refusal> {
    let TargetSpec::Symbol { module, symbol, .. } = target else {
        return Ok(None);
    };
    let module = module.map(module_string);
    let symbol = c_string(symbol.as_bytes())?;
    let found = symbols::candidates(module.transpose()?.as_deref(), &symbol);
    Ok(Some(found))
}

/// How many offsets a target's symbol has. `None` for an address, and without one such symbol.
pub(crate) fn size(target: &TargetSpec<'_>) -> Option<usize> {
    let TargetSpec::Symbol { module, symbol, .. } = *target else {
        return None;
    };
    let base = resolve(&Unresolved {
        origin: Origin::Symbol { module, symbol },
        offset: 0,
    });
    let base = base.ok()?;
    let function = symbols::bounds(base)?;
    Some(function.end.saturating_sub(base))
}

/// `bytes`, and the NUL that ends a C string.
///
/// # Errors
///
/// `BadTarget` for bytes that are not UTF-8, `NoMemory`.
pub(crate) fn c_string(bytes: &[u8]) -> Result<CString, Refusal> {
    let text = core::str::from_utf8(bytes).map_err(|_| Refusal::BadTarget)?;
    CString::try_from_fmt(fmt!("{}", text)).map_err(|_| Refusal::NoMemory)
}

/// The name of a module, as the kernel has it.
///
/// # Errors
///
/// `NoMemory`.
pub(crate) fn module_string(name: &str) -> Result<CString, Refusal> {
    CString::try_from_fmt(fmt!("{}", ModuleName(name))).map_err(|_| Refusal::NoMemory)
}

struct ModuleName<'a>(&'a str);

impl fmt::Display for ModuleName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        module_bytes(self.0).try_for_each(|byte| write!(f, "{}", char::from(byte)))
    }
}

/// `base` plus `offset`, which must be in the function of `base`.
fn in_function(base: usize, offset: usize) -> Result<usize, Refusal> {
    if offset == 0 {
        return Ok(base);
    }
    let function = symbols::bounds(base).ok_or(Refusal::NoFunction)?;
    let addr = base.checked_add(offset).ok_or(Refusal::OutsideFunction)?;
    if addr >= function.end {
        return Err(Refusal::OutsideFunction);
    }
    Ok(addr)
}
