//! Fork: what becomes of a child process that an actor's code forked, and returned in.
//!
//! The child has that one thread, and a copy of the runtime that nobody may use: locks may be held by threads that are
//! not there. Going on would handle the parent's messages once more. So the child ends there, as one of `multiprocessing`
//! does when its function returns.

use pyo3::prelude::*;

use crate::once::intern;

/// Ends the child, with what the code returned or raised.
#[cold]
pub(crate) fn end<T>(py: Python<'_>, result: PyResult<T>) -> ! {
    let error = result.err();
    let ended = py.import(intern!(py, "iris._fork")).and_then(|module| {
        module.getattr(intern!(py, "end"))?.call1((error.map(|error| error.into_value(py)),))
    });
    drop(ended);
    // It does not return; this is for a module that cannot be loaded.
    std::process::abort();
}
