// SPDX-License-Identifier: GPL-2.0

//! Evaluates arguments on a hit.

use super::program::{
    Access,
    Argument,
    Arguments,
    Load,
    Space,
    Store, //
};
use super::registers::{
    HitRegisters,
    STACK_POINTER, //
};
use crate::containers::slab::{
    Array,
    Arrays, //
};

/// The longest string, with its final zero.
const STRING_MAX: usize = 4096;

/// The end of the largest record: a string's word has 16 bits for its offset.
const RECORD_MAX: usize = 65535;

/// Memory at a hit. Nothing sleeps, and what is not mapped is a fault.
pub trait HitMemory {
    /// Reads `to.len()` bytes. Returns whether all of them were read.
    fn read(&self, space: Space, address: u64, to: &mut [u8]) -> bool;
    /// Reads a string with its final zero, as `strncpy_from_kernel_nofault` does: a longer string is
    /// cut, and ends with a zero too. Returns the length with the zero, or `None` for a fault.
    fn read_string(&self, space: Space, address: u64, to: &mut [u8]) -> Option<usize>;
    /// The kernel address of the task's name.
    fn comm(&self) -> u64;
    /// The address of the task.
    fn current(&self) -> u64;
    /// This CPU's address of a per-CPU variable.
    fn this_cpu(&self, variable: u64) -> u64;
    /// Writes the symbol and offset of `address` with a final zero, as `sprint_symbol` does, or what
    /// fits of them. Returns the length with the zero.
    fn write_symbol(&self, address: u64, to: &mut [u8]) -> usize;
}

impl<A: Arrays> Arguments<A> {
    /// Evaluates all arguments into `record`, after its head. Returns the length of the record, which
    /// is 0 if not even the values fit.
    pub fn run(
        &self,
        regs: &impl HitRegisters,
        memory: &impl HitMemory,
        record: &mut [u8],
    ) -> usize {
        let len = record.len().min(RECORD_MAX);
        let record = record.get_mut(..len).unwrap_or_default();
        if record.len() < self.end {
            return 0;
        }
        let mut hit = Recording {
            record,
            strings: self.end,
            regs,
            memory,
            stack_size: self.stack_size,
        };
        for argument in self.list.as_slice() {
            match argument.store {
                Store::Register { number, size } => {
                    let value = regs.register(usize::from(number));
                    hit.put(argument.offset, value, size);
                }
                _ => self.run_one(argument, &mut hit),
            }
        }
        hit.strings
    }

    #[inline(never)]
    fn run_one<R: HitRegisters, M: HitMemory>(
        &self,
        argument: &Argument,
        hit: &mut Recording<'_, R, M>,
    ) {
        let steps = self.steps_of(argument);
        match argument.store {
            Store::Value | Store::Register { .. } => {
                let value = hit.follow(hit.load(argument), steps);
                hit.put_value(argument, argument.offset, value);
            }
            Store::Memory { space, offset } => {
                let mut address = hit
                    .follow(hit.load(argument), steps)
                    .map(|base| base.wrapping_add_signed(i64::from(offset)));
                let size = argument.value_type.size;
                for place in argument.places() {
                    let value = address.and_then(|address| hit.read(space, address, size));
                    hit.put_value(argument, place, value);
                    address = address.map(|address| address.wrapping_add(u64::from(size)));
                }
            }
            Store::String { space, offset } if argument.count == 0 => match argument.load {
                Load::Text(text) => hit.put_text(argument.offset, self.text_at(text)),
                _ => {
                    let base = hit.follow(hit.load(argument), steps);
                    let address = base.map(|base| base.wrapping_add_signed(i64::from(offset)));
                    hit.put_string(argument.offset, space, address);
                }
            },
            Store::String { space, .. } => {
                let (last, before) = match steps.split_last() {
                    Some((last, before)) => (core::slice::from_ref(last), before),
                    None => (steps, steps),
                };
                let mut base = hit.follow(hit.load(argument), before);
                for place in argument.places() {
                    let address = hit.follow(base, last);
                    hit.put_string(place, space, address);
                    base = base.map(|base| base.wrapping_add(8));
                }
            }
            Store::SymbolString => {
                let address = hit.follow(hit.load(argument), steps);
                hit.put_symbol(argument.offset, address);
            }
        }
    }
}

/// A record while it is made.
struct Recording<'r, R, M> {
    record: &'r mut [u8],
    /// The end of the strings.
    strings: usize,
    regs: &'r R,
    memory: &'r M,
    stack_size: u64,
}

impl<R: HitRegisters, M: HitMemory> Recording<'_, R, M> {
    #[inline]
    fn load(&self, argument: &Argument) -> Option<u64> {
        Some(match argument.load {
            Load::Register(number) => self.regs.register(usize::from(number)),
            Load::StackPointer => self.regs.register(STACK_POINTER),
            Load::Stack(index) => self.stack(u64::from(index)),
            Load::Immediate(value) => value,
            Load::Comm => self.memory.comm(),
            Load::Current => self.memory.current(),
            Load::Text(_) => return None,
        })
    }

    /// A word of the stack. It is 0 if the word is not on the stack.
    fn stack(&self, index: u64) -> u64 {
        let pointer = self.regs.register(STACK_POINTER);
        let address = pointer.wrapping_add(index.wrapping_mul(8));
        let in_stack = !self.stack_size.wrapping_sub(1);
        if address & in_stack != pointer & in_stack {
            return 0;
        }
        self.read(Space::Kernel, address, 8).unwrap_or(0)
    }

    /// The value after the accesses; `None` after a fault.
    #[inline]
    fn follow(&self, value: Option<u64>, steps: &[Access]) -> Option<u64> {
        steps.iter().try_fold(value?, |value, access| match access {
            Access::Read { space, offset } => {
                self.read(*space, value.wrapping_add_signed(i64::from(*offset)), 8)
            }
            Access::ThisCpu => Some(self.memory.this_cpu(value)),
        })
    }

    fn read(&self, space: Space, address: u64, size: u8) -> Option<u64> {
        let mut bytes = [0; 8];
        let to = bytes.get_mut(..usize::from(size))?;
        self.memory
            .read(space, address, to)
            .then_some(u64::from_le_bytes(bytes))
    }

    /// Records a value. After a fault it is 0.
    #[inline]
    fn put_value(&mut self, argument: &Argument, place: usize, value: Option<u64>) {
        let value = value.unwrap_or(0);
        let value = argument.bits.map_or(value, |bits| bits.of(value));
        self.put(place, value, argument.value_type.size);
    }

    /// Writes the lower `size` bytes of a value.
    #[inline]
    fn put(&mut self, place: usize, value: u64, size: u8) {
        let bytes = value.to_le_bytes();
        let Some(to) = self.record.get_mut(place..) else {
            return;
        };
        match size {
            8 => copy::<8>(to, &bytes),
            4 => copy::<4>(to, &bytes),
            2 => copy::<2>(to, &bytes),
            _ => copy::<1>(to, &bytes),
        }
    }

    fn put_string(&mut self, place: usize, space: Space, address: Option<u64>) {
        let memory = self.memory;
        self.put_dynamic(place, |room| memory.read_string(space, address?, room));
    }

    fn put_symbol(&mut self, place: usize, address: Option<u64>) {
        let memory = self.memory;
        self.put_dynamic(place, |room| Some(memory.write_symbol(address?, room)));
    }

    fn put_text(&mut self, place: usize, text: &[u8]) {
        self.put_dynamic(place, |room| {
            let bytes = text.iter().copied().chain([0]);
            let len = room.len().min(text.len().saturating_add(1));
            for (to, byte) in room.iter_mut().zip(bytes) {
                *to = byte;
            }
            if let Some(last) = room.get_mut(..len).and_then(<[_]>::last_mut) {
                *last = 0;
            }
            Some(len)
        });
    }

    /// Appends a string that `write` writes and gives the length of. A string of length 0 is a fault.
    fn put_dynamic(&mut self, place: usize, write: impl FnOnce(&mut [u8]) -> Option<usize>) {
        let start = self.strings;
        let room = self.record.get_mut(start..).unwrap_or_default();
        let max = room.len().min(STRING_MAX);
        let len = match room.get_mut(..max) {
            None | Some([]) => 0,
            Some(room) => write(room).map_or(0, |len| len.min(max)),
        };
        self.strings = start.saturating_add(len);
        // Both halves fit, because of RECORD_MAX and STRING_MAX.
        let word = (len as u64) << 16 | start as u64;
        self.put(place, word, 4);
    }
}

#[inline]
fn copy<const N: usize>(to: &mut [u8], bytes: &[u8; 8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), bytes.first_chunk::<N>()) {
        *to = *from;
    }
}
