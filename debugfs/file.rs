// SPDX-License-Identifier: GPL-2.0

//! Directories and files of debugfs.
//!
//! The files of the `kernel` crate are not used, because they have no owner. If such a file is open
//! when the module is unloaded, it is closed by a function that has been freed. Errors of showing a
//! file and missing memory are lost, too. With an owner, `rmmod` fails with EBUSY while a file is
//! open.

use core::marker::PhantomData;
use core::ptr::null;
use kernel::bindings::{self, dentry, file_operations, inode, loff_t, seq_file};
use kernel::error::from_err_ptr;
use kernel::ffi::{c_char, c_int, c_void};
use kernel::fs::file::flags::{O_ACCMODE, O_WRONLY};
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::uaccess::{UserPtr, UserSlice};

/// The most bytes that one write may have.
const WRITE_MAX: usize = 4 << 20;
/// The least memory for what a file shows.
const SHOW_MIN: usize = 512;

/// A file: what a read shows, and what a write does.
pub(crate) trait File: 'static {
    /// What the file is about.
    type Data: Sync;
    /// Its name.
    const NAME: &'static CStr;
    /// Its permissions: 0400, 0200 or 0600.
    const MODE: u16;

    /// About how many bytes it shows.
    fn size_hint(_data: &Self::Data) -> usize {
        0
    }

    /// Shows the file. If the memory is too small, it is called again at once, with more memory.
    ///
    /// # Errors
    ///
    /// Those of `read()`.
    fn show(_data: &Self::Data, _out: &SeqFile) -> Result {
        Err(EINVAL)
    }

    /// Takes the bytes of one write.
    ///
    /// # Errors
    ///
    /// Those of `write()`.
    fn write(_data: &Self::Data, _text: KVVec<u8>) -> Result {
        Err(EINVAL)
    }
}

/// A directory. When this is dropped, the directory and all that is in it are removed. After that no
/// function of its files runs.
///
/// # Invariants
///
/// The pointer is a live directory of debugfs that only this removes.
pub(crate) struct Dir(*mut dentry);

// SAFETY: debugfs takes its own locks, and any task may use a directory.
unsafe impl Send for Dir {}
// SAFETY: debugfs takes its own locks, and any task may use a directory.
unsafe impl Sync for Dir {}

impl Dir {
    /// Makes a directory at the top of debugfs, or in `parent`. `parent` must be dropped after it.
    ///
    /// # Errors
    ///
    /// Those of debugfs: ENOMEM, or EPERM where it is switched off.
    pub(crate) fn new(name: &CStr, parent: Option<&Dir>) -> Result<Self> {
        let parent = parent.map_or(core::ptr::null_mut(), |dir| dir.0);
        // SAFETY: the name is a C string, and `parent` is NULL or, by the invariant, a live directory.
        let dir = unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), parent) };
        // INVARIANT: debugfs has just made it for this caller.
        Ok(Self(from_err_ptr(dir)?))
    }

    /// Makes a file in the directory.
    ///
    /// # Safety
    ///
    /// `data` lives until the directory is dropped.
    ///
    /// # Errors
    ///
    /// Those of debugfs.
    pub(crate) unsafe fn file<F: File>(&self, data: *const F::Data) -> Result {
        // SAFETY: the operations of `F` cast `data` back to `F::Data`. `data` lives until the directory
        // is dropped, by the contract, and no operation runs after that.
        let file = unsafe {
            bindings::debugfs_create_file_full(
                F::NAME.as_char_ptr(),
                F::MODE,
                self.0,
                data.cast_mut().cast(),
                null(),
                Operations::<F>::table(),
            )
        };
        from_err_ptr(file).map(|_| ())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // SAFETY: the directory is live, and only this removes it, by the invariant.
        unsafe { bindings::debugfs_remove(self.0) };
    }
}

/// The functions of a file. debugfs calls `open`, `read` and `write` only before the file is removed.
struct Operations<F>(PhantomData<F>);

impl<F: File> Operations<F> {
    const TABLE: file_operations = file_operations {
        owner: kernel::module::this_module::<crate::LocalModule>().as_ptr(),
        open: Some(Self::open),
        read: if F::MODE & 0o400 == 0 {
            None
        } else {
            Some(bindings::seq_read)
        },
        write: if F::MODE & 0o200 == 0 {
            None
        } else {
            Some(Self::write)
        },
        llseek: Some(bindings::seq_lseek),
        release: Some(bindings::single_release),
        ..pin_init::zeroed()
    };

    const fn table() -> &'static file_operations {
        &Self::TABLE
    }

    /// # Safety
    ///
    /// Called by debugfs for a file of [`Dir::file`].
    unsafe extern "C" fn open(inode: *mut inode, file: *mut bindings::file) -> c_int {
        // SAFETY: debugfs hands in the inode that it has made with the data, and a new file.
        let (data, flags) = unsafe { ((*inode).i_private, (*file).f_flags) };
        let mut size = SHOW_MIN;
        if flags & O_ACCMODE != O_WRONLY {
            // SAFETY: the data lives until the file is removed.
            size = F::size_hint(unsafe { &*data.cast::<F::Data>() }).max(size);
        }
        // SAFETY: `file` is new, and `show` casts `data` back to `F::Data`.
        unsafe { bindings::single_open_size(file, Some(Self::show), data, size) }
    }

    /// # Safety
    ///
    /// Called by seq_file for a file that [`Operations::open`] has opened.
    unsafe extern "C" fn show(seq: *mut seq_file, _: *mut c_void) -> c_int {
        // SAFETY: `open` has set the private data, which lives until the file is removed.
        let data = unsafe { &*(*seq).private.cast::<F::Data>() };
        // SAFETY: seq_file calls `show` for one task at a time.
        match F::show(data, unsafe { SeqFile::from_raw(seq) }) {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// Called by debugfs for a file that [`Operations::open`] has opened.
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        from: *const c_char,
        count: usize,
        _at: *mut loff_t,
    ) -> isize {
        // SAFETY: `open` has made it a seq_file with the data, which lives until the file is removed.
        let data = unsafe {
            let seq = (*file).private_data.cast::<seq_file>();
            &*(*seq).private.cast::<F::Data>()
        };
        match read_user(from, count).and_then(|text| F::write(data, text)) {
            Ok(()) => isize::try_from(count).unwrap_or(isize::MAX),
            Err(error) => error.to_errno() as isize,
        }
    }
}

/// The bytes that the user writes.
fn read_user(from: *const c_char, count: usize) -> Result<KVVec<u8>> {
    if count > WRITE_MAX {
        return Err(E2BIG);
    }
    let mut text = KVVec::new();
    let from = UserPtr::from_ptr(from.cast_mut().cast());
    UserSlice::new(from, count).read_all(&mut text, GFP_KERNEL)?;
    Ok(text)
}
