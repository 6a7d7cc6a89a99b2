//! Payload: Python's bytes objects kept as they are in mailboxes, and other buffers copied once.

use std::cell::Cell;
use std::ptr::NonNull;

use iris_core::{HostBytes, Payload};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::interpreter;

thread_local! {
    static DROPPED: Cell<bool> = const { Cell::new(false) };
}

/// A `bytes` object in a mailbox; `None` only while it is taken out.
pub(crate) struct KeptBytes(Option<Py<PyBytes>>);

impl KeptBytes {
    pub(crate) fn new(bytes: Py<PyBytes>) -> Self {
        Self(Some(bytes))
    }
}

impl Drop for KeptBytes {
    fn drop(&mut self) {
        if let Some(bytes) = self.0.take() {
            DROPPED.set(true);
            if is_of_a_user(&bytes) {
                interpreter::let_go(bytes);
            } else {
                interpreter::put_aside(bytes);
            }
        }
    }
}

/// Whether this is an object of a class of the user, whose end may run the user's code; `bytes` itself has none.
#[inline]
fn is_of_a_user(bytes: &Py<PyBytes>) -> bool {
    // SAFETY: the object is alive, and only its class is looked at.
    unsafe { ffi::PyBytes_CheckExact(bytes.as_ptr()) == 0 }
}

/// Lets a message's object go, as [`interpreter::release`] does.
#[inline]
pub(crate) fn release(bytes: Bound<'_, PyBytes>) {
    if is_of_a_user(bytes.as_unbound()) {
        interpreter::release(bytes.into_any());
    }
}

/// Whether this thread dropped a `bytes` object since it was asked last: whoever is not attached by PyO3 has PyO3 release
/// it then.
pub(crate) fn has_dropped() -> bool {
    DROPPED.replace(false)
}

// SAFETY: a bytes object is immutable and does not move, so it may be read without the GIL while a reference is owned;
// dropping `Py` without the GIL puts the reference aside until a thread is attached.
unsafe impl HostBytes for KeptBytes {
    fn into_raw(mut self) -> NonNull<()> {
        let raw = self.0.take().map_or(std::ptr::null_mut(), Py::into_ptr);
        // SAFETY: the object is there, since nobody took it out before, and `Py` is never null.
        unsafe { NonNull::new_unchecked(raw).cast() }
    }

    unsafe fn from_raw(raw: NonNull<()>) -> Self {
        // SAFETY: the pointer is an owned reference to a bytes object. The token only proves attachment, which taking
        // ownership of a reference does not need.
        unsafe {
            let object = Bound::from_owned_ptr(Python::assume_attached(), raw.as_ptr().cast());
            Self::new(object.cast_into_unchecked::<PyBytes>().unbind())
        }
    }

    unsafe fn slice<'a>(raw: NonNull<()>) -> &'a [u8] {
        let object = raw.as_ptr().cast::<ffi::PyObject>();
        // SAFETY: a live bytes object; its size and data never change.
        unsafe {
            let length = usize::try_from(ffi::Py_SIZE(object)).unwrap_or_default();
            std::slice::from_raw_parts(ffi::PyBytes_AS_STRING(object).cast(), length)
        }
    }
}

/// The payload of any bytes-like object: `bytes` itself is kept, everything else is copied once.
#[inline]
pub(crate) fn from_python(data: &Bound<'_, PyAny>) -> PyResult<Payload> {
    Ok(Payload::host(KeptBytes::new(as_bytes(data)?)))
}

/// The payload of a `bytes` object, kept as it is.
#[inline]
pub(crate) fn keep(data: &Bound<'_, PyBytes>) -> Payload {
    Payload::host(KeptBytes::new(data.clone().unbind()))
}

/// The object itself if it is `bytes`, else a copy of its buffer.
#[inline]
pub(crate) fn as_bytes(data: &Bound<'_, PyAny>) -> PyResult<Py<PyBytes>> {
    match data.cast_exact::<PyBytes>() {
        Ok(bytes) => Ok(bytes.clone().unbind()),
        Err(_) => copy_buffer(data),
    }
}

#[cold]
fn copy_buffer(data: &Bound<'_, PyAny>) -> PyResult<Py<PyBytes>> {
    let py = data.py();
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(bytes.clone().unbind());
    }
    // SAFETY: the object is alive; a failed look-up reports itself as an exception.
    let is_buffer = unsafe { ffi::PyObject_CheckBuffer(data.as_ptr()) } == 1;
    if !is_buffer {
        let name = data.get_type().name()?;
        return Err(PyTypeError::new_err(format!("a bytes-like object is required, not '{name}'")));
    }
    // SAFETY: attached, and the object is alive; `bytes(buffer)` copies whatever its layout.
    let bytes = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromObject(data.as_ptr()))? };
    Ok(bytes.cast_into::<PyBytes>()?.unbind())
}

/// The bytes object a handler gets: the sender's own where it came from Python.
#[inline]
pub(crate) fn into_python(py: Python<'_>, payload: Payload) -> Bound<'_, PyBytes> {
    let payload = match payload.into_host::<KeptBytes>() {
        Ok(mut kept) => match kept.0.take() {
            Some(bytes) => return bytes.into_bound(py),
            None => Payload::copy_from(b""),
        },
        Err(other) => other,
    };
    PyBytes::new(py, payload.as_slice())
}

/// The bytes object of a message that stays where it is.
pub(crate) fn look_at<'py>(py: Python<'py>, payload: &Payload) -> Bound<'py, PyBytes> {
    match payload.as_host::<KeptBytes>() {
        // SAFETY: a live bytes object that the payload keeps; the reference is counted anew.
        Some(raw) => unsafe {
            Bound::from_borrowed_ptr(py, raw.as_ptr().cast()).cast_into_unchecked::<PyBytes>()
        },
        None => PyBytes::new(py, payload.as_slice()),
    }
}
