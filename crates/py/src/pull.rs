//! Pull actors on threads: a Python function with a thread of its own that takes messages from a `Mailbox`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use iris_core::{ExitReason, Finish, PullMailbox, SpawnOptions};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::behaviour::check_callable;
use crate::crash;
use crate::errors::OrRaise;
use crate::fork;
use crate::held::Held;
use crate::inbox::{Borrowed, Found, Inbox};
use crate::interpreter;
use crate::numbers::{messages_max, seconds_or_none, whole};
use crate::parker::{Parker, spin};
use crate::pull_code::PullCode;
use crate::shared::{Shared, thread_refused};
use crate::wait;

/// Stack of a pull actor's thread, of which there may be 30,000: just below the 2 MiB from which on Linux may back a stack
/// with a huge page, which would be resident as a whole.
const PULL_STACK: usize = (2 << 20) - (64 << 10);

/// A Python function as the core keeps it for a swap.
pub(crate) struct Function(pub(crate) Held);

/// The messages of one pull actor, for its own function on its own thread.
///
/// A message of a user is `bytes`; a notice of the runtime is a `PySystemMessage`. Every waiting method lets other
/// Python threads run and returns `None` (or what it has) once the actor was told to stop: return from the function
/// then.
///
/// Example:
///     >>> import iris
///     >>> def double(mailbox):
///     ...     while (message := mailbox.recv()) is not None:
///     ...         mailbox.reply(message, message * 2)
///     >>> with iris.Runtime() as rt:
///     ...     rt.ask_blocking(rt.spawn_with_mailbox(double), b"ab")
///     b'abab'
#[pyclass(frozen, name = "Mailbox", module = "iris")]
pub(crate) struct PyMailbox {
    inbox: Inbox,
    parker: Arc<Parker>,
}

#[pymethods]
impl PyMailbox {
    /// The actor's pid.
    #[getter]
    fn pid(&self) -> u64 {
        self.inbox.pid.get()
    }

    /// Take the oldest message, waiting for one.
    ///
    /// Args:
    ///     timeout: seconds to wait; `None` waits for ever, 0 only looks.
    ///
    /// Returns:
    ///     `bytes`, a `PySystemMessage`, or `None` on time-out and when the actor was told to stop.
    #[pyo3(signature = (timeout=None))]
    fn recv<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let timeout = wait::timeout(timeout)?;
        let mut mailbox = self.inbox.borrow()?;
        match mailbox.look(py)? {
            Found::Message(message) => Ok(Some(message)),
            Found::Stopped => Ok(None),
            Found::Nothing => {
                let deadline = timeout.map(|timeout| Instant::now() + timeout);
                self.wait_for(py, &mut mailbox, deadline, |mailbox| mailbox.look(py))
            }
        }
    }

    /// Take what is there, up to `max` messages, waiting for the first one.
    ///
    /// Args:
    ///     max: most messages to take, at least 1.
    ///     timeout: seconds to wait for the first message; `None` waits for ever.
    ///
    /// Returns:
    ///     A list of messages, oldest first; empty on time-out and when the actor was told to stop.
    #[pyo3(signature = (max, timeout=None))]
    fn recv_many<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = whole)] max: i64,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        let max = messages_max(max)?;
        let messages = PyList::empty(py);
        let Some(first) = self.recv(py, timeout)? else { return Ok(messages) };
        messages.append(first)?;
        let mut mailbox = self.inbox.borrow()?;
        while messages.len() < max {
            let Found::Message(message) = mailbox.look(py)? else { break };
            messages.append(message)?;
        }
        Ok(messages)
    }

    /// Take the first message for which `matcher(message)` is true, waiting for one. The others keep their order.
    ///
    /// Args:
    ///     matcher: called with each message, oldest first; what it raises is raised here, and nothing is taken.
    ///     timeout: seconds to wait; `None` waits for ever.
    ///
    /// Returns:
    ///     The message, or `None` on time-out and when the actor was told to stop.
    #[pyo3(signature = (matcher, timeout=None))]
    fn selective_recv<'py>(
        &self,
        py: Python<'py>,
        matcher: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        check_callable("matcher", matcher)?;
        let deadline = wait::deadline(timeout)?;
        let mut mailbox = self.inbox.borrow()?;
        let mut seen = 0;
        match mailbox.select(matcher, &mut seen)? {
            Found::Message(message) => Ok(Some(message)),
            Found::Stopped => Ok(None),
            Found::Nothing => {
                self.wait_for(py, &mut mailbox, deadline, |mailbox| mailbox.select(matcher, &mut seen))
            }
        }
    }

    /// Answer the ask that `message` came with.
    ///
    /// Args:
    ///     message: the very object that `recv` gave. Of several asks with the same object the oldest is answered.
    ///     data: any bytes-like object.
    ///
    /// Returns:
    ///     True if somebody still waited; False for a message that was sent, answered already, or timed out.
    fn reply(&self, message: &Bound<'_, PyAny>, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.inbox.reply(message, data)
    }

    fn __repr__(&self) -> String {
        format!("<Mailbox pid={}>", self.inbox.pid.get())
    }
}

impl PyMailbox {
    #[cold]
    fn wait_for<'py>(
        &self,
        py: Python<'py>,
        mailbox: &mut Borrowed<'_>,
        deadline: Option<Instant>,
        mut look: impl FnMut(&mut Borrowed<'_>) -> PyResult<Found<'py>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(None);
            }
            interpreter::detached_through(py, &self.inbox.shared.gate, || {
                let Some(mailbox) = mailbox.mailbox() else { return };
                if spin(|| mailbox.is_ready()) {
                    return interpreter::spin_until_free();
                }
                if !mailbox.prepare_wait() {
                    return;
                }
                let looks_for_signals = wait::next_look_for_signals();
                self.parker.park([deadline, looks_for_signals].into_iter().flatten().min());
                mailbox.end_wait();
            });
            if !interpreter::is_ours() {
                py.check_signals()?;
            }
            match look(mailbox)? {
                Found::Message(message) => return Ok(Some(message)),
                Found::Stopped => return Ok(None),
                Found::Nothing => {}
            }
        }
    }
}

/// A pull actor's thread before it runs.
pub(crate) struct PullThread {
    pub(crate) shared: Arc<Shared>,
    pub(crate) code: PullCode,
}

impl PullThread {
    /// Starts the thread; the actor's pid.
    pub(crate) fn start(self, py: Python<'_>, options: SpawnOptions) -> PyResult<u64> {
        let parker = Parker::new();
        let mailbox = self.shared.core()?.spawn_pull(options, Arc::clone(&parker) as _).or_raise()?;
        let pid = mailbox.pid();
        let count = Arc::clone(&self.shared);
        count.functions.add(pid, self.code.function(py), false);
        count.pull_threads.fetch_add(1, Ordering::SeqCst);
        let started = std::thread::Builder::new()
            .name("iris-pull".to_owned())
            .stack_size(PULL_STACK)
            .spawn(move || self.run(mailbox, &parker));
        match started {
            Ok(_) => Ok(pid.get()),
            Err(error) => {
                count.pull_threads.fetch_sub(1, Ordering::SeqCst);
                count.functions.forget(pid);
                Err(thread_refused(&error))
            }
        }
    }

    fn run(self, mailbox: PullMailbox, parker: &Arc<Parker>) {
        let shared = Arc::clone(&self.shared);
        let pid = mailbox.pid();
        let _entered = iris_core::enter(pid);
        interpreter::attach(Some(&shared.gate), |py| {
            self.live(py, mailbox, parker);
            shared.functions.forget(pid);
        });
        shared.pull_threads.fetch_sub(1, Ordering::SeqCst);
    }

    fn live(mut self, py: Python<'_>, mut mailbox: PullMailbox, parker: &Arc<Parker>) {
        loop {
            let finish = self.call(py, mailbox, parker);
            mailbox = match self.settle(py, finish, parker) {
                Some(mailbox) => mailbox,
                None => return,
            };
        }
    }

    /// Calls the function once and tells the core how it ended.
    fn call(&self, py: Python<'_>, mailbox: PullMailbox, parker: &Arc<Parker>) -> Finish {
        let pid = mailbox.pid();
        let inbox = Inbox::new(&self.shared, mailbox);
        let Ok(object) = Bound::new(py, PyMailbox { inbox, parker: Arc::clone(parker) }) else {
            return Finish::Ended;
        };
        let forks = interpreter::forks();
        let result = interpreter::call(self.code.function(py).bind(py), object.as_any());
        if interpreter::forks() != forks {
            fork::end(py, result);
        }
        let reason = match result {
            Ok(result) => {
                interpreter::release(result);
                ExitReason::Normal
            }
            Err(error) => crash::reason(py, pid, error),
        };
        // A user may have kept the mailbox for another thread, whose wait then keeps it.
        let taken = object.get().inbox.borrow().ok().and_then(|mut mailbox| mailbox.take());
        match taken {
            Some(mailbox) => interpreter::detached(py, || mailbox.finish(reason)),
            None => Finish::Ended,
        }
    }

    /// The mailbox for the next call of the function; `None`: the actor ended.
    fn settle(&mut self, py: Python<'_>, finish: Finish, parker: &Arc<Parker>) -> Option<PullMailbox> {
        let mut finish = finish;
        loop {
            match finish {
                Finish::Ended => return None,
                Finish::Swapped(mailbox, function) => {
                    if let Ok(function) = function.downcast::<Function>() {
                        drop(self.code.swap(py, &function.0));
                    }
                    return Some(mailbox);
                }
                Finish::Restarted(mailbox) => match self.remake(py) {
                    Ok(()) => return Some(mailbox),
                    Err(error) => {
                        let reason = crash::reason(py, mailbox.pid(), error);
                        finish = mailbox.finish(reason);
                    }
                },
                Finish::Waiting(mut mailbox) => {
                    finish = interpreter::detached_through(py, &self.shared.gate, || {
                        if mailbox.prepare_wait_for_supervisor() {
                            parker.park(None);
                            mailbox.end_wait();
                        }
                        mailbox.resumed()
                    });
                }
            }
        }
    }

    fn remake(&mut self, py: Python<'_>) -> PyResult<()> {
        if let Some(make) = self.code.maker(py) {
            let fresh = interpreter::call_empty(make.bind(py))?;
            drop(self.code.remade(&fresh));
        }
        Ok(())
    }
}
