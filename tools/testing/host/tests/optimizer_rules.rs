// SPDX-License-Identifier: GPL-2.0

//! The rules of the life of a site, one by one, checked in the modelled text.

use rkprobes_host::optimizer;

mod model;

use model::array::with_memory_for;
use model::checks;
use model::place::Place::{Entry, Inner, Middle, Outer, Single};
use model::place::{original, Place};
use model::world::{Cpu, Soon};
use model::System;
use optimizer::{Foreign, Handlers, JumpTo, State, Why};

const INT3: u8 = 0xcc;
const JMP: u8 = 0xe9;

impl System {
    fn with(places: &[Place]) -> Self {
        let mut system = Self::new();
        for place in places {
            system.add_probe(*place);
        }
        system
    }

    /// Asserts that every invariant holds, now and after all work is done.
    fn holds(&self) {
        assert_eq!(checks::fault(self), None);
    }

    fn add_probe(&mut self, place: Place) {
        assert!(self.register(place, 0, true, Handlers::Pre).is_ok());
    }

    fn add_second(&mut self, place: Place, enabled: bool, handlers: Handlers) {
        assert!(self.register(place, 1, enabled, handlers).is_ok());
    }

    fn add_counting(&mut self, place: Place) {
        assert!(self.register(place, 0, true, Handlers::None).is_ok());
    }

    /// The target of the jump in the text.
    fn jump_to(&self, place: Place) -> Option<JumpTo> {
        assert_eq!(self.byte(place) == JMP, self.state(place)?.is_jump());
        match (self.byte(place), self.world.counts_inline(place.offset())) {
            (JMP, true) => Some(JumpTo::Count),
            (JMP, false) => Some(JumpTo::Detour),
            _ => None,
        }
    }

    fn pass(&mut self) {
        self.begin_pass();
        assert!(self.quiesced());
        self.end_pass();
    }

    fn byte(&self, place: Place) -> u8 {
        self.world.text[place.offset()]
    }

    fn is_clean(&self, place: Place) -> bool {
        let at = place.offset();
        (at..at + place.region().max(1)).all(|at| self.world.text[at] == original(at))
    }

    fn why(&self, place: Place) -> Option<Why> {
        Some(self.optimizer.why(self.site_at(place)?))
    }

    fn foreign(&self, place: Place) -> Option<Foreign> {
        self.optimizer.site(self.site_at(place)?)?.foreign()
    }

    /// What registering or enabling the probe `number` at `place` answers.
    fn unserved(&self, place: Place, number: usize) -> Option<Foreign> {
        let user = self.users[place as usize][number]?;
        self.optimizer.unserved(user.probe)
    }

    fn is_live(&self, place: Place) -> bool {
        let site = self.site_at(place).and_then(|id| self.optimizer.site(id));
        let memory = site.and_then(|site| self.memory_of(site.payload));
        memory.is_some_and(|memory| memory.live)
    }
}

#[test]
fn rule_1_unoptimize_dequeues_a_waiting_site_and_queues_a_jump() {
    let mut system = System::with(&[Outer]);
    assert_eq!(system.state(Outer), Some(State::Optimizing { waited: 0 }));
    system.set_optimization(false);
    assert_eq!(system.state(Outer), Some(State::Armed));
    assert!(!system.optimizer.pending());
    system.set_optimization(true);
    system.pass();
    assert_eq!(system.byte(Outer), JMP);
    system.set_optimization(false);
    assert_eq!(system.state(Outer), Some(State::Unoptimizing));
    assert_eq!(system.byte(Outer), JMP);
    system.begin_pass();
    assert_eq!(system.byte(Outer), INT3);
    system.end_pass();
    system.holds();
}

#[test]
fn rule_2_optimize_dequeues_a_site_whose_jump_is_in_place() {
    let mut system = System::with(&[Outer]);
    system.pass();
    system.set_enabled(Outer, 0, false);
    assert_eq!(system.state(Outer), Some(State::Unoptimizing));
    let text = system.world.text;
    system.set_enabled(Outer, 0, true);
    assert_eq!(system.state(Outer), Some(State::Optimized));
    assert!(!system.optimizer.pending());
    assert_eq!(system.world.text, text);
    system.holds();
}

#[test]
fn rule_3_force_takes_out_a_queued_jump_and_disarms_an_unwanted_site() {
    let mut system = System::with(&[Outer]);
    system.pass();
    system.unregister(Outer, 0);
    assert_eq!(system.state(Outer), Some(State::Unoptimizing));
    system.add_probe(Inner);
    assert_eq!(system.state(Outer), Some(State::Freeing { waited: 0 }));
    assert_eq!(system.byte(Outer), original(Outer.offset()));
    assert_eq!(system.byte(Inner), INT3);
    system.holds();
}

#[test]
fn rule_4_a_pass_unoptimizes_waits_optimizes_and_frees() {
    let mut system = System::with(&[Outer, Single]);
    system.pass();
    system.unregister(Outer, 0);
    system.add_probe(Entry);
    system.begin_pass();
    assert!(system.is_clean(Outer));
    assert_eq!(system.state(Outer), Some(State::Freeing { waited: 2 }));
    system.add_probe(Inner);
    system.end_pass();
    assert_eq!(system.state(Outer), None);
    // The site was armed after the grace period began.
    assert_eq!(system.state(Inner), Some(State::Optimizing { waited: 0 }));
    system.pass();
    assert_eq!(system.state(Inner), Some(State::Optimized));
    system.holds();
}

#[test]
fn rule_4_a_region_of_one_instruction_needs_no_wait() {
    let mut system = System::with(&[Single]);
    system.begin_pass();
    assert_eq!(system.byte(Single), JMP);
    system.end_pass();
    system.holds();
}

#[test]
fn rule_4_a_jump_waits_for_the_task_inside_its_region() {
    let mut system = System::new();
    system.world.cpus[0].0 = Cpu::At(Outer.offset());
    system.world.step(0);
    assert_eq!(system.world.cpus[0].0, Cpu::At(2));
    system.add_probe(Outer);
    system.begin_pass();
    assert!(!system.quiesced());
    while system.world.cpus[0].0 != Cpu::Outside {
        assert_eq!(system.byte(Outer), INT3);
        system.world.step(0);
    }
    assert!(system.quiesced());
    system.end_pass();
    assert_eq!(system.byte(Outer), JMP);
    system.holds();
}

#[test]
fn rule_5_every_queued_site_kicks_the_delayed_work() {
    let mut system = System::new();
    assert_eq!(system.world.kick, None);
    system.add_probe(Outer);
    assert_eq!(system.world.kick, Some(Soon::Normal));
    system.pass();
    assert_eq!(system.world.kick, None);
    system.unregister(Outer, 0);
    assert_eq!(system.world.kick, Some(Soon::Normal));
    system.holds();
}

#[test]
fn rule_6_a_flush_waits_for_a_pass_that_began_after_it() {
    let mut system = System::with(&[Outer]);
    system.begin_pass();
    system.flush();
    system.end_pass();
    assert!(system.flush.is_some());
    system.begin_pass();
    assert!(system.flush.is_some());
    system.end_pass();
    assert!(system.flush.is_none());
    system.holds();
}

#[test]
fn rule_6_a_flush_returns_when_there_is_nothing_to_do() {
    let mut system = System::new();
    for _ in 0..2 {
        system.flush();
        system.pass();
        assert!(system.flush.is_none());
    }
    system.holds();
}

#[test]
fn rule_7_a_probe_inside_a_region_takes_the_jump_out_first() {
    let mut system = System::with(&[Outer]);
    system.pass();
    system.add_probe(Inner);
    assert_eq!(system.byte(Outer), INT3);
    assert_eq!(system.byte(Inner), INT3);
    assert_eq!(system.why(Outer), Some(Why::Blocked));
    system.pass();
    assert_eq!(system.byte(Inner), JMP);
    system.unregister(Inner, 0);
    system.pass();
    assert_eq!(system.byte(Outer), JMP);
    system.holds();
}

#[test]
fn rule_7_a_disabled_probe_inside_a_region_does_not_block() {
    let mut system = System::with(&[Outer, Middle]);
    system.set_enabled(Middle, 0, false);
    system.pass();
    assert_eq!(system.byte(Outer), JMP);
    system.set_enabled(Middle, 0, true);
    assert_eq!((system.byte(Outer), system.byte(Middle)), (INT3, INT3));
    system.holds();
}

#[test]
fn rule_7_hits_reach_the_probe_inside_the_region() {
    let mut system = System::with(&[Outer]);
    system.pass();
    system.add_probe(Inner);
    system.world.cpus[0].0 = Cpu::At(Outer.offset());
    let mut seen = Vec::new();
    while system.world.cpus[0].0 != Cpu::Outside {
        system.world.step(0);
        if let Cpu::Trap(mem) = system.world.cpus[0].0 {
            seen.extend(system.memory_of(mem).map(|memory| memory.place));
        }
    }
    assert_eq!(seen, [Outer, Inner]);
    system.holds();
}

#[test]
fn rule_8_a_post_handler_keeps_its_site_at_int3() {
    let mut system = System::with(&[Outer]);
    system.pass();
    system.add_second(Outer, true, Handlers::Post);
    assert_eq!(system.byte(Outer), INT3);
    assert_eq!(system.why(Outer), Some(Why::PostHandler));
    system.pass();
    assert_eq!(system.byte(Outer), INT3);
    system.unregister(Outer, 1);
    system.pass();
    assert_eq!(system.byte(Outer), JMP);
    system.holds();
}

#[test]
fn rule_9_a_new_probe_revives_a_dying_site() {
    let mut system = System::with(&[Outer]);
    system.unregister(Outer, 0);
    let dying = system.site_at(Outer);
    system.begin_pass();
    assert_eq!(system.state(Outer), Some(State::Freeing { waited: 1 }));
    system.add_probe(Outer);
    system.end_pass();
    assert_eq!(system.site_at(Outer), dying);
    assert_eq!(system.state(Outer), Some(State::Optimizing { waited: 0 }));
    system.holds();
}

#[test]
fn rule_9_a_new_but_disabled_probe_revives_it_too() {
    let mut system = System::with(&[Outer]);
    system.unregister(Outer, 0);
    system.add_second(Outer, false, Handlers::Pre);
    system.pass();
    assert_eq!(system.state(Outer), Some(State::Disarmed));
    system.holds();
}

#[test]
fn rule_10_the_last_probe_disarms_an_int3_at_once_and_leaves_a_jump_to_the_pass() {
    let mut system = System::with(&[Outer, Inner]);
    system.pass();
    assert_eq!((system.byte(Outer), system.byte(Inner)), (INT3, JMP));
    system.unregister(Outer, 0);
    assert_eq!(system.byte(Outer), original(Outer.offset()));
    system.unregister(Inner, 0);
    assert_eq!(system.byte(Inner), JMP);
    system.begin_pass();
    assert!(system.is_clean(Inner));
    system.end_pass();
    assert_eq!(system.optimizer.sites().count(), 0);
    system.holds();
}

#[test]
fn rule_10_a_site_lives_as_long_as_one_probe_does() {
    let mut system = System::with(&[Outer]);
    system.add_second(Outer, true, Handlers::Pre);
    system.pass();
    system.unregister(Outer, 0);
    assert_eq!(system.state(Outer), Some(State::Optimized));
    assert!(system.is_live(Outer));
    system.holds();
}

#[test]
fn rule_11_a_disabled_site_whose_jump_is_in_place_is_silent() {
    let mut system = System::with(&[Outer]);
    system.pass();
    assert!(system.is_live(Outer));
    system.set_enabled(Outer, 0, false);
    assert_eq!(system.byte(Outer), JMP);
    assert!(!system.is_live(Outer));
    system.holds();
}

#[test]
fn rule_12_without_optimization_one_pass_takes_every_jump_out() {
    let mut system = System::with(&[Inner, Single]);
    system.pass();
    system.set_optimization(false);
    assert_eq!((system.byte(Inner), system.byte(Single)), (JMP, JMP));
    system.pass();
    assert_eq!((system.byte(Inner), system.byte(Single)), (INT3, INT3));
    assert_eq!(system.why(Inner), Some(Why::OptimizationOff));
    system.holds();
}

#[test]
fn rule_12_disarming_all_optimizes_no_site() {
    let mut system = System::with(&[Outer, Inner, Entry]);
    system.pass();
    system.set_all_armed(false);
    assert!(!system.is_live(Inner));
    system.pass();
    assert!([Outer, Inner, Entry].map(|place| system.is_clean(place)) == [true; 3]);
    assert_eq!(system.state(Outer), Some(State::Disarmed));
    system.set_all_armed(true);
    system.pass();
    assert_eq!((system.byte(Outer), system.byte(Inner)), (INT3, JMP));
    system.holds();
}

#[test]
fn rule_13_text_is_restored_before_it_is_freed_and_not_touched_again() {
    let mut system = System::with(&[Inner, Single]);
    system.begin_pass();
    system.start_unload();
    assert!(system.is_clean(Inner));
    system.world.free_module();
    let gone = system.world.text;
    system.end_pass();
    system.unregister(Inner, 0);
    system.pass();
    assert_eq!(system.world.text, gone);
    assert_eq!(system.optimizer.sites().count(), 1);
    system.load_module_again();
    system.add_probe(Inner);
    system.pass();
    assert_eq!(system.byte(Inner), JMP);
    system.holds();
}

#[test]
fn rule_13_jumps_in_text_that_will_be_freed_are_always_taken_out() {
    let mut system = System::with(&[Inner, Single]);
    system.pass();
    system.set_enabled(Inner, 0, false);
    assert_eq!(system.state(Inner), Some(State::Unoptimizing));
    system.set_enabled(Inner, 0, true);
    assert_eq!((system.byte(Inner), system.byte(Single)), (JMP, JMP));
    system.start_unload();
    assert!(system.is_clean(Inner));
    assert_eq!(system.byte(Single), JMP);
    assert!(!system.optimizer.pending());
    system.holds();
}

#[test]
fn rule_13_a_site_that_others_keep_is_claimed_until_its_text_is_freed() {
    let mut system = System::with(&[Outer]);
    system.pass();
    assert!(system.world.native_arms(Outer.offset()));
    system.start_unload();
    system.unregister(Outer, 0);
    system.pass();
    system.pass();
    assert_eq!(system.optimizer.sites().count(), 1);
    system.world.cpus[0].0 = Cpu::At(Outer.offset());
    system.world.step(0);
    assert!(matches!(system.world.cpus[0].0, Cpu::Trap(_)));
    system.world.step(0);
    assert!(matches!(system.world.cpus[0].0, Cpu::Detour(_)));
    while system.world.cpus[0].0 != Cpu::Outside {
        system.world.step(0);
    }
    system.world.free_module();
    system.pass();
    assert_eq!(system.optimizer.sites().count(), 0);
    system.holds();
}

#[test]
fn rule_13_new_text_ends_the_claims_on_old_text() {
    let mut system = System::with(&[Outer]);
    system.pass();
    assert!(system.world.native_arms(Outer.offset()));
    system.start_unload();
    assert_eq!(system.optimizer.foreign(), 1);
    system.world.free_module();
    system.load_module_again();
    assert_eq!(system.optimizer.foreign(), 0);
    assert!(system.register(Outer, 1, true, Handlers::Pre).is_ok());
    assert_eq!(system.byte(Outer), INT3);
    system.pass();
    assert_eq!(system.byte(Outer), JMP);
    system.holds();
}

#[test]
fn rule_14_a_new_handler_takes_a_counting_jump_out_at_once() {
    let mut system = System::new();
    system.add_counting(Outer);
    system.pass();
    assert_eq!(system.jump_to(Outer), Some(JumpTo::Count));
    system.add_second(Outer, true, Handlers::Pre);
    assert_eq!(system.byte(Outer), INT3);
    assert_eq!(system.state(Outer), Some(State::Optimizing { waited: 0 }));
    system.pass();
    assert_eq!(system.jump_to(Outer), Some(JumpTo::Detour));
    system.holds();
}

#[test]
fn rule_14_a_removed_handler_keeps_its_jump_until_the_next_one_is_written() {
    let mut system = System::new();
    system.add_counting(Outer);
    system.add_second(Outer, true, Handlers::Pre);
    system.pass();
    let text = system.world.text;
    system.unregister(Outer, 1);
    system.pass();
    assert_eq!(
        (system.jump_to(Outer), system.world.text),
        (Some(JumpTo::Detour), text)
    );
    system.set_enabled(Outer, 0, false);
    system.pass();
    system.set_enabled(Outer, 0, true);
    system.pass();
    assert_eq!(system.jump_to(Outer), Some(JumpTo::Count));
    system.holds();
}

#[test]
fn rule_14_a_counting_jump_that_is_queued_does_not_stay_for_a_handler() {
    let mut system = System::new();
    system.add_counting(Outer);
    system.pass();
    system.unregister(Outer, 0);
    assert_eq!(system.state(Outer), Some(State::Unoptimizing));
    system.add_second(Outer, false, Handlers::Pre);
    assert_eq!(system.jump_to(Outer), Some(JumpTo::Count));
    system.set_enabled(Outer, 1, true);
    assert_eq!(system.byte(Outer), INT3);
    system.pass();
    assert_eq!(system.jump_to(Outer), Some(JumpTo::Detour));
    system.holds();
}

#[test]
fn rule_14_a_blocked_counting_jump_serves_no_handler() {
    let mut system = System::new();
    system.add_counting(Single);
    system.pass();
    assert!(system.world.native_arms(Single.offset()));
    system.add_second(Single, true, Handlers::Pre);
    assert_eq!(system.unserved(Single, 0), None);
    assert_eq!(system.unserved(Single, 1), Some(Foreign::Bytes));
    assert!(system.world.native_leaves());
    system.pass();
    assert_eq!(system.unserved(Single, 1), None);
    system.pass();
    assert_eq!(system.jump_to(Single), Some(JumpTo::Detour));
    system.holds();
}

#[test]
fn rule_8_a_blocked_jump_serves_no_post_handler() {
    for first in [Handlers::None, Handlers::Pre] {
        let mut system = System::new();
        assert!(system.register(Single, 0, true, first).is_ok());
        system.pass();
        assert!(system.world.native_arms(Single.offset()));
        // A disabled probe is answered when it is enabled.
        system.add_second(Single, false, Handlers::Post);
        assert_eq!(system.unserved(Single, 1), None);
        system.set_enabled(Single, 1, true);
        assert_eq!(system.unserved(Single, 1), Some(Foreign::Bytes));
        assert_eq!(system.unserved(Single, 0), None);
        assert!(system.world.native_leaves());
        system.pass();
        assert_eq!(system.byte(Single), INT3);
        assert_eq!(system.unserved(Single, 1), None);
        system.holds();
    }
}

#[test]
fn a_site_that_cannot_be_armed_serves_no_probe() {
    let mut system = System::new();
    assert!(system.world.native_arms(Single.offset()));
    system.add_probe(Single);
    system.add_second(Single, false, Handlers::Pre);
    assert_eq!(system.unserved(Single, 0), system.foreign(Single));
    assert!(system.unserved(Single, 0).is_some());
    assert_eq!(system.unserved(Single, 1), None);
    assert!(system.world.native_leaves());
    system.pass();
    assert_eq!(system.unserved(Single, 0), None);
    system.holds();
}

#[test]
fn a_foreign_byte_is_kept_reported_and_tried_again_while_other_sites_proceed() {
    let mut system = System::with(&[Inner, Single]);
    system.pass();
    assert!(system.world.native_arms(Single.offset()));
    system.set_optimization(false);
    system.pass();
    assert_eq!(system.byte(Inner), INT3);
    assert_eq!(system.why(Single), Some(Why::Foreign(Foreign::Bytes)));
    assert_eq!(system.optimizer.foreign(), 1);
    assert_eq!(system.world.kick, Some(Soon::Retry));
    assert!(system.world.native_leaves());
    system.pass();
    assert_eq!(system.byte(Single), INT3);
    assert_eq!((system.foreign(Single), system.world.kick), (None, None));
    system.holds();
}

#[test]
fn only_a_blocked_jump_without_probes_is_given_up() {
    let mut system = System::with(&[Outer, Single]);
    system.pass();
    assert!(system.world.native_arms(Single.offset()));
    let mem = system
        .site_at(Single)
        .and_then(|id| system.optimizer.site(id))
        .map(|site| site.payload);
    // No poke was tried.
    assert_eq!(system.abandon_jumps(), 0);
    system.unregister(Single, 0);
    assert_eq!(system.abandon_jumps(), 0);
    system.pass();
    assert_eq!(system.foreign(Single), Some(Foreign::Bytes));
    // The probe comes back, and the jump stays.
    system.add_probe(Single);
    assert_eq!(system.abandon_jumps(), 0);
    system.unregister(Single, 0);
    system.unregister(Outer, 0);
    system.pass();
    system.pass();
    assert_eq!(system.abandon_jumps(), 1);
    assert_eq!(system.world.abandoned, Vec::from_iter(mem));
    assert_eq!(system.optimizer.sites().count(), 0);
    assert_eq!(
        (system.optimizer.foreign(), system.optimizer.pending()),
        (0, false)
    );
    assert!(system.world.native_leaves());
    assert_eq!(system.byte(Single), JMP);
    assert_eq!(system.world.fault, None);
}

#[test]
fn enabling_an_enabled_probe_tries_again_to_arm_its_site() {
    let mut system = System::new();
    system.set_all_armed(false);
    system.add_probe(Single);
    assert!(system.world.native_arms(Single.offset()));
    system.set_all_armed(true);
    assert!(system.foreign(Single).is_some());
    assert!(system.world.native_leaves());
    system.set_enabled(Single, 0, true);
    assert_eq!((system.byte(Single), system.foreign(Single)), (INT3, None));
    system.holds();
}

#[test]
fn a_probe_under_a_blocked_jump_is_refused() {
    let mut system = System::with(&[Outer]);
    system.pass();
    assert!(system.world.native_arms(Outer.offset()));
    system.add_probe(Inner);
    assert_eq!(system.foreign(Inner), Some(Foreign::Jump));
    assert_eq!(system.foreign(Outer), Some(Foreign::Bytes));
    assert!(system.world.native_leaves());
    system.pass();
    assert_eq!((system.byte(Outer), system.byte(Inner)), (INT3, JMP));
    system.holds();
}

#[test]
fn without_memory_a_registration_changes_nothing() {
    for left in 0.. {
        let mut system = System::with(&[Outer]);
        let before = system.fingerprint();
        let made = with_memory_for(left, || system.register(Inner, 0, true, Handlers::Pre));
        if made.is_ok() {
            assert!(left > 2);
            return;
        }
        assert_eq!(system.fingerprint(), before);
        system.holds();
    }
}
