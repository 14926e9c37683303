// SPDX-License-Identifier: GPL-2.0

//! Where the parameters of a function are at its entry (System V ABI, AMD64 supplement, 3.2.3).

use super::btf::{
    kind,
    KernelTypes,
    Parameter,
    Type, //
};
use super::error::ArgumentRefusal as Reason;
use super::program::Load;
use super::registers;

/// How many parameters are in registers.
const REGISTERS_MAX: u32 = 6;

/// The registers and words of the stack that parameters have taken.
struct Taken {
    registers: u32,
    words: u32,
}

/// The parameter `index` of a function, and where its value is.
///
/// # Errors
///
/// `NoParameter`. `ByValue`: it is a structure that has no one place, or one before it has none that is
/// known.
pub(super) fn parameter<'t, T: KernelTypes>(
    function: &Type<'t, T>,
    index: usize,
) -> Result<(Parameter<'t, T>, Load), Reason> {
    // A large structure is returned in memory, whose address is the first parameter.
    let returned = function.returned().filter(Type::is_structure);
    let in_memory = returned
        .and_then(|it| it.size())
        .is_some_and(|size| size > 16);
    let mut taken = Taken {
        registers: u32::from(in_memory),
        words: 0,
    };
    for (number, parameter) in function.parameters().enumerate() {
        let parameter = parameter.ok_or(Reason::NoParameter)?;
        let words = words_of(&parameter.parameter_type).ok_or(Reason::ByValue)?;
        let load = taken.take(words);
        if number == index {
            return match words {
                1 => Ok((parameter, load)),
                _ => Err(Reason::ByValue),
            };
        }
    }
    Err(Reason::NoParameter)
}

/// The number of the parameter of a name.
///
/// # Errors
///
/// `NoParameter`.
pub(super) fn position<T: KernelTypes>(
    function: &Type<'_, T>,
    name: &[u8],
) -> Result<usize, Reason> {
    let mut parameters = function.parameters();
    let found = parameters.position(|it| it.is_some_and(|it| it.name == name));
    found.ok_or(Reason::NoParameter)
}

/// How many words a parameter takes.
fn words_of<T: KernelTypes>(parameter: &Type<'_, T>) -> Option<u32> {
    let words = parameter.size()?.div_ceil(8);
    // Two words of an integer are aligned on the stack.
    (parameter.kind() != kind::INT || words == 1).then_some(words)
}

impl Taken {
    /// Takes the places of a parameter. Returns the first of them.
    fn take(&mut self, words: u32) -> Load {
        let after = self.registers.saturating_add(words);
        if words > 2 || after > REGISTERS_MAX {
            // The word before the parameters on the stack is the return address.
            let first = self.words.saturating_add(1);
            self.words = self.words.saturating_add(words);
            return Load::Stack(u16::try_from(first).unwrap_or(u16::MAX));
        }
        let first = self.registers;
        self.registers = after;
        registers::of_argument(first as usize).map_or(Load::Stack(u16::MAX), Load::Register)
    }
}
