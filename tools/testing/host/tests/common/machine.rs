// SPDX-License-Identifier: GPL-2.0

//! Runs code natively with chosen registers, flags and memory, and catches where it ends.
//!
//! One mapping holds data, stack, code, and the stubs through which the code leaves. So 32-bit
//! displacements reach everything, and everything can be compared after a run. A fault ends a run
//! as a stub does.

// Each test uses only a part.
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
    /// All bytes except the mask of MXCSR, which FXRSTOR does not load.
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

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At this stub.
    Stub(usize),
    /// With this signal, at this offset in the mapping.
    Signal(i32, u64),
}

pub const SIZE: usize = 0x10000;
/// The offset of the data. Before and after it is room for displacements.
pub const DATA: usize = 0x100;
pub const STACK_TOP: usize = 0x1800;
/// Data and stack.
pub const MEMORY: usize = 0x2000;
/// The start of the code under test. Stub 0 follows the code.
pub const START: usize = 0x3100;
/// A function that leaves its return address in [`RETURN_ADDRESS`] and returns.
pub const CALLEE: usize = 0x3a00;
pub const RETURN_ADDRESS: usize = 0xff0;
/// The place for a copy of the code.
pub const COPY: usize = 0x5000;
/// Stubs 1 and 2 are within reach of short branches.
pub const STUBS: [usize; 4] = [START + 90, START - 60, 0x3800, 0x3900];
/// The counter that code under test may use.
pub const COUNTER: usize = CELLS + 64;
const CELLS: usize = 0x2000;
const STUB_LEN: usize = 16;

std::arch::global_asm!(
    ".pushsection .bss",
    ".balign 8",
    // The stack pointer of the host, the state, the entry, a scratch word.
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
    // SAFETY: The kernel passes a ucontext to a handler with SA_SIGINFO.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let rip = &mut context.uc_mcontext.gregs[libc::REG_RIP as usize];
    let base = BASE.load(Ordering::Relaxed);
    if base == 0 {
        // The code under test does not run, so the default action reports the fault.
        // SAFETY: This handler was installed for `signal`, so the number is valid.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    let at = (*rip as u64).wrapping_sub(base);
    SIGNAL.store(signal as u64, Ordering::Relaxed);
    SIGNAL_AT.store(at, Ordering::Relaxed);
    *rip = rk_exit as *const () as i64;
}

/// Catches the signals of faults, on a separate stack.
pub fn catch_faults() {
    let stack = Box::leak(vec![0_u8; 64 << 10].into_boxed_slice());
    let alternate = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: stack.len(),
    };
    // SAFETY: The stack is never freed, and the action is initialized.
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

/// The size of the area around the mapping that cannot be accessed. A displacement or a scaled RCX
/// leads no further from a pointer.
const GUARD: usize = 64 << 30;

/// The mapping.
pub struct Machine {
    base: *mut u8,
}

impl Machine {
    /// Makes the mapping below 2 GiB, at a free address, or far from all other mappings.
    pub fn new(low: bool) -> Self {
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        // SAFETY: The mappings are new and anonymous. The fixed mapping replaces a part of the
        // guard area, which nothing else uses.
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

    /// Rebuilds everything except data and stack, because code under test may have overwritten it.
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

    /// The value of the counter.
    pub fn counted(&mut self) -> u64 {
        let bytes = self.all()[COUNTER..].first_chunk().copied();
        u64::from_le_bytes(bytes.unwrap())
    }

    /// Data and stack.
    pub fn memory(&mut self) -> &mut [u8] {
        &mut self.all()[..MEMORY]
    }

    fn all(&mut self) -> &mut [u8] {
        // SAFETY: Only this machine uses the mapping, and the mapping exists as long as the
        // machine.
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

    /// Writes code at [`START`], and stub 0 after the `len` bytes that belong to the code. Clears
    /// the rest.
    pub fn load(&mut self, code: &[u8], len: usize) {
        assert!(code.len() <= len && START + len + STUB_LEN <= STUBS[0]);
        self.furnish();
        self.all()[START..START + len].fill(0xcc);
        self.write(START, code);
        self.stub(START + len, 0);
    }

    /// Runs the loaded code. The final registers are in `state`.
    pub fn run(&mut self, state: &mut State) -> End {
        BASE.store(self.base as u64, Ordering::Relaxed);
        SIGNAL.store(0, Ordering::Relaxed);
        // SAFETY: The code leaves through a stub or a fault. It may write any memory of this
        // process, so tests run it in a child process.
        unsafe { rk_run(state, self.addr(START)) };
        BASE.store(0, Ordering::Relaxed);
        match SIGNAL.load(Ordering::Relaxed) as i32 {
            0 => End::Stub(usize::from(self.all()[CELLS])),
            signal => End::Signal(signal, SIGNAL_AT.load(Ordering::Relaxed)),
        }
    }
}

/// Runs `body` in a child process. Returns its wait status, which is 0 if `body` returned.
pub fn in_child(body: impl FnOnce()) -> i32 {
    // SAFETY: The child process runs only `body`, and ends without returning.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "fork");
        if child == 0 {
            // The kernel ends an endless run. CPU time is the limit, because other processes may
            // use the processor too.
            let limit = libc::rlimit {
                rlim_cur: 300,
                rlim_max: 300,
            };
            libc::setrlimit(libc::RLIMIT_CPU, &limit);
            // The test harness captures output in memory, which is lost when the child ends.
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
