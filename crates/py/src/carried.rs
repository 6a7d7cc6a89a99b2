//! Carried: the sender's `contextvars` context on its way to the handler.

use pyo3::ffi;
use pyo3::prelude::*;

use crate::held::Held;
use crate::interpreter;

/// A copy of the sender's context.
pub(crate) struct Carried(pub(crate) Held);

/// A copy of this thread's context.
pub(crate) fn copy(py: Python<'_>) -> PyResult<Carried> {
    // SAFETY: attached; a new reference, or null with an exception set.
    let context = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())? };
    Ok(Carried(context.unbind().into()))
}

/// A context without variables.
pub(crate) fn empty(py: Python<'_>) -> PyResult<Py<PyAny>> {
    // SAFETY: attached; a new reference, or null with an exception set.
    Ok(unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_New())? }.unbind())
}

/// Runs something of ours in a context that is entered nowhere.
pub(crate) fn within<R>(py: Python<'_>, context: &Py<PyAny>, run: impl FnOnce() -> R) -> PyResult<R> {
    // SAFETY: attached; a context object.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    let result = run();
    // SAFETY: entered above on this thread.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    Ok(result)
}

/// Calls the handler in the sender's context.
pub(crate) fn call_in<'py>(
    callable: &Bound<'py, PyAny>,
    argument: &Bound<'py, PyAny>,
    context: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = callable.py();
    // SAFETY: a context object that no thread has entered: it was copied for this message alone.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    let result = interpreter::call(callable, argument);
    // SAFETY: entered above on this thread.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    result
}
