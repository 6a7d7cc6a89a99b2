//! Observed actors: reading what they keep.

use std::sync::Arc;

use iris_core::{Error, Incoming};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::async_waiter::AsyncWaiter;
use crate::behaviour::check_callable;
use crate::errors::{OrRaise, raise};
use crate::numbers::seconds_or_none;
use crate::pid::PidArgument;
use crate::runtime::Runtime;
use crate::system;
use crate::wait::{self, Bell};

/// What ends a look by a matcher: an error of the runtime, or an exception of the matcher.
enum LookError {
    Runtime(Error),
    Matcher(PyErr),
}

impl From<Error> for LookError {
    fn from(error: Error) -> Self {
        Self::Runtime(error)
    }
}

#[pymethods]
impl Runtime {
    /// Take what an observed actor keeps, oldest first.
    ///
    /// Returns:
    ///     A list of `bytes` and `PySystemMessage`.
    ///
    /// Raises:
    ///     NoProcessError: no such actor.
    ///     WrongActorKindError: the actor has a handler.
    fn get_messages<'py>(&self, py: Python<'py>, pid: PidArgument) -> PyResult<Bound<'py, PyList>> {
        let taken = self.shared.core()?.take_observed(pid.required()?).or_raise()?;
        let messages = PyList::empty(py);
        for incoming in taken {
            messages.append(system::into_python(py, incoming)?)?;
        }
        Ok(messages)
    }

    /// Take the first message of an observed actor for which `matcher(message)` is true, waiting for one. The others keep
    /// their order. Blocks this thread and lets other Python threads run; Ctrl-C works.
    ///
    /// Args:
    ///     timeout: seconds; `None` waits for ever.
    ///
    /// Returns:
    ///     The message, or `None` on time-out.
    #[pyo3(signature = (pid, matcher, timeout=None))]
    fn selective_recv_blocking<'py>(
        &self,
        py: Python<'py>,
        pid: PidArgument,
        matcher: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let deadline = wait::deadline(timeout)?;
        loop {
            if let Some(message) = self.select_observed(py, pid, matcher)? {
                return Ok(Some(message));
            }
            let bell = Bell::new();
            self.shared.core()?.notify_observed(pid.required()?, Arc::clone(&bell) as _).or_raise()?;
            if !bell.wait(py, &self.shared, deadline)? {
                return self.select_observed(py, pid, matcher);
            }
        }
    }

    /// Take the first message that matches, without waiting.
    #[pyo3(name = "_select_observed")]
    fn select_observed<'py>(
        &self,
        py: Python<'py>,
        pid: PidArgument,
        matcher: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        check_callable("matcher", matcher)?;
        let mut accepts =
            |incoming: &Incoming| system::is_match(matcher, incoming).map_err(LookError::Matcher);
        match self.shared.core()?.select_observed(pid.required()?, &mut accepts) {
            Ok(found) => found.map(|incoming| system::into_python(py, incoming)).transpose(),
            Err(LookError::Runtime(error)) => Err(raise(error)),
            Err(LookError::Matcher(error)) => Err(error),
        }
    }

    /// Resolve a future of the running loop when an observed actor gets something.
    #[pyo3(name = "_notify_observed")]
    fn notify_observed(&self, py: Python<'_>, pid: PidArgument, future: Py<PyAny>) -> PyResult<()> {
        let Some(lane) = self.shared.loops.running(py, &self.shared)? else {
            return Err(pyo3::exceptions::PyRuntimeError::new_err("no running event loop"));
        };
        let waiter = AsyncWaiter::with_future(lane, future);
        self.shared.core()?.notify_observed(pid.required()?, waiter as _).or_raise()
    }
}
