//! Runtime: the native half of `iris.Runtime`. Its methods stand in files by what they are about.

use std::sync::Arc;
use std::time::Duration;

use iris_core::{ACTORS_MAX, Pid, Refusal, RuntimeOptions, SendError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::carried;
use crate::errors::{OrRaise, invalid};
use crate::interpreter;
use crate::lane::SLICE;
use crate::numbers::{seconds, seconds_or_none, whole_or_none};
use crate::payload;
use crate::pid::PidArgument;
use crate::shared::Shared;
use crate::wait;

/// How long a blocked send waits before it looks for Ctrl-C and for its own event loop.
const ROOM_WAIT: Duration = Duration::from_millis(50);

/// The native methods of `iris.Runtime`.
#[pyclass(subclass, frozen, weakref, name = "Runtime", module = "iris._iris")]
pub(crate) struct Runtime {
    pub(crate) shared: Arc<Shared>,
}

#[pymethods]
impl Runtime {
    #[new]
    #[pyo3(signature = (*, contextvars=false, actors_max=None))]
    fn new(
        py: Python<'_>,
        contextvars: bool,
        #[pyo3(from_py_with = whole_or_none)] actors_max: Option<i64>,
    ) -> PyResult<Self> {
        let mut options = RuntimeOptions::default();
        if let Some(max) = actors_max {
            options.actors_max = u32::try_from(max)
                .map_err(|_| invalid(format!("actors_max must be from 1 to {ACTORS_MAX}, not {max}")))?;
        }
        Ok(Self { shared: Shared::new(py, contextvars, options)? })
    }

    /// Send a message.
    ///
    /// Args:
    ///     pid: the receiver.
    ///     data: any bytes-like object. `bytes` is kept as it is; anything else is copied once.
    ///
    /// Returns:
    ///     True if the mailbox took it. False: no such actor, or its mailbox refused it. Waits only where the mailbox is
    ///     full under the policy `"block"`, and not in a handler, where it returns False instead.
    ///
    /// Example:
    ///     >>> import iris
    ///     >>> with iris.Runtime() as rt:
    ///     ...     rt.send(rt.spawn_observed_handler(), b"hello"), rt.send(12345, b"hello")
    ///     (True, False)
    #[inline]
    fn send(&self, pid: PidArgument, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        let payload = payload::from_python(data)?;
        self.send_payload(data.py(), pid, || payload)
    }

    /// Send several messages to one actor, in order.
    ///
    /// Args:
    ///     pid: the receiver.
    ///     messages: an iterable of bytes-like objects.
    ///
    /// Returns:
    ///     How many were accepted. The first refused one ends the call.
    ///
    /// Example:
    ///     >>> import iris
    ///     >>> with iris.Runtime() as rt:
    ///     ...     rt.send_many(rt.spawn_observed_handler(), [b"a", b"b", b"c"])
    ///     3
    fn send_many(&self, pid: PidArgument, messages: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut accepted = 0;
        let messages = messages.try_iter()?;
        while let Some(message) = interpreter::next(messages.as_any()) {
            if !self.send(pid, &message?)? {
                break;
            }
            accepted += 1;
        }
        Ok(accepted)
    }

    /// Send a message to the actor that has a name.
    ///
    /// Returns:
    ///     True if the mailbox took it. False: nobody has the name, or the mailbox refused it.
    ///
    /// Example:
    ///     >>> import iris
    ///     >>> with iris.Runtime() as rt:
    ///     ...     rt.register("mail", rt.spawn_observed_handler())
    ///     ...     rt.send_named("mail", b"letter"), rt.send_named("nobody", b"letter")
    ///     (True, False)
    fn send_named(&self, name: &str, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        let core = self.shared.core()?;
        let payload = payload::from_python(data)?;
        let Some(pid) = core.whereis(name) else { return Ok(false) };
        match core.try_send(pid, payload) {
            Ok(()) => Ok(true),
            Err(refused) => self.refused(data.py(), pid, refused),
        }
    }

    /// How many messages of users wait in an actor's mailbox.
    ///
    /// Returns:
    ///     The number, without notices of the runtime; `None` for a pid that no live actor has.
    fn mailbox_size(&self, pid: PidArgument) -> PyResult<Option<usize>> {
        let core = self.shared.core()?;
        Ok(pid.get().and_then(|pid| core.mailbox_size(pid)))
    }

    /// Tell an actor to stop: it ends with reason `"Killed"`, before any message that waits, children first.
    ///
    /// From then on `is_alive` is False and sends are refused. A pull actor's `recv` returns `None`.
    ///
    /// Returns:
    ///     True if the actor was alive.
    fn stop(&self, pid: PidArgument) -> PyResult<bool> {
        let core = self.shared.core()?;
        Ok(pid.get().is_some_and(|pid| core.stop(pid)))
    }

    /// Whether an actor takes messages: from its spawn until it ends or is told to stop.
    fn is_alive(&self, pid: PidArgument) -> PyResult<bool> {
        let core = self.shared.core()?;
        Ok(pid.get().is_some_and(|pid| core.is_alive(pid)))
    }

    /// Wait until an actor has ended.
    ///
    /// Blocks this thread and lets other Python threads run; Ctrl-C works.
    ///
    /// Args:
    ///     pid: the actor. One that has ended, or never was, counts as ended.
    ///     timeout: seconds; `None` waits for ever.
    ///
    /// Returns:
    ///     True if it has ended, False if the time was over first.
    ///
    /// Raises:
    ///     WouldDeadlockError: an actor waits for itself.
    #[pyo3(signature = (pid, timeout=None))]
    fn join(
        &self,
        py: Python<'_>,
        pid: PidArgument,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
    ) -> PyResult<bool> {
        let core = self.shared.core()?;
        let deadline = wait::deadline(timeout)?;
        let Some(pid) = pid.get() else { return Ok(true) };
        if iris_core::is_within(pid) {
            let message = format!("actor {pid} would wait for its own end");
            return Err(crate::errors::raise_kind(iris_core::ErrorKind::WouldDeadlock, &message));
        }
        let bell = wait::Bell::new();
        let hook = Arc::clone(&bell);
        let hook = core.on_exit(pid, Box::new(move |_, _| hook.ring()));
        let ended = bell.wait(py, &self.shared, deadline);
        if !matches!(ended, Ok(true)) {
            core.forget_exit(pid, hook);
        }
        ended
    }

    /// The pid of the actor whose code runs on this thread, or `None` outside of actors.
    fn current_pid(&self) -> PyResult<Option<u64>> {
        self.shared.core()?;
        Ok(iris_core::current().map(Pid::get))
    }

    /// Stop everything in order: no new work is taken, actors get time to finish what waits for them, children end
    /// before their parents, and what is left is killed.
    ///
    /// An actor that calls this is not waited for: it ends when its handler returns, and counts as finished. An `async def`
    /// handler would hold up its own event loop: let it have a thread do it.
    ///
    /// Args:
    ///     timeout: seconds that actors get to finish.
    ///
    /// Returns:
    ///     `{"finished": int, "killed": int, "unfinished": [pid, ...]}`; the unfinished ones are stuck in their own code.
    ///
    /// Example:
    ///     >>> import iris
    ///     >>> rt = iris.Runtime()
    ///     >>> pid = rt.spawn(lambda message: None)
    ///     >>> rt.send(pid, b"the last word")
    ///     True
    ///     >>> rt.shutdown(timeout=2.0)["unfinished"]
    ///     []
    #[pyo3(signature = (timeout=5.0))]
    fn shutdown<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = seconds)] timeout: f64,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.shared.core()?;
        let grace = wait::timeout(Some(timeout))?.unwrap_or(Duration::MAX);
        let report = self.shared.shutdown(py, grace)?;
        let result = PyDict::new(py);
        if let Some(report) = report {
            let unfinished: Vec<u64> = report.unfinished.into_iter().map(Pid::get).collect();
            result.set_item("finished", report.finished)?;
            result.set_item("killed", report.killed)?;
            result.set_item("unfinished", unfinished)?;
        }
        Ok(result)
    }

    /// Stop everything now. Closing a closed runtime does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.shared.core()?;
        self.shared.close(py)
    }

    /// Whether the runtime was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Choose what happens to messages that a bounded mailbox has no room for.
    ///
    /// Args:
    ///     pid: an actor with a bounded mailbox.
    ///     policy: `"dropnew"` (the send returns False), `"dropold"` (the oldest one is dropped), `"block"` (the sender
    ///         waits), `"redirect"` (it goes to `target`), `"spill"` (it goes to a temporary file and comes back in
    ///         order, or to `target` where one is given).
    ///     target: a pid, for `"redirect"` and `"spill"`.
    ///
    /// Raises:
    ///     InvalidArgumentError: an unknown policy, a missing target, or a mailbox without bounds.
    #[pyo3(signature = (pid, policy, target=None))]
    fn set_overflow_policy(
        &self,
        pid: PidArgument,
        policy: &str,
        target: Option<PidArgument>,
    ) -> PyResult<()> {
        let core = self.shared.core()?;
        let target = target.map(PidArgument::required).transpose()?;
        core.set_overflow(pid.required()?, crate::words::overflow(policy, target)?).or_raise()
    }
}

impl Runtime {
    /// Sends a `bytes` object, as `fast` found it to be.
    #[inline]
    pub(crate) fn send_bytes(&self, pid: PidArgument, data: &Bound<'_, PyBytes>) -> PyResult<bool> {
        self.send_payload(data.py(), pid, || payload::keep(data))
    }

    /// Sends what `payload` makes, once it is known whom to.
    #[inline]
    fn send_payload(
        &self,
        py: Python<'_>,
        pid: PidArgument,
        payload: impl FnOnce() -> iris_core::Payload,
    ) -> PyResult<bool> {
        let core = self.shared.core()?;
        let Some(pid) = pid.get() else { return Ok(false) };
        if self.shared.contextvars {
            return self.send_with_context(py, pid, payload());
        }
        match core.try_send(pid, payload()) {
            Ok(()) => Ok(true),
            Err(refused) => self.refused(py, pid, refused),
        }
    }

    #[cold]
    fn send_with_context(&self, py: Python<'_>, pid: Pid, payload: iris_core::Payload) -> PyResult<bool> {
        let carried = Box::new(carried::copy(py)?);
        match self.shared.core()?.send_with_context(pid, payload, carried) {
            Ok(()) => Ok(true),
            Err(refused) => self.refused(py, pid, refused),
        }
    }

    #[cold]
    fn refused(&self, py: Python<'_>, pid: Pid, refused: SendError) -> PyResult<bool> {
        refused_send(py, &self.shared, pid, refused)
    }
}

/// What becomes of a refused message: False, or a wait for room where the policy says so.
#[cold]
pub(crate) fn refused_send(
    py: Python<'_>,
    shared: &Arc<Shared>,
    pid: Pid,
    mut refused: SendError,
) -> PyResult<bool> {
    let core = shared.core()?;
    while refused.refusal == Refusal::WouldBlock {
        if iris_core::current().is_some() {
            drop(core.give_up(pid, refused.payload));
            return Ok(false);
        }
        let event_loop = shared.loops.of_this_thread(py)?;
        let until = std::time::Instant::now() + SLICE;
        if !event_loop.map_or(Ok(false), |lane| lane.drain_blocked(py, until))? {
            interpreter::detached(py, || core.wait_for_room(pid, ROOM_WAIT));
            py.check_signals()?;
        }
        match core.try_send(pid, refused.payload) {
            Ok(()) => return Ok(true),
            Err(again) => refused = again,
        }
    }
    Ok(false)
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

/// A budget as users give it.
pub(crate) fn budget(messages: i64) -> PyResult<u32> {
    u32::try_from(messages)
        .ok()
        .filter(|&budget| budget > 0)
        .ok_or_else(|| invalid(format!("budget must be 1 to {} messages a turn, not {messages}", u32::MAX)))
}
