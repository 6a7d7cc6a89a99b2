//! Fast: the two sends as raw CPython methods, without the argument parsing that PyO3 adds to every call.
//!
//! `install` puts a method of the same name, signature and text before the one that PyO3 made. It takes the plain case, a
//! pid and a `bytes` object given by position, and leaves everything else to PyO3's method, which it keeps.

use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::payload;
use crate::pid::PidArgument;
use crate::refs::PyActorRef;
use crate::runtime::Runtime;

static RUNTIME_SEND: AtomicPtr<ffi::PyObject> = AtomicPtr::new(null_mut());
static REF_SEND: AtomicPtr<ffi::PyObject> = AtomicPtr::new(null_mut());

type Method = unsafe extern "C" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    ffi::Py_ssize_t,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// Replaces `Runtime.send` and `ActorRef.send`.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    replace(&py.get_type::<Runtime>(), &RUNTIME_SEND, runtime_send)?;
    replace(&py.get_type::<PyActorRef>(), &REF_SEND, ref_send)
}

fn replace(
    class: &Bound<'_, pyo3::types::PyType>,
    kept: &AtomicPtr<ffi::PyObject>,
    method: Method,
) -> PyResult<()> {
    let slow = class.getattr("send")?;
    let (signature, doc): (String, String) =
        (slow.getattr("__text_signature__")?.extract()?, slow.getattr("__doc__")?.extract()?);
    let text = CString::new(format!("send{signature}\n--\n\n{doc}"))?;
    let definition = Box::new(ffi::PyMethodDef {
        ml_name: c"send".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: method },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: text.into_raw().cast_const().cast::<c_char>(),
    });
    kept.store(slow.into_ptr(), Ordering::Release);
    // SAFETY: the definition and its texts live for ever; the class is alive; a new reference, or null with an exception.
    let descriptor = unsafe {
        let definition = Box::leak(definition);
        Bound::from_owned_ptr_or_err(class.py(), ffi::PyDescr_NewMethod(class.as_type_ptr(), definition))?
    };
    class.setattr("send", descriptor)
}

/// `Runtime.send(pid, data)`
unsafe extern "C" fn runtime_send(
    slf: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls methods attached, with an instance of their class and `count` arguments.
    unsafe {
        if names.is_null() && count == 2 && ffi::PyBytes_CheckExact(*arguments.add(1)) == 1 {
            return guarded(|py| {
                let runtime = Borrowed::from_ptr(py, slf).cast_unchecked::<Runtime>().get();
                let pid: PidArgument = Borrowed::from_ptr(py, *arguments).extract()?;
                let data = Borrowed::from_ptr(py, *arguments.add(1)).cast_unchecked::<PyBytes>();
                runtime.send_bytes(pid, &data)
            });
        }
        slowly(&RUNTIME_SEND, slf, arguments, count, names)
    }
}

/// `ActorRef.send(data)`
unsafe extern "C" fn ref_send(
    slf: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as in `runtime_send`.
    unsafe {
        if names.is_null() && count == 1 && ffi::PyBytes_CheckExact(*arguments) == 1 {
            return guarded(|py| {
                let actor = Borrowed::from_ptr(py, slf).cast_unchecked::<PyActorRef>().get();
                let data = Borrowed::from_ptr(py, *arguments).cast_unchecked::<PyBytes>();
                actor.send_payload(py, || payload::keep(&data))
            });
        }
        slowly(&REF_SEND, slf, arguments, count, names)
    }
}

/// Calls with the result and the exceptions of a Python method; a panic becomes an exception.
///
/// All that the call gives back is one pointer: a larger result would be written in pieces and read whole, and the
/// processor waits for its own writes then.
#[inline]
unsafe fn guarded(method: impl FnOnce(Python<'_>) -> PyResult<bool>) -> *mut ffi::PyObject {
    // SAFETY: the caller is a method that CPython calls attached.
    let py = unsafe { Python::assume_attached() };
    let sent = catch_unwind(AssertUnwindSafe(|| match method(py) {
        // SAFETY: attached; a new reference to an immortal or counted object.
        Ok(sent) => unsafe { ffi::PyBool_FromLong(sent.into()) },
        Err(error) => raise(py, error),
    }));
    let sent = sent.unwrap_or_else(|_| {
        raise(py, PyRuntimeError::new_err("the runtime panicked; this is a fault of its own"))
    });
    if payload::has_dropped() {
        release_dropped(py);
    }
    sent
}

#[cold]
fn raise(py: Python<'_>, error: PyErr) -> *mut ffi::PyObject {
    error.restore(py);
    null_mut()
}

/// PyO3 does not know that this thread is attached, and has put what was refused aside until one is.
#[cold]
fn release_dropped(py: Python<'_>) {
    let raised = PyErr::take(py);
    Python::attach(|_| ());
    if let Some(error) = raised {
        error.restore(py);
    }
}

/// PyO3's own method, which knows keywords, other types, and what to say about wrong ones.
#[cold]
unsafe fn slowly(
    kept: &AtomicPtr<ffi::PyObject>,
    slf: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let positional = count.unsigned_abs();
    // SAFETY: the caller passes on what CPython gave it: `count` arguments, then one per name.
    unsafe {
        let keywords = if names.is_null() { 0 } else { ffi::PyTuple_GET_SIZE(names).unsigned_abs() };
        let mut all = vec![slf];
        all.extend_from_slice(std::slice::from_raw_parts(arguments, positional + keywords));
        ffi::PyObject_Vectorcall(kept.load(Ordering::Acquire), all.as_ptr(), positional + 1, names)
    }
}
