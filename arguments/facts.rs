// SPDX-License-Identifier: GPL-2.0

//! What the compiler must know of the kernel and of the probe.

use super::btf::KernelTypes;

/// What the compiler asks of the kernel.
pub trait KernelFacts: KernelTypes {
    /// The address of the symbol.
    fn symbol(&self, name: &[u8]) -> Option<u64>;
    /// The size of a task's stack in bytes.
    fn stack_size(&self) -> u64;
    /// The offset of `d_name.name` in `struct dentry`.
    fn dentry_name(&self) -> i32;
    /// The offset of `f_path.dentry` in `struct file`.
    fn file_dentry(&self) -> i32;
    /// The type of the function that the probe is at the entry of.
    fn function(&self) -> Option<(Self::Set, u32)>;
}

/// Where the probe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbePlace {
    /// At the entry of a function, where the registers have its arguments.
    Entry,
    /// At the entries of several functions.
    Entries,
    /// Elsewhere.
    Inside,
}
