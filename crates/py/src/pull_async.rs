//! Async pull actors: an `async def` function on an event loop that takes messages from an `AsyncMailbox`.
//!
//! The function is one task. `recv` gives a small awaitable of our own: each step of it looks into the mailbox and, where
//! nothing is there, hands the loop a bare future that the waiter resolves. No task, queue or callback per message.

use std::sync::Arc;
use std::time::Instant;

use iris_core::sync::Mutex;
use iris_core::{ErrorKind, ExitReason, Finish, Pid, PullMailbox, SpawnOptions};
use pyo3::exceptions::PyStopIteration;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyList};

use crate::async_waiter::{self, AsyncWaiter};
use crate::behaviour::check_callable;
use crate::crash;
use crate::errors::{OrRaise, raise_kind};
use crate::eventloop::{Job, UnderWay};
use crate::fork;
use crate::inbox::{Found, Inbox};
use crate::interpreter;
use crate::numbers::{messages_max, seconds_or_none, whole};
use crate::once::intern;
use crate::pull::Function;
use crate::pull_code::PullCode;
use crate::shared::Shared;
use crate::wait;

/// The messages of one `async def` pull actor, for its own function.
///
/// As `Mailbox`, with `await`: `await mailbox.recv()`. Also an async iterator that ends when the actor is told to stop.
///
/// Example:
///     >>> import iris
///     >>> async def double(mailbox):
///     ...     async for message in mailbox:
///     ...         mailbox.reply(message, message * 2)
///     >>> with iris.Runtime() as rt:
///     ...     rt.ask_blocking(rt.spawn_with_mailbox(double), b"ab")
///     b'abab'
#[pyclass(frozen, name = "AsyncMailbox", module = "iris")]
pub(crate) struct AsyncMailbox {
    inbox: Arc<Inbox>,
    waiter: Arc<AsyncWaiter>,
}

#[pymethods]
impl AsyncMailbox {
    /// The actor's pid.
    #[getter]
    fn pid(&self) -> u64 {
        self.inbox.pid.get()
    }

    /// Take the oldest message, waiting for one.
    ///
    /// Args:
    ///     timeout: seconds to wait; `None` waits for ever.
    ///
    /// Returns:
    ///     An awaitable of `bytes`, a `PySystemMessage`, or `None` on time-out and when the actor was told to stop.
    #[pyo3(signature = (timeout=None))]
    fn recv(
        slf: Bound<'_, Self>,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
    ) -> PyResult<Receive> {
        Receive::new(slf, Want::One, timeout)
    }

    /// Take what is there, up to `max` messages, waiting for the first one.
    ///
    /// Args:
    ///     max: most messages to take, at least 1.
    ///     timeout: seconds to wait for the first message; `None` waits for ever.
    ///
    /// Returns:
    ///     An awaitable of a list, oldest first; empty on time-out and when the actor was told to stop.
    #[pyo3(signature = (max, timeout=None))]
    fn recv_many(
        slf: Bound<'_, Self>,
        #[pyo3(from_py_with = whole)] max: i64,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
    ) -> PyResult<Receive> {
        Receive::new(slf, Want::Many(messages_max(max)?), timeout)
    }

    /// Take the first message for which `matcher(message)` is true, waiting for one. The others keep their order.
    ///
    /// Args:
    ///     matcher: called with each message, oldest first; what it raises is raised here, and nothing is taken.
    ///     timeout: seconds to wait; `None` waits for ever.
    ///
    /// Returns:
    ///     An awaitable of the message, or of `None` on time-out and when the actor was told to stop.
    #[pyo3(signature = (matcher, timeout=None))]
    fn selective_recv(
        slf: Bound<'_, Self>,
        matcher: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
    ) -> PyResult<Receive> {
        check_callable("matcher", matcher)?;
        Receive::new(slf, Want::Match(matcher.clone().unbind()), timeout)
    }

    /// Answer the ask that `message` came with; see `Mailbox.reply`.
    fn reply(&self, message: &Bound<'_, PyAny>, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.inbox.reply(message, data)
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(slf: Bound<'_, Self>) -> PyResult<Receive> {
        Receive::new(slf, Want::Next, None)
    }

    fn __repr__(&self) -> String {
        format!("<AsyncMailbox pid={}>", self.inbox.pid.get())
    }
}

enum Want {
    One,
    Next,
    Many(usize),
    Match(Py<PyAny>),
}

/// One wait of an async pull actor: awaitable once, and its own iterator.
#[pyclass(module = "iris._iris")]
pub(crate) struct Receive {
    mailbox: Py<AsyncMailbox>,
    want: Want,
    deadline: Option<Instant>,
    timer: Option<Py<PyAny>>,
    /// What its task waits on.
    future: Option<Py<PyAny>>,
    seen: usize,
}

impl Receive {
    fn new(mailbox: Bound<'_, AsyncMailbox>, want: Want, timeout: Option<f64>) -> PyResult<Self> {
        let deadline = wait::deadline(timeout)?;
        Ok(Self { mailbox: mailbox.unbind(), want, deadline, timer: None, future: None, seen: 0 })
    }

    /// What is there; `None`: nothing yet.
    fn look<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Outcome<'py>>> {
        let mut mailbox = self.mailbox.get().inbox.borrow()?;
        let found = match &self.want {
            Want::Match(matcher) => mailbox.select(matcher.bind(py), &mut self.seen)?,
            _ => mailbox.look(py)?,
        };
        let Want::Many(max) = self.want else {
            return Ok(match found {
                Found::Message(message) => Some(Outcome::Value(message)),
                Found::Stopped => Some(Outcome::Stopped),
                Found::Nothing => None,
            });
        };
        let messages = PyList::empty(py);
        match found {
            Found::Nothing => return Ok(None),
            Found::Stopped => {}
            Found::Message(message) => {
                messages.append(message)?;
                while messages.len() < max {
                    let Found::Message(message) = mailbox.look(py)? else { break };
                    messages.append(message)?;
                }
            }
        }
        Ok(Some(Outcome::Value(messages.into_any())))
    }

    /// Readies a wait: the future the task waits on; `None`: look again.
    fn prepare<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mailbox = self.mailbox.get();
        if !mailbox.waiter.lane.runs_here(py) {
            let message = "only a task on the event loop of its actor waits on a mailbox";
            return Err(raise_kind(ErrorKind::InvalidArgument, message));
        }
        let future = mailbox.waiter.lane.create_future(py)?;
        mailbox.waiter.await_by(&future);
        let waits = mailbox.inbox.borrow()?.mailbox().is_some_and(PullMailbox::prepare_wait);
        if !waits {
            mailbox.waiter.give_up();
            return Ok(None);
        }
        self.future = Some(future.clone().unbind());
        if let Some(deadline) = self.deadline
            && self.timer.is_none()
        {
            let left = deadline.saturating_duration_since(Instant::now()).as_secs_f64();
            let bell = Py::new(py, Bell { waiter: Arc::clone(&mailbox.waiter) })?;
            let event_loop = mailbox.waiter.lane.event_loop(py);
            let arguments = [PyFloat::new(py, left).into_any(), bell.into_bound(py).into_any()];
            let call = intern!(py, "call_later");
            let timer = interpreter::call_method(event_loop, call, &[&arguments[0], &arguments[1]])?;
            self.timer = Some(timer.unbind());
        }
        future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
        Ok(Some(future))
    }

    fn end(&mut self, py: Python<'_>, outcome: Outcome<'_>) -> PyResult<PyErr> {
        if let Some(timer) = self.timer.take() {
            interpreter::call_method(timer.bind(py), intern!(py, "cancel"), &[])?;
        }
        let value = match (outcome, &self.want) {
            (Outcome::Value(value), _) => value,
            (Outcome::Stopped, Want::Next) => {
                return Ok(pyo3::exceptions::PyStopAsyncIteration::new_err(()));
            }
            (Outcome::Stopped, Want::Many(_)) => PyList::empty(py).into_any(),
            (Outcome::Stopped, Want::One | Want::Match(_)) => py.None().into_bound(py),
        };
        Ok(PyStopIteration::new_err((value.unbind(),)))
    }
}

enum Outcome<'py> {
    Value(Bound<'py, PyAny>),
    Stopped,
}

#[pymethods]
impl Receive {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.mailbox.get().waiter.is_awaited(py)? {
            return Err(raise_kind(ErrorKind::WouldDeadlock, "another task waits on this mailbox already"));
        }
        loop {
            if let Some(mailbox) = self.mailbox.get().inbox.borrow()?.mailbox() {
                mailbox.end_wait();
            }
            if let Some(outcome) = self.look(py)? {
                return Err(self.end(py, outcome)?);
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(self.end(py, Outcome::Stopped)?);
            }
            if let Some(future) = self.prepare(py)? {
                return Ok(future);
            }
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.mailbox)?;
        if let Want::Match(matcher) = &self.want {
            visit.call(matcher)?;
        }
        [&self.timer, &self.future].into_iter().flatten().try_for_each(|kept| visit.call(kept))
    }

    fn __clear__(&mut self) {
        (self.timer, self.future) = (None, None);
    }

    /// The coroutine that waits is closed: nobody waits any more.
    fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        let kept = [self.future.take(), self.timer.take()];
        if self.mailbox.get().waiter.lane.is_closed() {
            return Ok(());
        }
        for kept in kept.into_iter().flatten() {
            interpreter::call_method(kept.bind(py), intern!(py, "cancel"), &[])?;
        }
        Ok(())
    }
}

/// What the loop calls when a wait's time is over.
#[pyclass(frozen, module = "iris._iris")]
struct Bell {
    waiter: Arc<AsyncWaiter>,
}

#[pymethods]
impl Bell {
    fn __call__(&self, py: Python<'_>) {
        self.waiter.resolve(py);
    }
}

/// What becomes of an async pull actor when its task is done.
#[pyclass(frozen, module = "iris._iris")]
struct TaskEnd {
    actor: Arc<PullTask>,
    mailbox: Py<AsyncMailbox>,
}

#[pymethods]
impl TaskEnd {
    fn __call__(&self, task: &Bound<'_, PyAny>) {
        let py = task.py();
        if self.actor.shared.is_forked() {
            fork::end(py, interpreter::call_method(task, intern!(py, "result"), &[]));
        }
        let pid = self.mailbox.get().inbox.pid;
        self.mailbox.get().waiter.let_go();
        let reason = task_reason(task, pid);
        let taken = self.mailbox.get().inbox.borrow().ok().and_then(|mut mailbox| mailbox.take());
        if let Some(mailbox) = taken {
            if reason == ExitReason::Killed {
                return async_waiter::stop(&self.actor.shared, mailbox);
            }
            let finish = mailbox.finish(reason);
            self.actor.settle(py, finish, &self.mailbox.get().waiter);
        }
    }
}

/// Why a task ended, as an exit reason: a cancelled one was asked to.
pub(crate) fn task_reason(task: &Bound<'_, PyAny>, pid: Pid) -> ExitReason {
    let py = task.py();
    let cancelled = interpreter::call_method(task, intern!(py, "cancelled"), &[])
        .and_then(|cancelled| interpreter::is_true(&cancelled));
    if matches!(cancelled, Ok(true)) {
        return ExitReason::Killed;
    }
    match interpreter::call_method(task, intern!(py, "exception"), &[]) {
        Ok(error) if error.is_none() => ExitReason::Normal,
        Ok(error) => crash::reason(py, pid, PyErr::from_value(error)),
        Err(error) => crash::reason(py, pid, error),
    }
}

/// An async pull actor.
pub(crate) struct PullTask {
    shared: Arc<Shared>,
    pid: Pid,
    code: Mutex<PullCode>,
}

impl Drop for PullTask {
    fn drop(&mut self) {
        self.shared.functions.forget(self.pid);
    }
}

impl PullTask {
    /// Starts the actor on the loop that runs here, or on the runtime's own; its pid.
    pub(crate) fn start(
        py: Python<'_>,
        shared: &Arc<Shared>,
        code: PullCode,
        options: SpawnOptions,
    ) -> PyResult<u64> {
        let lane = match shared.loops.running(py, shared)? {
            Some(lane) => lane,
            None => shared.loops.own(py, shared)?,
        };
        let waiter = AsyncWaiter::new(lane);
        waiter.lane.add(Arc::downgrade(&waiter) as _);
        let mailbox = shared.core()?.spawn_pull(options, Arc::clone(&waiter) as _).or_raise()?;
        let pid = mailbox.pid();
        shared.functions.add(pid, code.function(py), true);
        let actor = Arc::new(Self { shared: Arc::clone(shared), pid, code: Mutex::new(code) });
        actor.launch(py, mailbox, &waiter);
        Ok(pid.get())
    }

    /// Runs the function with this mailbox, on the loop's thread.
    fn launch(self: &Arc<Self>, py: Python<'_>, mailbox: PullMailbox, waiter: &Arc<AsyncWaiter>) {
        if waiter.lane.runs_here(py) {
            return self.run(py, mailbox, waiter);
        }
        let (actor, that) = (Arc::clone(self), Arc::clone(waiter));
        waiter.lane.post(Job::Call(Box::new(move |py| actor.run(py, mailbox, &that))));
    }

    fn run(self: &Arc<Self>, py: Python<'_>, mailbox: PullMailbox, waiter: &Arc<AsyncWaiter>) {
        let pid = mailbox.pid();
        let inbox = Arc::new(Inbox::new(&self.shared, mailbox));
        waiter.serve(&inbox);
        let Ok(object) = Bound::new(py, AsyncMailbox { inbox, waiter: Arc::clone(waiter) }) else { return };
        if let Err(error) = self.make_task(&object) {
            let reason = crash::reason(py, pid, error);
            let taken = object.get().inbox.borrow().ok().and_then(|mut mailbox| mailbox.take());
            if let Some(mailbox) = taken {
                self.settle(py, mailbox.finish(reason), waiter);
            }
        }
    }

    fn make_task(self: &Arc<Self>, mailbox: &Bound<'_, AsyncMailbox>) -> PyResult<()> {
        let py = mailbox.py();
        let function = self.code.lock().function(py);
        let coroutine = interpreter::call(function.bind(py), mailbox.as_any())?;
        let event_loop = mailbox.get().waiter.lane.event_loop(py);
        let task = interpreter::call_method(event_loop, intern!(py, "create_task"), &[&coroutine])?;
        mailbox.get().waiter.hold(&task);
        let end = TaskEnd { actor: Arc::clone(self), mailbox: mailbox.clone().unbind() };
        let end = Bound::new(py, end)?;
        interpreter::call_method(&task, intern!(py, "add_done_callback"), &[end.as_any()])?;
        Ok(())
    }

    fn settle(self: &Arc<Self>, py: Python<'_>, finish: Finish, waiter: &Arc<AsyncWaiter>) {
        let mut finish = finish;
        loop {
            match finish {
                Finish::Ended => return,
                Finish::Swapped(mailbox, function) => {
                    if let Ok(function) = function.downcast::<Function>() {
                        let before = self.code.lock().swap(py, &function.0);
                        drop(before);
                    }
                    return self.launch(py, mailbox, waiter);
                }
                Finish::Restarted(mailbox) => match self.remake(py) {
                    Ok(()) => return self.launch(py, mailbox, waiter),
                    Err(error) => {
                        let reason = crash::reason(py, mailbox.pid(), error);
                        finish = mailbox.finish(reason);
                    }
                },
                Finish::Waiting(mut mailbox) => {
                    let Ok(future) = waiter.lane.create_future(py) else { return };
                    waiter.await_by(&future);
                    if !mailbox.prepare_wait_for_supervisor() {
                        waiter.give_up();
                        finish = mailbox.resumed();
                        continue;
                    }
                    waiter.keep(mailbox);
                    let decided = Decided { actor: Arc::clone(self), waiter: Arc::clone(waiter) };
                    if let Ok(decided) = Bound::new(py, decided) {
                        let add = intern!(py, "add_done_callback");
                        drop(interpreter::call_method(&future, add, &[decided.as_any()]));
                    }
                    if waiter.lane.is_closed() {
                        waiter.abandon(&self.shared);
                    }
                    return;
                }
            }
        }
    }

    fn remake(&self, py: Python<'_>) -> PyResult<()> {
        let make = self.code.lock().maker(py);
        if let Some(make) = make {
            let fresh = interpreter::call_empty(make.bind(py))?;
            let before = self.code.lock().remade(&fresh);
            drop(before);
        }
        Ok(())
    }
}

/// What the loop calls when a supervisor decided about an actor that failed.
#[pyclass(frozen, module = "iris._iris")]
struct Decided {
    actor: Arc<PullTask>,
    waiter: Arc<AsyncWaiter>,
}

#[pymethods]
impl Decided {
    fn __call__(&self, future: &Bound<'_, PyAny>) {
        if let Some(mut mailbox) = self.waiter.decided() {
            mailbox.end_wait();
            let finish = mailbox.resumed();
            self.actor.settle(future.py(), finish, &self.waiter);
        }
    }
}

/// Makes the classes that users never name; see `prepare` in lib.rs.
pub(crate) fn prepare(py: Python<'_>) {
    py.get_type::<Receive>();
    py.get_type::<Bell>();
    py.get_type::<TaskEnd>();
    py.get_type::<Decided>();
}
