// SPDX-License-Identifier: GPL-2.0

//! Explores all interleavings of the actions of users, the optimizer, the machine and others, with
//! stateright.

use super::array::with_memory_for;
use super::checks;
use super::optimizer::Handlers;
use super::place::Place;
use super::world::{Cpu, Module};
use super::System;
use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

/// The part of all actions that is explored.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Its name.
    pub name: &'static str,
    /// The places where probes are registered and unregistered, and how many at each place.
    pub places: &'static [(Place, usize)],
    /// The first probes of all places are also registered and unregistered in one batch.
    pub batches: bool,
    /// Probes with a post_handler.
    pub post_handlers: &'static [(Place, usize)],
    /// Probes that only count.
    pub counting: &'static [(Place, usize)],
    /// Probes can be disabled, enabled, and registered disabled.
    pub disabling: bool,
    /// `optimization` is switched.
    pub optimization: bool,
    /// `enabled` is switched.
    pub arming: bool,
    /// The module is unloaded and loaded again.
    pub module: bool,
    /// Memory runs out at each point of a registration.
    pub no_memory: bool,
    /// The places where native kprobes are armed and disarmed.
    pub natives: &'static [usize],
    /// A caller waits for passes.
    pub flush: bool,
    /// The number of CPUs.
    pub cpus: usize,
    /// The places where the CPUs enter the text.
    pub entries: &'static [Place],
    /// The greatest number of actions; 0 for no limit.
    pub depth: usize,
    /// The defect that is on; 0 for none.
    pub mutant: usize,
}

/// A scope without actions, from which the others are made.
pub const NOTHING: Scope = Scope {
    name: "",
    places: &[],
    batches: false,
    post_handlers: &[],
    counting: &[],
    disabling: false,
    optimization: false,
    arming: false,
    module: false,
    no_memory: false,
    natives: &[],
    flush: false,
    cpus: 0,
    entries: &[],
    depth: 0,
    mutant: 0,
};

/// One action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Register(Place, usize),
    RegisterDisabled(Place, usize),
    Unregister(Place, usize),
    RegisterBatch,
    UnregisterBatch,
    Enable(Place, usize),
    Disable(Place, usize),
    AllowOptimization(bool),
    ArmAll(bool),
    ModuleGoes,
    ModuleIsFreed,
    ModuleComesBack,
    NativeArms(usize),
    NativeLeaves,
    Flush,
    BeginPass,
    EndPass,
    CpuEnters(usize, Place),
    CpuSteps(usize),
}

impl Scope {
    /// The possible next actions.
    fn actions(&self, system: &System, actions: &mut Vec<Action>) {
        self.users(system, actions);
        self.others(system, actions);
        self.machine(system, actions);
    }

    fn users(&self, system: &System, actions: &mut Vec<Action>) {
        for (place, count) in self.places.iter().copied() {
            for number in 0..count {
                match system.users[place as usize][number] {
                    None if place.in_module() && system.world.module != Module::Loaded => {}
                    None => {
                        actions.push(Action::Register(place, number));
                        if self.disabling {
                            actions.push(Action::RegisterDisabled(place, number));
                        }
                    }
                    Some(user) => {
                        actions.push(Action::Unregister(place, number));
                        if self.disabling && user.enabled {
                            actions.push(Action::Disable(place, number));
                        } else if self.disabling {
                            actions.push(Action::Enable(place, number));
                        }
                    }
                }
            }
        }
    }

    /// The places whose first probe is registered, or can be registered.
    fn batch(&self, system: &System, registered: bool) -> Vec<Place> {
        let can = |place: &Place| {
            system.users[*place as usize][0].is_some() == registered
                && (registered || !place.in_module() || system.world.module == Module::Loaded)
        };
        self.places
            .iter()
            .map(|(place, _)| *place)
            .filter(can)
            .collect()
    }

    fn others(&self, system: &System, actions: &mut Vec<Action>) {
        if self.batches && self.batch(system, false).len() > 1 {
            actions.push(Action::RegisterBatch);
        }
        if self.batches && self.batch(system, true).len() > 1 {
            actions.push(Action::UnregisterBatch);
        }
        if self.optimization {
            actions.push(Action::AllowOptimization(!system.optimizer.optimization()));
        }
        if self.arming {
            actions.push(Action::ArmAll(!system.optimizer.all_armed()));
        }
        if self.module {
            actions.push(match system.world.module {
                Module::Loaded => Action::ModuleGoes,
                Module::Leaving | Module::Going => Action::ModuleIsFreed,
                Module::Freed => Action::ModuleComesBack,
            });
        }
        match system.world.native {
            None => actions.extend(self.natives.iter().copied().map(Action::NativeArms)),
            Some(_) => actions.push(Action::NativeLeaves),
        }
        if self.flush && system.flush.is_none() {
            actions.push(Action::Flush);
        }
    }

    fn machine(&self, system: &System, actions: &mut Vec<Action>) {
        if system.pass_is_due() {
            actions.push(Action::BeginPass);
        }
        if system.quiesced() {
            actions.push(Action::EndPass);
        }
        for (cpu, (at, _)) in system.world.cpus.iter().enumerate().take(self.cpus) {
            if *at != Cpu::Outside {
                actions.push(Action::CpuSteps(cpu));
                continue;
            }
            for place in self.entries.iter().copied() {
                if system.world.module != Module::Freed || !place.in_module() {
                    actions.push(Action::CpuEnters(cpu, place));
                }
            }
        }
    }

    /// Switches the defect on in each call, because the checker runs its own threads.
    fn switch_on(&self) {
        #[cfg(feature = "mutants")]
        rkprobes_host::mutants::switch_on(self.mutant);
    }

    fn handlers(&self, place: Place, number: usize) -> Handlers {
        match &(place, number) {
            probe if self.post_handlers.contains(probe) => Handlers::Post,
            probe if self.counting.contains(probe) => Handlers::None,
            _ => Handlers::Pre,
        }
    }

    /// The system after the action, or `None` if the action changes nothing.
    pub fn act(&self, system: &System, action: Action) -> Option<System> {
        let mut next = system.clone();
        next.steps += 1;
        match action {
            Action::Register(place, number) => self.register(&mut next, place, number, true)?,
            Action::RegisterDisabled(place, number) => {
                self.register(&mut next, place, number, false)?;
            }
            Action::Unregister(place, number) => next.unregister(place, number),
            Action::RegisterBatch => {
                let places = self.batch(system, false);
                let places = places
                    .iter()
                    .map(|place| (*place, self.handlers(*place, 0)));
                next.register_batch(&places.collect::<Vec<_>>()).ok()?;
            }
            Action::UnregisterBatch => next.unregister_batch(&self.batch(system, true)),
            Action::Enable(place, number) => next.set_enabled(place, number, true),
            Action::Disable(place, number) => next.set_enabled(place, number, false),
            Action::AllowOptimization(allowed) => next.set_optimization(allowed),
            Action::ArmAll(armed) => next.set_all_armed(armed),
            Action::ModuleGoes if next.has_gone() => return None,
            Action::ModuleGoes => next.start_unload(),
            Action::ModuleIsFreed if next.world.module_is_busy() => return None,
            Action::ModuleIsFreed => next.world.free_module(),
            Action::ModuleComesBack => next.load_module_again(),
            Action::NativeArms(at) => next.world.native_arms(at).then_some(())?,
            Action::NativeLeaves => next.world.native_leaves().then_some(())?,
            Action::Flush => next.flush(),
            Action::BeginPass => next.begin_pass(),
            Action::EndPass => next.end_pass(),
            Action::CpuEnters(cpu, place) => {
                next.world.cpus[cpu].0 = Cpu::At(place.offset());
                next.world.step(cpu);
            }
            Action::CpuSteps(cpu) => next.world.step(cpu),
        }
        Some(next)
    }

    fn register(
        &self,
        system: &mut System,
        place: Place,
        number: usize,
        enabled: bool,
    ) -> Option<()> {
        let handlers = self.handlers(place, number);
        if self.no_memory {
            fail_to_register(system, place, number, enabled, handlers);
        }
        system.register(place, number, enabled, handlers).ok()
    }
}

/// A registration that runs out of memory, at any point, changes nothing.
fn fail_to_register(
    system: &mut System,
    place: Place,
    number: usize,
    enabled: bool,
    handlers: Handlers,
) {
    let before = system.fingerprint();
    for left in 0..64 {
        let mut tried = system.clone();
        let register = || tried.register(place, number, enabled, handlers);
        if with_memory_for(left, register).is_ok() {
            return;
        }
        if tried.fingerprint() != before {
            return system.world.fail("a failed allocation changes something");
        }
    }
}

/// A running exploration.
struct Exploration {
    scope: Scope,
    checked: Arc<AtomicUsize>,
}

impl Model for Exploration {
    type State = System;
    type Action = Action;

    fn init_states(&self) -> Vec<System> {
        vec![System::new()]
    }

    fn actions(&self, system: &System, actions: &mut Vec<Action>) {
        if self.scope.depth == 0 || system.steps < self.scope.depth {
            self.scope.actions(system, actions);
        }
    }

    fn next_state(&self, system: &System, action: Action) -> Option<System> {
        self.scope.switch_on();
        self.scope.act(system, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property {
            expectation: Expectation::Always,
            name: "right",
            condition: |exploration, system| {
                exploration.scope.switch_on();
                exploration.checked.fetch_add(1, Ordering::Relaxed);
                checks::fault(system).is_none()
            },
        }]
    }
}

/// The result of an exploration.
pub struct Explored {
    /// The number of distinct states that were reached and have no fault.
    pub states: usize,
    /// The greatest number of actions on a shortest way to a state.
    pub depth: usize,
    /// The shortest way to a fault, and the fault.
    pub fault: Option<(&'static str, Vec<Action>)>,
}

impl Explored {
    /// The way to the fault, one action in a line.
    pub fn trace(&self) -> String {
        match &self.fault {
            None => String::new(),
            Some((fault, actions)) => {
                let lines = actions.iter().map(|action| format!("    {action:?}\n"));
                format!("  {fault}:\n{}", lines.collect::<String>())
            }
        }
    }
}

/// Explores a scope breadth first. With one thread the trace to a fault is a shortest trace, and
/// the depth is exact.
pub fn explore(scope: Scope, threads: usize) -> Explored {
    let checked = Arc::new(AtomicUsize::new(0));
    let exploration = Exploration {
        scope,
        checked: checked.clone(),
    };
    let checker = exploration
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::Any)
        .spawn_bfs()
        .join();
    scope.switch_on();
    let fault = checker.discovery("right").map(|path| {
        let fault = checks::fault(path.last_state()).unwrap_or("unknown");
        (fault, path.into_actions())
    });
    Explored {
        states: checked.load(Ordering::Relaxed),
        depth: checker.max_depth() - 1,
        fault,
    }
}

/// Follows one random way up to a depth, for a scope that has too many ways to explore all.
pub fn wander(scope: &Scope, seed: u64, steps: usize) -> Explored {
    let mut random = seed;
    let mut system = System::new();
    let mut trace = Vec::new();
    let mut actions = Vec::new();
    for step in 0..steps {
        scope.actions(&system, &mut actions);
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let action = actions[random as usize % actions.len()];
        actions.clear();
        let Some(next) = scope.act(&system, action) else {
            continue;
        };
        system = next;
        trace.push(action);
        if let Some(fault) = checks::fault(&system) {
            return Explored {
                states: step,
                depth: step,
                fault: Some((fault, trace)),
            };
        }
    }
    Explored {
        states: steps,
        depth: steps,
        fault: None,
    }
}
