// SPDX-License-Identifier: GPL-2.0

//! What the engine's lock protects, and the one engine.

use crate::arch_x86::probe_list::ProbePtr;
use crate::examine::Examiner;
use crate::optimizer::{
    Optimizer,
    ProbeId, //
};
use crate::shell::Shell;
use crate::sys::locks::EngineHeld;
use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicPtr,
    Ordering, //
};
use kernel::prelude::*;
use kernel::rbtree::RBTree;
use kernel::sync::{
    new_condvar,
    new_mutex,
    CondVar,
    Mutex, //
};

/// What the engine's lock protects.
pub(super) struct Core {
    /// The backend, with the proof that the lock is held.
    pub(super) shell: Shell,
    pub(super) optimizer: Optimizer<Shell>,
    pub(super) examiner: Examiner,
    /// The addresses of the structures that are registered.
    pub(super) known: RBTree<usize, ()>,
}

// SAFETY: Any task that holds the lock may use the pointers to probes and traps, because these
// pointers belong to no task or CPU.
unsafe impl Send for Core {}

impl Core {
    /// The proof that the engine's lock is held.
    pub(super) fn held(&self) -> &EngineHeld {
        self.shell.held()
    }

    /// Brings every changed site to the state that it should have.
    pub(super) fn commit(&mut self) {
        self.optimizer.commit(&self.shell);
    }

    /// Enables or disables one probe. The caller commits.
    pub(super) fn set_enabled(&mut self, id: ProbeId, enabled: bool) {
        self.optimizer.set_enabled(&self.shell, id, enabled);
        let Some(probe) = self.optimizer.probe(id) else {
            return;
        };
        if let Some(site) = self.optimizer.site(probe.site) {
            site.payload.credit_one(self.shell.held(), probe.payload);
        }
    }

    /// Whether `probe` is registered, and is neither a copy of a registered structure nor stale.
    pub(super) fn knows(&self, probe: ProbePtr) -> bool {
        // SAFETY: The caller's probe is alive for the call.
        let registered = unsafe { (*probe.as_ptr()).registered } != 0;
        registered
            && self
                .optimizer
                .probe(id_of(probe))
                .is_some_and(|known| known.payload == probe)
    }
}

/// The optimizer's number of a probe. It means something for a registered probe only.
pub(super) fn id_of(probe: ProbePtr) -> ProbeId {
    // SAFETY: The caller's probe is alive for the call.
    ProbeId::from_index(unsafe { (*probe.as_ptr()).id })
}

/// All state of the module that users' calls reach.
#[pin_data]
pub(crate) struct Engine {
    #[pin]
    pub(super) core: Mutex<Core>,
    /// Notified when a pass has ended.
    #[pin]
    pub(super) passed: CondVar,
}

/// The one engine, while the module is loaded.
static ENGINE: AtomicPtr<Engine> = AtomicPtr::new(null_mut());

/// The engine. `None` while the module is being loaded or unloaded.
pub(crate) fn engine() -> Option<&'static Engine> {
    // SAFETY: `publish` stores a complete engine. `retract` takes it back when no task can call the
    // module any more, and each task that can call the module keeps it loaded.
    unsafe { ENGINE.load(Ordering::Acquire).as_ref() }
}

/// Takes the engine back. No task can call the module any more.
pub(crate) fn retract() {
    ENGINE.store(null_mut(), Ordering::Release);
}

impl Engine {
    /// An engine without probes.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            core <- new_mutex!(Core {
                // SAFETY: The proof is inside the engine's lock, and there is one engine.
                shell: Shell::new(unsafe { EngineHeld::new() }),
                optimizer: Optimizer::default(),
                examiner: Examiner::new()?,
                known: RBTree::new(),
            }),
            passed <- new_condvar!(),
        }? Error)
    }

    /// Lets users' calls reach the engine.
    pub(crate) fn publish(&self) {
        ENGINE.store(core::ptr::from_ref(self).cast_mut(), Ordering::Release);
    }

    /// Runs `look` on the optimizer's state.
    pub(super) fn look<R>(&self, look: impl FnOnce(&Optimizer<Shell>) -> R) -> R {
        look(&self.core.lock().optimizer)
    }

    /// Runs `change` on the state. Then it commits: each site becomes what it should be.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.core.lock();
        let result = change(&mut core);
        core.commit();
        result
    }
}
