//! Crash: an exception that ends an actor, as the core's failure and as a record of the `iris` logger.

use iris_core::{ExitReason, Failure, Pid};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::once::{CRASH, intern};
use crate::{errors, guest, interpreter};

/// The exit reason of an actor whose code raised, after it was logged.
#[cold]
pub(crate) fn reason(py: Python<'_>, pid: Pid, error: PyErr) -> ExitReason {
    let failure = read(py, &error);
    guest::note(py, &error);
    report(py, pid, &error);
    release(py, error);
    ExitReason::crash(failure)
}

/// The failure of a factory that raised, after it was logged.
pub(crate) fn of_factory(py: Python<'_>, error: PyErr) -> Failure {
    report_factory(py, &error);
    failure(py, error)
}

/// The failure that an exception stands for, which is let go.
pub(crate) fn failure(py: Python<'_>, error: PyErr) -> Failure {
    let failure = read(py, &error);
    release(py, error);
    failure
}

/// Lets an exception go. Its traceback holds what the user's frames held, whose end may run code for long.
fn release(py: Python<'_>, error: PyErr) {
    interpreter::release(error.into_value(py).into_bound(py).into_any());
}

/// What the exception says: its type's name, its message, its traceback.
fn read(py: Python<'_>, error: &PyErr) -> Failure {
    // Below 3.12 the interpreter hands the traceback out beside the exception; into_value joins the two.
    drop(error.clone_ref(py).into_value(py));
    let kind = error.get_type(py).qualname().map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
    let made = |name| guest::told(py, text(py, name, error)).unwrap_or_default();
    let (message, traceback) = (made(intern!(py, "message")), made(intern!(py, "trace")));
    Failure { kind, message, traceback }
}

/// A text of the exception, as far as its own code lets it be made.
fn text(py: Python<'_>, name: &Bound<'_, PyString>, error: &PyErr) -> PyResult<String> {
    let text = CRASH.get(py)?.getattr(name)?;
    interpreter::call(&text, error.value(py))?.extract()
}

/// Tells the `iris` logger. A logger that fails cannot be told so; the actor's end tells supervisors anyway. That a call
/// of the runtime fails in a process that ends is no news: the program ended, and not by a fault of the actor.
fn report(py: Python<'_>, pid: Pid, error: &PyErr) {
    if interpreter::is_exiting() || interpreter::is_ending() && errors::is_ours(py, error) {
        return;
    }
    guest::told(py, log(py, Some(pid), error));
}

/// Tells the `iris` logger of a factory that failed.
fn report_factory(py: Python<'_>, error: &PyErr) {
    if !interpreter::is_exiting() {
        guest::told(py, log(py, None, error));
    }
}

/// Tells the `iris` logger that a supervisor gave up. It is told on a thread of core, which must not wait for the interpreter.
pub(crate) fn report_give_up(supervisor: Pid, failure: &Failure) {
    let message = failure.message.clone();
    let told = std::thread::Builder::new()
        .name("iris-log".to_owned())
        .stack_size(crate::lane::STACK)
        .spawn(move || interpreter::attach(None, |py| drop(log_give_up(py, supervisor, &message))));
    // Without a thread nobody can be told; who monitors the supervisor learns of its end anyway.
    drop(told);
}

fn log_give_up(py: Python<'_>, supervisor: Pid, message: &str) -> PyResult<()> {
    if interpreter::is_ending() {
        return Ok(());
    }
    let report = CRASH.get(py)?.getattr(intern!(py, "report_give_up"))?;
    let supervisor = supervisor.get().into_pyobject(py)?;
    interpreter::call_two(&report, supervisor.as_any(), message.into_pyobject(py)?.as_any())?;
    Ok(())
}

fn log(py: Python<'_>, pid: Option<Pid>, error: &PyErr) -> PyResult<()> {
    let report = CRASH.get(py)?.getattr(intern!(py, "report"))?;
    let pid = pid.map(Pid::get).into_pyobject(py)?;
    interpreter::call_two(&report, &pid, error.value(py))?;
    Ok(())
}
