//! Guest: handlers that run on a thread of the user, and what the program's own signal handlers raise there.
//!
//! A handler that runs on a thread of the user, for an ask or on the user's event loop, stands in the way of the program's
//! signal handlers: what those raise ends the actor, and is raised in the program as well ([`as_guest`]). They may also come
//! up within a call of ours that has nobody to tell its errors to: the program is told, too ([`told`]).

use std::cell::{Cell, RefCell};
use std::os::raw::{c_int, c_void};

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::interpreter;
use crate::once::{CRASH, intern};

thread_local! {
    static IS_GUEST: Cell<bool> = const { Cell::new(false) };
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Runs handlers on a thread of the user. What a signal handler raised meanwhile was meant for the thread's own program:
/// it is given back, to be raised there.
pub(crate) fn as_guest<R>(py: Python<'_>, run: impl FnOnce() -> R) -> PyResult<R> {
    let before = IS_GUEST.replace(true);
    let handled = Handled::put_aside(py);
    let result = run();
    drop(handled);
    IS_GUEST.set(before);
    match RAISED.take() {
        Some(error) => Err(error),
        None => Ok(result),
    }
}

/// A handler that this thread ran raised this; kept for [`as_guest`], if it comes from a signal handler.
pub(crate) fn note(py: Python<'_>, error: &PyErr) {
    if IS_GUEST.get() && is_from_signal(py, error) {
        RAISED.set(Some(error.clone_ref(py)));
    }
}

/// The result of a call that has nobody to tell of its failure, but the program where a signal handler raised it.
pub(crate) fn told<T>(py: Python<'_>, result: PyResult<T>) -> Option<T> {
    match result {
        Ok(result) => Some(result),
        Err(error) => {
            pass_on(py, error);
            None
        }
    }
}

#[cold]
fn pass_on(py: Python<'_>, error: PyErr) {
    // Below 3.12 the interpreter hands the traceback out beside the exception; into_value joins the two.
    let error = PyErr::from_value(error.into_value(py).into_bound(py).into_any());
    if !is_from_signal(py, &error) {
        return;
    }
    if IS_GUEST.get() {
        return RAISED.set(Some(error));
    }
    let raised = error.into_value(py).into_ptr();
    // SAFETY: the callee takes the reference that is handed over here, unless it is refused.
    unsafe {
        if ffi::Py_AddPendingCall(Some(raise), raised.cast()) != 0 {
            // So many are on their way already that one more says nothing new.
            ffi::Py_DecRef(raised);
        }
    }
}

/// Called by the interpreter at the main thread's next step, where signal handlers raise as well.
extern "C" fn raise(raised: *mut c_void) -> c_int {
    // SAFETY: called attached, once, with the reference that `pass_on` handed over.
    let (py, raised) = unsafe {
        let py = Python::assume_attached();
        (py, Bound::from_owned_ptr(py, raised.cast()))
    };
    PyErr::from_value(raised).restore(py);
    -1
}

fn is_from_signal(py: Python<'_>, error: &PyErr) -> bool {
    // What C code raised passed through no signal handler; Python's own handler of Ctrl-C is C code.
    if error.traceback(py).is_none() && !error.is_instance_of::<PyKeyboardInterrupt>(py) {
        return false;
    }
    ask_whether_from_signal(py, error).unwrap_or(false)
}

fn ask_whether_from_signal(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    let is_from_signal = CRASH.get(py)?.getattr(intern!(py, "is_from_signal"))?;
    interpreter::is_true(&interpreter::call(&is_from_signal, error.value(py))?)
}

/// The exception that the caller is handling, kept from the handlers that run on its stack: it is no cause of theirs.
struct Handled<'py>(Option<Bound<'py, PyAny>>);

impl<'py> Handled<'py> {
    fn put_aside(py: Python<'py>) -> Self {
        // SAFETY: attached; both give a new reference, or null for none, and null may be set.
        unsafe {
            let Some(handled) = Bound::from_owned_ptr_or_opt(py, ffi::PyErr_GetHandledException()) else {
                return Self(None);
            };
            ffi::PyErr_SetHandledException(std::ptr::null_mut());
            // A generator sees what its caller handles, and that is not put aside: nor is it to be put back.
            let still = Bound::from_owned_ptr_or_opt(py, ffi::PyErr_GetHandledException());
            Self(Some(handled).filter(|handled| still.is_none_or(|still| !still.is(handled))))
        }
    }
}

impl Drop for Handled<'_> {
    fn drop(&mut self) {
        if let Some(handled) = &self.0 {
            // SAFETY: attached, and the exception is alive; the callee takes a reference of its own.
            unsafe { ffi::PyErr_SetHandledException(handled.as_ptr()) };
        }
    }
}
