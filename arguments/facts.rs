// SPDX-License-Identifier: GPL-2.0

//! What the compiler must know of the kernel and of the probe.

/// What the compiler asks of the kernel.
pub trait KernelFacts {
    /// The address of the symbol.
    fn symbol(&self, name: &[u8]) -> Option<u64>;
    /// The size of a task's stack in bytes.
    fn stack_size(&self) -> u64;
    /// The offset of `d_name.name` in `struct dentry`.
    fn dentry_name(&self) -> i32;
    /// The offset of `f_path.dentry` in `struct file`.
    fn file_dentry(&self) -> i32;
}

/// Where the probe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbePlace {
    /// At the entry of a function, where the registers have its arguments.
    Entry,
    /// Elsewhere.
    Inside,
}
