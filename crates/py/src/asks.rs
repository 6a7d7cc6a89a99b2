//! Asks: questions to actors, awaited on an event loop or waited for by a thread.

use std::sync::{Arc, OnceLock};

use iris_core::sync::Mutex;
use iris_core::{AskHandle, AskOptions, Error, ErrorKind, Payload, Pid};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple, PyWeakrefMethods, PyWeakrefReference};

use crate::carried;
use crate::errors::{raise, raise_kind};
use crate::eventloop::LoopLane;
use crate::held::Held;
use crate::help::Helper;
use crate::interpreter;
use crate::numbers::seconds_or_none;
use crate::once::{ASK, Once, intern};
use crate::payload;
use crate::pid::PidArgument;
use crate::runtime::Runtime;
use crate::shared::Shared;
use crate::wait::{self, Bell};

#[pymethods]
impl Runtime {
    /// Ask an actor and await its answer.
    ///
    /// A push handler answers with what it returns (bytes-like; `None` is `b""`), a pull actor with `mailbox.reply`.
    /// The answer is there at the event loop's next round where the actor runs on this loop.
    ///
    /// Args:
    ///     pid: the actor.
    ///     data: any bytes-like object.
    ///     timeout: seconds; `None` waits for ever. An ask that timed out is not executed if it still waits.
    ///
    /// Returns:
    ///     A future of the running event loop, with `bytes`.
    ///
    /// Raises:
    ///     AskTimeoutError: no answer in time.
    ///     AskFailedError: the actor crashed, ended, or answered with something that is not bytes.
    ///     NoProcessError: no such actor.
    ///     MailboxFullError: its mailbox refused the message.
    ///
    /// Example:
    ///     >>> import asyncio, iris
    ///     >>> async def main():
    ///     ...     async with iris.Runtime() as rt:
    ///     ...         return await rt.ask(rt.spawn(bytes.upper), b"hello")
    ///     >>> asyncio.run(main())
    ///     b'HELLO'
    #[pyo3(signature = (pid, data, timeout=5.0))]
    fn ask<'py>(
        &self,
        pid: PidArgument,
        data: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        ask(&self.shared, pid.get(), data, timeout)
    }

    /// Ask an actor and block this thread until it answers. As `ask`; lets other Python threads run, Ctrl-C works.
    ///
    /// A plain handler that has answered this thread's last asks within 0.5 ms each may be run on this thread: the time-out
    /// then waits for the handler to return.
    ///
    /// Raises:
    ///     WouldDeadlockError: an actor asks itself.
    ///
    /// Example:
    ///     >>> import iris
    ///     >>> with iris.Runtime() as rt:
    ///     ...     rt.ask_blocking(rt.spawn(bytes.upper), b"hello", timeout=2.0)
    ///     b'HELLO'
    #[pyo3(signature = (pid, data, timeout=5.0))]
    fn ask_blocking<'py>(
        &self,
        pid: PidArgument,
        data: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        ask_blocking(&self.shared, pid.get(), data, timeout)
    }
}

fn options(py: Python<'_>, shared: &Shared, timeout: Option<f64>) -> PyResult<AskOptions> {
    let mut options = AskOptions { timeout: wait::timeout(timeout)?, context: None };
    if shared.contextvars {
        options.context = Some(Box::new(carried::copy(py)?));
    }
    Ok(options)
}

/// Asks; a future of the running loop.
pub(crate) fn ask<'py>(
    shared: &Arc<Shared>,
    pid: Option<Pid>,
    data: &Bound<'py, PyAny>,
    timeout: Option<f64>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = data.py();
    let core = shared.core()?;
    let payload = payload::from_python(data)?;
    let options = options(py, shared, timeout)?;
    let Some(lane) = shared.loops.running(py, shared)? else {
        return Err(PyRuntimeError::new_err("ask needs a running event loop; use ask_blocking in a thread"));
    };
    let future = new_future(py, &lane)?;
    let hold = Py::new(py, AskHold { handle: OnceLock::new(), future: Mutex::new(Future::Unawaited) })?;
    future.setattr(intern!(py, "hold"), &hold)?;
    let awaited = Awaited::new(&future, &hold, lane)?;
    match pid {
        None => LoopLane::answer(awaited, Err(nobody())),
        Some(pid) => {
            let completion = Box::new(move |outcome| LoopLane::answer(awaited, outcome));
            let handle = core.ask_with(pid, payload, options, completion);
            hold.get().handle.get_or_init(|| handle);
        }
    }
    Ok(future)
}

/// A future of the loop.
fn new_future<'py>(py: Python<'py>, lane: &LoopLane) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: Once<Py<PyAny>> = Once::new();
    static NAMES: Once<Py<PyTuple>> = Once::new();
    let class = CLASS.get_or_make(py, || Ok(ASK.get(py)?.getattr("AskFuture")?.unbind()))?;
    let names = NAMES.get_or_make(py, || PyTuple::new(py, ["loop"]).map(Bound::unbind))?;
    interpreter::call_named(class.bind(py), names.bind(py), lane.event_loop(py))
}

/// Asks, and waits.
pub(crate) fn ask_blocking<'py>(
    shared: &Arc<Shared>,
    pid: Option<Pid>,
    data: &Bound<'py, PyAny>,
    timeout: Option<f64>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = data.py();
    let core = shared.core()?;
    let payload = payload::from_python(data)?;
    let options = options(py, shared, timeout)?;
    let Some(pid) = pid else { return Err(raise(nobody())) };
    if iris_core::is_within(pid) {
        let message = format!("actor {pid} would wait for its own answer");
        return Err(raise_kind(ErrorKind::WouldDeadlock, &message));
    }
    let answer: Arc<Mutex<Option<Result<Payload, Error>>>> = Arc::default();
    let bell = Bell::new();
    let (slot, ringer) = (Arc::clone(&answer), Arc::clone(&bell));
    let completion = move |outcome| {
        *slot.lock() = Some(outcome);
        ringer.ring();
    };
    let mut helper = Helper::begin(py, pid, shared.python_lane_if_any());
    let handle = core.ask_with(pid, payload, options, Box::new(completion));
    if let Err(error) = helper.help(py).and_then(|()| bell.wait(py, shared, None)) {
        handle.cancel();
        return Err(error);
    }
    let outcome = answer.lock().take();
    helper.end(matches!(outcome, Some(Ok(_))));
    match outcome {
        Some(Ok(payload)) => Ok(payload::into_python(py, payload)),
        Some(Err(error)) => Err(raise(error)),
        None => Err(raise_kind(ErrorKind::AskFailed, "the ask ended without an answer")),
    }
}

/// What an ask and its future know of each other.
///
/// The collector does not see what is held from here. So the ask holds its future only while somebody waits for it: one that
/// nobody holds and nobody waits for is let go, although its actor may never answer. Its message is delivered all the same.
#[pyclass(frozen, module = "iris._iris")]
pub(crate) struct AskHold {
    handle: OnceLock<AskHandle>,
    future: Mutex<Future>,
}

/// What an ask holds of its future.
enum Future {
    Unawaited,
    Awaited(#[expect(dead_code, reason = "held, not read")] Held),
    /// The ask is over, and holds nothing any more.
    Over,
}

#[pymethods]
impl AskHold {
    /// The future is cancelled: gives the ask up.
    fn take_back(&self) {
        if let Some(handle) = self.handle.get() {
            handle.cancel();
        }
    }

    /// Somebody waits for the future.
    fn keep(&self, future: Py<PyAny>) {
        let mut held = self.future.lock();
        if matches!(*held, Future::Unawaited) {
            *held = Future::Awaited(future.into());
        }
    }

    /// Nobody waits for the future any more.
    fn let_go(&self) {
        self.change(Future::Unawaited);
    }
}

impl AskHold {
    fn change(&self, next: Future) {
        let before = {
            let mut held = self.future.lock();
            if matches!(*held, Future::Over) {
                return;
            }
            std::mem::replace(&mut *held, next)
        };
        // The end of a future runs code of users, which may come back here.
        drop(before);
    }
}

/// The future of an ask, as the ask holds it.
pub(crate) struct Awaited {
    future: Held<PyWeakrefReference>,
    hold: Held<AskHold>,
    pub(crate) lane: Arc<LoopLane>,
}

impl Awaited {
    fn new(future: &Bound<'_, PyAny>, hold: &Py<AskHold>, lane: Arc<LoopLane>) -> PyResult<Self> {
        let weak = PyWeakrefReference::new(future)?.unbind();
        lane.begin_ask();
        Ok(Self { future: weak.into(), hold: hold.clone_ref(future.py()).into(), lane })
    }

    /// The future, unless it is gone.
    pub(crate) fn future<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.future.bind(py).upgrade()
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.hold.get().change(Future::Over);
        self.lane.end_ask();
    }
}

fn nobody() -> Error {
    Error::new(ErrorKind::NoProcess, "no live actor has this pid")
}

/// Makes the classes that users never name; see `prepare` in lib.rs.
pub(crate) fn prepare(py: Python<'_>) {
    py.get_type::<AskHold>();
}
