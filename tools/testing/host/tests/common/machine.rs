// SPDX-License-Identifier: GPL-2.0

//! Runs code natively with chosen registers, flags and memory, and catches where it ends.
//!
//! One mapping holds data, stack, code and the stubs that code leaves through, so that
//! all of it can be reached with 32-bit displacements and compared after a run. Faults
//! end a run like a stub does.

// Each test uses a part.
#![allow(dead_code)]

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Registers in the order of their encoding, flags, and the image of FXSAVE.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub regs: [u64; 16],
    pub flags: u64,
    pub vectors: Vectors,
}

/// MMX and SSE registers and their controls, as FXSAVE stores them.
#[repr(C, align(16))]
#[derive(Clone, Copy, Eq)]
pub struct Vectors([u8; 512]);

impl Vectors {
    /// All exceptions masked, the registers from `fill`.
    pub fn new(fill: impl FnMut() -> u8) -> Self {
        let mut image = [0; 512];
        image[..2].copy_from_slice(&0x37f_u16.to_le_bytes());
        image[24..28].copy_from_slice(&0x1f80_u32.to_le_bytes());
        image[160..416].fill_with(fill);
        Vectors(image)
    }
}

impl PartialEq for Vectors {
    /// All but the mask of MXCSR, which FXRSTOR does not take.
    fn eq(&self, other: &Self) -> bool {
        self.0[..28] == other.0[..28] && self.0[32..416] == other.0[32..416]
    }
}

impl std::fmt::Debug for Vectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let registers = self.0[32..416].chunks(16).enumerate();
        f.debug_map()
            .entries(registers.filter(|(_, register)| register.iter().any(|byte| *byte != 0)))
            .finish()
    }
}

/// Where a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At this stub.
    Stub(usize),
    /// With this signal, at this offset in the mapping.
    Signal(i32, u64),
}

pub const SIZE: usize = 0x10000;
/// Room before and behind for displacements.
pub const DATA: usize = 0x100;
pub const STACK_TOP: usize = 0x1800;
/// Data and stack.
pub const MEMORY: usize = 0x2000;
/// The code under test begins here; stub 0 is put behind it.
pub const START: usize = 0x3100;
/// A function that leaves its return address in [`RETURN_ADDRESS`] and returns.
pub const CALLEE: usize = 0x3a00;
pub const RETURN_ADDRESS: usize = 0xff0;
/// Where a copy of the code may go.
pub const COPY: usize = 0x5000;
/// Stubs 1 and 2 are within reach of short branches.
pub const STUBS: [usize; 4] = [START + 90, START - 60, 0x3800, 0x3900];
/// What code under test may count in.
pub const COUNTER: usize = CELLS + 64;
const CELLS: usize = 0x2000;
const STUB_LEN: usize = 16;

std::arch::global_asm!(
    ".pushsection .bss",
    ".balign 8",
    // Host stack pointer, state, entry, scratch.
    "rk_host: .skip 32",
    ".popsection",
    ".globl rk_run",
    "rk_run:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov [rip + rk_host], rsp",
    "mov [rip + rk_host + 8], rdi",
    "mov [rip + rk_host + 16], rsi",
    "fxrstor64 [rdi + 144]",
    "push qword ptr [rdi + 128]",
    "popfq",
    "mov rax, [rdi]",
    "mov rcx, [rdi + 8]",
    "mov rdx, [rdi + 16]",
    "mov rbx, [rdi + 24]",
    "mov rsp, [rdi + 32]",
    "mov rbp, [rdi + 40]",
    "mov rsi, [rdi + 48]",
    "mov r8, [rdi + 64]",
    "mov r9, [rdi + 72]",
    "mov r10, [rdi + 80]",
    "mov r11, [rdi + 88]",
    "mov r12, [rdi + 96]",
    "mov r13, [rdi + 104]",
    "mov r14, [rdi + 112]",
    "mov r15, [rdi + 120]",
    "mov rdi, [rdi + 56]",
    "jmp [rip + rk_host + 16]",
    ".globl rk_exit",
    "rk_exit:",
    "mov [rip + rk_host + 24], rax",
    "mov rax, [rip + rk_host + 8]",
    "mov [rax + 8], rcx",
    "mov [rax + 16], rdx",
    "mov [rax + 24], rbx",
    "mov [rax + 32], rsp",
    "mov [rax + 40], rbp",
    "mov [rax + 48], rsi",
    "mov [rax + 56], rdi",
    "mov [rax + 64], r8",
    "mov [rax + 72], r9",
    "mov [rax + 80], r10",
    "mov [rax + 88], r11",
    "mov [rax + 96], r12",
    "mov [rax + 104], r13",
    "mov [rax + 112], r14",
    "mov [rax + 120], r15",
    "mov rsp, [rip + rk_host]",
    "mov rcx, [rip + rk_host + 24]",
    "mov [rax], rcx",
    "pushfq",
    "pop qword ptr [rax + 128]",
    "push 2",
    "popfq",
    "fxsave64 [rax + 144]",
    "emms",
    "push 0x1f80",
    "ldmxcsr [rsp]",
    "pop rcx",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
);

extern "C" {
    fn rk_run(state: *mut State, entry: u64);
    fn rk_exit();
}

/// The base of the mapping whose code runs, and the signal that ended it.
static BASE: AtomicU64 = AtomicU64::new(0);
static SIGNAL: AtomicU64 = AtomicU64::new(0);
static SIGNAL_AT: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_signal(
    signal: libc::c_int,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a ucontext to a handler with SA_SIGINFO.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let rip = &mut context.uc_mcontext.gregs[libc::REG_RIP as usize];
    let base = BASE.load(Ordering::Relaxed);
    if base == 0 {
        // Not the code under test: let the default action show it.
        // SAFETY: `signal` is one that this handler was installed for.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    let at = (*rip as u64).wrapping_sub(base);
    SIGNAL.store(signal as u64, Ordering::Relaxed);
    SIGNAL_AT.store(at, Ordering::Relaxed);
    *rip = rk_exit as *const () as i64;
}

/// Catches the signals of faults, on a stack of their own.
pub fn catch_faults() {
    let stack = Box::leak(vec![0_u8; 64 << 10].into_boxed_slice());
    let alternate = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: stack.len(),
    };
    // SAFETY: the stack lives for ever; the action is initialized.
    unsafe {
        assert_eq!(libc::sigaltstack(&alternate, std::ptr::null_mut()), 0);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        for signal in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGILL,
            libc::SIGFPE,
            libc::SIGTRAP,
        ] {
            assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
        }
    }
}

/// No access around the mapping, as far as a displacement or a scaled RCX leads from a pointer.
const GUARD: usize = 64 << 30;

/// The mapping.
pub struct Machine {
    base: *mut u8,
}

impl Machine {
    /// Maps it below 2 GiB, where nothing else is, or far from everything else.
    pub fn new(low: bool) -> Self {
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        // SAFETY: new anonymous mappings, and one over a part of the one just made.
        let base = unsafe {
            if low {
                libc::mmap(
                    std::ptr::null_mut(),
                    SIZE,
                    access,
                    anonymous | libc::MAP_32BIT,
                    -1,
                    0,
                )
            } else {
                let flags = anonymous | libc::MAP_NORESERVE;
                let none = libc::PROT_NONE;
                let guard = libc::mmap(std::ptr::null_mut(), 2 * GUARD, none, flags, -1, 0);
                assert_ne!(guard, libc::MAP_FAILED, "no address space");
                libc::mmap(
                    guard.add(GUARD),
                    SIZE,
                    access,
                    anonymous | libc::MAP_FIXED,
                    -1,
                    0,
                )
            }
        };
        assert_ne!(base, libc::MAP_FAILED, "no executable memory");
        Machine { base: base.cast() }
    }

    /// Makes all but data and stack anew, which code under test may have overwritten.
    fn furnish(&mut self) {
        self.all()[MEMORY..].fill(0xcc);
        self.write(CELLS + 8, &(rk_exit as *const () as u64).to_le_bytes());
        for (number, at) in STUBS.iter().enumerate() {
            self.stub(*at, number + 1);
        }
        // pop cell(%rip); push cell(%rip); ret
        let cell = |at: usize| ((RETURN_ADDRESS as i32) - (at as i32)).to_le_bytes();
        let pop = [&[0x8f, 0x05][..], &cell(CALLEE + 6)].concat();
        let push = [&[0xff, 0x35][..], &cell(CALLEE + 12)].concat();
        self.write(CALLEE, &[pop, push, vec![0xc3]].concat());
    }

    /// The address of an offset.
    pub fn addr(&self, offset: usize) -> u64 {
        self.base as u64 + offset as u64
    }

    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        self.all()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// What was counted.
    pub fn counted(&mut self) -> u64 {
        let bytes = self.all()[COUNTER..].first_chunk().copied();
        u64::from_le_bytes(bytes.unwrap())
    }

    /// Data and stack.
    pub fn memory(&mut self) -> &mut [u8] {
        &mut self.all()[..MEMORY]
    }

    fn all(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is this machine's alone and lives as long.
        unsafe { std::slice::from_raw_parts_mut(self.base, SIZE) }
    }

    /// movl $number, cell(%rip); jmp *cell(%rip)
    fn stub(&mut self, at: usize, number: usize) {
        let cell = |cell: usize, end: usize| ((cell as i32) - (end as i32)).to_le_bytes();
        let mov = [
            &[0xc7, 0x05][..],
            &cell(CELLS, at + 10),
            &(number as u32).to_le_bytes(),
        ];
        let jmp = [&[0xff, 0x25][..], &cell(CELLS + 8, at + STUB_LEN)];
        self.write(at, &[mov.concat(), jmp.concat()].concat());
    }

    /// Puts code at [`START`], and stub 0 behind the `len` bytes that it takes there;
    /// clears the rest.
    pub fn load(&mut self, code: &[u8], len: usize) {
        assert!(code.len() <= len && START + len + STUB_LEN <= STUBS[0]);
        self.furnish();
        self.all()[START..START + len].fill(0xcc);
        self.write(START, code);
        self.stub(START + len, 0);
    }

    /// Runs what was loaded; leaves the final registers in `state`.
    pub fn run(&mut self, state: &mut State) -> End {
        BASE.store(self.base as u64, Ordering::Relaxed);
        SIGNAL.store(0, Ordering::Relaxed);
        // SAFETY: the code leaves through a stub or a fault; whatever it does to memory
        // of this process is why tests run it in a child.
        unsafe { rk_run(state, self.addr(START)) };
        BASE.store(0, Ordering::Relaxed);
        match SIGNAL.load(Ordering::Relaxed) as i32 {
            0 => End::Stub(usize::from(self.all()[CELLS])),
            signal => End::Signal(signal, SIGNAL_AT.load(Ordering::Relaxed)),
        }
    }
}

/// Runs `body` in a child process; gives how it ended: 0 if `body` returned.
pub fn in_child(body: impl FnOnce()) -> i32 {
    // SAFETY: the child runs `body` alone and ends without returning.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "fork");
        if child == 0 {
            // Whoever never ends is ended, by the time that it runs: others may have the processor too.
            let limit = libc::rlimit {
                rlim_cur: 300,
                rlim_max: 300,
            };
            libc::setrlimit(libc::RLIMIT_CPU, &limit);
            // The test harness's capture would be lost with the child.
            std::panic::set_hook(Box::new(|info| {
                let _ = writeln!(std::io::stderr(), "{info}");
            }));
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            libc::_exit(i32::from(ended.is_err()));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        status
    }
}
