// SPDX-License-Identifier: GPL-2.0

//! Assertions about the Rust API, from a module that is not built together with rkprobes.
//!
//! The report is in the kernel's log. Loading fails if an assertion fails.

use core::borrow::Borrow;
use core::cell::UnsafeCell;
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Relaxed, Release};
use kernel::sync::Arc;
use kernel::time::delay::fsleep;
use kernel::time::Delta;
use rust_kprobes::{
    flush, Handler, Hit, Lane, Probe, RegisterError, Registration, Registrations, Target,
};

module! {
    type: Tests,
    name: "rktest_rust",
    authors: ["The rkprobes developers"],
    description: "Tests of the Rust API of rkprobes",
    license: "GPL",
    params: {
        forget: u8 {
            default: 0,
            description: "1: only forget a registration",
        },
    },
}

// Returns x + 1. MOV and ADD are the offsets of its instructions.
core::arch::global_asm!(
    ".pushsection .text",
    ".type rktest_rust_target, @function",
    "rktest_rust_target:",
    "endbr64",
    "movq %rdi, %rax",
    "addq $1, %rax",
    "nop",
    "nop",
    "jmp __x86_return_thunk",
    ".size rktest_rust_target, . - rktest_rust_target",
    ".popsection",
    options(att_syntax),
);

extern "C" {
    fn rktest_rust_target(x: usize) -> usize;
}

const TARGET: Target<'static> = Target::symbol(c"rktest_rust_target");
const MOV: usize = 4;
const ADD: usize = 7;
const CALLS: usize = 100;

/// Calls the probed function. Returns true if it adds one.
fn call() -> bool {
    // SAFETY: The function only computes, for any argument.
    (0..CALLS).all(|x| unsafe { rktest_rust_target(x) } == x + 1)
}

/// The number of true assertions.
static ASSERTIONS: Atomic<usize> = Atomic::new(0);

fn check(what: &str, is: bool) -> Result {
    if is {
        ASSERTIONS.add(1, Relaxed);
        pr_info!("ok {}\n", what);
        return Ok(());
    }
    pr_err!("not ok {}\n", what);
    Err(EINVAL)
}

/// The number of handlers whose state was dropped.
static DROPPED: Atomic<usize> = Atomic::new(0);

/// Counts the hits by lane, and sums their arguments.
#[derive(Default)]
struct Watcher {
    int3: Counter,
    jump: Counter,
    ftrace: Counter,
    arguments: Counter,
}

struct Counter(Atomic<usize>);

impl Default for Counter {
    fn default() -> Self {
        Self(Atomic::new(0))
    }
}

impl Counter {
    fn add(&self, value: usize) {
        self.0.add(value, Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

#[vtable]
impl Handler for Watcher {
    fn pre(&self, hit: &mut Hit<'_>) {
        match hit.lane() {
            Lane::Int3 => self.int3.add(1),
            Lane::Jump => self.jump.add(1),
            Lane::Ftrace => self.ftrace.add(1),
        }
        self.arguments.add(hit.regs().argument(0).unwrap_or(0));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        DROPPED.add(1, Relaxed);
    }
}

fn watch(target: Target<'_>) -> Result<Registration<Watcher>, RegisterError> {
    Registration::new(target, Watcher::default())
}

fn life() -> Result {
    let watched = watch(TARGET)?;
    let (probe, seen) = (watched.probe(), watched.handler());
    let target = rktest_rust_target as *const () as usize;
    check(
        "the probe is after the ENDBR",
        probe.address() == target + MOV,
    )?;
    check("the function is right with an int3", call())?;
    flush()?;
    check("the function is right with a jump", call())?;
    let calls = 2 * CALLS;
    check("each call is a hit", probe.hits() == calls)?;
    check(
        "each hit is an int3 or a jump",
        seen.int3.get() + seen.jump.get() == calls,
    )?;
    check("each hit after a flush is a jump", seen.jump.get() >= CALLS)?;
    let arguments = CALLS * (CALLS - 1);
    check(
        "the handler sees the arguments",
        seen.arguments.get() == arguments,
    )?;
    probe.disable()?;
    check(
        "a disabled probe has no hits",
        call() && probe.hits() == calls,
    )?;
    probe.enable()?;
    check(
        "an enabled probe is hit",
        call() && probe.hits() == calls + CALLS,
    )?;
    check("no hit is missed", probe.missed() == 0)?;
    let dropped = DROPPED.load(Relaxed);
    drop(watched);
    check(
        "the handler's state is dropped once",
        DROPPED.load(Relaxed) == dropped + 1,
    )
}

fn ftrace() -> Result {
    let watched = watch(Target::symbol(c"synchronize_rcu"))?;
    // SAFETY: This is process context.
    unsafe { kernel::bindings::synchronize_rcu() };
    let hits = watched.probe().hits();
    check("a function's entry is hit", hits > 0)?;
    check(
        "each hit at the entry is by ftrace",
        watched.handler().ftrace.get() >= hits,
    )
}

/// Doubles the argument, and reads the result after the instruction.
#[derive(Default)]
struct Changer {
    int3: Counter,
    after: Counter,
}

#[vtable]
impl Handler for Changer {
    fn pre(&self, hit: &mut Hit<'_>) {
        let doubled = hit.regs().di() * 2;
        // SAFETY: The probed function takes any argument.
        unsafe { hit.regs_mut() }.di = doubled;
    }

    fn post(&self, hit: &mut Hit<'_>) {
        if hit.lane() == Lane::Int3 {
            self.int3.add(1);
        }
        self.after.add(hit.regs().ax());
    }
}

fn changes() -> Result {
    let changed = Registration::new(TARGET.offset(MOV), Changer::default())?;
    flush()?;
    // SAFETY: The function only computes, for any argument.
    let result = unsafe { rktest_rust_target(20) };
    let seen = changed.handler();
    check("a handler can change a register", result == 41)?;
    check("post runs after the instruction", seen.after.get() == 40)?;
    check(
        "a handler with post keeps the site an int3",
        seen.int3.get() == 1,
    )
}

/// Sums the addresses of the hits by target.
#[derive(Default)]
struct Indexes([Counter; 2]);

#[vtable]
impl Handler for Indexes {
    fn pre(&self, hit: &mut Hit<'_>) {
        if let Some(counter) = self.0.get(hit.index()) {
            counter.add(hit.address());
        }
    }
}

fn batch() -> Result {
    let targets = [TARGET.offset(ADD), TARGET.offset(MOV)];
    let batch = Registrations::new(&targets, Indexes::default())?;
    check("the function is right with a batch", call())?;
    let counted = |(probe, counter): (&Probe, &Counter)| {
        probe.hits() == CALLS && counter.get() == CALLS.wrapping_mul(probe.address())
    };
    let indexes = &batch.handler().0;
    check(
        "each probe of a batch has its index",
        batch.probes().iter().zip(indexes).all(counted),
    )?;
    drop(batch);
    check("a batch without a handler counts", {
        let batch = Registrations::new(&targets, ())?;
        call() && batch.probes().iter().all(|probe| probe.hits() == CALLS)
    })
}

fn counting() -> Result {
    let counter = Registration::new(TARGET, ())?;
    let probe = counter.probe();
    check(
        "a counting probe counts as an int3",
        call() && probe.hits() == CALLS,
    )?;
    flush()?;
    check(
        "a counting probe counts as a jump",
        call() && probe.hits() == 2 * CALLS,
    )?;
    probe.disable()?;
    check(
        "a disabled counting probe does not count",
        call() && probe.hits() == 2 * CALLS,
    )?;
    probe.enable()?;
    check(
        "an enabled counting probe counts",
        call() && probe.hits() == 3 * CALLS,
    )?;
    let watched = watch(TARGET)?;
    check(
        "both count with a probe with a handler at the address",
        call() && watched.probe().hits() == CALLS && probe.hits() == 4 * CALLS,
    )?;
    drop(watched);
    flush()?;
    check(
        "the counting probe counts after the other is dropped",
        call() && probe.hits() == 5 * CALLS,
    )
}

fn refused(target: Target<'_>) -> Option<Error> {
    watch(target).err().map(Error::from)
}

fn refused_batch(targets: &[Target<'_>]) -> Option<Error> {
    Registrations::new(targets, ()).err().map(Error::from)
}

fn errors() -> Result {
    let unknown = Target::symbol(c"no_such_function_here");
    check(
        "an unknown symbol is refused",
        refused(unknown) == Some(ENOENT),
    )?;
    let inside = TARGET.offset(MOV + 1);
    check(
        "an offset inside an instruction is refused",
        refused(inside) == Some(Error::from_errno(-84)),
    )?;
    check(
        "an offset outside the function is refused",
        refused(TARGET.offset(4096)) == Some(EINVAL),
    )?;
    check(
        "an address that is no text is refused",
        refused(Target::address(4096)) == Some(ENOENT),
    )?;
    check(
        "a batch with an unknown symbol is refused",
        refused_batch(&[TARGET, unknown]) == Some(ENOENT),
    )?;
    check(
        "an empty batch is refused",
        refused_batch(&[]) == Some(EINVAL),
    )?;
    let refused = Registrations::new(&[TARGET, TARGET.offset(ADD), inside], ()).err();
    check(
        "a refused batch says which target and why",
        refused.is_some_and(|refused| {
            refused.index() == 2 && refused.reason().starts_with("inside an instruction: ")
        }),
    )
}

/// How often [`Inside`] was called, and how many of its calls had another result than EDEADLK.
static INSIDE: Counter = Counter(Atomic::new(0));
static WRONG: Counter = Counter(Atomic::new(0));

/// Where a handler finds a registration. A handler must not wait for a lock, so a second use at one
/// time is refused.
struct Place {
    is_used: Atomic<i32>,
    registration: UnsafeCell<Option<Registration<Inside>>>,
}

// SAFETY: `with` lets one task at a time use the registration, which any task may use and drop.
unsafe impl Send for Place {}
// SAFETY: As for `Send`.
unsafe impl Sync for Place {}

impl Place {
    /// Returns None, and does nothing, if the place is in use.
    fn with<R>(&self, act: impl FnOnce(&mut Option<Registration<Inside>>) -> R) -> Option<R> {
        if self.is_used.xchg(1, Acquire) != 0 {
            return None;
        }
        // SAFETY: The place is not in use, and is in use from now on.
        let result = act(unsafe { &mut *self.registration.get() });
        self.is_used.store(0, Release);
        Some(result)
    }
}

type Slot = Arc<Place>;

/// Uses the API in a handler, and drops a registration there.
struct Inside {
    slot: Slot,
    drops: bool,
}

#[vtable]
impl Handler for Inside {
    fn pre(&self, _hit: &mut Hit<'_>) {
        INSIDE.add(1);
        let used = self.slot.with(|slot| self.misuse(slot));
        WRONG.add(usize::from(used.is_none()));
    }
}

impl Inside {
    fn misuse(&self, slot: &mut Option<Registration<Inside>>) {
        if let Some(registration) = slot {
            let probe = registration.probe();
            let results = [
                probe.disable(),
                probe.enable(),
                probe.limit(1),
                flush(),
                Registration::new(TARGET, ())
                    .map(|_| ())
                    .map_err(Error::from),
                Registrations::new(&[TARGET], ())
                    .map(|_| ())
                    .map_err(Error::from),
            ];
            // The crate of Linux 7.2 has no constant for it.
            let deadlock = Error::from_errno(-35);
            let right = results.iter().filter(|result| **result == Err(deadlock));
            WRONG.add(results.len() - right.count());
        }
        if self.drops {
            *slot = None;
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DROPPED.add(1, Relaxed);
    }
}

fn slot() -> Result<Slot> {
    let place = Place {
        is_used: Atomic::new(0),
        registration: UnsafeCell::new(None),
    };
    Ok(Arc::new(place, GFP_KERNEL)?)
}

fn inside(offset: usize, jump: bool) -> Result {
    let (calls, dropped) = (INSIDE.get(), DROPPED.load(Relaxed));
    let own = slot()?;
    let handler = Inside {
        slot: own.clone(),
        drops: true,
    };
    let registration = Registration::new(TARGET.offset(offset), handler)?;
    if jump {
        flush()?;
    }
    let put = own.with(|slot| *slot = Some(registration));
    check("the place of the registration is free", put.is_some())?;
    check("the function is right while its probe is dropped", call())?;
    check("the handler was called", INSIDE.get() > calls)?;
    check(
        "the registration was dropped",
        own.with(|slot| slot.is_none()) == Some(true),
    )?;
    flush()?;
    let calls = INSIDE.get();
    check(
        "the dropped probe is removed after a pass",
        call() && INSIDE.get() == calls,
    )?;
    check(
        "the state of a handler that may run is not dropped",
        DROPPED.load(Relaxed) == dropped,
    )
}

fn misuse() -> Result {
    inside(MOV, false)?;
    inside(MOV, true)?;
    check(
        "each call in a handler is refused",
        WRONG.get() == 0 && INSIDE.get() > 0,
    )
}

fn limit() -> Result {
    let watched = watch(TARGET)?;
    let probe = watched.probe();
    probe.limit(10)?;
    let mut polls = 0;
    loop {
        let hits = probe.hits();
        call();
        polls += 1;
        if probe.hits() == hits || polls == 3000 {
            break;
        }
        fsleep(Delta::from_millis(10));
    }
    check("a probe that is over its limit is disabled", polls < 3000)?;
    let hits = probe.hits();
    probe.limit(0)?;
    probe.enable()?;
    check(
        "a probe without a limit is hit when it is enabled again",
        call() && probe.hits() == hits + CALLS,
    )
}

struct Tests;

impl kernel::Module for Tests {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        if *Borrow::<u8>::borrow(&module_parameters::forget.value()) != 0 {
            core::mem::forget(watch(Target::symbol(c"vfs_read"))?);
            return Ok(Self);
        }
        life()?;
        ftrace()?;
        changes()?;
        batch()?;
        counting()?;
        errors()?;
        misuse()?;
        limit()?;
        pr_info!("assertions {}\n", ASSERTIONS.load(Relaxed));
        Ok(Self)
    }
}
