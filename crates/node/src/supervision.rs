//! Supervision: supervisors, replacements made by JavaScript factories, and timers.

use std::sync::Arc;
use std::time::Duration;

use iris_core::{Backoff, ChildSpec, Error, Factory, Pid, Restart, StartDone, SupervisorOptions};
use napi::bindgen_prelude::{JsValue, Unknown};
use napi_derive::napi;

use crate::errors::Result;
use crate::host::{Event, Host};
use crate::native::Native;
use crate::raw;

/// A JavaScript function that makes a replacement; known by its number until the runtime forgets it.
struct JsFactory {
    factory: u32,
    host: Arc<Host>,
}

impl Factory for JsFactory {
    fn start(&self, done: StartDone) {
        self.host.post(Event::Start { factory: self.factory, done });
    }
}

impl Drop for JsFactory {
    fn drop(&mut self) {
        self.host.post(Event::FactoryGone { factory: self.factory });
    }
}

/// The choices of a supervisor; what is absent has its default.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct SupervisorChoices {
    /// `"one_for_one"`, ...
    pub strategy: Option<String>,
    /// Restarts within `period`.
    pub intensity: Option<u32>,
    /// Seconds.
    pub period: Option<f64>,
    /// Shortest pause, in seconds.
    pub backoff_min: Option<f64>,
    /// Longest pause, in seconds.
    pub backoff_max: Option<f64>,
    /// The supervisor this one is a child of.
    pub supervisor: Option<f64>,
}

#[napi]
impl Native {
    /// The runtime's own supervisor.
    #[napi]
    pub fn root_supervisor(&self) -> Result<f64> {
        self.state.check(self.state.runtime.root_supervisor()).map(raw::number_of)
    }

    /// Spawns a supervisor.
    #[napi]
    pub fn spawn_supervisor(&self, choices: SupervisorChoices) -> Result<f64> {
        let state = &self.state;
        let mut options = SupervisorOptions::default();
        if let Some(strategy) = &choices.strategy {
            options.strategy = state.check(strategy.parse())?;
        }
        if let Some(intensity) = choices.intensity {
            options.intensity = intensity;
        }
        if let Some(period) = choices.period {
            options.period = state.check(seconds(period, "period"))?;
        }
        if let (Some(min), Some(max)) = (choices.backoff_min, choices.backoff_max) {
            let (min, max) = (seconds(min, "backoff"), seconds(max, "backoff"));
            options.backoff = state.check(Backoff::new(state.check(min)?, state.check(max)?))?;
        }
        if let Some(supervisor) = choices.supervisor {
            let supervisor = state.pid(supervisor)?;
            options.supervisor = Some(ChildSpec { supervisor, restart: Restart::Permanent });
        }
        state.check(state.runtime.spawn_supervisor(options)).map(raw::number_of)
    }

    /// Lists an actor as a child of a supervisor.
    #[napi]
    pub fn watch(&self, supervisor: f64, pid: f64, strategy: String) -> Result<()> {
        let state = &self.state;
        let (supervisor, pid) = (state.pid(supervisor)?, state.pid(pid)?);
        let strategy = state.check(strategy.parse())?;
        state.check(state.runtime.watch(supervisor, pid, strategy))
    }

    /// Replaces an actor by what a factory makes.
    #[napi]
    pub fn supervise(&self, supervisor: f64, pid: f64, factory: u32, strategy: String) -> Result<()> {
        let state = &self.state;
        let factory = Arc::new(JsFactory { factory, host: Arc::clone(&state.host) });
        let (supervisor, pid) = (state.pid(supervisor)?, state.pid(pid)?);
        let strategy = state.check(strategy.parse())?;
        state.check(state.runtime.supervise_with_factory(supervisor, pid, factory, strategy))
    }

    /// A factory made a replacement, or failed.
    #[napi]
    pub fn start_done(&self, token: u32, pid: Option<f64>, failure: Option<String>) {
        let done = self.state.starts.borrow_mut().take(token);
        let Some(done) = done else { return };
        let outcome: std::result::Result<Pid, _> = match (pid.and_then(raw::pid_of), failure) {
            (Some(pid), None) => Ok(pid),
            (_, Some(failure)) => Err(raw::failure_of(&failure)),
            (None, None) => Err(iris_core::Failure::new("TypeError", "the factory returned no pid")),
        };
        done.complete(outcome);
    }

    /// Takes an actor from its supervisor.
    #[napi]
    pub fn unsupervise(&self, pid: f64) -> bool {
        raw::pid_of(pid).is_some_and(|pid| self.state.runtime.unsupervise(pid))
    }

    /// A supervisor's children.
    #[napi]
    pub fn child_pids(&self, supervisor: f64) -> Result<Vec<f64>> {
        let supervisor = self.state.pid(supervisor)?;
        let children = self.state.check(self.state.runtime.child_pids(supervisor))?;
        Ok(children.into_iter().map(raw::number_of).collect())
    }

    /// Makes a supervisor for a path.
    #[napi]
    pub fn create_path_supervisor(&self, path: String) -> Result<bool> {
        self.state.check(self.state.runtime.create_path_supervisor(&path))
    }

    /// Ends a path's supervisor.
    #[napi]
    pub fn remove_path_supervisor(&self, path: String) -> bool {
        self.state.runtime.remove_path_supervisor(&path)
    }

    /// The supervisor of a path.
    #[napi]
    pub fn path_supervisor(&self, path: String) -> Result<f64> {
        self.state.check(self.state.runtime.path_supervisor(&path)).map(raw::number_of)
    }

    /// Sends a message again and again.
    #[napi]
    pub fn send_interval(&self, pid: f64, interval_ms: f64, data: Unknown<'_>) -> Result<f64> {
        let state = &self.state;
        let pid = state.pid(pid)?;
        let payload = state.check(raw::payload_of(state.env, data.raw()))?;
        state.check(state.runtime.send_interval(pid, whole(interval_ms), payload)).map(raw::id_number)
    }
}

fn seconds(seconds: f64, what: &str) -> iris_core::Result<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Error::invalid(format!("{what} must be a number of seconds of at least 0")))
}

/// Milliseconds JavaScript checked to be a whole number of at least 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked in js/arguments.js")]
fn whole(milliseconds: f64) -> u64 {
    milliseconds as u64
}
