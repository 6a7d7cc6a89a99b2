//! Actor references: an actor's cell in hand, the fastest way to send.

use std::sync::Arc;

use iris_core::{Payload, Pid};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::asks;
use crate::errors::raise;
use crate::numbers::{seconds_or_none, whole};
use crate::payload;
use crate::pid::PidArgument;
use crate::runtime::{Runtime, refused_send};
use crate::shared::Shared;

/// A handle of one actor: sends without looking the pid up. Generic in the type of message, for type checkers.
///
/// Good for as long as it is kept; a send after the actor's end returns False.
///
/// Example:
///     >>> import iris
///     >>> with iris.Runtime() as rt:
///     ...     upper = rt.ref(rt.spawn(bytes.upper))
///     ...     upper.send(b"a"), upper.ask_blocking(b"b"), upper.is_alive()
///     (True, b'B', True)
#[pyclass(frozen, generic, weakref, name = "ActorRef", module = "iris")]
pub(crate) struct PyActorRef {
    actor: iris_core::ActorRef,
    shared: Arc<Shared>,
}

#[pymethods]
impl Runtime {
    /// A handle of a live actor.
    ///
    /// Raises:
    ///     NoProcessError: no such actor.
    #[pyo3(name = "ref")]
    fn actor_ref(&self, pid: PidArgument) -> PyResult<PyActorRef> {
        let core = self.shared.core()?;
        let pid = pid.required()?;
        let actor = core.actor_ref(pid).ok_or_else(|| raise(iris_core::Error::no_process(pid)))?;
        Ok(PyActorRef { actor, shared: Arc::clone(&self.shared) })
    }
}

#[pymethods]
impl PyActorRef {
    /// The actor's pid.
    #[getter]
    fn pid(&self) -> u64 {
        self.actor.pid().get()
    }

    /// Send a message. As `Runtime.send`.
    #[inline]
    fn send(&self, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        let payload = payload::from_python(data)?;
        self.send_payload(data.py(), || payload)
    }

    /// Ask, and await the answer. As `Runtime.ask`.
    #[pyo3(signature = (data, timeout=5.0))]
    fn ask<'py>(
        &self,
        data: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        asks::ask(&self.shared, Some(self.actor.pid()), data, timeout)
    }

    /// Ask, and block this thread until the answer is there. As `Runtime.ask_blocking`.
    #[pyo3(signature = (data, timeout=5.0))]
    fn ask_blocking<'py>(
        &self,
        data: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        asks::ask_blocking(&self.shared, Some(self.actor.pid()), data, timeout)
    }

    /// Tell the actor to stop. As `Runtime.stop`.
    fn stop(&self) -> PyResult<bool> {
        Ok(self.shared.core()?.stop(self.actor.pid()))
    }

    /// Whether the actor takes messages. As `Runtime.is_alive`.
    fn is_alive(&self) -> PyResult<bool> {
        self.shared.core()?;
        Ok(self.actor.is_alive())
    }

    fn __repr__(&self) -> String {
        format!("<ActorRef pid={}>", self.pid())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| {
            other.get().actor.pid() == self.actor.pid() && Arc::ptr_eq(&other.get().shared, &self.shared)
        })
    }

    fn __hash__(&self) -> u64 {
        Pid::get(self.actor.pid())
    }
}

impl PyActorRef {
    /// Sends what `payload` makes.
    #[inline]
    pub(crate) fn send_payload(&self, py: Python<'_>, payload: impl FnOnce() -> Payload) -> PyResult<bool> {
        let core = self.shared.core()?;
        let sent = if self.shared.contextvars {
            let carried = Box::new(crate::carried::copy(py)?);
            core.send_with_context(self.actor.pid(), payload(), carried)
        } else {
            self.actor.try_send(payload())
        };
        match sent {
            Ok(()) => Ok(true),
            Err(refused) => refused_send(py, &self.shared, self.actor.pid(), refused),
        }
    }
}

#[pymethods]
impl Runtime {
    /// Hand a buffer over as a message without copying it. Its `memoryview` is released; where views that were made from
    /// it are still in use, the message is a copy.
    ///
    /// Args:
    ///     pid: the receiver.
    ///     buffer_id: from `iris.allocate_buffer`.
    ///
    /// Returns:
    ///     True if the mailbox took it. False: no such actor, or its mailbox refused it; the buffer stays yours.
    ///
    /// Raises:
    ///     NoSuchBufferError: the id is unknown, or the buffer was handed over.
    fn send_buffer(
        &self,
        py: Python<'_>,
        pid: PidArgument,
        #[pyo3(from_py_with = whole)] buffer_id: i64,
    ) -> PyResult<bool> {
        let core = self.shared.core()?;
        let taken = crate::buffers::take(buffer_id)?;
        let Some(pid) = pid.get().filter(|&pid| core.is_alive(pid)) else {
            taken.put_back();
            return Ok(false);
        };
        let sent = match core.try_send(pid, taken.payload(py)) {
            Ok(()) => Ok(true),
            Err(refused) => refused_send(py, &self.shared, pid, refused),
        };
        if !matches!(sent, Ok(true)) {
            taken.put_back();
        }
        sent
    }
}
