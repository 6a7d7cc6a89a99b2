//! Wait: how a blocking call of the binding waits, and what goes on meanwhile.
//!
//! A thread that waits gives up the interpreter. Where it runs a handler, somebody else drains its lane for that time.
//! Where an event loop belongs to it, the loop cannot run while it is blocked, so the thread runs the loop's ready plain
//! handlers itself. It runs no other handler: one that blocks, or never returns, would take this caller with it.
//! Threads of users wake up ten times a second to let Python's signal handlers run: Ctrl-C works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use iris_core::Waiter;
use pyo3::prelude::*;

use crate::errors;
use crate::interpreter;
use crate::lane::{self, SLICE};
use crate::numbers::seconds_or_none;
use crate::parker::{Parker, spin};
use crate::shared::Shared;
use crate::words::SECONDS_MAX;

/// How often a blocked thread of the user looks for signals.
const SIGNALS_EVERY: Duration = Duration::from_millis(100);

/// A time-out in seconds as users give it; `None`: for ever.
pub(crate) fn timeout(seconds: Option<f64>) -> PyResult<Option<Duration>> {
    match seconds {
        None => Ok(None),
        Some(seconds) if seconds.is_nan() || seconds < 0.0 => {
            Err(errors::invalid(format!("timeout must be at least 0 seconds, not {seconds}")))
        }
        Some(seconds) if seconds > SECONDS_MAX => Ok(None),
        Some(seconds) => Ok(Some(Duration::from_secs_f64(seconds))),
    }
}

/// A time-out as seconds, for a wait that is written in Python; `None`: for ever.
#[pyfunction]
#[pyo3(name = "_wait_seconds")]
pub(crate) fn wait_seconds(
    #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
) -> PyResult<Option<f64>> {
    Ok(self::timeout(timeout)?.map(|timeout| timeout.as_secs_f64()))
}

/// The moment a time-out ends.
pub(crate) fn deadline(seconds: Option<f64>) -> PyResult<Option<Instant>> {
    Ok(timeout(seconds)?.map(|timeout| Instant::now() + timeout))
}

/// When a thread that waits must look for signals; never, where it is one of ours.
pub(crate) fn next_look_for_signals() -> Option<Instant> {
    (!interpreter::is_ours()).then(|| Instant::now() + SIGNALS_EVERY)
}

/// Waits until `ready`; false when the deadline came first.
///
/// `ready` is also called without the interpreter. Whoever makes it true unparks the parker.
pub(crate) fn wait(
    py: Python<'_>,
    shared: &Arc<Shared>,
    parker: &Arc<Parker>,
    deadline: Option<Instant>,
    ready: impl Fn() -> bool + Sync,
) -> PyResult<bool> {
    if ready() {
        return Ok(true);
    }
    lane::covered(|| {
        loop {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(ready());
            }
            let event_loop = shared.loops.of_this_thread(py)?;
            if let Some(event_loop) = &event_loop {
                event_loop.lie_down(Some(Arc::clone(parker)));
            }
            let helped = event_loop
                .as_ref()
                .map_or(Ok(false), |event_loop| event_loop.drain_blocked(py, Instant::now() + SLICE));
            if matches!(helped, Ok(false)) {
                let until = [deadline, next_look_for_signals()].into_iter().flatten().min();
                interpreter::detached_through(py, &shared.gate, || {
                    if !spin(&ready) {
                        parker.park(until);
                    }
                });
            }
            if let Some(event_loop) = &event_loop {
                event_loop.lie_down(None);
            }
            helped?;
            if ready() {
                return Ok(true);
            }
            if !interpreter::is_ours() {
                py.check_signals()?;
            }
        }
    })
}

/// Something that happens once, to wait for.
pub(crate) struct Bell {
    rung: AtomicBool,
    parker: Arc<Parker>,
}

impl Bell {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { rung: AtomicBool::new(false), parker: Parker::new() })
    }

    pub(crate) fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.parker.unpark();
    }

    /// Waits for it; false when the deadline came first.
    pub(crate) fn wait(
        &self,
        py: Python<'_>,
        shared: &Arc<Shared>,
        deadline: Option<Instant>,
    ) -> PyResult<bool> {
        wait(py, shared, &self.parker, deadline, || self.rung.load(Ordering::Acquire))
    }
}

impl Waiter for Bell {
    fn wake(&self) {
        self.ring();
    }
}
