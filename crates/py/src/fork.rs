//! Fork: what a fork waits for, and what becomes of a child process that an actor's code forked, and returned in.
//!
//! Such a child has that one thread, and a copy of the runtime that nobody may use: locks may be held by threads that are
//! not there. Going on would handle the parent's messages once more. So the child ends there, as one of `multiprocessing`
//! does when its function returns.

use std::cell::RefCell;

use iris_core::sync::{Mutex, MutexGuard};
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

/// Held while PyO3 notes what a thread without the GIL lets go: a child that finds PyO3's own lock taken waits for ever.
static NOTING: Mutex<()> = Mutex::new(());

thread_local! {
    /// The hold of a thread that forks.
    static FORKING: RefCell<Option<MutexGuard<'static, ()>>> = const { RefCell::new(None) };
}

pub(crate) fn note() -> MutexGuard<'static, ()> {
    NOTING.lock()
}

/// Called before a fork, by the thread that forks. Whoever holds the lock needs nothing of it, the GIL least.
#[pyfunction]
#[pyo3(name = "_before_fork")]
pub(crate) fn before() {
    FORKING.set(Some(note()));
}

/// Called after a fork, in the parent; in the child with what else is done there.
#[pyfunction]
#[pyo3(name = "_after_fork")]
pub(crate) fn after() {
    FORKING.take();
}
