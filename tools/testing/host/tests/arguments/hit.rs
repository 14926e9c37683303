// SPDX-License-Identifier: GPL-2.0

//! A hit on the host: its registers, its memory, and what the compiler asks of the kernel.

// Each test uses only a part.
#![allow(dead_code)]

use super::arguments::{
    ArgumentError, Arguments, HitMemory, KernelFacts, KernelTypes, Printer, ProbePlace, Space,
    FUNC, HEAD, REGISTERS,
};
use rkprobes_host::heap::Heap;
use std::fmt::{self, Write};

#[path = "types.rs"]
mod types;

/// The address of the kernel's memory, and of the task's.
pub const KERNEL: u64 = 0xffff_8880_0000_1000;
pub const USER: u64 = 0x7000;
/// The distance between a per-CPU variable and this CPU's.
pub const PER_CPU: u64 = 0x100;
/// The task, and its name.
pub const TASK: u64 = KERNEL + 0x200;
pub const COMM: u64 = TASK + 0x10;

/// A hit.
pub struct Hit {
    pub regs: [u64; REGISTERS],
    pub kernel: Vec<u8>,
    pub user: Vec<u8>,
}

impl Hit {
    pub fn new() -> Hit {
        let mut hit = Hit {
            regs: [0; REGISTERS],
            kernel: vec![0; 0x1000],
            user: vec![0; 0x100],
        };
        hit.write(COMM, b"cat\0");
        hit
    }

    /// Puts bytes at an address of the kernel or of the task.
    pub fn write(&mut self, address: u64, bytes: &[u8]) {
        let (memory, start) = if address < KERNEL {
            (&mut self.user, USER)
        } else {
            (&mut self.kernel, KERNEL)
        };
        let at = (address - start) as usize;
        memory[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn at(&self, space: Space, address: u64) -> &[u8] {
        let (memory, start) = match space {
            Space::Kernel => (&self.kernel, KERNEL),
            Space::User => (&self.user, USER),
        };
        let at = address.wrapping_sub(start);
        usize::try_from(at)
            .ok()
            .and_then(|at| memory.get(at..))
            .unwrap_or(&[])
    }
}

impl HitMemory for Hit {
    fn read(&self, space: Space, address: u64, to: &mut [u8]) -> bool {
        match self.at(space, address).get(..to.len()) {
            Some(bytes) => {
                to.copy_from_slice(bytes);
                true
            }
            None => {
                to.fill(0xee);
                false
            }
        }
    }

    fn read_string(&self, space: Space, address: u64, to: &mut [u8]) -> Option<usize> {
        let bytes = self.at(space, address);
        for (len, to) in to.iter_mut().enumerate() {
            *to = *bytes.get(len)?;
            if *to == 0 {
                return Some(len + 1);
            }
        }
        *to.last_mut()? = 0;
        Some(to.len())
    }

    fn comm(&self) -> u64 {
        COMM
    }

    fn current(&self) -> u64 {
        TASK
    }

    fn this_cpu(&self, variable: u64) -> u64 {
        variable.wrapping_add(PER_CPU)
    }

    fn write_symbol(&self, address: u64, to: &mut [u8]) -> usize {
        let name = format!("sym_{address:x}+0x0/0x10\0");
        let len = name.len().min(to.len());
        to[..len].copy_from_slice(&name.as_bytes()[..len]);
        to[len - 1] = 0;
        len
    }
}

/// The kernel of the tests.
pub struct Facts;

impl KernelFacts for Facts {
    fn symbol(&self, name: &[u8]) -> Option<u64> {
        match name {
            b"jiffies" => Some(KERNEL),
            b"a.b" => Some(KERNEL + 0x40),
            _ => None,
        }
    }

    fn stack_size(&self) -> u64 {
        0x4000
    }

    fn dentry_name(&self) -> i32 {
        0x28
    }

    fn file_dentry(&self) -> i32 {
        0x48
    }

    fn function(&self) -> Option<((), u32)> {
        None
    }
}

impl KernelTypes for Facts {
    type Set = ();

    fn find(&self, kind: u32, name: &[u8]) -> Option<((), u32)> {
        types::kernel().find(kind, name)
    }

    fn bytes(&self, (): (), number: u32) -> Option<&[u8]> {
        types::kernel().bytes(number)
    }

    fn name(&self, (): (), offset: u32) -> Option<&[u8]> {
        types::kernel().name(offset)
    }
}

/// The kernel of the tests, with the probe at the entry of a function.
pub struct At(pub &'static str);

impl KernelFacts for At {
    fn symbol(&self, name: &[u8]) -> Option<u64> {
        Facts.symbol(name)
    }

    fn stack_size(&self) -> u64 {
        Facts.stack_size()
    }

    fn dentry_name(&self) -> i32 {
        Facts.dentry_name()
    }

    fn file_dentry(&self) -> i32 {
        Facts.file_dentry()
    }

    fn function(&self) -> Option<((), u32)> {
        self.find(FUNC, self.0.as_bytes())
    }
}

impl KernelTypes for At {
    type Set = ();

    fn find(&self, kind: u32, name: &[u8]) -> Option<((), u32)> {
        Facts.find(kind, name)
    }

    fn bytes(&self, (): (), number: u32) -> Option<&[u8]> {
        types::kernel().bytes(number)
    }

    fn name(&self, (): (), offset: u32) -> Option<&[u8]> {
        types::kernel().name(offset)
    }
}

/// Compiles the words of a line for a probe at the entry of a function.
pub fn parse_at(line: &[u8], function: &'static str) -> Result<Arguments<Heap>, ArgumentError> {
    Arguments::parse(line, 0, ProbePlace::Entry, &At(function))
}

/// Compiles the words of a line.
pub fn parse(line: &[u8], place: ProbePlace) -> Result<Arguments<Heap>, ArgumentError> {
    Arguments::parse(line, 0, place, &Facts)
}

/// Compiles words that are right.
pub fn compile(line: &str) -> Arguments<Heap> {
    match parse(line.as_bytes(), ProbePlace::Entry) {
        Ok(arguments) => arguments,
        Err(error) => panic!("{line:?}: {error:?}"),
    }
}

/// The record of a hit, in a buffer with other bytes before and after.
pub fn record(arguments: &Arguments<Heap>, hit: &Hit, room: usize) -> Vec<u8> {
    let mut record = vec![0xa5; room + 64];
    let len = arguments.run(&hit.regs, hit, &mut record[..room]);
    assert!(len <= room);
    assert!(len == 0 || len >= arguments.fixed_len());
    let written = |bytes: &[u8]| bytes.iter().any(|byte| *byte != 0xa5);
    assert!(!written(&record[..HEAD.min(room)]), "the head was written");
    assert!(
        !written(&record[room..]),
        "bytes after the record were written"
    );
    record.truncate(len);
    record
}

/// What is printed.
#[derive(Default)]
pub struct Text(pub Vec<u8>);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Printer for Text {
    fn bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn symbol(&mut self, address: u64) -> fmt::Result {
        write!(self, "<{address:x}>")
    }
}

/// The text of a record.
pub fn printed(arguments: &Arguments<Heap>, record: &[u8]) -> String {
    let mut text = Text::default();
    arguments.print(record, &mut text).expect("a text has room");
    String::from_utf8_lossy(&text.0).into_owned()
}

/// The text of the record that a hit makes.
pub fn shown(line: &str, hit: &Hit) -> String {
    let arguments = compile(line);
    printed(&arguments, &record(&arguments, hit, 4096))
}

/// The print format.
pub fn print_fmt(line: &str) -> String {
    let mut text = Text::default();
    compile(line).print_fmt(&mut text).expect("a text has room");
    String::from_utf8(text.0).expect("ASCII")
}
