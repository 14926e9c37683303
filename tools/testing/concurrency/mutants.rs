// SPDX-License-Identifier: GPL-2.0

//! Defects that the model checker must find.

// The build script and the tests each use a part.
#![allow(dead_code)]

/// One defect.
pub struct Mutant {
    pub name: &'static str,
    /// The scenario in which it is found.
    pub scenario: &'static str,
    /// A part of the message of the failure.
    pub found: &'static str,
    /// The file of the defect.
    pub file: &'static str,
    /// The text that is replaced. The file has it exactly once.
    pub find: &'static str,
    /// The replacement. `MUTANT` is true while the defect is on.
    pub put: &'static str,
}

/// All defects with their numbers. The first number is 1.
pub fn all() -> impl Iterator<Item = (usize, &'static Mutant)> {
    (1..).zip(MUTANTS)
}

/// The message of the model checker where two accesses are not ordered.
const UNORDERED: &str = "Causality violation";
const FREED: &str = "used after it was freed";

const NOT_CLAIMED: &str = "an int3 of ours is not claimed";
const NOT_CALLED: &str = "a registered probe is not called";
const NOT_COUNTED: &str = "is not counted";
const TWICE: &str = "one hit calls a handler twice";
const LOST: &str = "a change of the flags is lost";

// A defect in the order of two accesses has `SeqCst`, the strongest order. So the place of another defect
// stays the only one with its text.
const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "insert: the key is stored before the trap",
        scenario: "table_insert",
        found: FREED,
        file: "arch_x86/int3_table.rs",
        find: "to.store(trap,",
        put: "if MUTANT {
    bucket.store(key, Ordering::SeqCst);
}
to.store(trap,",
    },
    Mutant {
        name: "insert: an address that has a bucket gets another one",
        scenario: "table_replace_late",
        found: FREED,
        file: "arch_x86/int3_table.rs",
        find: "place = place.or(Some((there, bucket, to)));",
        put: "place = place.or(Some((there, bucket, to)));
                if MUTANT {
                    break;
                }",
    },
    Mutant {
        name: "insert: the key is stored without a release",
        scenario: "table_insert",
        found: FREED,
        file: "arch_x86/int3_table.rs",
        find: "bucket.store(key, Ordering::Release);",
        put: "bucket.store(key, if MUTANT { Ordering::Relaxed } else { Ordering::Release });",
    },
    Mutant {
        name: "insert: the trap is stored without a release",
        scenario: "table_reuse",
        found: UNORDERED,
        file: "arch_x86/int3_table.rs",
        find: "to.store(trap, Ordering::Release);",
        put: "to.store(trap, if MUTANT { Ordering::Relaxed } else { Ordering::Release });",
    },
    Mutant {
        name: "find: the key is loaded without an acquire",
        scenario: "table_insert",
        found: FREED,
        file: "arch_x86/int3_table.rs",
        find: "let there = bucket.load(Ordering::Acquire);",
        put: "let there = bucket.load(if MUTANT { Ordering::Relaxed } else { Ordering::Acquire });",
    },
    Mutant {
        name: "find: the trap is loaded without an acquire",
        scenario: "table_reuse",
        found: UNORDERED,
        file: "arch_x86/int3_table.rs",
        find: "return trap.load(Ordering::Acquire);",
        put: "return trap.load(if MUTANT { Ordering::Relaxed } else { Ordering::Acquire });",
    },
    Mutant {
        name: "find: the table is loaded without an acquire",
        scenario: "table_grow",
        found: UNORDERED,
        file: "arch_x86/int3_table.rs",
        find: "CURRENT.load(Ordering::Acquire)",
        put: "CURRENT.load(if MUTANT { Ordering::Relaxed } else { Ordering::Acquire })",
    },
    Mutant {
        name: "find: the search ends at a removed address",
        scenario: "table_reuse",
        found: NOT_CLAIMED,
        file: "arch_x86/int3_table.rs",
        find: "if there == 0 {
            break;",
        put: "if there == 0 || (MUTANT && there == REMOVED) {
            break;",
    },
    Mutant {
        name: "remove: the bucket becomes free",
        scenario: "table_reuse",
        found: NOT_CLAIMED,
        file: "arch_x86/int3_table.rs",
        find: "bucket.store(REMOVED, Ordering::Release);",
        put: "bucket.store(if MUTANT { 0 } else { REMOVED }, Ordering::Release);",
    },
    Mutant {
        name: "remove: another trap at the address is removed",
        scenario: "table_replace",
        found: NOT_CLAIMED,
        file: "arch_x86/int3_table.rs",
        find: "if of.load(Ordering::Relaxed) == trap {",
        put: "if MUTANT || of.load(Ordering::Relaxed) == trap {",
    },
    Mutant {
        name: "grow: the table is published without a release",
        scenario: "table_grow",
        found: UNORDERED,
        file: "arch_x86/int3_table.rs",
        find: "CURRENT.store(from_ref(&*next).cast_mut(), Ordering::Release);",
        put: "CURRENT.store(from_ref(&*next).cast_mut(), if MUTANT { Ordering::Relaxed } else { Ordering::Release });",
    },
    Mutant {
        name: "grow: the table is published before it is filled",
        scenario: "table_grow",
        found: NOT_CLAIMED,
        file: "arch_x86/int3_table.rs",
        find: "let mut live = 0_usize;",
        put: "let mut live = 0_usize;
if MUTANT {
    CURRENT.store(from_ref(&*next).cast_mut(), Ordering::SeqCst);
}",
    },
    Mutant {
        name: "grow: the old table is freed at once",
        scenario: "table_grow",
        found: UNORDERED,
        file: "arch_x86/int3_table.rs",
        find: "let _ = self.retired.push_within_capacity(old);",
        put: "if MUTANT {
    drop(old);
} else {
    let _ = self.retired.push_within_capacity(old);
}",
    },
    Mutant {
        name: "drop: the table is freed without a grace period",
        scenario: "table_drop",
        found: UNORDERED,
        file: "arch_x86/int3_table.rs",
        find: "wait_for_handlers();",
        put: "if !MUTANT {
            wait_for_handlers();
        }",
    },
    Mutant {
        name: "drop: readers still get the table",
        scenario: "table_drop",
        found: UNORDERED,
        file: "arch_x86/int3_table.rs",
        find: "CURRENT.store(null_mut(), Ordering::Release);",
        put: "if !MUTANT {
            CURRENT.store(null_mut(), Ordering::Release);
        }",
    },
    Mutant {
        name: "link: the probe is published without a release",
        scenario: "register_second_int3",
        found: UNORDERED,
        file: "arch_x86/probe_list.rs",
        find: "self.0.store(probe.0, Ordering::Release);",
        put: "self.0.store(probe.0, if MUTANT { Ordering::Relaxed } else { Ordering::Release });",
    },
    Mutant {
        name: "unlink: the next probe is published without a release",
        scenario: "register_two_int3",
        found: UNORDERED,
        file: "arch_x86/probe_list.rs",
        find: "link.store(next, Ordering::Release);",
        put: "link.store(next, if MUTANT { Ordering::Relaxed } else { Ordering::Release });",
    },
    Mutant {
        name: "unlink: the probe's own link is cleared",
        scenario: "unregister_first_int3",
        found: NOT_CALLED,
        file: "arch_x86/probe_list.rs",
        find: "                return;
            }
            link = linked.next();",
        put: "                if MUTANT {
                    probe.next().store(null_mut(), Ordering::SeqCst);
                }
                return;
            }
            link = linked.next();",
    },
    Mutant {
        name: "unlink: the list's first link is overwritten for a middle probe",
        scenario: "unregister_middle_int3",
        found: NOT_CALLED,
        file: "arch_x86/probe_list.rs",
        find: "for linked in self.all(held) {",
        put: "for linked in self.all(held) {
            if MUTANT {
                link = &self.0;
            }",
    },
    Mutant {
        name: "unlink: a middle probe's link is overwritten, and not the link before it",
        scenario: "unregister_middle_detour",
        found: UNORDERED,
        file: "arch_x86/probe_list.rs",
        find: "let next = linked.next().load(Ordering::Relaxed);",
        put: "let next = linked.next().load(Ordering::Relaxed);
                if MUTANT {
                    link = linked.next();
                }",
    },
    Mutant {
        name: "unlink: the probes after a middle probe are lost",
        scenario: "unregister_middle_int3",
        found: NOT_CALLED,
        file: "arch_x86/probe_list.rs",
        find: "if linked == probe {",
        put: "if linked == probe {
                if MUTANT {
                    linked.next().store(null_mut(), Ordering::SeqCst);
                }",
    },
    Mutant {
        name: "a handler loads the first probe without an acquire",
        scenario: "register_first_int3",
        found: UNORDERED,
        file: "arch_x86/probe_list.rs",
        find: "EnabledProbes(self.0.load(Ordering::Acquire))",
        put: "EnabledProbes(self.0.load(if MUTANT { Ordering::Relaxed } else { Ordering::Acquire }))",
    },
    Mutant {
        name: "a disabled probe of a list is called",
        scenario: "disable_one_int3",
        found: UNORDERED,
        file: "arch_x86/probe_list.rs",
        find: "if flags & ffi::RKPROBE_FLAG_DISABLED == 0 {",
        put: "if MUTANT || flags & ffi::RKPROBE_FLAG_DISABLED == 0 {",
    },
    Mutant {
        name: "direct names a disabled probe",
        scenario: "disable_only_detour",
        found: UNORDERED,
        file: "arch_x86/probe_list.rs",
        find: "if probe.is_enabled(held) =>",
        put: "if MUTANT || probe.is_enabled(held) =>",
    },
    Mutant {
        name: "link: direct still names the first probe",
        scenario: "register_second_detour",
        found: NOT_CALLED,
        file: "arch_x86/trap.rs",
        find: "self.probes.link(held, probe);
        self.direct.store(any_probe(), Ordering::Release);",
        put: "self.probes.link(held, probe);
        if !MUTANT {
            self.direct.store(any_probe(), Ordering::Release);
        }",
    },
    Mutant {
        name: "unlink: direct still names the probe",
        scenario: "unregister_only_detour",
        found: UNORDERED,
        file: "arch_x86/trap.rs",
        find: "self.probes.unlink(held, probe);
        self.direct.store(any_probe(), Ordering::Release);",
        put: "self.probes.unlink(held, probe);
        if !MUTANT {
            self.direct.store(any_probe(), Ordering::Release);
        }",
    },
    Mutant {
        name: "set_live: direct is stored without a release",
        scenario: "register_first_detour",
        found: UNORDERED,
        file: "arch_x86/trap.rs",
        find: "self.direct.store(direct, Ordering::Release);",
        put: "self.direct.store(direct, if MUTANT { Ordering::Relaxed } else { Ordering::Release });",
    },
    Mutant {
        name: "set_live: direct still names the probe of a silent site",
        scenario: "silence_detour",
        found: UNORDERED,
        file: "arch_x86/trap.rs",
        find: "false => core::ptr::null_mut(),",
        put: "false if MUTANT => self.probes.only(held),
            false => core::ptr::null_mut(),",
    },
    Mutant {
        name: "set_live: a silent site stays live",
        scenario: "silence_int3",
        found: UNORDERED,
        file: "arch_x86/trap.rs",
        find: "self.set(LIVE, live);",
        put: "self.set(LIVE, live || MUTANT);",
    },
    Mutant {
        name: "a flag is set with a load and a store",
        scenario: "flags_meet",
        found: LOST,
        file: "arch_x86/trap.rs",
        find: "true => self.flags.fetch_or(",
        put: "true if MUTANT => {
                let old = self.flags.load(Ordering::SeqCst);
                self.flags.store(old | flag, Ordering::Release);
                old
            }
            true => self.flags.fetch_or(",
    },
    Mutant {
        name: "a flag is cleared with a load and a store",
        scenario: "flags_meet",
        found: LOST,
        file: "arch_x86/trap.rs",
        find: "false => self.flags.fetch_and(",
        put: "false if MUTANT => {
                let old = self.flags.load(Ordering::SeqCst);
                self.flags.store(old & !flag, Ordering::Release);
                old
            }
            false => self.flags.fetch_and(",
    },
    Mutant {
        name: "the probe's missed hits are counted with a load and a store",
        scenario: "count_missed",
        found: NOT_COUNTED,
        file: "arch_x86/handlers.rs",
        find: "nmissed.fetch_add(1, Ordering::Relaxed);",
        put: "if MUTANT {
    nmissed.store(nmissed.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
} else {
    nmissed.fetch_add(1, Ordering::Relaxed);
}",
    },
    Mutant {
        name: "all missed hits are counted with a load and a store",
        scenario: "count_missed",
        found: NOT_COUNTED,
        file: "arch_x86/handlers.rs",
        find: "MISSED.fetch_add(1, Ordering::Relaxed);",
        put: "if MUTANT {
    MISSED.store(MISSED.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
} else {
    MISSED.fetch_add(1, Ordering::Relaxed);
}",
    },
    Mutant {
        name: "a hit inside a handler calls handlers",
        scenario: "count_missed",
        found: TWICE,
        file: "arch_x86/handlers.rs",
        find: "if busy() != 0 {",
        put: "if busy() != 0 && !MUTANT {",
    },
    Mutant {
        name: "a hit leaves its CPU as not busy, although another one has set the flag",
        scenario: "count_nmi",
        found: NOT_COUNTED,
        file: "arch_x86/handlers.rs",
        find: "        missed(trap);\n        return false;",
        put: "        missed(trap);
        if MUTANT {
            set_busy(0)
        }
        return false;",
    },
    Mutant {
        name: "a CPU stays busy",
        scenario: "count_missed",
        found: "assertion",
        file: "arch_x86/handlers.rs",
        find: "        set_busy(0);",
        put: "        if !MUTANT {
            set_busy(0);
        }",
    },
    Mutant {
        name: "unregister: the probe is freed without a grace period",
        scenario: "unregister_only_int3",
        found: UNORDERED,
        file: "callers.rs",
        find: "site.trap.unlink(held, probe);
    synchronize_rcu();",
        put: "site.trap.unlink(held, probe);
    if !MUTANT {
            synchronize_rcu();
        }",
    },
    Mutant {
        name: "disable: the data is freed without a grace period",
        scenario: "disable_one_int3",
        found: UNORDERED,
        file: "callers.rs",
        find: "site.trap.set_live(held, true);
    synchronize_rcu();",
        put: "site.trap.set_live(held, true);
    if !MUTANT {
            synchronize_rcu();
        }",
    },
    Mutant {
        name: "silence: the data is freed without a grace period",
        scenario: "silence_int3",
        found: UNORDERED,
        file: "callers.rs",
        find: "site.trap.set_live(held, false);
    synchronize_rcu();",
        put: "site.trap.set_live(held, false);
    if !MUTANT {
            synchronize_rcu();
        }",
    },
    Mutant {
        name: "a site is freed without a grace period",
        scenario: "table_reuse",
        found: UNORDERED,
        file: "callers.rs",
        find: "synchronize_rcu();
    site.life.end();",
        put: "if !MUTANT {
            synchronize_rcu();
        }
    site.life.end();",
    },
    Mutant {
        name: "a retired table is freed without a grace period",
        scenario: "table_grow",
        found: UNORDERED,
        file: "callers.rs",
        find: "    if any {",
        put: "    if any && !MUTANT {",
    },
];
