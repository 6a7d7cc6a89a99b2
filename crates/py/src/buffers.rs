//! Buffers: memory that a user fills in place and hands over as a message without copying.
//!
//! The memory is a `bytes` object that nobody has seen yet, shown through a writable view of a `Buffer`. Handing it over
//! puts that object itself into the mailbox. The view is released first; where that is not possible, because a view
//! made from it is still in use, the message is a copy, so what was sent never changes and no view points at freed memory.
//! A `Buffer` that was handed over, which `memoryview.obj` shows to everybody, gives no further view.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use iris_core::sync::Mutex;
use iris_core::{ErrorKind, Payload};
use pyo3::exceptions::{PyBufferError, PyMemoryError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{invalid, raise_kind};
use crate::numbers::whole;
use crate::once::intern;
use crate::payload::KeptBytes;

static NEXT: AtomicUsize = AtomicUsize::new(1);

/// The buffers that were not handed over yet. Of the process, as `iris.allocate_buffer` belongs to no runtime.
fn buffers() -> &'static Mutex<HashMap<usize, Entry>> {
    static BUFFERS: OnceLock<Mutex<HashMap<usize, Entry>>> = OnceLock::new();
    BUFFERS.get_or_init(Mutex::default)
}

struct Entry {
    buffer: Py<Buffer>,
    view: Py<PyAny>,
}

/// Memory to be filled, seen through `memoryview`.
#[pyclass(frozen, module = "iris._iris")]
struct Buffer {
    bytes: Py<PyBytes>,
    size: usize,
    views: AtomicUsize,
    handed_over: AtomicBool,
}

#[pymethods]
impl Buffer {
    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("no view to fill"));
        }
        let this = slf.get();
        if this.handed_over.load(Ordering::Relaxed) {
            // SAFETY: the caller gives a view to fill; without an object it holds nothing.
            unsafe { (*view).obj = std::ptr::null_mut() };
            return Err(PyBufferError::new_err("the buffer was handed over"));
        }
        // SAFETY: the caller gives a view to fill. The memory belongs to a bytes object that this buffer keeps alive and
        // that no Python code has got yet, so it may be written.
        unsafe {
            let memory = ffi::PyBytes_AsString(this.bytes.as_ptr()).cast::<c_void>();
            let size = this.size.cast_signed();
            if ffi::PyBuffer_FillInfo(view, slf.as_ptr(), memory, size, 0, flags) != 0 {
                return Err(PyErr::fetch(slf.py()));
            }
        }
        this.views.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.views.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Allocate a buffer to fill in place and hand over with `Runtime.send_buffer`.
///
/// Args:
///     size: bytes, at least 1. The memory is zero.
///
/// Returns:
///     `(buffer_id, view, size)`; `view` is a writable `memoryview`. A buffer lives until it is handed over, or until
///     the process ends.
///
/// Example:
///     >>> import iris
///     >>> buffer_id, view, size = iris.allocate_buffer(5)
///     >>> view[:] = b"hello"
///     >>> with iris.Runtime() as rt:
///     ...     rt.send_buffer(rt.spawn_observed_handler(), buffer_id)
///     True
#[pyfunction]
pub(crate) fn allocate_buffer(
    py: Python<'_>,
    #[pyo3(from_py_with = whole)] size: i64,
) -> PyResult<(usize, Py<PyAny>, usize)> {
    let size = usize::try_from(size)
        .ok()
        .filter(|&size| size > 0)
        .ok_or_else(|| invalid(format!("size must be at least 1 byte, not {size}")))?;
    if size > isize::MAX as usize / 2 {
        return Err(PyMemoryError::new_err(format!("cannot allocate {size} bytes")));
    }
    let bytes = zeroed(py, size)?;
    let buffer = Bound::new(
        py,
        Buffer { bytes, size, views: AtomicUsize::new(0), handed_over: AtomicBool::new(false) },
    )?;
    // SAFETY: a live object; a new reference, or null with an exception set.
    let view = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyMemoryView_FromObject(buffer.as_ptr()))? };
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let entry = Entry { buffer: buffer.unbind(), view: view.clone().unbind() };
    buffers().lock().insert(id, entry);
    Ok((id, view.unbind(), size))
}

fn zeroed(py: Python<'_>, size: usize) -> PyResult<Py<PyBytes>> {
    Ok(PyBytes::new_with(py, size, |memory| {
        memory.fill(0);
        Ok(())
    })?
    .unbind())
}

/// A buffer taken out of the registry, to be sent or put back.
pub(crate) struct Taken {
    id: usize,
    entry: Entry,
}

/// Takes a buffer out of the registry.
pub(crate) fn take(id: i64) -> PyResult<Taken> {
    let found = usize::try_from(id).ok().and_then(|id| Some((id, buffers().lock().remove(&id)?)));
    let Some((id, entry)) = found else {
        let message = format!("no buffer has id {id}: it was never allocated, or was handed over");
        return Err(raise_kind(ErrorKind::NoSuchBuffer, &message));
    };
    Ok(Taken { id, entry })
}

impl Taken {
    /// The message. The user's view is released; where views made from it are in use, the message is a copy.
    pub(crate) fn payload(&self, py: Python<'_>) -> Payload {
        let buffer = self.entry.buffer.get();
        // A released view refuses every access; one that others were made from stays, as the count below tells.
        drop(self.entry.view.call_method0(py, intern!(py, "release")));
        buffer.handed_over.store(true, Ordering::Relaxed);
        if buffer.views.load(Ordering::Relaxed) == 0 {
            return Payload::host(KeptBytes::new(buffer.bytes.clone_ref(py)));
        }
        Payload::host(KeptBytes::new(PyBytes::new(py, buffer.bytes.as_bytes(py)).unbind()))
    }

    /// Back into the registry: the message was refused.
    pub(crate) fn put_back(self) {
        self.entry.buffer.get().handed_over.store(false, Ordering::Relaxed);
        buffers().lock().insert(self.id, self.entry);
    }
}

/// Makes the classes that users never name; see `prepare` in lib.rs.
pub(crate) fn prepare(py: Python<'_>) {
    py.get_type::<Buffer>();
}
