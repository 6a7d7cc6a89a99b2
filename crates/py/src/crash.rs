//! Crash: an exception that ends an actor, as the core's failure and as a record of the `iris` logger.

use iris_core::{ExitReason, Failure, Pid};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::{errors, help, interpreter};

/// The exit reason of an actor whose code raised, after it was logged.
#[cold]
pub(crate) fn reason(py: Python<'_>, pid: Pid, error: &PyErr) -> ExitReason {
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        help::note_interrupt();
    }
    let failure = failure(py, error);
    report(py, pid, error);
    ExitReason::crash(failure)
}

/// What the exception says: its type's name, its message, its traceback.
pub(crate) fn failure(py: Python<'_>, error: &PyErr) -> Failure {
    // Below 3.12 the interpreter hands the traceback out beside the exception; into_value joins the two.
    drop(error.clone_ref(py).into_value(py));
    let kind = error.get_type(py).qualname().map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
    let message =
        error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned());
    Failure { kind, message, traceback: traceback_of(py, error).unwrap_or_default() }
}

fn traceback_of(py: Python<'_>, error: &PyErr) -> PyResult<String> {
    let format = py.import(intern!(py, "traceback"))?.getattr(intern!(py, "format_exception"))?;
    let lines: Vec<String> = format.call1((error.value(py),))?.extract()?;
    Ok(lines.concat())
}

/// Tells the `iris` logger. A logger that fails cannot be told so; the actor's end tells supervisors anyway. That a call
/// of the runtime fails in a process that ends is no news: the program ended, and not by a fault of the actor.
fn report(py: Python<'_>, pid: Pid, error: &PyErr) {
    if interpreter::is_exiting() || interpreter::is_ending() && errors::is_ours(py, error) {
        return;
    }
    drop(log(py, "actor %d crashed", Some(pid), error));
}

/// Tells the `iris` logger of a factory that failed.
pub(crate) fn report_factory(py: Python<'_>, error: &PyErr) {
    if !interpreter::is_exiting() {
        drop(log(py, "the factory of a supervised actor failed", None, error));
    }
}

fn log(py: Python<'_>, text: &str, pid: Option<Pid>, error: &PyErr) -> PyResult<()> {
    let logger = py.import(intern!(py, "logging"))?.call_method1(intern!(py, "getLogger"), ("iris",))?;
    let keywords = PyDict::new(py);
    keywords.set_item(intern!(py, "exc_info"), error.value(py))?;
    let method = intern!(py, "error");
    match pid {
        Some(pid) => logger.call_method(method, (text, pid.get()), Some(&keywords))?,
        None => logger.call_method(method, (text,), Some(&keywords))?,
    };
    Ok(())
}
