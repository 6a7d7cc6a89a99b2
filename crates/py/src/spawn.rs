//! Spawning: push, pull, child, bounded, virtual and observed actors; and swapping their code.

use std::sync::Arc;
use std::time::Duration;

use iris_core::{Bounds, ErrorKind, LaneId, SpawnOptions};
use pyo3::prelude::*;

use crate::behaviour::{PyHandler, check_callable, is_async};
use crate::errors::{OrRaise, invalid, raise};
use crate::held::Held;
use crate::numbers::{whole, whole_or_none};
use crate::pid::PidArgument;
use crate::pull::{Function, PullThread};
use crate::pull_async::PullTask;
use crate::pull_code::PullCode;
use crate::runtime::{Runtime, budget};
use crate::shared::Shared;
use crate::words;

/// Most workers of one `spawn_child_pool`.
const POOL_MAX: i64 = 1_000_000;

#[pymethods]
impl Runtime {
    /// Spawn a push actor: `handler(message)` is called once per message. Returns at once.
    ///
    /// A plain handler runs on the event loop that runs here, if one does, else on the runtime's own Python thread (see
    /// `ask_blocking` for an exception). An
    /// `async def` handler runs on the event loop that runs here, else on the runtime's own loop thread; its actor
    /// handles the next message when it is done. What a handler raises ends its actor with reason `"Crash"`.
    ///
    /// Args:
    ///     handler: called with `bytes`. What it returns answers an `ask`.
    ///     budget: messages it may handle in one turn before other actors run, at least 1.
    ///     release_gil: give it a thread of its own, for handlers that block (see `set_release_gil_limits`).
    ///
    /// Returns:
    ///     The actor's pid.
    ///
    /// Example:
    ///     >>> import iris
    ///     >>> with iris.Runtime() as rt:
    ///     ...     rt.ask_blocking(rt.spawn(lambda message: message[::-1]), b"abc")
    ///     b'cba'
    #[pyo3(signature = (handler, budget=100, release_gil=false))]
    fn spawn(
        &self,
        handler: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = whole)] budget: i64,
        release_gil: bool,
    ) -> PyResult<u64> {
        push(&self.shared, handler, options(budget)?, release_gil)
    }

    /// Spawn a pull actor: `handler(mailbox)` runs on a thread of its own, an `async def` handler as a task on the event
    /// loop that runs here or on the runtime's own loop thread. The actor ends when it returns.
    ///
    /// A thread costs about 40 kB and a process has room for some 30,000; `async def` handlers cost about 3 kB.
    ///
    /// Args:
    ///     handler: called with a `Mailbox`, an `async def` one with an `AsyncMailbox`.
    ///     budget: kept for inspection; a pull actor takes messages at its own pace.
    ///
    /// Returns:
    ///     The actor's pid.
    #[pyo3(signature = (handler, budget=100))]
    fn spawn_with_mailbox(
        &self,
        handler: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = whole)] budget: i64,
    ) -> PyResult<u64> {
        pull(&self.shared, handler, None, options(budget)?)
    }

    /// Spawn a push actor that ends when its parent ends, before it. As `spawn`.
    ///
    /// Raises:
    ///     NoProcessError: no such parent.
    #[pyo3(signature = (parent, handler, budget=100, release_gil=false))]
    fn spawn_child(
        &self,
        parent: PidArgument,
        handler: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = whole)] budget: i64,
        release_gil: bool,
    ) -> PyResult<u64> {
        let options = SpawnOptions { parent: Some(parent.required()?), ..options(budget)? };
        push(&self.shared, handler, options, release_gil)
    }

    /// Spawn a pull actor that ends when its parent ends, before it. As `spawn_with_mailbox`.
    ///
    /// Raises:
    ///     NoProcessError: no such parent.
    #[pyo3(signature = (parent, handler, budget=100))]
    fn spawn_child_with_mailbox(
        &self,
        parent: PidArgument,
        handler: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = whole)] budget: i64,
    ) -> PyResult<u64> {
        let options = SpawnOptions { parent: Some(parent.required()?), ..options(budget)? };
        pull(&self.shared, handler, None, options)
    }

    /// Spawn several push actors with one handler that end when their parent ends.
    ///
    /// Args:
    ///     workers: how many, at least 1.
    ///
    /// Returns:
    ///     Their pids.
    #[pyo3(signature = (parent, handler, workers, budget=100, release_gil=false))]
    fn spawn_child_pool(
        &self,
        parent: PidArgument,
        handler: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = whole)] workers: i64,
        #[pyo3(from_py_with = whole)] budget: i64,
        release_gil: bool,
    ) -> PyResult<Vec<u64>> {
        if !(1..=POOL_MAX).contains(&workers) {
            return Err(invalid(format!("workers must be 1 to {POOL_MAX}, not {workers}")));
        }
        (0..workers).map(|_| self.spawn_child(parent, handler, budget, release_gil)).collect()
    }

    /// Spawn a push actor with a bounded mailbox. Beyond `capacity` messages a send returns False, until
    /// `set_overflow_policy` says otherwise.
    ///
    /// Args:
    ///     capacity: most messages that wait, at least 1.
    #[pyo3(signature = (handler, budget, capacity, release_gil=false))]
    fn spawn_py_handler_bounded(
        &self,
        handler: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = whole)] budget: i64,
        #[pyo3(from_py_with = whole)] capacity: i64,
        release_gil: bool,
    ) -> PyResult<u64> {
        let capacity = usize::try_from(capacity)
            .ok()
            .filter(|&capacity| capacity > 0)
            .ok_or_else(|| invalid(format!("capacity must be at least 1 message, not {capacity}")))?;
        let options = SpawnOptions { bounds: Some(Bounds::messages(capacity)), ..options(budget)? };
        push(&self.shared, handler, options, release_gil)
    }

    /// Spawn a virtual push actor: its pid is there now, it comes to life with its first message, and it ends with reason
    /// `"Normal"` when no message came for a while.
    ///
    /// Args:
    ///     idle_timeout_ms: milliseconds without a message after which it ends, at least 1; `None`: it stays.
    #[pyo3(signature = (handler, budget=100, idle_timeout_ms=None))]
    fn spawn_virtual(
        &self,
        handler: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = whole)] budget: i64,
        #[pyo3(from_py_with = whole_or_none)] idle_timeout_ms: Option<i64>,
    ) -> PyResult<u64> {
        let mut options = options(budget)?;
        if let Some(idle) = idle_timeout_ms {
            let idle = words::milliseconds("idle_timeout_ms", idle)?;
            if idle == 0 {
                return Err(invalid("idle_timeout_ms must be at least 1 millisecond"));
            }
            options.idle_timeout = Some(Duration::from_millis(idle));
        }
        push(&self.shared, handler, options, false)
    }

    /// Spawn an observed actor: it has no handler and keeps what it gets for `get_messages`.
    #[pyo3(signature = (budget=100))]
    fn spawn_observed_handler(&self, #[pyo3(from_py_with = whole)] budget: i64) -> PyResult<u64> {
        Ok(self.shared.core()?.spawn_observed(options(budget)?).or_raise()?.get())
    }

    /// Spawn an observed actor and register it under a path.
    ///
    /// Raises:
    ///     NameTakenError: a live actor has the path.
    fn spawn_with_path_observed(
        &self,
        #[pyo3(from_py_with = whole)] budget: i64,
        path: String,
    ) -> PyResult<u64> {
        let options = SpawnOptions { path: Some(path), ..options(budget)? };
        Ok(self.shared.core()?.spawn_observed(options).or_raise()?.get())
    }

    /// Limit the threads of `release_gil` actors.
    ///
    /// Args:
    ///     max_threads: actors that get a thread of their own, 0 to 30,000. Default 256, or what the environment variable
    ///         `IRIS_MAX_RELEASE_GIL_THREADS` says.
    ///     gil_pool_size: threads that all further ones share, 1 to 30,000. Default 8, or `IRIS_GIL_POOL_SIZE`.
    fn set_release_gil_limits(
        &self,
        #[pyo3(from_py_with = whole)] max_threads: i64,
        #[pyo3(from_py_with = whole)] gil_pool_size: i64,
    ) -> PyResult<()> {
        self.shared.core()?;
        let number = |name: &str, value: i64| {
            usize::try_from(value).map_err(|_| invalid(format!("{name} must not be negative")))
        };
        let threads = number("max_threads", max_threads)?;
        self.shared.release_gil.set_limits(threads, number("gil_pool_size", gil_pool_size)?)
    }

    /// Refuse a `release_gil` actor beyond the limit with `LimitReachedError`, instead of using the pool.
    fn set_release_gil_strict(&self, strict: bool) -> PyResult<()> {
        self.shared.core()?;
        self.shared.release_gil.set_strict(strict);
        Ok(())
    }

    /// Change an actor's code while it lives. The message in progress ends under the old handler; every later message,
    /// queued or new, meets the new one; none is lost or reordered.
    ///
    /// A pull actor is told `HOT_SWAP`; when its function returns, the new one is called with the same messages. An actor
    /// that was spawned with `release_gil=True` keeps its thread.
    ///
    /// Args:
    ///     pid: a push or pull actor.
    ///     new_handler: as for `spawn` or `spawn_with_mailbox`, whichever the actor was made by.
    ///
    /// Returns:
    ///     The version now in force.
    fn hot_swap(&self, pid: PidArgument, new_handler: &Bound<'_, PyAny>) -> PyResult<u32> {
        let core = self.shared.core()?;
        check_callable("handler", new_handler)?;
        let pid = pid.required()?;
        if let Some(is_task) = self.shared.functions.is_async(pid)
            && is_task != is_async(new_handler)
        {
            let (wanted, is) = if is_task { ("an `async def`", "a task") } else { ("a plain", "a thread") };
            return Err(invalid(format!("pull actor {pid} is {is}: {wanted} function can replace its own")));
        }
        let handler = match self.shared.release_gil.lane_of(pid) {
            Some(lane) => Arc::new(PyHandler::new(&self.shared, new_handler, lane)?),
            None => handler_of_here(&self.shared, new_handler)?,
        };
        match core.hot_swap(pid, handler) {
            Err(error) if error.kind() == ErrorKind::WrongActorKind => {
                let first = self.shared.functions.get(new_handler.py(), pid);
                let function = Arc::new(Function(Held::new(new_handler)));
                core.hot_swap_pull(pid, first, function).or_raise()
            }
            outcome => outcome.map_err(raise),
        }
    }

    /// The version of an actor's code: 1 at its spawn, one more with each swap.
    fn behavior_version(&self, pid: PidArgument) -> PyResult<u32> {
        self.shared.core()?.behavior_version(pid.required()?).or_raise()
    }

    /// Go back to an earlier version of an actor's code.
    ///
    /// Args:
    ///     steps: versions to go back, at least 1. A bounded number of versions is kept.
    ///
    /// Returns:
    ///     The version now in force.
    #[pyo3(signature = (pid, steps=1))]
    fn rollback_behavior(&self, pid: PidArgument, #[pyo3(from_py_with = whole)] steps: i64) -> PyResult<u32> {
        let steps =
            usize::try_from(steps).map_err(|_| invalid(format!("steps must be at least 1, not {steps}")))?;
        self.shared.core()?.rollback_behavior(pid.required()?, steps).or_raise()
    }
}

fn options(messages: i64) -> PyResult<SpawnOptions> {
    Ok(SpawnOptions { budget: budget(messages)?, ..SpawnOptions::default() })
}

/// The lane where a handler spawned here runs.
#[inline]
pub(crate) fn lane_for(py: Python<'_>, shared: &Arc<Shared>, is_async: bool) -> PyResult<LaneId> {
    match shared.loops.running(py, shared)? {
        Some(lane) => lane.id(shared),
        None if is_async => shared.loops.own(py, shared)?.id(shared),
        None => Ok(shared.python_lane()?.id()),
    }
}

fn handler_of_here(shared: &Arc<Shared>, handler: &Bound<'_, PyAny>) -> PyResult<Arc<PyHandler>> {
    let py = handler.py();
    shared.handlers.get(shared, handler, |is_async| lane_for(py, shared, is_async))
}

/// Spawns a push actor.
#[inline]
pub(crate) fn push(
    shared: &Arc<Shared>,
    handler: &Bound<'_, PyAny>,
    options: SpawnOptions,
    release_gil: bool,
) -> PyResult<u64> {
    let core = shared.core()?;
    if !release_gil {
        let handler = handler_of_here(shared, handler)?;
        return Ok(core.spawn_shared(handler, options).or_raise()?.get());
    }
    check_callable("handler", handler)?;
    let assigned = shared.release_gil.lane(shared)?;
    let spawned = PyHandler::new(shared, handler, assigned.id())
        .and_then(|handler| core.spawn_shared(Arc::new(handler), options).or_raise());
    match spawned {
        Ok(pid) => {
            assigned.until_exit(shared, pid);
            Ok(pid.get())
        }
        Err(error) => {
            assigned.unused(shared);
            Err(error)
        }
    }
}

/// Spawns a pull actor, on a thread or on an event loop.
pub(crate) fn pull(
    shared: &Arc<Shared>,
    function: &Bound<'_, PyAny>,
    make: Option<Py<PyAny>>,
    options: SpawnOptions,
) -> PyResult<u64> {
    check_callable("handler", function)?;
    let py = function.py();
    let code = PullCode::new(py, function.clone().unbind(), make);
    if is_async(function) {
        return PullTask::start(py, shared, code, options);
    }
    PullThread { shared: Arc::clone(shared), code }.start(py, options)
}
