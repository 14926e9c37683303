// SPDX-License-Identifier: GPL-2.0

//! Names and addresses: the symbols that the module needs, and those that callers name.
//!
//! `kallsyms_lookup_name` is not exported, so a short-lived native kprobe on it finds its address.
//! Functions that are not exported become static calls in static_calls.c, which IBT does not check.
//! Variables become addresses, which only locks.rs and the index of reserved text use.

use crate::eligibility::refusal::Refusal;
use crate::sys::ffi;
use core::ops::Range;
use core::sync::atomic::{
    AtomicUsize,
    Ordering, //
};
use kernel::fmt;
use kernel::prelude::*;
use kernel::str::{
    CStr,
    CStrExt,
    CString, //
};
use kernel::sync::Arc;

/// The longest symbol name of the kernel, with its NUL.
pub(crate) const NAME_LEN: usize = 512;
/// How many addresses of an ambiguous name are kept.
const CANDIDATES: usize = 8;

/// Defines [`Data`] with the kernel's name of each, so that both stay together.
macro_rules! data {
    ($($variant:ident = $name:literal,)*) => {
        /// Variables and section bounds of the kernel.
        #[derive(Clone, Copy)]
        pub(crate) enum Data {
            $($variant,)*
        }

        /// The names, in the order of [`Data`].
        const DATA: &[&CStr] = &[$($name,)*];
    };
}

data! {
    TextMutex = c"text_mutex",
    KprobeMutex = c"kprobe_mutex",
    JumpLabelMutex = c"jump_label_mutex",
    EventMutex = c"event_mutex",
    Events = c"ftrace_events",
    TextStart = c"_stext",
    TextEnd = c"_etext",
    JumpStart = c"__start___jump_table",
    JumpEnd = c"__stop___jump_table",
    CallStart = c"__start_static_call_sites",
    CallEnd = c"__stop_static_call_sites",
    BugStart = c"__start___bug_table",
    BugEnd = c"__stop___bug_table",
    ExtableStart = c"__start___ex_table",
    ExtableEnd = c"__stop___ex_table",
    Blacklist = c"kprobe_blacklist",
    KprobeTable = c"kprobe_table",
    // The pre_handler of a native kprobe that stands for a group.
    GroupHandler = c"aggr_pre_handler",
    DieChain = c"die_chain",
    StaticCallStart = c"__static_call_text_start",
    StaticCallEnd = c"__static_call_text_end",
}

/// The end of `kprobe_table`. Only the kernel's source has its size, so the next symbol ends it.
static KPROBE_TABLE_END: AtomicUsize = AtomicUsize::new(0);
static ADDRESSES: [AtomicUsize; DATA.len()] = [const { AtomicUsize::new(0) }; DATA.len()];

/// Finds all symbols that the module needs.
///
/// # Errors
///
/// ENOENT: the kernel lacks one of them, which the log names. The module cannot work on that kernel.
pub(crate) fn init() -> Result {
    // SAFETY: The function has no condition but process context.
    let kallsyms = unsafe { ffi::rk_find_kallsyms() };
    if kallsyms == 0 {
        pr_err!("no kallsyms_lookup_name: the kernel needs CONFIG_KPROBES and CONFIG_KALLSYMS\n");
        return Err(ENOENT);
    }
    // SAFETY: This is the address of the function that the number stands for.
    unsafe { ffi::rk_symbol_set(ffi::rk_symbol_RK_KALLSYMS_LOOKUP_NAME, kallsyms) };
    for number in 0..ffi::rk_symbol_RK_SYMBOLS {
        if number == ffi::rk_symbol_RK_KALLSYMS_LOOKUP_NAME {
            continue;
        }
        // SAFETY: Every number below RK_SYMBOLS has a static name.
        let name = unsafe { CStr::from_char_ptr(ffi::rk_symbol_name(number)) };
        let addr = match number < ffi::rk_symbol_RK_OPTIONAL_SYMBOLS {
            true => required(name)?,
            false => lookup(name),
        };
        // SAFETY: This is the address of the function that the number stands for.
        unsafe { ffi::rk_symbol_set(number, addr) };
    }
    for (name, place) in DATA.iter().zip(&ADDRESSES) {
        place.store(required(name)?, Ordering::Relaxed);
    }
    let table = bounds(address(Data::KprobeTable)).ok_or(ENOENT)?;
    KPROBE_TABLE_END.store(table.end, Ordering::Relaxed);
    Ok(())
}

/// The range from the kernel's hash table of native kprobes to the next symbol.
pub(crate) fn kprobe_table() -> Range<usize> {
    address(Data::KprobeTable)..KPROBE_TABLE_END.load(Ordering::Relaxed)
}

/// The address of a symbol that the kernel must have.
///
/// # Errors
///
/// ENOENT; the log names the symbol.
pub(crate) fn required(name: &CStr) -> Result<usize> {
    let addr = lookup(name);
    if addr == 0 {
        pr_err!(
            "this kernel has no symbol {}: rkprobes cannot work on it\n",
            name
        );
        return Err(ENOENT);
    }
    Ok(addr)
}

/// The address of a kernel symbol, or "module:symbol"; 0 if there is none.
pub(crate) fn lookup(name: &CStr) -> usize {
    // SAFETY: `name` is a string, and `init` sets this static call first.
    unsafe { ffi::rk_kallsyms_lookup_name(name.as_char_ptr()) }
}

/// The address of a variable of the kernel.
pub(crate) fn data<T>(data: Data) -> *mut T {
    address(data) as *mut T
}

/// The address of a variable or section bound of the kernel, as a number.
pub(crate) fn address(data: Data) -> usize {
    ADDRESSES
        .get(data as usize)
        .map_or(0, |place| place.load(Ordering::Relaxed))
}

/// The range between two section bounds of the kernel.
pub(crate) fn section(start: Data, end: Data) -> Range<usize> {
    address(start)..address(end)
}

/// The function that an address is in.
pub(crate) struct Symbol {
    pub(crate) start: usize,
    pub(crate) size: usize,
    name: [u8; NAME_LEN],
    module: [u8; 64],
}

impl Symbol {
    /// A place for the result of [`Symbol::find`].
    pub(crate) const fn none() -> Self {
        Self {
            start: 0,
            size: 0,
            name: [0; NAME_LEN],
            module: [0; 64],
        }
    }

    /// Becomes the function at `addr`. Returns whether there is one.
    pub(crate) fn find(&mut self, addr: usize) -> bool {
        let (mut size, mut offset) = (0, 0);
        let mut module: *mut kernel::ffi::c_char = core::ptr::null_mut();
        // The module has its name, and must not be freed before the name is copied.
        let rcu = kernel::sync::rcu::read_lock();
        // SAFETY: All pointers are out-parameters. The name's buffer has the length that kallsyms needs.
        let name = unsafe {
            ffi::rk_kallsyms_lookup(
                addr,
                &mut size,
                &mut offset,
                &mut module,
                self.name.as_mut_ptr().cast(),
            )
        };
        if name.is_null() {
            return false;
        }
        self.module = [0; 64];
        if !module.is_null() {
            // SAFETY: RCU is read-locked, so the module is not freed.
            let name = unsafe { CStr::from_char_ptr(module) }.to_bytes();
            for (to, from) in self.module.iter_mut().take(63).zip(name) {
                *to = *from;
            }
        }
        drop(rcu);
        self.start = addr.wrapping_sub(offset);
        self.size = size;
        true
    }

    /// The symbol's name.
    pub(crate) fn name(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.name).unwrap_or(c"")
    }

    /// The module's name, if the function is in one.
    pub(crate) fn module(&self) -> Option<&CStr> {
        CStr::from_bytes_until_nul(&self.module)
            .ok()
            .filter(|name| !name.is_empty())
    }

    /// The end of the function's bytes, padding included.
    pub(crate) fn end(&self) -> usize {
        self.start.saturating_add(self.size)
    }
}

/// The function at `addr`.
pub(crate) fn function(addr: usize) -> Option<Symbol> {
    let mut found = Symbol::none();
    found.find(addr).then_some(found)
}

/// An address, shown as the function and the offset there.
pub(crate) struct Place(pub(crate) usize);

impl fmt::Display for Place {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(function) = function(self.0) else {
            return write!(to, "{:#x}", self.0);
        };
        let offset = self.0.wrapping_sub(function.start);
        to.write_fmt(fmt!("{}+{offset:#x}", function.name()))?;
        match function.module() {
            Some(module) => to.write_fmt(fmt!(" [{}]", module)),
            None => Ok(()),
        }
    }
}

/// The name of an address, kept for the time after its text is unloaded.
pub(crate) struct KeptName {
    function: CString,
    module: Option<CString>,
    pub(crate) offset: usize,
}

impl KeptName {
    /// The name of `addr`. `None` if it has none, and without memory.
    pub(crate) fn of(addr: usize) -> Option<Arc<Self>> {
        let found = function(addr)?;
        let kept = Self {
            function: CString::try_from(found.name()).ok()?,
            module: match found.module() {
                Some(module) => Some(CString::try_from(module).ok()?),
                None => None,
            },
            offset: addr.wrapping_sub(found.start),
        };
        Arc::new(kept, GFP_KERNEL).ok()
    }

    /// The name of the function.
    pub(crate) fn function(&self) -> &CStr {
        &self.function
    }

    /// The name of the module, if the function was in one.
    pub(crate) fn module(&self) -> Option<&CStr> {
        self.module.as_deref()
    }
}

/// The range of the function at `addr`. This is fast, because it does not look up the name.
pub(crate) fn bounds(addr: usize) -> Option<Range<usize>> {
    let (mut size, mut offset) = (0, 0);
    // SAFETY: Both pointers are out-parameters.
    let found = unsafe { ffi::rk_kallsyms_bounds(addr, &mut size, &mut offset) };
    let start = addr.wrapping_sub(offset);
    found.then(|| start..start.saturating_add(size))
}

/// The addresses of all functions of one name.
pub(crate) struct Candidates {
    /// How many functions have the name.
    pub(crate) found: usize,
    addrs: [kernel::ffi::c_ulong; CANDIDATES],
}

impl Candidates {
    /// The addresses of the first of them.
    pub(crate) fn addrs(&self) -> impl Iterator<Item = usize> + '_ {
        self.addrs.iter().take(self.found).copied()
    }
}

/// Looks for functions in a module, or (`None`) in the kernel and all modules.
pub(crate) fn candidates(module: Option<&CStr>, name: &CStr) -> Candidates {
    search(module, name, true)
}

/// Looks for functions in a module, or (`None`) in the kernel alone.
pub(crate) fn pieces(module: Option<&CStr>, name: &CStr) -> Candidates {
    search(module, name, false)
}

fn search(module: Option<&CStr>, name: &CStr, everywhere: bool) -> Candidates {
    let mut addrs = [0; CANDIDATES];
    let module = module.map_or(core::ptr::null(), |name| name.as_char_ptr());
    // SAFETY: Both names are strings or NULL, and the array has room for that many addresses.
    let found = unsafe {
        ffi::rk_kallsyms_matches(
            module,
            name.as_char_ptr(),
            everywhere,
            addrs.as_mut_ptr(),
            CANDIDATES as kernel::ffi::c_uint,
        )
    };
    Candidates {
        found: usize::try_from(found).unwrap_or(0),
        addrs,
    }
}

/// Whether the kernel has a module of this name, which may still be loaded or already be unloaded.
pub(crate) fn has_module(name: &CStr) -> bool {
    // SAFETY: Both are strings, and the function takes no data.
    let found = unsafe {
        ffi::rk_kallsyms_search(
            name.as_char_ptr(),
            c"*".as_char_ptr(),
            Some(found_one),
            core::ptr::null_mut(),
        )
    };
    found != 0
}

/// Ends a search at the first symbol.
///
/// # Safety
///
/// None.
unsafe extern "C" fn found_one(
    _data: *mut core::ffi::c_void,
    _addr: kernel::ffi::c_ulong,
) -> kernel::ffi::c_int {
    1
}

/// The address of the one function of this name.
///
/// # Errors
///
/// `UnknownSymbol` (ENOENT), `AmbiguousSymbol` (EADDRNOTAVAIL).
pub(crate) fn resolve(module: Option<&CStr>, name: &CStr) -> Result<usize, Refusal> {
    let candidates = candidates(module, name);
    let first = candidates.addrs().next();
    match (candidates.found, first) {
        (1, Some(addr)) => Ok(addr),
        (0, _) | (_, None) => Err(Refusal::UnknownSymbol),
        _ => Err(Refusal::AmbiguousSymbol),
    }
}

/// The range of the trampolines of static calls, which the kernel patches.
pub(crate) fn static_call_text() -> (usize, usize) {
    (address(Data::StaticCallStart), address(Data::StaticCallEnd))
}

/// Whether `addr` is in the kernel's own text.
pub(crate) fn in_kernel_text(addr: usize) -> bool {
    address(Data::TextStart) <= addr && addr < address(Data::TextEnd)
}
