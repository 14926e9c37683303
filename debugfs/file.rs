// SPDX-License-Identifier: GPL-2.0

//! Directories and files of debugfs.
//!
//! Not the `kernel` crate's: its files have no owner. A file that is still open when the module goes
//! would be closed by a function that is not there any more; and errors of what is shown, and those
//! for want of memory, would be lost. With an owner, `rmmod` says EBUSY while a file is open.

use core::marker::PhantomData;
use core::ptr::{from_ref, null};
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

/// What a file shows and takes.
pub(crate) trait File: 'static {
    /// What it is about.
    type Data: Sync;
    /// Its name.
    const NAME: &'static CStr;
    /// Its permissions: 0400, 0200 or 0600.
    const MODE: u16;

    /// About how many bytes it shows.
    fn size_hint(_data: &Self::Data) -> usize {
        0
    }

    /// Shows it. May be called again at once, with more memory.
    ///
    /// # Errors
    ///
    /// Those of `read()`.
    fn show(_data: &Self::Data, _out: &SeqFile) -> Result {
        Err(EINVAL)
    }

    /// Takes what was written in one call.
    ///
    /// # Errors
    ///
    /// Those of `write()`.
    fn write(_data: &Self::Data, _text: KVVec<u8>) -> Result {
        Err(EINVAL)
    }
}

/// A directory, removed with all that is in it when this is dropped; then none of its files'
/// functions runs.
///
/// # Invariants
///
/// A live directory of debugfs that nothing else removes.
pub(crate) struct Dir(*mut dentry);

// SAFETY: debugfs does its own locking.
unsafe impl Send for Dir {}
// SAFETY: as above.
unsafe impl Sync for Dir {}

impl Dir {
    /// Makes a directory at the top, or in another one, which must be dropped after it.
    ///
    /// # Errors
    ///
    /// Those of debugfs: ENOMEM, or EPERM where it is switched off.
    pub(crate) fn new(name: &CStr, parent: Option<&Dir>) -> Result<Self> {
        let parent = parent.map_or(core::ptr::null_mut(), |dir| dir.0);
        // SAFETY: a name and a live directory, or NULL for the top.
        let dir = unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), parent) };
        // INVARIANT: it was just made.
        Ok(Self(from_err_ptr(dir)?))
    }

    /// Makes a file in it.
    ///
    /// # Safety
    ///
    /// `data` lives until the directory is dropped.
    ///
    /// # Errors
    ///
    /// Those of debugfs.
    pub(crate) unsafe fn file<F: File>(&self, data: *const F::Data) -> Result {
        // SAFETY: the operations take `data` for what it is, and it lives by the contract.
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
        // SAFETY: by the invariant.
        unsafe { bindings::debugfs_remove(self.0) };
    }
}

/// The functions of a file. debugfs calls `open`, `read` and `write` only while the file is there.
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
        // SAFETY: debugfs hands in the inode that it has made with our data, and a new file.
        let (data, flags) = unsafe { ((*inode).i_private, (*file).f_flags) };
        let mut size = SHOW_MIN;
        if flags & O_ACCMODE != O_WRONLY {
            // SAFETY: the data lives as long as the file is there.
            size = F::size_hint(unsafe { &*data.cast::<F::Data>() }).max(size);
        }
        // SAFETY: as above; `show` is for this data.
        unsafe { bindings::single_open_size(file, Some(Self::show), data, size) }
    }

    /// # Safety
    ///
    /// Called by seq_file for a file that [`Operations::open`] has opened.
    unsafe extern "C" fn show(seq: *mut seq_file, _: *mut c_void) -> c_int {
        // SAFETY: `open` has set it; the data lives as long as the file is there.
        let data = unsafe { &*(*seq).private.cast::<F::Data>() };
        // SAFETY: seq_file lets one task at a time in.
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
        // SAFETY: `open` has made it a seq_file with our data, which lives as long as the file is
        // there.
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

/// What the user writes.
fn read_user(from: *const c_char, count: usize) -> Result<KVVec<u8>> {
    if count > WRITE_MAX {
        return Err(E2BIG);
    }
    let mut text = KVVec::new();
    let from = UserPtr::from_ptr(from.cast_mut().cast());
    UserSlice::new(from, count).read_all(&mut text, GFP_KERNEL)?;
    Ok(text)
}

/// The pointer that files get to data that stays where it is.
pub(crate) fn data<T>(place: Pin<&T>) -> *const T {
    from_ref(place.get_ref())
}
