// SPDX-License-Identifier: GPL-2.0

//! Directories and files of debugfs.
//!
//! The files of the `kernel` crate are not used, because they have no owner. If such a file is open
//! when the module is unloaded, it is closed by a function that has been freed. Errors of showing a
//! file and missing memory are lost, too. With an owner, `rmmod` fails with EBUSY while a file is
//! open.
//!
//! debugfs passes `flush` and `write_iter` on only for files of `debugfs_create_file_unsafe`. Such a
//! file must itself keep its removal away, which [`InUse`] does.

use crate::command::writes::{
    Lines,
    LINE_MAX, //
};
use crate::debugfs::failures::Failures;
use crate::debugfs::writer::{
    Run,
    Writer, //
};
use crate::eligibility::refusal::Refusal;
use crate::sys::compat::THIS_MODULE;
use crate::sys::ffi;
use core::marker::PhantomData;
use core::ptr::from_ref;
use core::ptr::NonNull;
use kernel::bindings::{
    self,
    dentry,
    file_operations,
    inode,
    loff_t,
    seq_file, //
};
use kernel::error::from_err_ptr;
use kernel::ffi::{
    c_char,
    c_int,
    c_void, //
};
use kernel::fs::file::flags::{
    O_ACCMODE,
    O_RDONLY,
    O_TRUNC,
    O_WRONLY, //
};
use kernel::iov::IovIterSource;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::sync::{
    new_mutex,
    Mutex, //
};
use kernel::types::ForeignOwnable;

/// The least memory for what a file shows.
const SHOW_MIN: usize = 512;

/// A file: what a read shows, and what a written line does.
pub(crate) trait File: 'static {
    /// The thing that the file shows and changes, for example a probe.
    type Data: Sync;
    /// The data of one open file.
    type Own: Default + Send + Unpin + 'static;
    /// Its name.
    const NAME: &'static CStr;
    /// Its permissions: 0400, 0200 or 0600, and those of the group in tracefs.
    const MODE: u16;
    /// A write has many lines, not a value. `errors` numbers them, and shows the last such write also
    /// when no line failed.
    const MANY_LINES: bool = false;
    /// It is a file of tracefs. It is in use while it is open, because it keeps the module loaded. The end
    /// of a short write ends a line, as in the files of the tracing.
    const IN_TRACEFS: bool = false;

    /// The file is opened; `truncates`: for writing, with `O_TRUNC`.
    ///
    /// # Errors
    ///
    /// The errors of `open()`.
    fn opened(_data: &Self::Data, _truncates: bool) -> Result {
        Ok(())
    }

    /// About how many bytes it shows.
    fn size_hint(_data: &Self::Data) -> usize {
        0
    }

    /// Shows the file. If the memory is too small, it is called again at once, with more memory.
    ///
    /// # Errors
    ///
    /// The errors of `read()`.
    fn show(_data: &Self::Data, _own: &Self::Own, _out: &SeqFile) -> Result {
        Err(EINVAL)
    }

    /// Carries out one line.
    ///
    /// # Errors
    ///
    /// Why the line is refused.
    fn line(_data: &Self::Data, _own: &mut Self::Own, _text: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::UnknownCommand)
    }

    /// Carries out lines, each on its own.
    fn lines<'t>(
        data: &Self::Data,
        own: &mut Self::Own,
        lines: Lines<'t>,
        failures: &mut Failures<'t>,
    ) {
        for (number, text) in lines {
            let done = match text.len() > LINE_MAX {
                true => Err(Refusal::LineTooLong),
                false => Self::line(data, own, text),
            };
            if let Err(refusal) = done {
                failures.add(number, text, refusal);
            }
        }
    }
}

/// A directory. When this is dropped, the directory and all that is in it are removed. After that no
/// function of its files runs.
///
/// # Invariants
///
/// The pointer is a live directory of debugfs that only this removes.
pub(crate) struct Dir(*mut dentry);

// SAFETY: Debugfs takes its own locks, and any task may use a directory.
unsafe impl Send for Dir {}
// SAFETY: Debugfs takes its own locks, and any task may use a directory.
unsafe impl Sync for Dir {}

impl Dir {
    /// Makes a directory at the top of debugfs, or in `parent`. `parent` must be dropped after it.
    ///
    /// # Errors
    ///
    /// The errors of debugfs: ENOMEM, or EPERM where it is switched off.
    pub(crate) fn new(name: &CStr, parent: Option<&Dir>) -> Result<Self> {
        let parent = parent.map_or(core::ptr::null_mut(), |dir| dir.0);
        // SAFETY: The name is a C string, and `parent` is NULL or, by the invariant, a live directory.
        let dir = unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), parent) };
        // INVARIANT: Debugfs has just made it for this caller.
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
    /// The errors of debugfs.
    pub(crate) unsafe fn file<F: File>(&self, data: *const F::Data) -> Result {
        // SAFETY: The operations of `F` cast `data` back to `F::Data`. `data` lives until the directory
        // is dropped, by the contract. No operation uses it after that, because each holds `InUse`.
        let file = unsafe {
            bindings::debugfs_create_file_unsafe(
                F::NAME.as_char_ptr(),
                F::MODE,
                self.0,
                data.cast_mut().cast(),
                Operations::<F>::table(),
            )
        };
        from_err_ptr(file).map(|_| ())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // SAFETY: The directory is live, and only this removes it, by the invariant.
        unsafe { bindings::debugfs_remove(self.0) };
    }
}

/// A file in the top directory of tracefs.
///
/// # Invariants
///
/// The pointer is a file of tracefs that only this removes.
pub(crate) struct TracingFile(NonNull<c_void>);

// SAFETY: Tracefs takes its own locks, and any task may use a file.
unsafe impl Send for TracingFile {}
// SAFETY: Tracefs takes its own locks, and any task may use a file.
unsafe impl Sync for TracingFile {}

impl TracingFile {
    /// Makes the file. `None`: tracefs is off or locked down, or lacks memory.
    ///
    /// # Safety
    ///
    /// `data` lives until the file is dropped. The file is dropped only when the module is unloaded, or
    /// cannot be loaded: before that, an open file uses `data`.
    pub(crate) unsafe fn new<F: File>(data: *const F::Data) -> Option<Self> {
        const { assert!(F::IN_TRACEFS) };
        // SAFETY: The operations of `F` cast `data` back to `F::Data`, which lives as long as they are
        // called, by the contract.
        let file = unsafe {
            ffi::rk_tracefs_create(
                F::NAME.as_char_ptr(),
                F::MODE,
                data.cast_mut().cast(),
                from_ref(Operations::<F>::table()).cast(),
            )
        };
        // INVARIANT: Tracefs has just made it for this caller.
        NonNull::new(file).map(Self)
    }
}

impl Drop for TracingFile {
    fn drop(&mut self) {
        // SAFETY: The file is there, and only this removes it, by the invariant.
        unsafe { ffi::rk_tracefs_remove(self.0.as_ptr()) };
    }
}

/// A file that is in use. While this lives, the file's data lives, because removing the file waits.
///
/// # Invariants
///
/// The pointer is the entry of a file of debugfs, on which this has called `debugfs_file_get()`, or `None`
/// for a file of tracefs.
struct InUse(Option<*mut dentry>);

impl InUse {
    /// # Safety
    ///
    /// `file` is an open file of [`Dir::file`], or of [`TracingFile`] for such an `F`.
    ///
    /// # Errors
    ///
    /// EIO: the file was removed.
    unsafe fn new<F: File>(file: *mut bindings::file) -> Result<Self> {
        if F::IN_TRACEFS {
            // INVARIANT: The file is one of tracefs.
            return Ok(Self(None));
        }
        // SAFETY: The file is open, by the contract.
        let entry = unsafe { ffi::rk_file_dentry(file.cast()) }.cast();
        // SAFETY: The entry lives as long as the open file. debugfs has prepared it in its `open`.
        kernel::error::to_result(unsafe { bindings::debugfs_file_get(entry) })?;
        // INVARIANT: The call has succeeded.
        Ok(Self(Some(entry)))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(entry) = self.0 {
            // SAFETY: `new` called `debugfs_file_get()`, by the invariant.
            unsafe { bindings::debugfs_file_put(entry) };
        }
    }
}

/// An open file.
#[pin_data]
struct Open<F: File> {
    data: *const F::Data,
    #[pin]
    inner: Mutex<Inner<F>>,
}

/// What an open file has of its own.
struct Inner<F: File> {
    own: F::Own,
    /// `None` for a file that is open for reading only.
    writer: Option<Writer>,
}

impl<F: File> Open<F> {
    fn new(data: *const F::Data, writes: bool) -> Result<Pin<KBox<Self>>> {
        let inner = Inner {
            own: F::Own::default(),
            writer: writes
                .then(|| Writer::new((!F::MANY_LINES).then_some(F::NAME), F::IN_TRACEFS))
                .transpose()?,
        };
        KBox::pin_init(
            pin_init!(Self {
                data,
                inner <- new_mutex!(inner),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Calls `act` on the file's data and the writer, and on what carries lines out.
    fn with_writer<R>(
        &self,
        _in_use: &InUse,
        act: impl FnOnce(&mut Writer, &mut Run<'_>) -> Result<R>,
    ) -> Result<R> {
        let inner = &mut *self.inner.lock();
        // SAFETY: The file is in use, so its data lives.
        let data = unsafe { &*self.data };
        let own = &mut inner.own;
        let writer = inner.writer.as_mut().ok_or(EBADF)?;
        act(writer, &mut |lines, failures| {
            F::lines(data, own, lines, failures);
        })
    }
}

/// The functions of a file.
struct Operations<F>(PhantomData<F>);

impl<F: File> Operations<F> {
    const WRITES: bool = F::MODE & 0o200 != 0;

    const TABLE: file_operations = file_operations {
        owner: THIS_MODULE,
        open: Some(Self::open),
        read: if F::MODE & 0o400 == 0 {
            None
        } else {
            Some(Self::read)
        },
        // Not `write`, which gets a writev() in pieces.
        write_iter: if Self::WRITES {
            Some(Self::write_iter)
        } else {
            None
        },
        flush: if Self::WRITES {
            Some(Self::flush)
        } else {
            None
        },
        llseek: Some(Self::llseek),
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    const fn table() -> &'static file_operations {
        &Self::TABLE
    }

    /// What [`Operations::open`] has made for a file.
    ///
    /// # Safety
    ///
    /// `file` was opened by [`Operations::open`] and is not released.
    unsafe fn opened<'a>(file: *mut bindings::file) -> Pin<&'a Open<F>> {
        // SAFETY: `open` has made the file a seq_file, whose private data is the box.
        unsafe {
            let seq = (*file).private_data.cast::<seq_file>();
            Pin::<KBox<Open<F>>>::borrow((*seq).private)
        }
    }

    /// # Safety
    ///
    /// Called by debugfs for a file of [`Dir::file`], which debugfs does not remove during the call.
    unsafe extern "C" fn open(inode: *mut inode, file: *mut bindings::file) -> c_int {
        // SAFETY: Debugfs hands in the inode that it has made with the data, and a new file.
        let (data, flags) = unsafe { ((*inode).i_private.cast::<F::Data>(), (*file).f_flags) };
        let writes = flags & O_ACCMODE != O_RDONLY;
        if F::IN_TRACEFS {
            // SAFETY: The function has no condition.
            let locked_down = unsafe { ffi::rk_tracefs_locked_down() };
            if locked_down != 0 {
                return locked_down;
            }
        }
        // SAFETY: The data lives until the file is removed.
        let opened = F::opened(unsafe { &*data }, writes && flags & O_TRUNC != 0);
        if let Err(error) = opened {
            return error.to_errno();
        }
        let mut size = SHOW_MIN;
        if flags & O_ACCMODE != O_WRONLY {
            // SAFETY: The data lives until the file is removed.
            size = F::size_hint(unsafe { &*data }).max(size);
        }
        let open = match Open::<F>::new(data, writes) {
            Ok(open) => open.into_foreign(),
            Err(error) => return error.to_errno(),
        };
        // SAFETY: `file` is new, and `show` uses the private data as what it is.
        let opened = unsafe { bindings::single_open_size(file, Some(Self::show), open, size) };
        if opened != 0 {
            // SAFETY: No file has the box, because it was not opened.
            drop(unsafe { Pin::<KBox<Open<F>>>::from_foreign(open) });
        }
        opened
    }

    /// # Safety
    ///
    /// Called by seq_file for a file that [`Operations::open`] has opened, in `read` or `llseek`.
    unsafe extern "C" fn show(seq: *mut seq_file, _: *mut c_void) -> c_int {
        // SAFETY: `open` has set the private data, which lives until the file is released.
        let open = unsafe { Pin::<KBox<Open<F>>>::borrow((*seq).private) };
        // SAFETY: `read` and `llseek` hold `InUse`, so the data lives.
        let data = unsafe { &*open.data };
        // SAFETY: seq_file calls `show` for one task at a time.
        let out = unsafe { SeqFile::from_raw(seq) };
        let inner = open.inner.lock();
        match F::show(data, &inner.own, out) {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// Called by the kernel for a file that [`Operations::open`] has opened.
    unsafe extern "C" fn read(
        file: *mut bindings::file,
        to: *mut c_char,
        count: usize,
        at: *mut loff_t,
    ) -> isize {
        // SAFETY: The file is open.
        match unsafe { InUse::new::<F>(file) } {
            // SAFETY: The arguments are the kernel's, and the file is a seq_file.
            Ok(_in_use) => unsafe { bindings::seq_read(file, to, count, at) },
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// Called by the kernel for a file that [`Operations::open`] has opened.
    unsafe extern "C" fn llseek(file: *mut bindings::file, to: loff_t, whence: c_int) -> loff_t {
        // SAFETY: The file is open.
        match unsafe { InUse::new::<F>(file) } {
            // SAFETY: The arguments are the kernel's, and the file is a seq_file.
            Ok(_in_use) => unsafe { bindings::seq_lseek(file, to, whence) },
            Err(error) => loff_t::from(error.to_errno()),
        }
    }

    /// # Safety
    ///
    /// Called by the kernel for a file that [`Operations::open`] has opened.
    unsafe extern "C" fn write_iter(
        kiocb: *mut bindings::kiocb,
        from: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: The kernel hands in what it writes, which only this call uses, and the open file.
        let (from, file) = unsafe { (IovIterSource::from_raw(from), (*kiocb).ki_filp) };
        // SAFETY: The file is open.
        let (open, in_use) = unsafe { (Self::opened(file), InUse::new::<F>(file)) };
        let written = in_use
            .and_then(|in_use| open.with_writer(&in_use, |writer, run| writer.write(from, run)));
        match written {
            Ok(count) => isize::try_from(count).unwrap_or(isize::MAX),
            Err(error) => error.to_errno() as isize,
        }
    }

    /// Called at each `close()` of a descriptor of the file. Only the last one ends the written text.
    /// Other descriptors are duplicates, and those that child processes have inherited.
    ///
    /// # Safety
    ///
    /// Called by the kernel for a file that [`Operations::open`] has opened.
    unsafe extern "C" fn flush(file: *mut bindings::file, _: bindings::fl_owner_t) -> c_int {
        // SAFETY: The file is open.
        let last = unsafe { ffi::rk_is_last_descriptor(file.cast()) };
        if !last {
            return 0;
        }
        // SAFETY: The file is open.
        match unsafe { Self::end(file) } {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// Called by the kernel, last, for a file that [`Operations::open`] has opened.
    unsafe extern "C" fn release(inode: *mut inode, file: *mut bindings::file) -> c_int {
        if Self::WRITES {
            // The last two descriptors may be closed at the same time, so that neither `flush` sees
            // the last one.
            // SAFETY: The file is open until the end of this function.
            let _ = unsafe { Self::end(file) };
        }
        // SAFETY: The file is a seq_file, whose private data `open` has made. No other operation runs
        // any more.
        unsafe {
            let seq = (*file).private_data.cast::<seq_file>();
            drop(Pin::<KBox<Open<F>>>::from_foreign((*seq).private));
            bindings::single_release(inode, file)
        }
    }

    /// Ends the text that was written.
    ///
    /// # Safety
    ///
    /// `file` was opened by [`Operations::open`] and is not released.
    ///
    /// # Errors
    ///
    /// The errno of a line that failed and was not reported yet.
    unsafe fn end(file: *mut bindings::file) -> Result {
        // SAFETY: The file is open.
        let (open, in_use) = unsafe { (Self::opened(file), InUse::new::<F>(file)) };
        // The lines of a file that was removed have nothing to act on.
        let Ok(in_use) = in_use else {
            return Ok(());
        };
        if open.inner.lock().writer.is_none() {
            return Ok(());
        }
        open.with_writer(&in_use, |writer, run| writer.end(run))
    }
}
