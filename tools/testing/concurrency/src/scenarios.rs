// SPDX-License-Identifier: GPL-2.0

//! What is tried: hits on one or two CPUs, while a writer changes what the hits use.

use crate::arch_x86::detour_entry::detour;
use crate::arch_x86::handlers::{pre_handlers, Lane, MISSED};
use crate::arch_x86::int3_table::{find, Table};
use crate::arch_x86::probe_list::ProbePtr;
use crate::arch_x86::trap::Trap;
use crate::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::bindings::pt_regs;
use crate::callers::{disable, free_retired, free_site, silence, unregister};
use crate::cpu::{self, interrupts_off, start, CPUS};
use crate::explore::{saw, Scenario};
use crate::memory::{keep, Life};
use crate::optimizer::MAX_REGION;
use crate::sys::ffi::{rkprobe, Link};
use crate::sys::locks::EngineHeld;
use core::cell::{Cell, RefCell};
use core::ffi::c_int;
use core::ptr::null_mut;
use loom::sync::atomic::AtomicBool;
use loom::sync::Arc;

/// The three addresses of the table's scenarios. A search for each begins at one bucket, also in the
/// table of eight buckets.
const ADDRESSES: [usize; 3] = colliding();

const fn colliding() -> [usize; 3] {
    let mut found = [0; 3];
    let mut count = 0;
    let mut addr = 0xffff_ffff_8100_0000_usize;
    while count < found.len() {
        let key = addr as u32 as usize;
        if (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) & 7 == 5 {
            found[count] = addr;
            count += 1;
        }
        addr += 1;
    }
    found
}

/// An address that stays in the table.
const STAYS: usize = ADDRESSES[0];
/// An address that is taken out.
const OLD: usize = ADDRESSES[1];
/// An address that is put in.
const NEW: usize = ADDRESSES[2];

/// A site: its trap, and whether it is alive.
#[repr(C)]
pub(crate) struct Site {
    pub(crate) trap: Trap,
    pub(crate) life: Life,
}

impl Site {
    fn new(addr: usize) -> &'static Self {
        let site = Self {
            trap: Trap::new(addr, 1, None),
            life: Life::new(),
        };
        // SAFETY: it stays allocated until the execution ends.
        unsafe { &*keep(site) }
    }

    fn trap_ptr(&'static self) -> *mut Trap {
        core::ptr::from_ref(self).cast_mut().cast()
    }
}

/// What int3.rs does first: looks the trap up, and says whether it is the address's own.
fn look_up(addr: usize) -> Option<*mut Trap> {
    let trap = find(addr);
    if trap.is_null() {
        return None;
    }
    // SAFETY: every trap of this crate is the first member of a site.
    let site = unsafe { &*trap.cast::<Site>() };
    site.life.check();
    if site.trap.addr != addr {
        saw("another address's trap, which the address tells");
        return None;
    }
    Some(trap)
}

/// An int3 that is in the text.
fn must_find(addr: usize, site: &'static Site) {
    assert_eq!(
        look_up(addr),
        Some(site.trap_ptr()),
        "an int3 of ours is not claimed"
    );
}

/// A table with `OLD` in the first bucket of a search and `STAYS` after it.
fn table() -> (Table, &'static Site, &'static Site) {
    let mut table = Table::new();
    // Two steps, so that the table is one of four buckets.
    assert!(table.reserve(1).is_ok() && table.reserve(1).is_ok());
    let (old, stays) = (Site::new(OLD), Site::new(STAYS));
    table.insert(OLD, old.trap_ptr());
    table.insert(STAYS, stays.trap_ptr());
    (table, old, stays)
}

/// An address is put into the bucket of one that was removed, and whose site was freed.
fn table_insert() {
    let (mut table, old, stays) = table();
    table.remove(OLD, old.trap_ptr());
    free_site(old);
    let hits = start(0, move || {
        // Another tool's int3 is at the new address.
        let new = interrupts_off(|| look_up(NEW));
        saw(if new.is_some() { "found" } else { "not yet" });
        interrupts_off(|| must_find(STAYS, stays));
    });
    let new = Site::new(NEW);
    table.insert(NEW, new.trap_ptr());
    must_find(NEW, new);
    hits.join().expect("the CPU");
}

/// A bucket gets another address while the old one is looked up.
fn table_reuse() {
    let (mut table, old, stays) = table();
    let hits = start(0, move || {
        // Another tool's int3 is at the old address: ours is gone from all CPUs.
        let found = interrupts_off(|| look_up(OLD));
        saw(if found.is_some() { "found" } else { "removed" });
        interrupts_off(|| must_find(STAYS, stays));
    });
    let new = Site::new(NEW);
    table.remove(OLD, old.trap_ptr());
    table.insert(NEW, new.trap_ptr());
    free_site(old);
    must_find(NEW, new);
    must_find(STAYS, stays);
    assert!(look_up(OLD).is_none());
    hits.join().expect("the CPU");
}

/// The table grows, and the old one is freed.
fn table_grow() {
    let (mut table, old, stays) = table();
    let hits = start(0, move || {
        for _ in 0..2 {
            interrupts_off(|| must_find(STAYS, stays));
        }
        let found = interrupts_off(|| look_up(OLD));
        saw(if found.is_some() { "found" } else { "removed" });
        let new = interrupts_off(|| look_up(NEW));
        saw(if new.is_some() {
            "the new table"
        } else {
            "the old table"
        });
    });
    assert!(table.reserve(1).is_ok());
    let new = Site::new(NEW);
    table.insert(NEW, new.trap_ptr());
    table.remove(OLD, old.trap_ptr());
    if free_retired(&mut table) {
        saw("a table was freed");
    }
    must_find(NEW, new);
    hits.join().expect("the CPU");
}

/// An address gets another trap without having been removed: its text was unloaded, and other text is
/// there. Then the old trap is removed.
fn table_replace() {
    let (mut table, old, stays) = table();
    let hits = start(0, move || {
        assert!(interrupts_off(|| look_up(OLD)).is_some());
        interrupts_off(|| must_find(STAYS, stays));
    });
    let other = Site::new(OLD);
    table.insert(OLD, other.trap_ptr());
    table.remove(OLD, old.trap_ptr());
    free_site(old);
    must_find(OLD, other);
    hits.join().expect("the CPU");
}

/// An address gets another trap, and its search has an earlier bucket whose address was removed. A
/// second bucket of the address would stay in the table with a trap that is freed.
fn table_replace_late() {
    let (mut table, old, stays) = table();
    table.remove(OLD, old.trap_ptr());
    let hits = start(0, move || {
        let found = interrupts_off(|| look_up(STAYS));
        assert!(found.is_some(), "an int3 of ours is not claimed");
    });
    let other = Site::new(STAYS);
    table.insert(STAYS, other.trap_ptr());
    table.remove(STAYS, stays.trap_ptr());
    free_site(stays);
    must_find(STAYS, other);
    assert!(table.reserve(1).is_ok());
    must_find(STAYS, other);
    hits.join().expect("the CPU");
    table.remove(STAYS, other.trap_ptr());
    assert_eq!(look_up(STAYS), None);
}

/// The module is unloaded while other tools' int3s are hit.
fn table_drop() {
    let (mut table, old, stays) = table();
    let hits = start(0, || {
        let found = interrupts_off(|| look_up(STAYS));
        saw(if found.is_some() { "found" } else { "gone" });
    });
    table.remove(OLD, old.trap_ptr());
    table.remove(STAYS, stays.trap_ptr());
    drop(table);
    stays.life.end();
    hits.join().expect("the CPU");
}

loom::thread_local! {
    /// The probes whose handlers this CPU called.
    static CALLED: RefCell<Vec<*mut rkprobe>> = RefCell::new(Vec::new());
}

/// A handler, which uses its probe and its user's data.
unsafe fn handler(probe: *mut rkprobe, _: *mut pt_regs) -> c_int {
    // SAFETY: the probe is allocated until the execution ends.
    let of = unsafe { &*probe };
    of.next.life.check();
    of.data.check();
    CALLED.with(|called| called.borrow_mut().push(probe));
    0
}

/// A handler that hits the site `INNER` by an int3 and by a jump.
unsafe fn hitting(probe: *mut rkprobe, regs: *mut pt_regs) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { handler(probe, regs) };
    INNER.with(|inner| {
        if let Some(site) = inner.get() {
            pre_handlers(&site.trap, null_mut(), Lane::Int3);
            detour(&site.trap);
        }
    });
    0
}

loom::thread_local! {
    static INNER: Cell<Option<&'static Site>> = Cell::new(None);
}

fn probe_with(pre: unsafe fn(*mut rkprobe, *mut pt_regs) -> c_int) -> ProbePtr {
    let hits = keep([const { Cell::new(0) }; CPUS]);
    let probe = keep(rkprobe {
        pre_handler: Some(pre),
        post_handler: None,
        flags: AtomicU32::new(0),
        nmissed: AtomicU64::new(0),
        next: Link {
            life: Life::new(),
            next: AtomicPtr::new(null_mut()),
        },
        hits,
        data: Life::new(),
    });
    // SAFETY: it stays where it is until the execution ends.
    unsafe { ProbePtr::new(probe) }
}

fn probe() -> ProbePtr {
    probe_with(handler)
}

/// A site with probes, in the order in which a hit calls them.
fn site(held: &EngineHeld, probes: &[ProbePtr]) -> &'static Site {
    let site = Site::new(STAYS);
    for probe in probes.iter().rev() {
        site.trap.link(held, *probe);
    }
    site.trap.set_live(held, true);
    site
}

/// A way to hit a site.
type Way = fn(&'static Site);

fn by_int3(site: &'static Site) {
    pre_handlers(&site.trap, null_mut(), Lane::Int3);
}

fn by_detour(site: &'static Site) {
    detour(&site.trap);
}

/// How often a hit calls the handler of each of these probes. None is called twice.
fn hit<const N: usize>(way: Way, site: &'static Site, probes: [ProbePtr; N]) -> [bool; N] {
    interrupts_off(|| way(site));
    let called = CALLED.with(RefCell::take);
    probes.map(|probe| {
        let times = called.iter().filter(|of| **of == probe.as_ptr()).count();
        assert!(times <= 1, "one hit calls a handler twice");
        times == 1
    })
}

/// The first of two probes is unregistered and freed, while two CPUs hit the site.
fn unregister_first(way: Way) {
    let held = EngineHeld::new();
    let probes = [probe(), probe()];
    let site = site(&held, &probes);
    let hits = [0, 1].map(|number| {
        start(number, move || {
            let [first, second] = hit(way, site, probes);
            saw(if first { "called" } else { "not called" });
            assert!(second, "a registered probe is not called");
        })
    });
    unregister(site, &held, probes[0]);
    for cpu in hits {
        cpu.join().expect("the CPU");
    }
}

/// The middle one of three probes is unregistered and freed. The probes before and after it stay.
fn unregister_middle(way: Way) {
    let held = EngineHeld::new();
    let probes = [probe(), probe(), probe()];
    let site = site(&held, &probes);
    let hits = start(0, move || {
        let [first, middle, last] = hit(way, site, probes);
        saw(if middle { "called" } else { "not called" });
        assert!(first && last, "a registered probe is not called");
    });
    unregister(site, &held, probes[1]);
    hits.join().expect("the CPU");
    assert_eq!(
        hit(way, site, probes),
        [true, false, true],
        "a registered probe is not called"
    );
}

/// The only probe is unregistered and freed: `direct` may name it.
fn unregister_only(way: Way) {
    let held = EngineHeld::new();
    let only = probe();
    let site = site(&held, &[only]);
    let hits = start(0, move || {
        let [called] = hit(way, site, [only]);
        saw(if called { "called" } else { "not called" });
    });
    unregister(site, &held, only);
    hits.join().expect("the CPU");
}

/// A second probe is registered, then the first is unregistered and freed.
fn register_second(way: Way) {
    let held = EngineHeld::new();
    let old = probe();
    let site = site(&held, &[old]);
    let done = Arc::new(AtomicBool::new(false));
    let is_done = done.clone();
    let new = Arc::new(loom::sync::atomic::AtomicPtr::new(null_mut()));
    let named = new.clone();
    let hits = start(0, move || {
        let was_done = is_done.load(Ordering::Acquire);
        interrupts_off(|| way(site));
        let called = CALLED.with(RefCell::take);
        saw(if called.contains(&old.as_ptr()) {
            "old"
        } else {
            "no old"
        });
        let new = named.load(Ordering::Relaxed);
        let has_new = called.iter().any(|probe| *probe != old.as_ptr());
        if was_done {
            assert!(called.contains(&new), "a registered probe is not called");
        }
        saw(if has_new { "new" } else { "no new" });
    });
    let second = probe();
    new.store(second.as_ptr(), Ordering::Relaxed);
    site.trap.link(&held, second);
    done.store(true, Ordering::Release);
    unregister(site, &held, old);
    hits.join().expect("the CPU");
}

/// Two probes are registered. Then the second of them, which is called first, is unregistered and freed.
fn register_two(way: Way) {
    let held = EngineHeld::new();
    let stays = probe();
    let site = site(&held, &[stays]);
    let hits = start(0, move || {
        interrupts_off(|| way(site));
        let called = CALLED.with(RefCell::take);
        assert!(
            called.contains(&stays.as_ptr()),
            "a registered probe is not called"
        );
        saw(if called.len() > 1 { "new" } else { "no new" });
    });
    let new = [probe(), probe()];
    for probe in new {
        site.trap.link(&held, probe);
    }
    unregister(site, &held, new[1]);
    hits.join().expect("the CPU");
}

/// The first probe of a site is registered, while the detour of an earlier jump is executed.
fn register_first(way: Way) {
    let held = EngineHeld::new();
    let site = site(&held, &[]);
    let hits = start(0, move || {
        interrupts_off(|| way(site));
        let called = CALLED.with(RefCell::take);
        saw(if called.is_empty() {
            "not called"
        } else {
            "called"
        });
    });
    let new = probe();
    site.trap.link(&held, new);
    site.trap.set_live(&held, true);
    hits.join().expect("the CPU");
    assert_eq!(hit(way, site, [new]), [true]);
}

/// A probe is disabled beside one that is not.
fn disable_one(way: Way) {
    let held = EngineHeld::new();
    let probes = [probe(), probe()];
    let site = site(&held, &probes);
    let hits = start(0, move || {
        let [first, second] = hit(way, site, probes);
        saw(if first { "called" } else { "not called" });
        assert!(second, "an enabled probe is not called");
    });
    disable(site, &held, probes[0]);
    hits.join().expect("the CPU");
}

/// The only probe is disabled.
fn disable_only(way: Way) {
    let held = EngineHeld::new();
    let only = probe();
    let site = site(&held, &[only]);
    let hits = start(0, move || {
        let [called] = hit(way, site, [only]);
        saw(if called { "called" } else { "not called" });
    });
    disable(site, &held, only);
    hits.join().expect("the CPU");
}

/// A site with one probe is silenced.
fn silence_one(way: Way) {
    let held = EngineHeld::new();
    let only = probe();
    let site = site(&held, &[only]);
    let hits = start(0, move || {
        let [called] = hit(way, site, [only]);
        saw(if called { "called" } else { "not called" });
    });
    silence(site, &held, only);
    hits.join().expect("the CPU");
    assert_eq!(hit(way, site, [only]), [false]);
}

/// A hit clears `DETOUR_HITS` while the writer changes `LIVE`.
fn flags_meet() {
    let held = EngineHeld::new();
    let text = keep([0x90_u8; MAX_REGION]);
    let mut trap = Trap::new(text as usize, 1, None);
    // Another tool has changed the region.
    trap.original = [0xcc; MAX_REGION];
    trap.original_len = 5;
    // SAFETY: it stays allocated until the execution ends.
    let trap: &'static Trap = unsafe { &*keep(trap) };
    trap.set_detour_hits(true);
    let hits = start(0, move || {
        assert!(
            !interrupts_off(|| trap.goes_on_in_copy()),
            "the hit leaves out another tool's int3"
        );
        saw(if trap.is_live() { "live" } else { "not live" });
    });
    trap.set_live(&held, true);
    hits.join().expect("the CPU");
    assert!(trap.is_live(), "a change of the flags is lost");
    assert!(!trap.has_detour_hits(), "a change of the flags is lost");
}

/// Two CPUs hit a site in a handler, by an int3 and by a jump; then they hit it outside.
fn count_missed() {
    let held = EngineHeld::new();
    let (outer, inner) = (probe_with(hitting), probe());
    let (outer_site, inner_site) = (site(&held, &[outer]), site(&held, &[inner]));
    let cpus = [0, 1].map(|number| {
        start(number, move || {
            INNER.with(|of_this| of_this.set(Some(inner_site)));
            assert_eq!(hit(by_int3, outer_site, [outer, inner]), [true, false]);
            assert_eq!(hit(by_detour, inner_site, [outer, inner]), [false, true]);
        })
    });
    for cpu in cpus {
        cpu.join().expect("the CPU");
    }
    // SAFETY: the probes stay allocated until the execution ends.
    let (outer, inner) = unsafe { (&*outer.as_ptr(), &*inner.as_ptr()) };
    assert_eq!(
        inner.nmissed.load(Ordering::Relaxed),
        4,
        "a missed hit is not counted"
    );
    assert_eq!(
        MISSED.load(Ordering::Relaxed),
        4,
        "a missed hit is not counted"
    );
    for probe in [outer, inner] {
        // SAFETY: as above.
        let hits = unsafe { &*probe.hits };
        assert!(
            hits.iter().all(|hits| hits.get() == 1),
            "a hit is not counted"
        );
    }
}

/// An NMI comes into a hit at each access to the busy flag, and hits two sites. Its hits are counted as
/// hits or as missed, and the hit that it interrupts is a hit.
fn count_nmi() {
    for accesses in 1..=3 {
        let held = EngineHeld::new();
        let (outer, inner) = (probe(), probe());
        let (outer_site, inner_site) = (site(&held, &[outer]), site(&held, &[inner]));
        INNER.with(|of_this| of_this.set(Some(inner_site)));
        cpu::nmi_after(accesses, || {
            let site = INNER.with(Cell::get).expect("set before");
            by_int3(site);
            by_int3(site);
        });
        interrupts_off(|| by_int3(outer_site));
        let called = CALLED.with(RefCell::take);
        let times = |probe: ProbePtr| called.iter().filter(|of| **of == probe.as_ptr()).count();
        assert_eq!(times(outer), 1, "an NMI prevents a hit");
        // SAFETY: the probe stays allocated until the execution ends.
        let missed = unsafe { &*inner.as_ptr() }.nmissed.load(Ordering::Relaxed);
        saw(if missed == 0 { "hit" } else { "missed" });
        // Between the first two accesses the CPU is not busy; after the last it is not busy any more.
        let expected = if accesses == 2 { 2 } else { 0 };
        assert_eq!(missed, expected, "a missed hit is not counted");
        assert_eq!(
            times(inner),
            2 - expected as usize,
            "a hit of an NMI is lost"
        );
        assert_eq!(
            hit(by_int3, outer_site, [outer]),
            [true],
            "the CPU stays busy"
        );
    }
}

macro_rules! scenarios {
    ($($name:ident: $run:expr, $shows:expr;)*) => {
        /// All scenarios.
        pub(crate) const SCENARIOS: &[Scenario] = &[
            $(Scenario { name: stringify!($name), run: || $run, shows: &$shows },)*
        ];
    };
}

scenarios! {
    table_insert: table_insert(), ["found", "not yet"];
    table_reuse: table_reuse(), ["found", "removed", "another address's trap, which the address tells"];
    table_grow: table_grow(), ["found", "removed", "the new table", "the old table", "a table was freed"];
    table_replace: table_replace(), [];
    table_replace_late: table_replace_late(), [];
    table_drop: table_drop(), ["found", "gone"];
    unregister_first_int3: unregister_first(by_int3), ["called", "not called"];
    unregister_first_detour: unregister_first(by_detour), ["called", "not called"];
    unregister_middle_int3: unregister_middle(by_int3), ["called", "not called"];
    unregister_middle_detour: unregister_middle(by_detour), ["called", "not called"];
    unregister_only_int3: unregister_only(by_int3), ["called", "not called"];
    unregister_only_detour: unregister_only(by_detour), ["called", "not called"];
    register_second_int3: register_second(by_int3), ["old", "no old", "new", "no new"];
    register_second_detour: register_second(by_detour), ["old", "no old", "new", "no new"];
    register_two_int3: register_two(by_int3), ["new", "no new"];
    register_first_int3: register_first(by_int3), ["called", "not called"];
    register_first_detour: register_first(by_detour), ["called", "not called"];
    disable_one_int3: disable_one(by_int3), ["called", "not called"];
    disable_one_detour: disable_one(by_detour), ["called", "not called"];
    disable_only_int3: disable_only(by_int3), ["called", "not called"];
    disable_only_detour: disable_only(by_detour), ["called", "not called"];
    silence_int3: silence_one(by_int3), ["called", "not called"];
    silence_detour: silence_one(by_detour), ["called", "not called"];
    flags_meet: flags_meet(), ["live", "not live"];
    count_missed: count_missed(), [];
    count_nmi: count_nmi(), ["hit", "missed"];
}
