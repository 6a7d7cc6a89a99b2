//! Actors: spawning them with options, swapping their code, stopping them.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use iris_core::{Bounds, ChildSpec, Overflow, Restart, SpawnOptions};
use napi_derive::napi;

use crate::errors::Result;
use crate::host::{Event, MailBell};
use crate::mail::SwappedTo;
use crate::native::Native;
use crate::raw;
use crate::slots::Maker;

/// The choices of a spawn; what is absent has its default.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct SpawnChoices {
    /// Messages a turn.
    pub budget: Option<u32>,
    /// The actor it ends with.
    pub parent: Option<f64>,
    /// Most messages queued.
    pub capacity: Option<f64>,
    /// Most bytes queued.
    pub capacity_bytes: Option<f64>,
    /// A name to register.
    pub name: Option<String>,
    /// A path to register.
    pub path: Option<String>,
    /// A virtual actor's idle time, in milliseconds.
    pub idle_timeout_ms: Option<u32>,
    /// The supervisor that restarts it in place.
    pub supervisor: Option<f64>,
    /// When it is restarted.
    pub restart: Option<String>,
}

/// A pull actor that was spawned.
#[napi(object, object_from_js = false)]
pub struct SpawnedPull {
    /// Its pid.
    pub pid: f64,
    /// The number of its mailbox.
    pub mailbox: u32,
}

#[napi]
impl Native {
    /// Spawns a push actor with options.
    #[napi]
    pub fn spawn_with(&self, slot: u32, choices: SpawnChoices) -> Result<f64> {
        // First: where something fails its end tells JavaScript that the slot is free.
        let behaviour = self.state.slots.borrow_mut().behaviour(slot, &self.state.host);
        let options = self.options(choices)?;
        let pid = self.state.check(self.state.runtime.spawn_shared(behaviour, options))?;
        Ok(raw::number_of(pid))
    }

    /// Spawns a push actor whose handler is made anew at each restart.
    #[napi]
    pub fn spawn_made(&self, slot: u32, maker: u32, choices: SpawnChoices) -> Result<f64> {
        let maker = Maker::new(maker, &self.state.host);
        let behaviour = self.state.slots.borrow_mut().made(slot, maker, &self.state.host);
        let options = self.options(choices)?;
        let pid = self.state.check(self.state.runtime.spawn_shared(behaviour, options))?;
        Ok(raw::number_of(pid))
    }

    /// Spawns a pull actor whose function is in the slot.
    #[napi]
    pub fn spawn_pull(&self, slot: u32, choices: SpawnChoices) -> Result<SpawnedPull> {
        let state = &self.state;
        let function = SwappedTo::new(slot, &state.host);
        let options = self.options(choices)?;
        let spawned = state.mail.borrow_mut().add(function, |mailbox| {
            let bell = MailBell { host: Arc::clone(&state.host), mailbox };
            state.runtime.spawn_pull(options, Arc::new(bell))
        });
        let (mailbox, pid) = state.check(spawned)?;
        Ok(SpawnedPull { pid: raw::number_of(pid), mailbox })
    }

    fn options(&self, choices: SpawnChoices) -> Result<SpawnOptions> {
        let state = &self.state;
        let bounds = (choices.capacity.is_some() || choices.capacity_bytes.is_some()).then(|| Bounds {
            messages: choices.capacity.map_or(usize::MAX, count_of),
            bytes: choices.capacity_bytes.map_or(usize::MAX, count_of),
        });
        let supervisor = match choices.supervisor {
            None => None,
            Some(supervisor) => {
                let supervisor = state.pid(supervisor)?;
                let restart = match &choices.restart {
                    None => Restart::Permanent,
                    Some(text) => state.check(text.parse())?,
                };
                Some(ChildSpec { supervisor, restart })
            }
        };
        Ok(SpawnOptions {
            budget: choices.budget.unwrap_or(iris_core::BUDGET_DEFAULT),
            lane: state.lane.id(),
            parent: choices.parent.map(|parent| state.pid(parent)).transpose()?,
            bounds,
            overflow: Overflow::DropNewest,
            name: choices.name,
            path: choices.path,
            idle_timeout: choices.idle_timeout_ms.map(|ms| Duration::from_millis(ms.into())),
            supervisor,
        })
    }

    /// Swaps a push or observed actor's handler.
    #[napi]
    pub fn hot_swap(&self, pid: f64, slot: u32) -> Result<u32> {
        let behaviour = self.state.slots.borrow_mut().behaviour(slot, &self.state.host);
        let pid = self.state.pid(pid)?;
        self.state.check(self.state.runtime.hot_swap(pid, behaviour))
    }

    /// Swaps a pull actor's function.
    #[napi]
    pub fn hot_swap_pull(&self, mailbox: u32, pid: f64, slot: u32) -> Result<u32> {
        let function = Arc::new(SwappedTo::new(slot, &self.state.host));
        let pid = self.state.pid(pid)?;
        let first = self.state.mail.borrow_mut().function(mailbox);
        let first = first.map(|function| function as Arc<dyn Any + Send + Sync>);
        self.state.check(self.state.runtime.hot_swap_pull(pid, first, function))
    }

    /// The version in force.
    #[napi]
    pub fn behavior_version(&self, pid: f64) -> Result<u32> {
        let pid = self.state.pid(pid)?;
        self.state.check(self.state.runtime.behavior_version(pid))
    }

    /// Goes back some versions.
    #[napi]
    pub fn rollback_behavior(&self, pid: f64, steps: u32) -> Result<u32> {
        let pid = self.state.pid(pid)?;
        self.state.check(self.state.runtime.rollback_behavior(pid, steps as usize))
    }

    /// An event with this number tells that the actor is gone. What is returned takes that back; zero: it is gone already.
    #[napi]
    pub fn watch_exit(&self, pid: f64, join: u32) -> f64 {
        let Some(pid) = raw::pid_of(pid) else { return 0.0 };
        let (host, gone) = (Arc::clone(&self.state.host), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&gone);
        let hook = self.state.runtime.on_exit(
            pid,
            Box::new(move |_, _| {
                told.store(true, Ordering::Release);
                host.post(Event::Exited { join });
            }),
        );
        if gone.load(Ordering::Acquire) { 0.0 } else { raw::id_number(hook) }
    }

    /// Nobody waits for the actor's end any more.
    #[napi]
    pub fn forget_exit(&self, pid: f64, watch: f64) {
        if let (Some(pid), Some(watch)) = (raw::pid_of(pid), raw::id_of(watch)) {
            self.state.runtime.forget_exit(pid, watch);
        }
    }

    /// Changes what happens to messages beyond the bounds.
    #[napi]
    pub fn set_overflow(&self, pid: f64, policy: String, target: Option<f64>) -> Result<()> {
        let state = &self.state;
        let pid = state.pid(pid)?;
        let target = target.map(|target| state.pid(target)).transpose()?;
        let policy = state.check(Overflow::from_name(&policy, target))?;
        state.check(state.runtime.set_overflow(pid, policy))
    }
}

/// A count JavaScript gave as a number that was checked to be a positive integer.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked in js/arguments.js")]
fn count_of(number: f64) -> usize {
    number as usize
}
