//! System messages as Python sees them, and messages of both kinds on their way to it.

use iris_core::{Incoming, SystemMessage};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::behaviour::is_coroutine;
use crate::errors::invalid;
use crate::once::intern;
use crate::{interpreter, payload};

/// A notice of the runtime, as `Mailbox.recv` and `Runtime.get_messages` give it beside user messages (`bytes`).
///
/// `type_name` says which notice it is:
///
/// - `"EXIT"`: a linked actor exited; `target_pid` is that actor.
/// - `"DOWN"`: a monitored actor exited; `target_pid` is that actor, `metadata["monitor"]` the monitor.
/// - `"HOT_SWAP"`: the receiver's handler was swapped.
/// - `"PING"`, `"PONG"`: heartbeats of remote nodes.
/// - `"DEAD_LETTER"`: told to the listener of dead letters; `target_pid` is the actor that did not get the message,
///   `reason` the name of the reason, `metadata["data"]` the message.
/// - `"NODE_UP"`, `"NODE_DOWN"`: told by `Runtime.monitor_nodes`; `metadata["node"]` is the node's name, `metadata["address"]`
///   where it listens, `metadata["message"]` why it is down.
///
/// Example:
///     >>> import iris
///     >>> with iris.Runtime() as rt:
///     ...     a, b = rt.spawn_observed_handler(), rt.spawn_observed_handler()
///     ...     rt.link(a, b)
///     ...     rt.stop(b)
///     ...     [(m.type_name, m.target_pid == b, m.reason) for m in rt.get_messages(a)]
///     True
///     [('EXIT', True, 'Killed')]
#[pyclass(frozen, name = "PySystemMessage", module = "iris")]
pub(crate) struct PySystemMessage {
    message: SystemMessage,
}

#[pymethods]
impl PySystemMessage {
    /// Which notice it is: `"EXIT"`, `"DOWN"`, `"HOT_SWAP"`, `"PING"`, `"PONG"`, `"DEAD_LETTER"`,
    /// `"NODE_UP"` or `"NODE_DOWN"`.
    #[getter]
    fn type_name(&self) -> &'static str {
        self.message.kind.name()
    }

    /// The actor the notice comes from, where there is one.
    #[getter(from_pid)]
    fn sender(&self) -> Option<u64> {
        self.message.from_pid.map(iris_core::Pid::get)
    }

    /// The actor the notice is about: for EXIT and DOWN the actor that exited.
    #[getter]
    fn target_pid(&self) -> Option<u64> {
        self.message.target_pid.map(iris_core::Pid::get)
    }

    /// Why the actor exited: `"Normal"`, `"Killed"`, `"Panic"` or `"Crash"`; for a dead letter why it is one.
    #[getter]
    fn reason(&self) -> Option<&'static str> {
        self.message.reason.as_ref().map(iris_core::ExitReason::name).or(self.message.detail)
    }

    /// What else is known, as a dict, or `None`: after a crash `"type"`, `"message"` and `"traceback"`; in a DOWN
    /// `"monitor"`; in a dead letter `"data"`; of a node `"node"`, `"address"` and, where it is down, `"message"`.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let metadata = PyDict::new(py);
        if let Some(failure) = self.message.reason.as_ref().and_then(|reason| reason.failure()) {
            metadata.set_item("type", &failure.kind)?;
            metadata.set_item("message", &failure.message)?;
            metadata.set_item("traceback", &failure.traceback)?;
        }
        if let Some(monitor) = self.message.monitor {
            metadata.set_item("monitor", monitor)?;
        }
        if let Some(data) = &self.message.data {
            metadata.set_item("data", PyBytes::new(py, data))?;
        }
        if let Some(node) = &self.message.node {
            metadata.set_item("node", &node.name)?;
            metadata.set_item("address", &node.address)?;
            if !node.why.is_empty() {
                metadata.set_item("message", &node.why)?;
            }
        }
        Ok((!metadata.is_empty()).then_some(metadata))
    }

    fn __repr__(&self) -> String {
        let target = self.target_pid().map_or_else(|| "None".to_owned(), |pid| pid.to_string());
        match self.reason() {
            Some(reason) => {
                format!("<SystemMessage {} target_pid={target} reason={reason}>", self.type_name())
            }
            None => format!("<SystemMessage {} target_pid={target}>", self.type_name()),
        }
    }
}

/// What a user gets for a message: its bytes, or a `PySystemMessage`.
pub(crate) fn into_python(py: Python<'_>, incoming: Incoming) -> PyResult<Bound<'_, PyAny>> {
    match incoming {
        Incoming::User(message) => Ok(payload::into_python(py, message.into_payload()).into_any()),
        Incoming::System(message) => notice(py, *message),
    }
}

/// A notice as Python sees it.
pub(crate) fn notice(py: Python<'_>, message: SystemMessage) -> PyResult<Bound<'_, PyAny>> {
    Ok(Bound::new(py, PySystemMessage { message })?.into_any())
}

/// Whether a matcher takes this message.
pub(crate) fn is_match(matcher: &Bound<'_, PyAny>, incoming: &Incoming) -> PyResult<bool> {
    let py = matcher.py();
    let verdict = interpreter::call(matcher, &look_at(py, incoming)?)?;
    if is_coroutine(&verdict) {
        interpreter::call_method(&verdict, intern!(py, "close"), &[])?;
        return Err(invalid("the matcher must answer at once, not by a coroutine"));
    }
    interpreter::is_true(&verdict)
}

/// What a matcher is shown for a message that stays where it is.
fn look_at<'py>(py: Python<'py>, incoming: &Incoming) -> PyResult<Bound<'py, PyAny>> {
    match incoming {
        Incoming::User(message) => Ok(payload::look_at(py, message.payload()).into_any()),
        Incoming::System(message) => notice(py, (**message).clone()),
    }
}
